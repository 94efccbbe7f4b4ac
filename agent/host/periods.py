"""Hours, days and months of a zone as pairs of UTC moments: a day has 23 or 25 hours where the clocks change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PERIODS = ("hour", "day", "month")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Period:
    """start ≤ t < end, aware UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def periods(period: str, since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[Period]:
    """The hours, days or months of this zone that have a part in since ≤ t < until (aware), in their order.

    ValueError for another period.
    """
    start = _floor(period, since, zone)
    while start < until:
        end = _next(period, start, zone)
        yield Period(start, end)
        start = end


def period_of(period: str, moment: datetime, zone: ZoneInfo) -> Period:
    """The hour, day or month of this zone in which the moment (aware) lies."""
    start = _floor(period, moment, zone)
    return Period(start, _next(period, start, zone))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a local day begins, aware UTC; the first one that exists where midnight is skipped."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _floor(period: str, moment: datetime, zone: ZoneInfo) -> datetime:
    there = moment.astimezone(zone)
    match period:
        case "hour":  # by whole minutes of UTC: the two hours that bear one name in autumn stay two
            return moment.astimezone(UTC) - timedelta(
                minutes=there.minute, seconds=there.second, microseconds=there.microsecond
            )
        case "day":
            return midnight(there.date(), zone)
        case "month":
            return midnight(there.date().replace(day=1), zone)
    raise ValueError(f"{period!r} is not a period; there are: {', '.join(PERIODS)}")


def _next(period: str, start: datetime, zone: ZoneInfo) -> datetime:
    if period == "hour":
        return start + HOUR
    day = start.astimezone(zone).date()
    if period == "day":
        return midnight(day + timedelta(days=1), zone)
    return midnight((day.replace(day=1) + timedelta(days=31)).replace(day=1), zone)
