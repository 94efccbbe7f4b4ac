"""Pending records as batches, and what their receipts change."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from agent.config.values import Config
from agent.delivery.inbound import Ignored
from agent.delivery.mqtt import Acknowledged, Connection
from agent.delivery.payload import LARGEST, Envelope
from agent.delivery.receipts import Receipt
from agent.delivery.tracker import SentBatch, Slice, Tracker
from buffer.spans import Span, Spans
from buffer.store import Store
from buffer.writer import Writer

PACKET_MARGIN = 512  # bytes of an MQTT packet that are not our payload
UNHEARD_PAUSE = 2.0  # s without sending after the broker said that no one is there
LONGEST_UNHEARD = 60.0
MOST_RECORDS = 512  # looked at for one batch; 64 KiB hold about 250 records of five registers


class Outgoing:
    """Used on the publisher's thread only, except for ``counters``."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        *,
        clock: Callable[[], tuple[datetime, str]],
        monotonic: Callable[[], float],
    ) -> None:
        intake = config.intake
        self._store, self._writer = store, writer
        self._clock, self._monotonic = clock, monotonic
        self._new_tracker = partial(Tracker, timeout=intake.receipt_timeout, rate=intake.backlog_rate)
        self._tracker = self._new_tracker()
        self._epoch = ""
        self._gateway, self._compress = config.gateway.id, intake.compress
        self._by_broker = intake.receipts == "broker"
        self._acknowledging: dict[int, tuple[SentBatch, Spans]] = {}  # message id → what it carries
        self._unheard_pause = UNHEARD_PAUSE
        self._unheard_until = float("-inf")
        self._look = 64  # records asked of the store for one batch; follows their size
        self.trouble: str | None = None
        self.batches = self.sent = self.confirmed = self.refused = self.receipts = 0

    def counters(self) -> dict[str, int]:
        """Since the start: batches and records sent (each time counts), receipts that came, records they settled;
        ``waiting`` is how many records wait for their receipt now."""
        return {
            "batches": self.batches,
            "sent": self.sent,
            "receipts": self.receipts,
            "confirmed": self.confirmed,
            "refused": self.refused,
            "waiting": self.waiting,
        }

    @property
    def waiting(self) -> int:
        return self._tracker.waiting()

    def begin(self) -> None:
        """Take up the store as an earlier run left it."""
        self._epoch = self._store.epoch
        self._tracker.begin(self._store.last_seq)

    def connected(self) -> None:
        """A new connection: whatever waited in the old one is sent again, and all that is pending is due."""
        self._acknowledging.clear()
        self.trouble = None
        self._unheard_pause, self._unheard_until = UNHEARD_PAUSE, float("-inf")
        self._tracker.stored(self._store.last_seq)  # what came during the outage is backlog, not live
        self._tracker.connected(self._monotonic())

    def stored(self, last_seq: int) -> None:
        self._tracker.stored(last_seq)

    def resend(self, seqs: Span | None) -> None:
        """These may be pending again; None: any."""
        if seqs is None:
            self._tracker.recheck()
        else:
            self._tracker.resend(*seqs)

    def sweep(self, pending: int) -> None:
        self._tracker.sweep(pending)

    def wait(self) -> float | None:
        """Seconds until :meth:`send` has something to do without further news; None: not by itself."""
        now = self._monotonic()
        if now < self._unheard_until:
            return self._unheard_until - now
        return self._tracker.wait(now)

    def send(self, line: Connection, topic: str) -> None:
        """Publish batches while something is due and the line has capacity. StoreError if the store cannot be read."""
        if self._store.epoch != self._epoch:
            self._begin_epoch()
        largest = min(LARGEST, (line.largest_packet or 2 * LARGEST) - PACKET_MARGIN)
        envelope = Envelope(self._gateway, self._epoch, self._compress, largest)
        if self._monotonic() < self._unheard_until:
            return
        while line.capacity and (turn := self._tracker.next(self._monotonic())):
            if not self._send_batch(line, topic, envelope, turn):
                return

    def _begin_epoch(self) -> None:
        """The store was damaged and began anew: all numbers are new, nothing of them has been sent."""
        self._epoch = self._store.epoch
        self._tracker = self._new_tracker()
        self._tracker.stored(self._store.last_seq)
        self._acknowledging.clear()

    def _send_batch(self, line: Connection, topic: str, envelope: Envelope, turn: Slice) -> bool:
        """False where the line did not take it, or a new epoch began."""
        limit = min(self._look, self._tracker.most(turn) or MOST_RECORDS)
        bodies = self._store.bodies(turn.after, turn.until, limit)
        if self._store.epoch != self._epoch:  # these numbers may belong to either
            return False
        if not bodies:
            self._tracker.skip(turn, turn.until)
            return True
        now, _ = self._clock()
        batch = envelope.batch(bodies, now)
        if not batch.seqs:
            seq, body = bodies[0]
            self._writer.refuse([(seq, "too-large", f"{len(body)} characters, a batch takes {envelope.largest} bytes")])
            self._tracker.skip(turn, seq)
            return True
        mid = line.publish(topic, batch.payload)
        if mid is None:
            return False
        all_seen = len(bodies) < limit and len(batch.seqs) == len(bodies)
        through = turn.until if all_seen else batch.seqs[-1]
        delivery = self._tracker.sent(self._monotonic(), turn, through, batch.seqs)
        self._acknowledging[mid] = delivery, Spans.of(batch.seqs)
        self.batches += 1
        self.sent += len(batch.seqs)
        # One more than fits shows that the batch is full; twice as many where all of them did.
        full = len(batch.seqs) < len(bodies)
        self._look = min(MOST_RECORDS, len(batch.seqs) + 8 if full else max(self._look, 2 * len(bodies)))
        return True

    def acknowledged(self, answer: Acknowledged) -> None:
        """The broker's word for one message: it confirms where the configuration says so. A message that no one got
        is not a delivery; then nothing is sent for 2 s, doubling to a minute while no one listens."""
        found = self._acknowledging.pop(answer.mid, None)
        if found is None:
            return
        delivery, ranges = found
        if answer.taken:
            self.trouble, self._unheard_pause = None, UNHEARD_PAUSE
            if self._by_broker:
                self._settle(list(ranges))
            return
        self.trouble = f"the broker has no one to give our records to: {answer.text}"
        self._tracker.unheard(delivery)
        if self._monotonic() >= self._unheard_until:
            self._unheard_until = self._monotonic() + self._unheard_pause
            self._unheard_pause = min(LONGEST_UNHEARD, 2 * self._unheard_pause)

    def receipt(self, receipt: Receipt) -> None:
        """Settle what it names. Ignored (once) where it names a record that was never sent; the others count."""
        named = [*receipt.stored, *((item.seq, item.seq) for item in receipt.refused)]
        strange = set(self._tracker.never_sent(named))
        self.receipts += 1
        refused = [item for item in receipt.refused if (item.seq, item.seq) not in strange]
        if refused:
            self.refused += self._tracker.answered((item.seq, item.seq) for item in refused)
            self._writer.refuse([(item.seq, item.code, item.text) for item in refused])
        self._settle([item for item in receipt.stored if item not in strange])
        if strange:
            first, last = min(strange)
            raise Ignored("never-sent", f"a receipt names {first}…{last}, which were never sent")

    def _settle(self, ranges: list[Span]) -> None:
        if ranges:
            self.confirmed += self._tracker.answered(ranges)
            self._writer.confirm(ranges)
