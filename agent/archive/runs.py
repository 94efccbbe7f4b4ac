"""Sets of whole numbers that lie in few long runs: thousands of slots cost a handful of pairs."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Run = tuple[int, int]
"""First and last number, both in it."""


class Runs:
    """Ascending disjoint runs that do not touch each other. A question costs the runs it looks at, not the numbers."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in runs:
            self.add(first, last)

    def __iter__(self) -> Iterator[Run]:
        return zip(self._firsts, self._lasts, strict=True)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self._lasts[place]

    def __len__(self) -> int:
        """How many runs, not how many numbers."""
        return len(self._firsts)

    def add(self, first: int, last: int) -> None:
        """All numbers of this run; none where ``last`` is less than ``first``."""
        if last < first:
            return
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        if last < first:
            return
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        left = [(self._firsts[low], first - 1)] if self._firsts[low] < first else []
        right = [(last + 1, self._lasts[high - 1])] if self._lasts[high - 1] > last else []
        self._firsts[low:high] = [run[0] for run in left + right]
        self._lasts[low:high] = [run[1] for run in left + right]

    def within(self, first: int, last: int) -> list[Run]:
        """The runs clipped to first…last, ascending."""
        if last < first:
            return []
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        return [(max(first, self._firsts[place]), min(last, self._lasts[place])) for place in range(low, high)]

    def falling(self, first: int, last: int) -> Iterator[Run]:
        """As ``within``, the greatest first, each only when it is wanted. The set must not change meanwhile."""
        for place in range(bisect_right(self._firsts, last) - 1, -1, -1):
            if last < first or self._lasts[place] < first:
                return
            yield max(first, self._firsts[place]), min(last, self._lasts[place])

    def gaps(self, first: int, last: int) -> list[Run]:
        """The runs of first…last that are not in it, ascending."""
        found: list[Run] = []
        for low, high in self.within(first, last):
            if first < low:
                found.append((first, low - 1))
            first = high + 1
        if first <= last:
            found.append((first, last))
        return found

    def count(self, first: int, last: int) -> int:
        """How many numbers of first…last are in it."""
        return sum(high - low + 1 for low, high in self.within(first, last))
