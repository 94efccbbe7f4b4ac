"""The days on which a utility takes figures: a rule and a month become moments."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from agent.config.utility.profile import Rule
from drivers.times import MILLISECOND

SATURDAY = 5
LOOK_BACK = 2  # months: a window that crosses a month's end may have opened in the month before


@dataclass(frozen=True, slots=True)
class Window:
    """``month`` is the one in which the window opens ("2026-10"); all moments are aware UTC. Figures are taken while
    opens ≤ now < closes, and are those of ``reporting``."""

    month: str
    opens: datetime
    closes: datetime
    reporting: datetime
    zone: ZoneInfo

    def open(self, now: datetime) -> bool:
        return self.opens <= now < self.closes

    def passed(self, now: datetime) -> bool:
        return now >= self.closes

    def day(self, moment: datetime) -> date:
        """The local day of a moment."""
        return moment.astimezone(self.zone).date()

    @property
    def last_day(self) -> date:
        return self.day(self.closes - MILLISECOND)


def zone_of(rule: Rule, default: str) -> ZoneInfo:
    return ZoneInfo(rule.zone or default)


def window_of(rule: Rule, month: str, default_zone: str) -> Window:
    """The window of this month ("2026-10"); ValueError where that is not a month."""
    start = date.fromisoformat(f"{month}-01")
    zone = zone_of(rule, default_zone)
    crosses = rule.last < rule.first
    first = _day(start, rule.first)
    last = _working(_day(_following(start) if crosses else start, rule.last), rule.weekend)
    first = min(first, last)
    if rule.reporting_day is None:
        reporting = first
    else:
        later = crosses and rule.reporting_day < rule.first
        reporting = _day(_following(start) if later else start, rule.reporting_day)
    return Window(
        month=month,
        opens=_moment(first, time(0), zone),
        closes=_moment(last + timedelta(days=1), time(0), zone),
        reporting=_moment(reporting, rule.reporting_time, zone),
        zone=zone,
    )


def latest(rule: Rule, now: datetime, default_zone: str) -> Window:
    """The window that opened last: it is open, or has passed."""
    here = now.astimezone(zone_of(rule, default_zone)).date()
    return next(one for one in _windows(rule, here, default_zone, -1) if one.opens <= now)


def following(rule: Rule, now: datetime, default_zone: str) -> Window:
    """The next window that opens."""
    here = now.astimezone(zone_of(rule, default_zone)).date()
    return next(one for one in _windows(rule, here, default_zone, 1) if one.opens > now)


def before(window: Window, rule: Rule, default_zone: str) -> Window:
    """The window of the month before."""
    return window_of(rule, month_before(window.month), default_zone)


def month_before(month: str) -> str:
    return f"{date.fromisoformat(f'{month}-01') - timedelta(days=1):%Y-%m}"


def _windows(rule: Rule, near: date, default_zone: str, step: int) -> Iterator[Window]:
    """The windows of the months from this day on, forwards or backwards; one month more at the near end."""
    months = 12 * near.year + near.month - 1 - step
    for number in range(months, months + step * (LOOK_BACK + 2), step):
        yield window_of(rule, f"{number // 12:04}-{number % 12 + 1:02}", default_zone)


def _day(month: date, day: int) -> date:
    return month.replace(day=min(day, calendar.monthrange(month.year, month.month)[1]))


def _following(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def _working(day: date, weekend: str) -> date:
    """Public holidays are not known here: a utility that minds them says so on its page."""
    step = {"stay": 0, "next": 1, "previous": -1}[weekend]
    while step and day.weekday() >= SATURDAY:
        day += timedelta(days=step)
    return day


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
