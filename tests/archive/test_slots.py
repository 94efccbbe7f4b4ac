"""Which slots a point should have: days of every length, months, leap days, zones, and the window that counts."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.archive.slots import Grid, due_until, live_since
from agent.archive.windows import grid, reach, slots_of, unit, units, window
from agent.config.values import EarlierMeter, Meter, Poll
from agent.meters.state import MeterState
from buffer.record import Record
from drivers.mercury.driver import Mercury230
from drivers.reading import Kind, MeterPlan, Reach, Traits
from protocols.session import Line
from tests.support.present import present

MOSCOW, BERLIN, KATHMANDU = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")
HALF, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def of_day(grid: Grid, day: date) -> int:
    """How many intervals end within this local day, its last midnight included."""
    begin, end = (datetime.combine(one, time(), grid.zone).astimezone(UTC) for one in (day, day + DAY))
    return grid.before(end) - grid.before(begin)


@pytest.mark.parametrize(
    ("day", "step", "count"),
    [
        (date(2026, 3, 28), HALF, 48),
        (date(2026, 3, 29), HALF, 46),
        (date(2026, 10, 25), HALF, 50),
        (date(2026, 3, 29), HOUR, 23),
        (date(2026, 10, 25), HOUR, 25),
        (date(2028, 2, 29), HALF, 48),
    ],
)
def test_a_day_has_as_many_intervals_as_its_clock_says(day: date, step: timedelta, count: int) -> None:
    assert of_day(Grid.intervals(BERLIN, step, NOW), day) == count


def test_hours_of_a_zone_off_by_a_quarter_end_when_its_wall_clock_shows_full_hours() -> None:
    grid = Grid.intervals(KATHMANDU, HOUR, NOW)
    assert grid.at(grid.before(NOW)).astimezone(KATHMANDU).minute == 0
    assert grid.number(utc(2026, 11, 21, 12, 15)) is not None and grid.number(utc(2026, 11, 21, 12, 0)) is None


def test_days_and_months_are_those_of_the_zone_leap_days_too() -> None:
    days, months = Grid("day", BERLIN), Grid("month", BERLIN)
    assert days.at(days.before(utc(2026, 10, 26, 8, 0))) == utc(2026, 10, 25, 23, 0)
    assert days.at(days.before(utc(2026, 10, 25, 8, 0))) == utc(2026, 10, 24, 22, 0)
    assert [days.at(present(days.number(utc(2028, 2, 28, 23, 0))) + n).day for n in (0, 1)] == [28, 29]
    assert months.at(months.before(utc(2026, 12, 31, 22, 59))) == utc(2026, 11, 30, 23, 0)
    assert months.at(months.before(utc(2026, 12, 31, 23, 0))) == utc(2026, 12, 31, 23, 0)


@pytest.mark.parametrize("kind", ["day", "month"])
def test_a_snapshot_frozen_some_minutes_late_is_that_of_its_midnight_and_one_from_noon_is_none(kind: Kind) -> None:
    grid = Grid(kind, MOSCOW)
    midnight = utc(2026, 10, 31, 21, 0)
    assert grid.number(midnight + timedelta(minutes=3)) == grid.number(midnight)
    assert grid.number(midnight + timedelta(hours=12)) is None


def test_an_interval_that_ends_between_two_slots_fills_none() -> None:
    assert Grid.intervals(MOSCOW, HALF, NOW).number(utc(2026, 11, 21, 12, 17)) is None


@pytest.mark.slow
@given(
    st.sampled_from(["interval", "day", "month"]),
    st.sampled_from(["Europe/Moscow", "Europe/Berlin", "Asia/Beirut", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"]),
    st.datetimes(datetime(2001, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_every_moment_lies_in_exactly_one_slot(kind: Kind, zone: str, moment: datetime) -> None:
    """Also where daylight saving begins at midnight (Beirut, São Paulo)."""
    grid = Grid.intervals(ZoneInfo(zone), HALF, moment) if kind == "interval" else Grid(kind, ZoneInfo(zone))
    number = grid.before(moment)
    assert grid.at(number) <= moment < grid.at(number + 1)
    assert grid.number(grid.at(number)) == number == grid.after(grid.at(number))
    assert grid.after(moment) in (number, number + 1) and grid.at(grid.after(moment)) >= moment


@pytest.mark.slow
@given(st.sampled_from(["interval", "day", "month"]), st.integers(0, 3000))
def test_units_of_the_store_hold_each_slot_once(kind: Kind, back: int) -> None:
    grid = Grid.intervals(MOSCOW, HALF, NOW) if kind == "interval" else Grid(kind, MOSCOW)
    last = grid.before(NOW)
    low, high = units(grid, (last - back, last))
    held = [number for one in range(low, high + 1) for number in range(*_open(slots_of(grid, one)))]
    assert held == list(range(held[0], held[-1] + 1)) and held[0] <= last - back and held[-1] >= last
    assert unit(grid, low) != unit(grid, high) or low == high


def _open(run: tuple[int, int]) -> tuple[int, int]:
    return run[0], run[1] + 1


class Keeps(Mercury230):
    capabilities = frozenset({"interval", "day"})
    traits = Traits()

    def reach(self, kind: str, now: datetime) -> Reach | None:
        return Reach(now - DAY)


def meter(offset: Decimal | None = None, poll: Poll | None = None, **config: Any) -> MeterState:
    made = Meter("flat-1", "riser", "mercury230", "1", "20000001", Line(), poll or Poll(), **config)
    return MeterState(made, Keeps(MeterPlan("mercury230", "1", "20000001", Line())), Line(), MOSCOW, offset=offset)


def moments(
    state: MeterState, kind: Kind, oldest: datetime = NOW - 90 * DAY, keep: timedelta = 400 * DAY
) -> tuple[datetime, datetime]:
    grid = Grid.intervals(MOSCOW, HALF, NOW) if kind == "interval" else Grid(kind, MOSCOW)
    first, last = window(state, grid, Reach(oldest), keep, NOW)
    return grid.at(first), grid.at(last)


def test_what_the_next_polls_will_bring_is_not_missing_yet() -> None:
    assert moments(meter(), "interval")[1] == utc(2026, 11, 21, 11, 0)
    assert moments(meter(), "day")[1] == utc(2026, 11, 20, 21, 0)
    late = meter(poll=Poll(day=time(12, 30)))
    assert moments(late, "day")[1] == utc(2026, 11, 19, 21, 0), (
        "the day's own poll is half past twelve, here past three"
    )


def test_a_meter_whose_clock_is_behind_gets_so_much_longer() -> None:
    assert moments(meter(offset=Decimal("-1200.0")), "interval")[1] == utc(2026, 11, 21, 10, 30)
    assert moments(meter(offset=Decimal(1200)), "interval")[1] == utc(2026, 11, 21, 11, 0)


def test_nothing_is_asked_of_the_time_before_the_meter_was_installed() -> None:
    assert moments(meter(installed=date(2026, 11, 1)), "interval")[0] == utc(2026, 10, 31, 21, 30)
    assert moments(meter(installed=date(2026, 11, 1)), "day")[0] == utc(2026, 11, 1, 21, 0)
    assert moments(meter(installed=date(2026, 10, 15)), "month")[0] == utc(2026, 10, 31, 21, 0)
    earlier = (EarlierMeter("1", date(2026, 11, 7), {}),)
    assert moments(meter(before=earlier), "day")[0] == utc(2026, 11, 7, 21, 0), "nor of an earlier meter's time"


def test_nothing_is_asked_beyond_the_meters_memory_or_what_the_store_keeps() -> None:
    oldest = utc(2026, 11, 3, 10, 10)
    assert moments(meter(installed=date(2026, 1, 1)), "interval", oldest)[0] == utc(2026, 11, 3, 10, 30)
    assert moments(meter(), "interval", keep=10 * DAY)[0] == utc(2026, 11, 12, 12, 30)


def test_a_kind_that_is_not_polled_is_not_filled() -> None:
    assert due_until("interval", None, NOW, 0.0) is None
    first, last = window(meter(poll=Poll(interval=None)), Grid.intervals(MOSCOW, HALF, NOW), Reach(NOW - DAY), DAY, NOW)
    assert last < first


def test_the_driver_says_how_far_an_archive_goes_back_and_one_that_the_meter_has_not_is_not_asked_for() -> None:
    assert reach(meter(), "interval", NOW) == Reach(NOW - DAY)
    assert reach(meter(), "month", NOW) is None


def test_a_meter_that_has_not_told_the_length_of_its_intervals_goes_by_those_that_are_stored() -> None:
    told = Reach(NOW - DAY)
    newest = Record("interval", "flat-1", "1", NOW, NOW, start=NOW - HOUR)
    assert grid(meter(), "interval", told, None, NOW) is None
    assert grid(meter(), "interval", told, newest, NOW) == Grid.intervals(MOSCOW, HOUR, NOW)
    assert grid(meter(), "interval", told, replace(newest, flags=("partial",)), NOW) is None


def test_days_of_a_meter_whose_zone_nobody_said_are_not_asked_for_and_its_intervals_are() -> None:
    state = meter()
    state.zone = None
    assert grid(state, "day", Reach(NOW - DAY), None, NOW) is None
    assert grid(state, "interval", Reach(NOW - DAY, HALF), None, NOW) == Grid.intervals(ZoneInfo("UTC"), HALF, NOW)


@pytest.mark.parametrize(
    ("written", "said", "counts"),
    [
        (None, "Etc/GMT-5", "Etc/GMT-5"),
        ("Europe/Moscow", "Etc/GMT-5", "Etc/GMT-5"),
        ("Europe/Moscow", "Etc/GMT-3", "Europe/Moscow"),
        ("Europe/Berlin", "Etc/GMT-1", "Europe/Berlin"),
        ("Europe/Moscow", None, "Europe/Moscow"),
    ],
)
@pytest.mark.parametrize("now", [NOW, NOW - timedelta(days=140)])
def test_a_zone_that_the_meter_says_counts_where_the_written_one_has_another_offset(
    written: str | None, said: str | None, counts: str, now: datetime
) -> None:
    state = meter()
    state.zone = ZoneInfo(written) if written else None
    state.driver.traits = Traits(zone=ZoneInfo(said) if said else None)
    assert state.calendar(now) == ZoneInfo(counts)
    assert grid(state, "day", Reach(now - DAY), None, now) == Grid("day", ZoneInfo(counts))


def test_a_poll_looks_only_at_what_is_fresh() -> None:
    assert live_since("interval", 1800.0, NOW, MOSCOW) == NOW - timedelta(hours=3)
    assert live_since("interval", 7200.0, NOW, MOSCOW) == NOW - timedelta(hours=6)
    assert live_since("day", time(0, 10), NOW, MOSCOW) == utc(2026, 11, 20, 21, 0)
    assert live_since("month", time(0, 15), NOW, MOSCOW) == utc(2026, 10, 31, 21, 0)
    assert live_since("day", time(0, 10), NOW, None) == NOW - DAY
    assert live_since("month", time(0, 15), NOW, None) == NOW - 31 * DAY


@pytest.mark.parametrize("zone", [MOSCOW, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("UTC")])
@pytest.mark.parametrize("kind", ["interval", "day", "month"])
def test_everything_may_be_asked_for_and_a_stamp_out_of_all_bounds_is_no_slot(zone: ZoneInfo, kind: Kind) -> None:
    """A utility that wants all there is says from the year 1 to the year 9999."""
    slots = Grid.intervals(zone, HALF, NOW) if kind == "interval" else Grid(kind, zone)
    begin, end = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert slots.after(begin) < slots.before(NOW) < slots.before(end)
    assert slots.number(begin) is None and slots.number(end) is None
    assert slots.number(slots.at(slots.before(NOW))) == slots.before(NOW)
