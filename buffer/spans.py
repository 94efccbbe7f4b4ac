"""A set of sequence numbers kept as ranges: 300,000 records that follow each other cost one pair of integers."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""First and last number, both included."""


class Spans:
    """A mutable set of integers as ascending ranges that neither overlap nor touch."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[Span] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Spans":
        """The set of these numbers, given in ascending order."""
        made = cls()
        for number in numbers:
            if made._ends and made._ends[-1] == number - 1:
                made._ends[-1] = number
            else:
                made._starts.append(number)
                made._ends.append(number)
        return made

    def __iter__(self) -> Iterator[Span]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        """How many ranges there are; :meth:`count` says how many numbers."""
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and list(self) == list(other)

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

    def update(self, ranges: Iterable[Span]) -> None:
        for first, last in ranges:
            self.add(first, last)

    def discard(self, ranges: Iterable[Span]) -> None:
        for first, last in ranges:
            self.remove(first, last)

    def first(self) -> Span | None:
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

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def within(self, first: int, last: int) -> list[Span]:
        """The runs clipped to first…last, ascending."""
        if last < first:
            return []
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        return [(max(first, self._starts[place]), min(last, self._ends[place])) for place in range(low, high)]

    def falling(self, first: int, last: int) -> Iterator[Span]:
        """As ``within``, the greatest first, each only when it is wanted. The set must not change meanwhile."""
        for place in range(bisect_right(self._starts, last) - 1, -1, -1):
            if last < first or self._ends[place] < first:
                return
            yield max(first, self._starts[place]), min(last, self._ends[place])

    def gaps(self, first: int, last: int) -> list[Span]:
        """The runs of first…last that are not in it, ascending."""
        found: list[Span] = []
        for low, high in self.within(first, last):
            if first < low:
                found.append((first, low - 1))
            first = high + 1
        if first <= last:
            found.append((first, last))
        return found

    def among(self, first: int, last: int) -> int:
        """How many numbers of first…last are in it."""
        return sum(high - low + 1 for low, high in self.within(first, last))
