"""Brings records to the intake and its receipts back: the store, the tracker and the broker, on one thread."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.config.values import Config
from agent.delivery import payload
from agent.delivery.announcer import Announcer
from agent.delivery.backoff import Backoff
from agent.delivery.command_runner import CommandRunner
from agent.delivery.commands import Operations, parse_command
from agent.delivery.inbound import Ignored
from agent.delivery.log_limit import RateLimitedLog
from agent.delivery.mqtt import HANDSHAKE, KEEPALIVE, Acknowledged, Connection, ConnectionFailed, Will
from agent.delivery.outgoing import Confirming, Outgoing, Records
from agent.delivery.receipts import parse_receipt
from agent.delivery.topics import Topics
from agent.delivery.waker import Waker
from buffer.body import when
from buffer.faults import StoreError
from buffer.record import Record
from drivers.reading import Identity

SWEEP_EVERY = 60.0  # s between looks for pending records that nobody here knows of
LOOK_EVERY = 1.0  # s between looks at the store's counts
LOOP = 1.0  # s at most between two rounds
GOODBYE = 3.0  # s at most for the last words
HUNG_UP = 2  # times that a broker may hang up on a version of MQTT before the other one is tried
OTHER_VERSION = {5: 3, 3: 5}
VERSION_NAMES = {5: "5", 3: "3.1.1"}
TROUBLE_PAUSE = 10.0  # s without reading after the store could not be read
REPLIES = 64  # replies that may wait for the broker


class Publisher:
    """``clock`` gives the UTC time and its state. ``operations``: what a utility may ask for, carried out on a
    thread of its own. ``identities`` tells which meter answered at
    which point. After :meth:`stop` it is used up."""

    def __init__(
        self,
        config: Config,
        store: Records,
        writer: Confirming,
        *,
        clock: Callable[[], tuple[datetime, str]],
        monotonic: Callable[[], float] = time.monotonic,
        operations: Operations,
        version: str,
        identities: Callable[[], Mapping[str, Identity]] = dict,
        log: logging.Logger | None = None,
        backoff: Backoff | None = None,
        keepalive: int = KEEPALIVE,
    ) -> None:
        self.alive = monotonic()
        self._config, self._store, self._version = config, store, version
        self._clock, self._monotonic, self._identities = clock, monotonic, identities
        self._log = log or logging.getLogger("meterpost.delivery")
        self._seldom = RateLimitedLog(self._log, monotonic)
        self._backoff = backoff or Backoff()
        self._keepalive = keepalive
        self._topics = Topics(config.gateway.id)
        self._outgoing = Outgoing(config, store, writer, clock=clock, monotonic=monotonic)
        self._announcer = Announcer()
        self._operations = operations
        self._commands = CommandRunner(
            writer,
            allow=config.intake.allow,
            clock=clock,
            run=operations.run,
            answer=self._reply,
            log=self._log,
        )
        self._wake = Waker()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = False
        self._line: Connection | None = None
        self._welcomed = False  # the connection stands and what greets it has been said
        self._mqtt = 5
        self._hung_up = 0
        self._next_try = 0.0
        self._deadline = 0.0
        self._since: datetime | None = None
        self._text = "not connected yet"
        self._replies: deque[bytes] = deque(maxlen=REPLIES)
        self._replied: dict[int, bytes] = {}
        self._again: deque[tuple[int, int] | None] = deque(maxlen=REPLIES)
        self._changed = False
        self._inventory = b""
        self._looked = self._swept = self._troubled = float("-inf")
        self._ignored: Counter[str] = Counter()
        self._connections = 0

    # ── for other threads ────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell the broker that we go, then hang up; returns within 5 s."""
        self._commands.stop()
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(GOODBYE + 2)

    def stored(self, records: Sequence[Record]) -> None:
        """These are new in the store; called after their commit. Never blocks."""
        if records:
            self._wake.set()

    def changed(self) -> None:
        """Something that state or inventory tell of is different, or held records were released."""
        self._changed = True
        self._wake.set()

    def resent(self, seqs: tuple[int, int] | None) -> None:
        """The records of these numbers are pending again; None: some are, whose numbers are not known."""
        self._again.append(seqs)
        self._wake.set()

    def configure(self, config: Config) -> None:
        """Other points and meters; a different ``intake`` or gateway takes a new Publisher."""
        self._config = config
        self.changed()

    def status(self) -> dict[str, Any]:
        """``online``, ``broker`` in words, ``since``, and counters since the start."""
        return {
            "online": self._welcomed,
            "broker": self._text,
            "since": when(self._since) if self._since else None,
            "connections": self._connections,
            **self._outgoing.counters(),
            "commands": self._commands.done,
            "ignored": dict(self._ignored),
        }

    # ── the thread ───────────────────────────────────────────────────────

    def _run(self) -> None:
        self._outgoing.begin()
        while not self._stopping:
            self.alive = self._monotonic()
            if self._line is None:
                self._try()
            else:
                self._round(self._line)
        if self._line is not None:
            self._goodbye(self._line)
        self._welcomed = False
        self._wake.close()

    def _try(self) -> None:
        pause = self._next_try - self._monotonic()
        if pause > 0:
            self._wake.wait(min(pause, LOOP))
            self._wake.clear()
            return
        will = payload.offline_state(reason="lost", version=self._version, epoch=self._store.epoch)
        line = Connection(
            self._config.intake,
            f"meterpost-{self._config.gateway.id}",
            Will(self._topics.state, will),
            (self._topics.receipt, self._topics.command),
            version=self._mqtt,
            heard=self._heard,
            acknowledged=self._acknowledged,
            keepalive=self._keepalive,
        )
        try:
            line.open()
        except ConnectionFailed as trouble:
            self._failed(str(trouble))
        else:
            self._line, self._deadline = line, self._monotonic() + HANDSHAKE

    def _round(self, line: Connection) -> None:
        now = self._monotonic()
        self._wake.clear()
        if line.online:
            if not self._welcomed:
                self._welcome(now)
            self._speak(line, now)
        elif now >= self._deadline:
            line.close()
            line.lost = f"no answer to our CONNECT within {HANDSHAKE:.0f} s"
            line.version_refused = True  # amqtt says nothing at all to a version that it does not know
        if line.lost is None:
            line.poll(self._pause(line, now), self._wake.line)
        if line.lost is not None:
            self._drop(line, line.lost)

    def _pause(self, line: Connection, now: float) -> float:
        wait = self._outgoing.wait() if line.room and now - self._troubled >= TROUBLE_PAUSE else None
        return LOOP if wait is None else min(LOOP, wait)

    def _welcome(self, now: float) -> None:
        self._welcomed = True
        self._connections += 1
        self._since, _ = self._clock()
        self._backoff.reset()
        self._hung_up = 0
        self._announcer.forget()
        self._inventory = b""
        self._looked, self._swept = float("-inf"), now
        self._outgoing.connected()
        self._seldom.info("broker", f"connected to {self._config.intake.host} with MQTT {VERSION_NAMES[self._mqtt]}")

    def _drop(self, line: Connection, why: str) -> None:
        if self._stopping:
            return
        self._line, self._welcomed = None, False
        self._replies.extendleft(reversed(self._replied.values()))
        self._replied.clear()
        self._hung_up += line.hung_up
        if line.version_refused or self._hung_up >= HUNG_UP:
            self._hung_up = 0
            self._mqtt = OTHER_VERSION[self._mqtt]
        self._failed(why)

    def _failed(self, why: str) -> None:
        self._text = why
        self._seldom.warning("broker", why)
        self._next_try = self._monotonic() + self._backoff.pause()

    def _speak(self, line: Connection, now: float) -> None:
        """Say what there is to say, as far as the line takes it."""
        try:
            self._announce(line, now)
            while self._replies and line.room:
                text = self._replies.popleft()
                mid = line.publish(self._topics.reply, text)
                if mid is not None:
                    self._replied[mid] = text
            while self._again:
                self._outgoing.resend(self._again.popleft())
            self._outgoing.stored(self._store.last_seq)
            if now - self._troubled >= TROUBLE_PAUSE:
                self._outgoing.send(line, self._topics.records)
        except StoreError as trouble:
            self._troubled = now
            self._seldom.warning("store", str(trouble))
        self._text = line.trouble or self._outgoing.trouble or f"connected with MQTT {VERSION_NAMES[self._mqtt]}"

    def _announce(self, line: Connection, now: float) -> None:
        changed, self._changed = self._changed, False
        if changed:
            self._announcer.want()
        elif now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        counts, (_, clock) = self._store.counts(), self._clock()
        facts, numbers = (clock, counts.refused, self._store.epoch), (counts.pending, self._store.last_seq)
        if self._announcer.due(now, facts, numbers):
            assert self._since is not None  # set when the connection stood
            state = payload.online_state(
                since=self._since,
                version=self._version,
                epoch=self._store.epoch,
                last_seq=self._store.last_seq,
                pending=counts.pending,
                refused=counts.refused,
                clock=clock,
            )
            if line.publish(self._topics.state, state, retain=True) is not None:
                self._announcer.published(now, facts, numbers)
        if changed or not self._inventory:
            inventory = payload.inventory(self._config, self._identities())
            if inventory != self._inventory and line.publish(self._topics.inventory, inventory, retain=True):
                self._inventory = inventory
        if changed:
            self._outgoing.resend(None)  # held records may have been released, confirmed ones asked for
        elif now - self._swept >= SWEEP_EVERY:
            self._swept = now
            self._outgoing.sweep(counts.pending)

    def _goodbye(self, line: Connection) -> None:
        """The retained state says ``stopped``; the will is not sent after a clean DISCONNECT."""
        until = self._monotonic() + GOODBYE
        if line.online:
            now, _ = self._clock()
            state = payload.offline_state(reason="stopped", version=self._version, epoch=self._store.epoch, since=now)
            line.publish(self._topics.state, state, retain=True)
            while line.unanswered and line.lost is None and self._monotonic() < until:
                line.poll(0.1, self._wake.line)
                self._wake.clear()
        line.goodbye()
        line.close()

    # ── what comes from the broker ───────────────────────────────────────

    def _heard(self, topic: str, message: bytes) -> None:
        try:
            if topic == self._topics.receipt:
                self._outgoing.receipt(parse_receipt(message, self._store.epoch))
            elif topic == self._topics.command:
                self._commands.take(parse_command(message, self._operations))
            else:
                raise Ignored("topic", "a message on a topic that we did not subscribe to")
        except Ignored as trouble:
            self._ignore(trouble)
            if trouble.id is not None:
                self._reply(trouble.id, payload.reply(trouble.id, {"ok": False, "error": trouble.text}))

    def _ignore(self, trouble: Ignored) -> None:
        self._ignored[trouble.reason] += 1
        self._seldom.warning("ignored message", str(trouble))

    def _acknowledged(self, answer: Acknowledged) -> None:
        self._replied.pop(answer.mid, None)
        self._outgoing.acknowledged(answer)

    def _reply(self, command_id: str, text: bytes | None) -> None:
        if text is None:
            self._ignore(Ignored("repeated", f"command {command_id} was executed before"))
            return
        self._replies.append(text)
        self._wake.set()
