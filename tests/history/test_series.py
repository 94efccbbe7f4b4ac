"""Consumption by hour, day and month: real calendars, gaps, replacements, and what is missing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.values import EarlierMeter, Meter
from agent.history.boundaries import at_boundary
from agent.history.series import Row, series
from agent.host.periods import midnight, period_of, periods
from buffer.record import Record
from buffer.store import Store
from drivers.events import Flag
from tests.buffer.plant import opened
from tests.history.house import BERLIN, MOSCOW, intervals, metered, reading, readings, snapshots, steady
from tests.support.present import present

HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
LATER = datetime(2027, 1, 1, tzinfo=UTC)

Keep = Callable[[list[Record]], Store]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """A store with these records."""
    store = opened(tmp_path)

    def put(records: list[Record]) -> Store:
        store.put(records)
        return store

    yield put
    store.close()


def local(zone: ZoneInfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type,misc]


def rows(
    store: Store, period: str, since: datetime, until: datetime, zone: ZoneInfo, meter: Meter | None = None
) -> list[Row]:
    return series(store, meter or metered(), period, since, until, zone, LATER)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (BERLIN, date(2026, 10, 26), 24),
        (MOSCOW, date(2026, 3, 29), 24),
        (ZoneInfo("Asia/Kolkata"), date(2026, 5, 1), 24),
        (ZoneInfo("Asia/Beirut"), date(2026, 3, 29), 23),  # its midnight does not exist
    ],
)
def test_a_day_has_the_hours_that_its_zone_gives_it(zone: ZoneInfo, day: date, hours: int) -> None:
    start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    found = list(periods("hour", start, end, zone))
    assert len(found) == hours
    assert (found[0].start, found[-1].end) == (start, end)
    assert period_of("day", start, zone) == period_of("day", end - timedelta(milliseconds=1), zone)
    assert [(one.start, one.end) for one in periods("day", start, end, zone)] == [(start, end)]


def test_months_join_whatever_their_length() -> None:
    year = list(periods("month", local(MOSCOW, 2027, 12, 5), local(MOSCOW, 2029, 1, 1), MOSCOW))
    assert [slot.length.days for slot in year] == [31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert all(one.end == two.start for one, two in pairwise(year))


@pytest.mark.slow
@pytest.mark.parametrize("zone", [MOSCOW, BERLIN])
def test_hours_days_and_months_add_up_over_a_year_of_snapshots_and_readings(keep: Keep, zone: ZoneInfo) -> None:
    since, until = local(zone, 2026, 10, 1), local(zone, 2026, 12, 1)
    store = keep(
        readings(since, until + HOUR, HOUR)
        + snapshots("day", since, until + HOUR, zone)
        + snapshots("month", since, until + HOUR, zone)
    )
    sums = {}
    for period in ("hour", "day", "month"):
        found = rows(store, period, since, until, zone)
        assert {row.quality for row in found} == {"complete"}
        sums[period] = [sum(row.tariffs[tariff] for row in found) for tariff in ("T1", "T2")]
    minutes = (until - since) // timedelta(minutes=1)
    assert sums["hour"] == sums["day"] == sums["month"] == [minutes * 20, minutes * 5]


@pytest.mark.slow
@settings(max_examples=25)
@given(steps=st.lists(st.integers(0, 50_000), min_size=49, max_size=49), zone=st.sampled_from([MOSCOW, BERLIN]))
def test_sums_of_hours_are_the_days_whatever_was_used(
    steps: list[int], zone: ZoneInfo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    since = local(zone, 2026, 10, 24)
    until = local(zone, 2026, 10, 26)
    truth = [sum(steps[:number]) for number in range(len(steps) + 1)]

    def used(moment: datetime) -> tuple[int, int]:
        return truth[(moment - since) // HOUR], 7 * truth[(moment - since) // HOUR]

    store = opened(tmp_path_factory.mktemp("store"))
    try:
        store.put(readings(since, until + HOUR, HOUR, used))
        hours, days = rows(store, "hour", since, until, zone), rows(store, "day", since, until, zone)
        assert len(hours) == (until - since) // HOUR
        assert [row.total for row in days] == [
            sum(present(row.total) for row in hours if day.slot.start <= row.slot.start < day.slot.end) for day in days
        ]
        assert sum(present(row.total) for row in days) == 8 * truth[(until - since) // HOUR]
    finally:
        store.close()


def test_a_snapshot_goes_before_a_reading_that_is_nearer(keep: Keep) -> None:
    border = local(MOSCOW, 2026, 11, 2)
    late = reading(border + timedelta(seconds=20), "day")
    store = keep([reading(border), late])
    found = at_boundary(store, metered(), border)
    assert (present(found).kind, present(found).off) == ("day", timedelta(seconds=20))


def test_without_a_snapshot_the_nearest_reading_stands_for_the_border_and_says_so(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    early, late = reading(start - timedelta(minutes=7)), reading(start + timedelta(minutes=9))
    store = keep([early, late, reading(start + DAY)])
    (row,) = rows(store, "day", start, start + DAY, MOSCOW)
    assert (row.quality, row.source, row.near, row.off) == ("complete", "registers", True, timedelta(minutes=7))
    assert row.taken == (early.at, start + DAY)
    assert row.total == sum(steady(start + DAY)) - sum(steady(early.at))
    assert at_boundary(store, metered(), start, timedelta(minutes=5)) is None


def test_hours_of_a_point_without_readings_come_from_its_intervals(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    store = keep(intervals(start, start + DAY, flags=("restored",)))
    hours = rows(store, "hour", start, start + DAY, MOSCOW)
    assert {(row.total, row.quality, row.source) for row in hours} == {(1500, "restored", "intervals")}
    assert not any(row.tariffs for row in hours)
    (day,) = rows(store, "day", start, start + DAY, MOSCOW)
    assert (day.total, day.quality) == (36_000, "restored")


def test_a_gap_in_the_intervals_is_no_zero(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    kept = [record for record in intervals(start, start + DAY) if not 10 <= (record.at - start) // HOUR < 12]
    store = keep(kept)
    hours = rows(store, "hour", start, start + DAY, MOSCOW)
    assert [row.quality for row in hours[9:13]] == ["partial", "missing", "partial", "complete"]
    assert hours[10].total is None and hours[10].reason
    (day,) = rows(store, "day", start, start + DAY, MOSCOW)
    assert (day.quality, day.total) == ("partial", 22 * 1500)


def test_an_interval_that_the_meter_marks_as_absent_is_missing(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    absent = [replace(record, values={}, flags=("partial",)) for record in intervals(start, start + HOUR)]
    (row,) = rows(keep(absent), "hour", start, start + HOUR, MOSCOW)
    assert (row.total, row.quality) == (None, "missing")


def test_an_outage_is_not_spread_over_its_days(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    store = keep(
        readings(start, start + timedelta(hours=30), QUARTER)
        + readings(start + timedelta(hours=80), start + timedelta(hours=121), QUARTER)
    )
    found = rows(store, "day", start, start + 5 * DAY, MOSCOW)
    assert [row.quality for row in found] == ["complete", "partial", "missing", "partial", "complete"]
    assert found[1].taken == (start + DAY, start + timedelta(hours=29, minutes=45))
    assert found[1].total == 5 * 1500 + 1125
    assert found[3].total == 16 * 1500
    (month,) = rows(store, "month", start, start + DAY, MOSCOW)
    assert (month.quality, month.total) == ("partial", 120 * 1500 + 1125), "its first and last reading bound it"


def test_the_running_day_goes_to_the_newest_reading(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    now = start + timedelta(hours=9, minutes=7)
    store = keep(readings(start, now, QUARTER))
    today, *later = series(store, metered(), "day", start, start + 3 * DAY, MOSCOW, now)
    assert (today.quality, today.total) == ("partial", 9 * 1500)
    assert today.taken == (start, start + timedelta(hours=9))
    assert later == []


def test_a_reading_whose_time_nobody_knows_is_not_used(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    unset = replace(reading(start), clock="unset", flags=("clock-unset",))
    assert at_boundary(keep([unset]), metered(), start) is None


@pytest.mark.parametrize("flag", ["sum-mismatch", "backwards", "step-too-large"])
def test_a_doubtful_reading_makes_both_its_slots_doubtful(keep: Keep, flag: Flag) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    doubted = replace(reading(start + HOUR), flags=(flag,))
    store = keep([reading(start), doubted, reading(start + 2 * HOUR), reading(start + 3 * HOUR)])
    found = rows(store, "hour", start, start + 3 * HOUR, MOSCOW)
    assert [row.quality for row in found] == ["doubtful", "doubtful", "complete"]
    assert found[0].flags == (flag,)


def replaced(**more: object) -> Meter:
    old = EarlierMeter("1234567", date(2026, 11, 2), {"T1": Decimal("5000.5"), "T2": Decimal(700)})
    return metered(before=(old,), installed=date(2026, 11, 2), **more)


def swapped(start: datetime) -> list[Record]:
    """The old meter's last reading at 08:00, the new one's first at 12:00."""
    old = {"1-0:1.8.1": 4_990_000, "1-0:1.8.2": 699_000}
    new = {"1-0:1.8.1": 13_000, "1-0:1.8.2": 3_600}
    return [
        reading(start, meter="1234567", values=old),
        reading(start + timedelta(hours=8), meter="1234567", values=old),
        reading(start + timedelta(hours=12), values=new),
        reading(start + DAY, values={code: value + 2_000 for code, value in new.items()}),
    ]


def test_a_day_on_which_the_meter_was_replaced_has_both_parts(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    meter = replaced(initial={"T1": Decimal("12.4"), "T2": Decimal("3.1")})
    (row,) = rows(keep(swapped(start)), "day", start, start + DAY, MOSCOW, meter)
    assert row.tariffs == {"T1": 10_500 + 2_600, "T2": 1_000 + 2_500}
    assert (row.quality, row.total) == ("complete", 16_600)


def test_a_replacement_without_an_act_is_missing_with_its_reason(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    (row,) = rows(keep(swapped(start)), "day", start, start + DAY, MOSCOW, replaced())
    assert (row.total, row.tariffs, row.quality) == (None, {}, "missing")
    assert "initial reading of T1 is not known" in row.reason


def test_a_meter_with_fewer_tariffs_than_the_one_before_ends_the_tariff_that_went(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    new = {"1-0:1.8.0": 13_000}
    records = [*swapped(start)[:2], reading(start + DAY, values=new)]
    (row,) = rows(keep(records), "day", start, start + DAY, MOSCOW, replaced(initial={"T1": Decimal("12.4")}))
    assert row.tariffs == {"T1": 10_500 + 600, "T2": 1_000}


def test_a_total_beside_tariffs_is_never_taken_for_t1(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    bare = reading(start + DAY, values={"1-0:1.8.0": 9_000_000})
    (row,) = rows(keep([reading(start), bare]), "day", start, start + DAY, MOSCOW)
    assert (row.total, row.quality) == (None, "missing")
    assert "gave no tariffs" in row.reason


def test_a_meter_without_tariffs_has_its_energy_in_t1(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    pair = [reading(at, values={"1-0:1.8.0": value}) for at, value in ((start, 5), (start + DAY, Decimal("7.25")))]
    (row,) = rows(keep(pair), "day", start, start + DAY, MOSCOW, metered(tariffs=None))
    assert row == Row(row.slot, {"T1": Decimal("2.25")}, Decimal("2.25"), "complete", "registers", (start, start + DAY))


def test_nothing_stored_is_missing_everywhere(keep: Keep) -> None:
    start = local(MOSCOW, 2026, 11, 2)
    found = rows(keep([]), "hour", start, start + DAY, MOSCOW)
    assert {(row.total, row.quality, row.reason) for row in found} == {(None, "missing", "nothing was read")}
    assert len(found) == 24


def test_months_of_a_meter_that_a_person_reads_go_from_reading_to_reading(keep: Keep) -> None:
    store = keep([reading(local(MOSCOW, 2026, month, 20, 12), flags=("manual",)) for month in (9, 10, 11)])
    by_hand = replace(metered(), driver="manual", bus="", address="")
    (row,) = rows(store, "month", local(MOSCOW, 2026, 11, 1), local(MOSCOW, 2026, 12, 1), MOSCOW, by_hand)
    assert row.taken == (local(MOSCOW, 2026, 10, 20, 12), local(MOSCOW, 2026, 11, 20, 12))
    assert (row.quality, row.near, row.total) == ("complete", True, 31 * 36_000)
    polled = rows(store, "month", local(MOSCOW, 2026, 11, 1), local(MOSCOW, 2026, 12, 1), MOSCOW)[0]
    assert (polled.quality, polled.total) == ("missing", None)
