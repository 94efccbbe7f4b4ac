"""The life of the connection to the broker: knock, wait for its answer, change the version of MQTT, back off."""

from collections.abc import Callable
from datetime import datetime

from agent.config.values import Intake
from agent.delivery.backoff import Backoff
from agent.delivery.log_limit import RateLimitedLog
from agent.delivery.mqtt import HANDSHAKE, Acknowledged, Connection, ConnectionFailed, Will
from agent.delivery.topics import Topics
from agent.delivery.waker import Waker

LOOP = 1.0  # s at most between two rounds
HUNG_UP = 2  # times that a broker may hang up on a version of MQTT before the other one is tried
OTHER_VERSION = {5: 3, 3: 5}
VERSION_NAMES = {5: "5", 3: "3.1.1"}


class Broker:
    """One connection at a time, on the publisher's thread. ``will`` is made anew for each; ``heard`` and
    ``acknowledged`` get what the broker says."""

    def __init__(
        self,
        intake: Intake,
        topics: Topics,
        *,
        will: Callable[[], bytes],
        heard: Callable[[str, bytes], None],
        acknowledged: Callable[[Acknowledged], None],
        monotonic: Callable[[], float],
        log: RateLimitedLog,
        backoff: Backoff,
        keepalive: int,
        handshake: float = HANDSHAKE,
    ) -> None:
        self._intake, self._topics, self._will = intake, topics, will
        self._heard, self._acknowledged = heard, acknowledged
        self._monotonic, self._log, self._backoff = monotonic, log, backoff
        self._keepalive, self._handshake = keepalive, handshake
        self._version = 5
        self._hung_up = 0
        self._next_try = self._deadline = 0.0
        self.line: Connection | None = None
        self.standing = False  # it has answered, and what greets it has been said
        self.since: datetime | None = None  # when it last began to stand
        self.connections = 0
        self.text = "not connected yet"  # how it is, for the status

    def knock(self, wake: Waker) -> None:
        """Open a connection, or wait for the moment at which the next try is due, one round at most."""
        pause = self._next_try - self._monotonic()
        if pause > 0:
            wake.wait(min(pause, LOOP))
            wake.clear()
            return
        line = Connection(
            self._intake,
            f"meterpost-{self._topics.gateway}",
            Will(self._topics.state, self._will()),
            (self._topics.receipt, self._topics.command),
            version=self._version,
            heard=self._heard,
            acknowledged=self._acknowledged,
            keepalive=self._keepalive,
        )
        try:
            line.open()
        except ConnectionFailed as trouble:
            self._failed(str(trouble))
        else:
            self.line, self._deadline = line, self._monotonic() + self._handshake

    def check_handshake(self, line: Connection) -> None:
        """Give up a broker that has not answered our CONNECT in due time."""
        if self._monotonic() >= self._deadline:
            line.close()
            line.lost = f"no answer to our CONNECT within {self._handshake:.0f} s"
            line.version_refused = True  # amqtt says nothing at all to a version that it does not know

    def stands(self, now: datetime) -> None:
        """The broker has taken us, at this UTC time."""
        self.standing, self.since = True, now
        self.connections += 1
        self._hung_up = 0
        self._backoff.reset()
        self._log.info("broker", f"connected to {self._intake.host} with MQTT {VERSION_NAMES[self._version]}")

    def drop(self, line: Connection) -> None:
        """The connection is over. A broker that knows no such version of MQTT is tried with the other one."""
        self.line, self.standing = None, False
        self._hung_up += line.hung_up
        if line.version_refused or self._hung_up >= HUNG_UP:
            self._hung_up = 0
            self._version = OTHER_VERSION[self._version]
        self._failed(line.lost or "the connection broke")

    def describe(self, trouble: str | None) -> None:
        """What the status says of a connection that stands."""
        self.text = trouble or f"connected with MQTT {VERSION_NAMES[self._version]}"

    def _failed(self, why: str) -> None:
        self.text = why
        self._log.warning("broker", why)
        self._next_try = self._monotonic() + self._backoff.pause()
