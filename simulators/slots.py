"""The slots of a meter's archive by its own clock, which may have been set: what each covers in true time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, overload

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Steps = Sequence[tuple[datetime, timedelta]]
"""When a clock was set (true time, aware), and by how much."""


class Slot(NamedTuple):
    """``begin`` and ``end`` are true moments, ``stamp`` is the end by the meter's clock, as UTC. What the clock was set
    over has no slot: the first one after it begins where the last one before it ended."""

    begin: datetime
    end: datetime
    stamp: datetime

    def off(self, spans: Sequence[tuple[datetime, datetime]]) -> bool:
        """Whether all of it was without supply."""
        return any(begin <= self.begin and self.end <= end for begin, end in spans)

    def whole(self, period: timedelta, spans: Sequence[tuple[datetime, datetime]], steps: Steps) -> bool:
        """Whether neither supply nor clock broke it."""
        broken = any(begin < self.end and end > self.begin for begin, end in spans)
        broken |= any(self.begin < when <= self.end for when, _ in steps)
        return not broken and self.end - self.begin == period


class _Span(NamedTuple):
    """Slots between two changes of the clock. ``first``: number of the first slot by the meter's clock; ``before``: the
    true end of the slot before it."""

    offset: timedelta
    first: int
    length: int
    before: datetime


class Slots(Sequence[Slot]):
    """All slots that ended between two true moments, oldest first, made when they are wanted."""

    def __init__(self, begun: datetime, now: datetime, period: timedelta, steps: Steps, offset: timedelta) -> None:
        """``offset``: what the clock was ahead before all ``steps``."""
        self._period, self._spans = period, list[_Span]()
        before = begun
        for begin, end in pairwise([begun, *sorted(when for when, _ in steps if begun < when <= now), now]):
            ahead = offset + shifted(begin, steps)
            last_moment = end if end == now else end - MICROSECOND  # at the moment of the step the new clock holds
            first, last = (begin + ahead - EPOCH) // period + 1, (last_moment + ahead - EPOCH) // period
            self._spans.append(_Span(ahead, first, max(0, last - first + 1), before))
            if last >= first:
                before = EPOCH + last * period - ahead

    def __len__(self) -> int:
        return sum(span.length for span in self._spans)

    @overload
    def __getitem__(self, number: int) -> Slot: ...
    @overload
    def __getitem__(self, number: slice) -> list[Slot]: ...
    def __getitem__(self, number: int | slice) -> Slot | list[Slot]:
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        left = number + len(self) if number < 0 else number
        for span in self._spans:
            if 0 <= left < span.length:
                stamp = EPOCH + (span.first + left) * self._period
                end = stamp - span.offset
                return Slot(end - self._period if left else span.before, end, stamp)
            left -= span.length
        raise IndexError(number)


def shifted(at: datetime, steps: Steps) -> timedelta:
    """By how much all steps up to a true moment have moved the clock."""
    return sum((by for when, by in steps if when <= at), timedelta())


def reached(shown: datetime, steps: Steps, offset: timedelta) -> datetime:
    """The last true moment at which the clock came to show this, or was set beyond it."""
    changes = [EPOCH, *sorted(when for when, _ in steps)]
    for when in reversed(changes):
        ahead = offset + shifted(when, steps)
        if when + ahead <= shown:
            later = [each for each in changes if each > when]
            return min(shown - ahead, *later) if later else shown - ahead
    return shown
