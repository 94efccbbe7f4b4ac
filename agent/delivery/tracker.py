"""What is to be sent next, and when again. Pure: the time is handed in, nothing is read or written.

The store knows which records are pending; the tracker keeps, as ranges of ``seq``, what of them is still to be sent,
what has been sent and waits for its receipt, and which batch has its turn (design §7: live before backlog, backlog at
a bounded rate, sent again after ``receipt_timeout`` with a pause that doubles to 6 hours, all of it due again after a
reconnection). Its memory does not grow with the number of pending records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from buffer.spans import Span, Spans

LONGEST_PAUSE = 6 * 3600.0
WINDOW = 16  # backlog batches that may wait for their receipts at once
PATIENCE = 30.0  # s after which an unanswered batch no longer holds up the backlog behind it
OPEN_DELIVERIES = 64  # beyond it neighbours are merged: an intake that is silent for weeks costs no memory
PIECES = 512  # ranges that one delivery may have before it is remembered as the span of them


@dataclass(frozen=True, slots=True)
class Slice:
    """A turn: send pending records with ``after < seq <= until``. ``tries`` counts their deliveries so far."""

    after: int
    until: int
    live: bool
    tries: int


@dataclass(slots=True, eq=False)
class SentBatch:
    """Records sent and not yet answered."""

    waiting: Spans
    due: float  # monotonic s at which they are sent again
    holds: float  # until then it takes a place in the window; 0 for live records, which take none
    tries: int


class Tracker:
    """``timeout`` in s, ``rate`` in backlog records a second (0: as fast as it goes)."""

    def __init__(self, *, timeout: float, rate: int, window: int = WINDOW) -> None:
        self._timeout = timeout
        self._rate = rate
        self._window = window
        self._last = 0  # the newest seq in the store
        self._live = 0  # live records up to here had their turn
        self._given = 0  # what the store held when this run began: an earlier run may have sent it
        self._sent = Spans()  # sent in this run
        self._todo: dict[int, Spans] = {}  # deliveries so far → backlog to send
        self._deliveries: list[SentBatch] = []
        self._settled = Spans()  # answered, while the writer may not have committed it yet
        self._settling = Spans()  # the same, one generation older
        self._tokens = 0.0
        self._filled = 0.0

    def begin(self, last_seq: int) -> None:
        """The program starts on a store whose newest record is ``last_seq``."""
        self._given = self._last = self._live = last_seq

    def connected(self, now: float) -> None:
        """Everything pending is due at once; what comes from now on is live."""
        self._deliveries.clear()
        self._todo.clear()
        self._live = self._last
        self._again(1, self._last)
        self._tokens, self._filled = 0.0, now

    def stored(self, last_seq: int) -> None:
        self._last = max(self._last, last_seq)

    def resend(self, first: int, last: int) -> None:
        """These may be pending again, by a command or because the clock became set."""
        last = min(last, self._live)
        for known in (self._settled, self._settling, *(delivery.waiting for delivery in self._deliveries)):
            known.remove(first, last)
        self._deliveries = [delivery for delivery in self._deliveries if delivery.waiting]
        self._again(first, last)

    def recheck(self) -> None:
        """Any record may be pending again that is not waiting for its receipt."""
        self._settled, self._settling = Spans(), Spans()
        self._again(1, self._live)

    def sweep(self, pending: int) -> None:
        """Take up what is pending in the store and known to no one here; to be called now and then, in quiet times.

        What was answered since the sweep before last is left out: the writer has been told and commits it."""
        if pending > self.waiting() + sum(ranges.count() for ranges in self._todo.values()):
            self._again(1, self._live)
        self._settling, self._settled = self._settled, Spans()

    def _again(self, first: int, last: int) -> None:
        if last < first:
            return
        ranges = self._todo.setdefault(0, Spans())
        known = [self._settled, self._settling, *(delivery.waiting for delivery in self._deliveries)]
        known += [later for tries, later in self._todo.items() if tries]
        ranges.add(first, last)
        for others in known:
            ranges.discard(others)
        if not ranges:
            del self._todo[0]

    def next(self, now: float) -> Slice | None:
        """Whose turn it is, None while there is nothing to send or the backlog has to wait."""
        if self._live < self._last:
            return Slice(self._live, self._last, True, 0)
        self._expire(now)
        if not self._todo or not self._may_send_backlog(now):
            return None
        tries = min(self._todo)
        first = self._todo[tries].first()
        assert first is not None  # empty sets are not kept
        return Slice(first[0] - 1, first[1], False, tries)

    def wait(self, now: float) -> float | None:
        """Seconds until :meth:`next` may have an answer without further news; None: not by itself."""
        times = [delivery.due - now for delivery in self._deliveries]
        if self._todo:
            holding = [delivery.holds - now for delivery in self._deliveries if delivery.holds > now]
            if len(holding) >= self._window:
                times.append(min(holding))
            elif self._rate:
                times.append((1 - self._tokens) / self._rate - (now - self._filled))
            else:
                times.append(0.0)
        return max(0.0, min(times)) if times else None

    def most(self, turn: Slice) -> int | None:
        """How many records a batch of this turn may have, None: as many as fit. A tenth of a second's worth of
        backlog, so that the rate holds over each second and not only on the average."""
        return None if turn.live or not self._rate else max(1, self._rate // 10)

    def sent(self, now: float, turn: Slice, through: int, seqs: Sequence[int]) -> SentBatch:
        """These left for the broker; ``through`` is how far the slice has been looked at (``until``: to its end)."""
        self._pass(turn, through)
        ranges = Spans.of(seqs)
        self._sent.update(ranges)
        if len(self._sent) > 8 * PIECES:  # many held records between them: trust up to the newest instead
            self._sent.coarsen()
        if not turn.live:
            self._tokens -= len(seqs)
        pause = min(LONGEST_PAUSE, self._timeout * 2.0**turn.tries)
        holds = 0.0 if turn.live else now + min(PATIENCE, pause)
        delivery = SentBatch(ranges, now + pause, holds, turn.tries + 1)
        self._deliveries.append(delivery)
        if len(self._deliveries) > OPEN_DELIVERIES + self._window:
            self._merge(now)
        return delivery

    def unheard(self, delivery: SentBatch) -> None:
        """The broker had no one to give it to: it counts as not sent."""
        if delivery in self._deliveries:  # else it is answered, or was sent again meanwhile
            self._deliveries.remove(delivery)
            self._todo.setdefault(delivery.tries - 1, Spans()).update(delivery.waiting)

    def skip(self, turn: Slice, through: int) -> None:
        """Nothing of the slice up to ``through`` is pending (any more)."""
        self._pass(turn, through)

    def _pass(self, turn: Slice, through: int) -> None:
        if turn.live:
            self._live = max(self._live, through)
            return
        todo = self._todo.get(turn.tries)
        if todo is not None:
            todo.remove(turn.after + 1, through)
            if not todo:
                del self._todo[turn.tries]

    def never_sent(self, ranges: Iterable[Span]) -> list[Span]:
        """Those of the ranges that name a record which cannot have been sent, by this run or an earlier one."""
        return [
            (first, last)
            for first, last in ranges
            if not (last <= self._given or self._sent.covers(max(first, self._given + 1), last))
        ]

    def answered(self, ranges: Iterable[Span]) -> int:
        """The intake has named them, stored or refused: they are neither awaited nor sent again. How many of them
        were awaited."""
        ranges = list(ranges)
        before = self.waiting()
        for delivery in self._deliveries:
            delivery.waiting.discard(ranges)
        self._deliveries = [delivery for delivery in self._deliveries if delivery.waiting]
        for todo in self._todo.values():
            todo.discard(ranges)
        self._todo = {tries: todo for tries, todo in self._todo.items() if todo}
        self._settled.update(ranges)
        return before - self.waiting()

    def waiting(self) -> int:
        """Records sent and not answered."""
        return sum(delivery.waiting.count() for delivery in self._deliveries)

    def draining(self) -> bool:
        """Whether backlog is left to send."""
        return bool(self._todo)

    def _expire(self, now: float) -> None:
        for delivery in self._deliveries:
            if delivery.due <= now:
                self._todo.setdefault(delivery.tries, Spans()).update(delivery.waiting)
        self._deliveries = [delivery for delivery in self._deliveries if delivery.due > now]

    def _may_send_backlog(self, now: float) -> bool:
        if sum(delivery.holds > now for delivery in self._deliveries) >= self._window:
            return False
        if not self._rate:
            return True
        # Never more than one batch's worth saved up: a pause must not end in a flood.
        self._tokens = min(max(1.0, self._rate / 10), self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        return self._tokens >= 1

    def _merge(self, now: float) -> None:
        """Join the two oldest deliveries that no longer hold a place in the window and have been sent as often."""
        idle = sorted((d for d in self._deliveries if d.holds <= now), key=lambda d: (d.tries, d.due))
        pairs = [(b.due - a.due, a, b) for a, b in pairwise(idle) if a.tries == b.tries]
        if not pairs:
            return
        _, kept, gone = min(pairs, key=lambda pair: pair[0])
        kept.waiting.update(gone.waiting)
        kept.due = gone.due
        if len(kept.waiting) > PIECES:
            kept.waiting.coarsen()
        self._deliveries.remove(gone)
