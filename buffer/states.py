"""Which sequence numbers are in which state, as runs: a receipt for 300 records changes one run, not 300 rows."""

import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

RecordState = Literal["pending", "confirmed", "refused", "held", "damaged", "gone"]

PENDING: Final = "pending"  # the state of every number that is in no run
CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
HELD: Final = "held"
DAMAGED: Final = "damaged"  # its checksum failed: never sent
GONE: Final = "gone"  # its row was deleted, the number stays used


class Run(NamedTuple):
    """All numbers from ``first`` to ``last``, both included, are in ``state``."""

    first: int
    last: int
    state: RecordState


class RunChange(NamedTuple):
    """What a table that mirrors the runs has to do: delete by ``first``, then insert or replace."""

    dropped: list[int]
    written: list[Run]


class States:
    """Disjoint runs in ascending order, neighbours of one state merged. Safe to read while another thread writes."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._lock = threading.Lock()
        self._runs = sorted(runs)
        self._counts: Counter[RecordState] = Counter()
        for run in self._runs:
            self._counts[run.state] += run.last - run.first + 1

    @property
    def last(self) -> int:
        """The highest number in any run, 0 if there is none."""
        return self._runs[-1].last if self._runs else 0

    def put(self, first: int, last: int, state: RecordState) -> RunChange:
        """Every number from first to last is now in this state, whatever it was before."""
        with self._lock:
            low = bisect_left(self._runs, first - 1, key=lambda run: run.last)
            high = bisect_right(self._runs, last + 1, key=lambda run: run.first)
            old = self._runs[low:high]
            pieces = [Run(run.first, min(run.last, first - 1), run.state) for run in old if run.first < first]
            if state != PENDING:
                pieces.append(Run(first, last, state))
            pieces += [Run(max(run.first, last + 1), run.last, run.state) for run in old if run.last > last]
            new = _merged(pieces)
            self._runs[low:high] = new
            for run in old:
                self._counts[run.state] -= run.last - run.first + 1
            for run in new:
                self._counts[run.state] += run.last - run.first + 1
        kept = {run.first for run in new}
        return RunChange([run.first for run in old if run.first not in kept], [run for run in new if run not in old])

    def runs(self, first: int, last: int, states: Iterable[str], enough: int | None = None) -> list[Run]:
        """The runs of these states within first…last, clipped, ascending; ends once they hold ``enough`` numbers."""
        wanted = frozenset(states)
        found: list[Run] = []
        total = 0
        with self._lock:
            index = bisect_left(self._runs, first, key=lambda run: run.last)
            while first <= last and (enough is None or total < enough):
                run = self._runs[index] if index < len(self._runs) else None
                if run is None or run.first > first:  # a gap: pending
                    piece = Run(first, min(last, run.first - 1 if run else last), PENDING)
                else:
                    piece = Run(first, min(last, run.last), run.state)
                    index += 1
                if piece.state in wanted:
                    found.append(piece)
                    total += piece.last - piece.first + 1
                first = piece.last + 1
        return found

    def counts(self, last: int) -> Counter[RecordState]:
        """How many numbers up to ``last`` are in each state; a transaction under way has put its own beyond it."""
        with self._lock:
            found = Counter(self._counts)
            for run in reversed(self._runs):
                if run.last <= last:
                    break
                found[run.state] -= run.last - max(run.first, last + 1) + 1
        return found

    def state(self, number: int) -> str:
        """The state of one number."""
        with self._lock:
            index = bisect_left(self._runs, number, key=lambda run: run.last)
            if index < len(self._runs) and self._runs[index].first <= number:
                return self._runs[index].state
            return PENDING


def grouped(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as closed ranges: 1 2 3 7 is (1, 3) (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _merged(pieces: list[Run]) -> list[Run]:
    merged: list[Run] = []
    for piece in pieces:
        if merged and merged[-1].state == piece.state and merged[-1].last + 1 == piece.first:
            merged[-1] = Run(merged[-1].first, piece.last, piece.state)
        else:
            merged.append(piece)
    return merged
