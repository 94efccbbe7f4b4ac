"""An event poll that was ended midway, so that the next one goes on from there."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH = timedelta(minutes=10)
"""So long what was read of a journal counts: less than polls overlap, so what came into it since is not missed."""


@dataclass(slots=True)
class Unfinished(Generic[T]):
    """What was read of journals since the last poll that came to its end, by a key of what was asked."""

    span: tuple[datetime, datetime] | None = None  # of the poll that was ended, aware; None: none was
    kept: dict[Hashable, T] = field(default_factory=dict)

    def begin(self, since: datetime, until: datetime) -> None:
        """A poll of this span (aware) begins: what is kept stays if it covers the span's start and is fresh."""
        if (
            self.span is None
            or not self.kept
            or since < self.span[0]
            or not timedelta(0) <= until - self.span[1] <= FRESH
        ):
            self.span, self.kept = (since, until), {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """As it is kept, else as it is read now."""
        if key not in self.kept:
            self.kept[key] = read()
        return self.kept[key]

    def done(self) -> None:
        """The poll came to its end: the next one asks everything."""
        self.span, self.kept = None, {}
