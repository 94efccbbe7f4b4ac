"""What a driver learns of its meter from poll to poll: what it refuses, and which registers it has ever brought."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from drivers.reading import Kind, Number


class Refusals:
    """What the meter refused is left alone for some polls and then asked again."""

    def __init__(self, polls: int) -> None:
        self._polls = polls
        self._left: dict[Hashable, int] = {}  # polls for which it is left alone
        self._times: dict[Hashable, int] = {}  # refusals in a row

    def __contains__(self, key: Hashable) -> bool:
        """Whether it was refused when it was last asked, however long ago."""
        return key in self._left

    def spares(self, key: Hashable) -> bool:
        """Whether this poll leaves it alone. Asked once a poll: it counts."""
        left = self._left.get(key, 0)
        if left:
            self._left[key] = left - 1
        return left > 0

    def add(self, key: Hashable) -> None:
        """It was refused now."""
        self._left[key] = self._polls
        self._times[key] = self._times.get(key, 0) + 1

    def count(self, key: Hashable) -> int:
        """How often in a row it was refused."""
        return self._times.get(key, 0)

    def answered(self, key: Hashable) -> None:
        self._left.pop(key, None)
        self._times.pop(key, None)

    @contextmanager
    def of(self, keys: Iterable[str]) -> Iterator[set[str]]:
        """A poll of these: those to leave alone. What is added to the set is refused from now on."""
        spared = {key for key in keys if self.spares(key)}
        before = set(spared)
        try:
            yield spared
        finally:
            for key in spared - before:
                self.add(key)


class Brought:
    """The registers that the meter has ever brought, by kind: one that is missing later is missed."""

    def __init__(self) -> None:
        self._registers: dict[str, set[str]] = {}

    def lacks(self, kind: Kind, values: Mapping[str, Number]) -> bool:
        """Whether these values lack one that came before; they count from now on."""
        known = self._registers.setdefault(kind, set())
        missing = not known <= values.keys()
        known.update(values)
        return missing
