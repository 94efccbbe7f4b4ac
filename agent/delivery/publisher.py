"""Brings records to the intake and its receipts back, on one thread.

The thread turns in rounds: while there is no connection :class:`~agent.delivery.broker.Broker` knocks; while one stands
a round says what there is to say (state and inventory by the :class:`~agent.delivery.announcer.Announcer`, replies,
what is asked for again, records by :class:`~agent.delivery.outgoing.Outgoing`), then waits for the line or for a
:class:`~agent.delivery.waker.Waker`. Other threads only leave word and wake it; commands run on a thread of their own.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.config.values import Config
from agent.delivery import payload
from agent.delivery.announcer import Announcer, GatewayTime
from agent.delivery.backoff import Backoff
from agent.delivery.broker import LOOP, Broker
from agent.delivery.command_runner import CommandRunner
from agent.delivery.commands import Operations, parse_command
from agent.delivery.inbound import Ignored
from agent.delivery.log_limit import RateLimitedLog
from agent.delivery.mqtt import HANDSHAKE, KEEPALIVE, Acknowledged, Connection
from agent.delivery.outgoing import Outgoing
from agent.delivery.receipts import parse_receipt
from agent.delivery.replies import Replies
from agent.delivery.resends import Resends
from agent.delivery.topics import Topics
from agent.delivery.waker import Waker
from buffer.body import when
from buffer.faults import StoreError
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.reading import Identity

GOODBYE = 3.0  # s at most for the last words
TROUBLE_PAUSE = 10.0  # s without reading after the store could not be read


class Publisher:
    """``clock`` gives the UTC time and its state. ``operations``: what a utility may ask for, carried out on a thread
    of its own. ``identities`` tells which meter answered at which point. After :meth:`stop` it is used up."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        *,
        clock: GatewayTime,
        operations: Operations,
        version: str,
        monotonic: Callable[[], float] = time.monotonic,
        identities: Callable[[], Mapping[str, Identity]] = dict,
        backoff: Backoff | None = None,
        keepalive: int = KEEPALIVE,
        handshake: float = HANDSHAKE,
    ) -> None:
        log = logging.getLogger("meterpost.delivery")
        self.alive = monotonic()
        self._store, self._clock, self._monotonic = store, clock, monotonic
        self._operations = operations
        self._rare_log = RateLimitedLog(log, monotonic)
        self._topics = Topics(config.gateway.id)
        self._outgoing = Outgoing(config, store, writer, clock=clock, monotonic=monotonic)
        self._resends, self._replies = Resends(self._outgoing), Replies()
        self._announcer = Announcer(config, store, clock=clock, version=version, identities=identities)
        self._broker = Broker(
            config.intake,
            self._topics,
            will=self._announcer.will,
            heard=self._heard,
            acknowledged=self._acknowledged,
            monotonic=monotonic,
            log=self._rare_log,
            backoff=backoff or Backoff(),
            keepalive=keepalive,
            handshake=handshake,
        )
        self._commands = CommandRunner(
            writer, allow=config.intake.allow, clock=clock, run=operations.run, answer=self._reply, log=log
        )
        self._wake = Waker()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = self._changed = False
        self._troubled = float("-inf")  # when the store could not be read
        self._ignored: Counter[str] = Counter()

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
        self._resends.ask(seqs)
        self._wake.set()

    def configure(self, config: Config) -> None:
        """Other points and meters; a different ``intake`` or gateway takes a new Publisher."""
        self._announcer.config = config
        self.changed()

    def status(self) -> dict[str, Any]:
        """``online``, ``broker`` as text, ``since``, and counters since the start."""
        since = self._broker.since
        return {
            "online": self._broker.standing,
            "broker": self._broker.text,
            "since": when(since) if since else None,
            "connections": self._broker.connections,
            **self._outgoing.counters(),
            "commands": self._commands.done,
            "ignored": dict(self._ignored),
        }

    # ── the thread ───────────────────────────────────────────────────────

    def _run(self) -> None:
        self._outgoing.begin()
        while not self._stopping:
            self.alive = self._monotonic()
            if self._broker.line is None:
                self._broker.knock(self._wake)
            else:
                self._round(self._broker.line)
        if self._broker.line is not None:
            self._goodbye(self._broker.line)
        self._broker.standing = False
        self._wake.close()

    def _round(self, line: Connection) -> None:
        now = self._monotonic()
        self._wake.clear()
        if line.online:
            if not self._broker.standing:
                self._greet(now)
            self._speak(line, now)
        else:
            self._broker.check_handshake(line)
        if line.lost is None:
            line.poll(self._pause(line, now), self._wake.line)
        if line.lost is not None and not self._stopping:
            self._broker.drop(line)
            self._replies.again()

    def _pause(self, line: Connection, now: float) -> float:
        wait = self._outgoing.wait() if line.capacity and now - self._troubled >= TROUBLE_PAUSE else None
        return LOOP if wait is None else min(LOOP, wait)

    def _greet(self, now: float) -> None:
        utc, _ = self._clock()
        self._broker.stands(utc)
        self._announcer.connected()
        self._resends.connected(now)
        self._outgoing.connected()

    def _speak(self, line: Connection, now: float) -> None:
        """Say what there is to say, as far as the line takes it."""
        changed, self._changed = self._changed, False
        since = self._broker.since
        assert since is not None  # set when the connection stood
        try:
            counts = self._announcer.announce(line, now, since, changed)
            self._replies.send(line, self._topics.reply)
            self._resends.tick(now, counts.pending if counts else None, changed)
            self._outgoing.stored(self._store.last_seq)
            if now - self._troubled >= TROUBLE_PAUSE:
                self._outgoing.send(line, self._topics.records)
        except StoreError as trouble:
            self._troubled = now
            self._rare_log.warning("store", str(trouble))
        self._broker.describe(line.trouble or self._outgoing.trouble)

    def _goodbye(self, line: Connection) -> None:
        until = self._monotonic() + GOODBYE
        if line.online:
            self._announcer.take_leave(line)
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
        self._rare_log.warning("ignored message", str(trouble))

    def _acknowledged(self, answer: Acknowledged) -> None:
        self._replies.acknowledged(answer.mid)
        self._outgoing.acknowledged(answer)

    def _reply(self, command_id: str, text: bytes | None) -> None:
        if text is None:
            self._ignore(Ignored("repeated", f"command {command_id} was executed before"))
            return
        self._replies.add(text)
        self._wake.set()
