"""What the gateway says of itself: the retained state and inventory, and when they are published again.

What matters is said at once, what only counts on now and then.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from agent.config.values import Config
from agent.delivery import payload
from agent.delivery.mqtt import Connection
from agent.delivery.topics import Topics
from buffer.store import Counts, Store
from drivers.reading import Identity

LOOK_EVERY = 1.0  # s between checks at the store's counts
STATE_EVERY = 300.0  # s
STATE_PAUSE = 1.0  # s at least between two states
COUNTS_PAUSE = 60.0  # s at least between two states of which only the numbers differ

GatewayTime = Callable[[], tuple[datetime, str]]
"""UTC, and the state of the gateway's clock."""


class StatePace:
    """``facts`` are what a technician at the utility acts on, ``numbers`` what grows with every poll."""

    def __init__(self) -> None:
        self._published: float | None = None
        self._facts: object = None
        self._numbers: object = None
        self._requested = False

    def request(self) -> None:
        self._requested = True

    def forget(self) -> None:
        """A new connection: the broker may know nothing, or hold our will."""
        self._published = None

    def due(self, now: float, facts: object, numbers: object) -> bool:
        if self._published is None:
            return True
        age = now - self._published
        if age < STATE_PAUSE:
            return False
        if self._requested or facts != self._facts or age >= STATE_EVERY:
            return True
        return numbers != self._numbers and age >= COUNTS_PAUSE

    def published(self, now: float, facts: object, numbers: object) -> None:
        self._published, self._facts, self._numbers, self._requested = now, facts, numbers, False


class Announcer:
    """State and inventory of one gateway, on the publisher's thread. ``config`` may be replaced by a newer one."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        clock: GatewayTime,
        version: str,
        identities: Callable[[], Mapping[str, Identity]],
    ) -> None:
        self.config = config
        self._store, self._clock, self._version, self._identities = store, clock, version, identities
        self._topics = Topics(config.gateway.id)
        self._pace = StatePace()
        self._inventory = b""
        self._looked = float("-inf")

    def will(self) -> bytes:
        """What the broker says for us when we are lost."""
        return payload.offline_state(reason="lost", version=self._version, epoch=self._store.epoch)

    def connected(self) -> None:
        self._pace.forget()
        self._inventory = b""
        self._looked = float("-inf")

    def announce(self, line: Connection, now: float, since: datetime, changed: bool) -> Counts | None:
        """Publish what is due; the store's counts where they were looked at. ``since``: when the connection began to
        stand. StoreError if the store cannot be read."""
        if changed:
            self._pace.request()
        elif now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        counts = self._store.counts()
        self._state(line, now, since, counts)
        if changed or not self._inventory:
            inventory = payload.inventory(self.config, self._identities())
            if inventory != self._inventory and line.publish(self._topics.inventory, inventory, retain=True):
                self._inventory = inventory
        return counts

    def _state(self, line: Connection, now: float, since: datetime, counts: Counts) -> None:
        _, clock = self._clock()
        epoch, last_seq = self._store.epoch, self._store.last_seq
        facts, numbers = (clock, counts.refused, epoch), (counts.pending, last_seq)
        if not self._pace.due(now, facts, numbers):
            return
        state = payload.online_state(
            since=since,
            version=self._version,
            epoch=epoch,
            last_seq=last_seq,
            pending=counts.pending,
            refused=counts.refused,
            clock=clock,
        )
        if line.publish(self._topics.state, state, retain=True) is not None:
            self._pace.published(now, facts, numbers)

    def take_leave(self, line: Connection) -> None:
        """The retained state says ``stopped``; the will is not sent after a clean DISCONNECT."""
        now, _ = self._clock()
        state = payload.offline_state(reason="stopped", version=self._version, epoch=self._store.epoch, since=now)
        line.publish(self._topics.state, state, retain=True)
