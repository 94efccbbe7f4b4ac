"""The slots that a point should have: each is a whole number, so that months of them are a few runs.

An interval's number counts its ends from 1970 on in steps of UTC time, aligned as the meter's wall clock is: days of
46, 48 or 50 half-hours come out right by themselves. A day's number is its date's, a month's counts months.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from drivers.reading import Kind
from drivers.times import EPOCH

DAY = timedelta(days=1)
LATE = timedelta(minutes=15)
"""A day or month that was frozen so long after its midnight is that day or month still (a meter off at midnight)."""
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""What is asked for beyond these ("everything") counts as these: at its ends the calendar has no local time."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The slots of one archive kind (``interval``, ``day``, ``month``) of one meter. ``step`` of intervals only."""

    kind: Kind
    zone: ZoneInfo
    step: timedelta = timedelta()
    phase: timedelta = timedelta()  # of an interval's end against multiples of the step since 1970

    @classmethod
    def intervals(cls, zone: ZoneInfo, step: timedelta, now: datetime) -> "Grid":
        """Slots of this length (1 minute to 1 hour, parting the hour) as the wall clock of the zone shows them now."""
        offset = now.astimezone(zone).utcoffset() or timedelta()
        return cls("interval", zone, step, (-offset) % step)

    def at(self, number: int) -> datetime:
        """The moment that a record of this slot is stamped with, aware UTC."""
        match self.kind:
            case "interval":
                return EPOCH + self.phase + number * self.step
            case "day":
                return self._midnight(date.fromordinal(number))
            case "month":
                return self._midnight(date(number // 12, number % 12 + 1, 1))
        raise ValueError(f"{self.kind} has no slots")

    def number(self, at: datetime) -> int | None:
        """The slot that a record with this stamp fills; None where it lies between two slots."""
        found = self.before(at)
        late = at - self.at(found)
        return found if timedelta() <= late <= (timedelta() if self.kind == "interval" else LATE) else None

    def before(self, at: datetime) -> int:
        """The newest slot whose moment is not after ``at``."""
        at = min(max(at, FIRST), LAST)
        if self.kind == "interval":
            return (at - EPOCH - self.phase) // self.step
        local = at.astimezone(self.zone)
        found = local.date().toordinal() if self.kind == "day" else local.year * 12 + local.month - 1
        return found if self.at(found) <= at else found - 1  # where daylight saving begins at midnight

    def after(self, at: datetime) -> int:
        """The oldest slot whose moment is ``at`` or later."""
        found = self.before(at)
        return found if self.at(found) == at else found + 1

    @property
    def length(self) -> timedelta:
        """Of one slot; a month's counts as a day: how far a clock may be off before its rows mean another one."""
        return self.step if self.kind == "interval" else DAY

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


def installed_at(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The moment before which nothing is asked of a meter that was installed on this day."""
    return datetime.combine(day, time(), zone).astimezone(UTC) if day else None


def due_until(kind: Kind, poll: float | time | None, now: datetime, offset: float) -> datetime | None:
    """The newest moment for which a poll of this archive has had its chance; None where it is not polled at all.

    ``poll``: a period in seconds or a local time of day. ``offset``: the meter's clock minus ours, seconds.
    """
    behind = timedelta(seconds=max(0.0, -offset))
    match poll:
        case None:
            return None
        case time():
            return now - behind - timedelta(hours=poll.hour, minutes=poll.minute) - CALENDAR_GRACE
        case int() | float():
            return now - behind - max(SETTLED, timedelta(seconds=POLLS * poll))


POLLS = 2.0
"""Periods of an interval's poll: one may fail without its slots being taken for missing."""
SETTLED = timedelta(minutes=10)
"""After the end of an interval until it counts as missing at the earliest: the meter has to write it first."""
CALENDAR_GRACE = timedelta(hours=3)
"""After the time at which a day or month is polled: a meter that was silent then is tried again within the hour."""
LIVE = timedelta(hours=3)
"""How far back a poll of intervals reads at least; what is older is filled."""


def live_since(kind: Kind, poll: float | time | None, now: datetime, zone: ZoneInfo | None) -> datetime:
    """How far back a poll of an archive reads: what lies before it is filled, and then says so."""
    if kind == "interval":
        period = poll if isinstance(poll, float | int) else 0.0
        return now - max(LIVE, timedelta(seconds=(POLLS + 1) * period))
    if zone is None:
        return now - (DAY if kind == "day" else 31 * DAY)
    grid = Grid(kind, zone)
    return grid.at(grid.before(now))
