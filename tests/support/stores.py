"""Real stores whose searches are listed, whose disk says no when told, and whose commits can be looked into."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from buffer.faults import StoreUnusable
from buffer.record import Record
from buffer.repair import RESERVE, Keeper, Monotonic, Now
from buffer.store import Store
from buffer.tables import Tables
from drivers.reading import Kind

T = TypeVar("T")


class WatchedKeeper(Keeper):
    """While ``trouble`` is set nothing can be written, with these words. ``before_commit`` is called once, when the
    next change is made and not yet on the disk."""

    trouble: str | None = None
    before_commit: Callable[[], None] | None = None

    def change(self, work: Callable[[Tables], T], records: Sequence[Record] = ()) -> T:
        if self.trouble is not None:
            raise StoreUnusable(self.trouble)

        def looked_into(tables: Tables) -> T:
            result = work(tables)
            look, self.before_commit = self.before_commit, None
            if look is not None:
                look()
            return result

        return super().change(looked_into, records)


class WatchedStore(Store):
    """``searches``: since and until of what ``find`` was asked for, in order; ``searchers``: on which threads."""

    def __init__(self, keeper: WatchedKeeper) -> None:
        super().__init__(keeper)
        self.keeper = keeper
        self.searches: list[tuple[datetime, datetime]] = []
        self.searchers: set[threading.Thread] = set()

    @classmethod
    def open(
        cls,
        state_dir: Path,
        *,
        now: Now,
        reserve: int = RESERVE,
        read_only: bool = False,
        monotonic: Monotonic | None = None,
    ) -> "WatchedStore":
        keeper = WatchedKeeper.open(state_dir, now=now, reserve=reserve, read_only=read_only, monotonic=monotonic)
        return cls(keeper)

    def find(
        self,
        point: str | None,
        kinds: tuple[Kind, ...],
        since: datetime,
        until: datetime,
        meter: str | None = None,
    ) -> Iterator[Record]:
        self.searches.append((since, until))
        self.searchers.add(threading.current_thread())
        return super().find(point, kinds, since, until, meter)
