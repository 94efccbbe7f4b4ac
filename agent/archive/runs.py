"""Sets of slots that lie in few long runs: thousands of slots cost a handful of pairs."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from buffer.spans import Range as Run
from buffer.spans import Ranges

__all__ = ["Run", "Runs"]


class Runs(Ranges):
    """A set of numbers that is asked for its parts. A question costs the runs it looks at, not the numbers."""

    __slots__ = ()

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def within(self, first: int, last: int) -> list[Run]:
        """The runs clipped to first…last, ascending."""
        if last < first:
            return []
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        return [(max(first, self._starts[place]), min(last, self._ends[place])) for place in range(low, high)]

    def falling(self, first: int, last: int) -> Iterator[Run]:
        """As ``within``, the greatest first, each only when it is wanted. The set must not change meanwhile."""
        for place in range(bisect_right(self._starts, last) - 1, -1, -1):
            if last < first or self._ends[place] < first:
                return
            yield max(first, self._starts[place]), min(last, self._ends[place])

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

    def among(self, first: int, last: int) -> int:
        """How many numbers of first…last are in it."""
        return sum(high - low + 1 for low, high in self.within(first, last))
