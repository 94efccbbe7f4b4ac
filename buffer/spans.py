"""A set of sequence numbers kept as ranges: 300,000 records that follow each other cost one pair of integers."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last number, both included."""


class Ranges:
    """A mutable set of integers as ascending ranges that neither overlap nor touch."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Ranges":
        """The set of these numbers, given in ascending order."""
        made = cls()
        for number in numbers:
            if made._ends and made._ends[-1] == number - 1:
                made._ends[-1] = number
            else:
                made._starts.append(number)
                made._ends.append(number)
        return made

    def __iter__(self) -> Iterator[Range]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        """How many ranges there are; :meth:`count` says how many numbers."""
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def count(self) -> int:
        return sum(self._ends) - sum(self._starts) + len(self._starts)

    def add(self, first: int, last: int) -> None:
        if last < first:
            return
        low = bisect_left(self._ends, first - 1)  # the first range that touches or follows
        high = bisect_right(self._starts, last + 1)  # behind the last range that touches or precedes
        if low < high:
            first, last = min(first, self._starts[low]), max(last, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        if low >= high or last < first:
            return
        left, right = self._starts[low], self._ends[high - 1]
        starts = ([left] if left < first else []) + ([last + 1] if right > last else [])
        ends = ([first - 1] if left < first else []) + ([right] if right > last else [])
        self._starts[low:high] = starts
        self._ends[low:high] = ends

    def update(self, ranges: Iterable[Range]) -> None:
        for first, last in ranges:
            self.add(first, last)

    def discard(self, ranges: Iterable[Range]) -> None:
        for first, last in ranges:
            self.remove(first, last)

    def first(self) -> Range | None:
        """The lowest range, None where the set is empty."""
        return (self._starts[0], self._ends[0]) if self._starts else None

    def covers(self, first: int, last: int) -> bool:
        """Whether every number from first to last is in the set."""
        place = bisect_left(self._ends, first)
        return place < len(self._starts) and self._starts[place] <= first and last <= self._ends[place]

    def coarsen(self) -> None:
        """Become the one range that spans all: fewer pairs, at the price of numbers that were not there."""
        if self._starts:
            self._starts[1:], self._ends[:-1] = [], []
