"""Archives of a SPODES meter across all that happens: a clock set, supply lost, profiles cleared, rows spoilt."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.reading import Reading
from protocols.dlms import axdr
from protocols.dlms.cosem.stamp import SUMMER, encode
from protocols.errors import MeterError
from simulators.dlms_objects import ProfileObject
from simulators.household import Household
from tests.drivers.dlms.test_profiles import NOON, buffer, stamp
from tests.support.dlms import NOW, START, opened, plan, spodes, station

A_PLUS, TOTAL = "1-0:1.29.0", "1-0:1.8.0"
HALF = timedelta(minutes=30)
DAY = timedelta(days=1)
LAST = NOW.replace(minute=30, second=0)
ACCESS = pytest.mark.parametrize("access", ["range", "entry"])


def read(meter: Any, since: datetime, until: datetime, kind: str = "interval", **settings: Any) -> list[Reading]:
    reads, wire = opened(plan(**settings), station(meter).answer)
    return list(getattr(reads, kind)(wire, since, until))


def ends(found: list[Reading]) -> list[datetime]:
    return [reading.at for reading in found if reading.at is not None]


def slots(since: datetime, until: datetime, step: timedelta = HALF) -> list[datetime]:
    return [since + n * step for n in range((until - since) // step + 1)]


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [15, 30, 60])
@ACCESS
def test_intervals_of_any_length_add_up_to_the_days(minutes: int, access: str) -> None:
    meter = spodes(load_period=minutes * 60)
    step, midnight = timedelta(minutes=minutes), datetime(2026, 3, 8, 21, tzinfo=UTC)
    found = read(meter, midnight + step, midnight + DAY, profile_access=access)
    assert ends(found) == slots(midnight + step, midnight + DAY, step)
    assert all(reading.start == reading.at - step and reading.flags == () for reading in found if reading.at)
    first, last = read(meter, midnight, midnight + DAY, "day", profile_access=access)
    assert sum(reading.values[A_PLUS] for reading in found) == last.values[TOTAL] - first.values[TOTAL] > 0


@pytest.mark.parametrize(
    ("day", "count"),
    [(datetime(2026, 3, 28, 23, tzinfo=UTC), 46), (datetime(2026, 10, 24, 22, tzinfo=UTC), 50)],
)
@pytest.mark.parametrize("settings", [{}, {"range_deviation": False, "timezone": "Europe/Berlin"}])
@ACCESS
def test_a_day_of_46_or_50_half_hours_is_whole_with_stamps_that_state_their_deviation(
    day: datetime, count: int, settings: dict[str, Any], access: str
) -> None:
    last = day + HALF * count
    house = Household(7, "Europe/Berlin", day - 3 * DAY)
    meter = spodes(house=house, now=lambda: last + HALF / 2, start=day - 3 * DAY, zone="Europe/Berlin")
    found = read(meter, day + HALF, last, profile_access=access, **(settings if access == "entry" else {}))
    assert ends(found) == slots(day + HALF, last)
    assert sum(reading.values[A_PLUS] for reading in found) == house.energy(last)["total"] - house.energy(day)["total"]
    assert ends(read(meter, day, last, "day", timezone="Europe/Berlin")) == [day, last]


def test_in_the_hour_that_comes_twice_the_summer_bit_tells_two_rows_apart_where_no_deviation_is_stated() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    meter = spodes(zone="Europe/Berlin")
    half_past_two = datetime(2026, 10, 25, 2, 30)
    marks = [(half_past_two, SUMMER), (half_past_two, 0)]
    buffer(meter, [(axdr.octets(encode(wall, None, mark)), axdr.unsigned(n)) for n, (wall, mark) in enumerate(marks)])
    first = half_past_two.replace(tzinfo=berlin).astimezone(UTC)
    found = read(meter, first - DAY, first + DAY, timezone="Europe/Berlin")
    assert ends(found) == [first, first + timedelta(hours=1)]


@pytest.mark.parametrize("year", [2024, 2028])
def test_a_leap_day_is_a_day(year: int) -> None:
    midnight = datetime(year, 2, 29, tzinfo=UTC) - timedelta(hours=3)
    begun = midnight - 3 * DAY
    meter = spodes(house=Household(7, start=begun), now=lambda: midnight + 2 * DAY, start=begun)
    assert ends(read(meter, midnight + HALF, midnight + DAY)) == slots(midnight + HALF, midnight + DAY)
    assert ends(read(meter, midnight, midnight + DAY, "day")) == [midnight, midnight + DAY]
    march = datetime(year, 3, 1, tzinfo=UTC) - timedelta(hours=3)
    assert ends(read(meter, begun, midnight + 2 * DAY, "month")) == [march]


@pytest.mark.slow
@ACCESS
def test_a_full_profile_has_what_it_keeps_and_not_more(access: str) -> None:
    meter = spodes(depths={"load": 100, "day": 5, "month": 1})
    found = read(meter, START, NOW, profile_access=access)
    assert ends(found) == slots(LAST - 99 * HALF, LAST)
    midnight = datetime(2026, 3, 9, 21, tzinfo=UTC)
    assert ends(read(meter, START, NOW, "day", profile_access=access)) == slots(midnight - 4 * DAY, midnight, DAY)
    assert len(read(meter, START, NOW, "month", profile_access=access)) == 1


@ACCESS
def test_a_cleared_profile_gives_what_came_after_it(access: str) -> None:
    meter = spodes(cleared={"load": NOW - timedelta(hours=5), "day": NOW - DAY})
    assert ends(read(meter, START, NOW, profile_access=access)) == slots(LAST - 8 * HALF, LAST)
    assert ends(read(meter, START, NOW, "day", profile_access=access)) == [datetime(2026, 3, 9, 21, tzinfo=UTC)]
    empty = spodes(cleared={"load": NOW, "day": NOW, "month": NOW})
    for kind in ("interval", "day", "month"):
        assert read(empty, START, NOW, kind, profile_access=access) == []


@pytest.mark.slow
@ACCESS
@pytest.mark.parametrize("hours", [1, 7])
def test_what_a_clock_was_set_over_has_no_row_and_everything_else_has_its_own(hours: int, access: str) -> None:
    at = NOW - DAY
    meter = spodes(steps=[(at, timedelta(hours=hours))])
    until = LAST + timedelta(hours=hours)
    found = read(meter, START, until, profile_access=access)
    skipped = at.replace(minute=30, second=0) + HALF, at.replace(minute=30, second=0) + timedelta(hours=hours)
    due = [each for each in slots(START + HALF, until) if not skipped[0] <= each <= skipped[1]]
    assert ends(found) == due
    before, after = (spodes().registers(each) for each in (START, LAST))
    counted = (after[bytes((1, 0, 1, 8, 0, 255))] - before[bytes((1, 0, 1, 8, 0, 255))]) // 1000
    assert sum(reading.values[A_PLUS] for reading in found) == counted, "no energy is lost over it"


@pytest.mark.slow
@ACCESS
def test_a_clock_set_back_gives_no_slot_twice(access: str) -> None:
    meter = spodes(steps=[(NOW - DAY, -timedelta(hours=3))])
    found = ends(read(meter, START, NOW, profile_access=access, rows=20))
    assert len(set(found)) == len(found)
    assert found == slots(START + HALF, LAST - timedelta(hours=3))


@ACCESS
def test_two_rows_of_one_slot_are_one_reading(access: str) -> None:
    meter = spodes()
    rows = [(NOON, 1), (NOON + HALF, 2), (NOON, 3), (NOON + HALF, 4), (NOON + 2 * HALF, 5)]
    buffer(meter, [(stamp(wall), axdr.unsigned(value)) for wall, value in rows])
    found = read(meter, NOW - DAY, NOW + DAY)
    assert [reading.values[A_PLUS] * 1000 for reading in found] == [1, 2, 5]


@pytest.mark.slow
@ACCESS
def test_a_time_without_supply_has_no_rows_and_its_energy_was_never_counted(access: str) -> None:
    off = (NOW - timedelta(hours=30), NOW - timedelta(hours=20, minutes=50))
    meter = spodes(off=[off])
    found = read(meter, NOW - 2 * DAY, NOW, profile_access=access)
    gone = [each for each in slots(LAST - 95 * HALF, LAST) if off[0] <= each - HALF and each <= off[1]]
    assert gone and ends(found) == [each for each in slots(LAST - 95 * HALF, LAST) if each not in gone]
    total = bytes((1, 0, 1, 8, 0, 255))
    counted = meter.registers(LAST)[total] - meter.registers(LAST - 96 * HALF)[total]
    assert sum(reading.values[A_PLUS] for reading in found) == counted // 1000


@pytest.mark.parametrize(
    "wild",
    [
        "07ea021fff0c000000ff4c00",  # 31.02.
        "07ea0d0aff0c000000ff4c00",  # a thirteenth month
        "07ea0300ff0c000000ff4c00",  # day 0
        "07ea030aff18000000ff4c00",  # 24 o'clock
        "07ea030aff0c3c0000ff4c00",  # minute 60
        "000000000000000000000000",
        "ffffffffffffffffffffffff",
    ],
)
def test_a_row_whose_stamp_no_calendar_knows_costs_no_other_and_gets_no_slot(wild: str) -> None:
    meter = spodes()
    rows = [(stamp(NOON), axdr.unsigned(1)), (axdr.octets(bytes.fromhex(wild)), axdr.unsigned(2))]
    buffer(meter, [*rows, (stamp(NOON + 2 * HALF), axdr.unsigned(3))])
    try:
        found = read(meter, NOW - 2 * DAY, NOW + DAY)
    except MeterError:
        pytest.fail("one bad row must not cost the sound ones beside it")
    assert [reading.values[A_PLUS] * 1000 for reading in found] == [1, 3]


def test_a_far_too_high_value_is_given_as_it_stands() -> None:
    meter = spodes()
    buffer(meter, [(stamp(NOON), axdr.long64_unsigned(2**64 - 1)), (stamp(NOON + HALF), axdr.unsigned(1))])
    found = read(meter, NOW - DAY, NOW + DAY)
    assert found[0].values[A_PLUS] * 1000 == 2**64 - 1
    assert [reading.flags for reading in found] == [(), ()]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 7, 48])
@ACCESS
def test_a_meter_that_gives_some_rows_only_brings_these(rows: int, access: str) -> None:
    meter = spodes()
    missing = {LAST - n * HALF for n in (0, 3, 4, 5, 40)}
    known = meter.stamps
    profile = meter.server.objects[7, bytes((1, 0, 99, 1, 0, 255))]
    assert isinstance(profile, ProfileObject)
    profile.stamps = lambda: [each for each in known("load") if each not in missing]
    found = ends(read(meter, LAST - 50 * HALF, NOW, profile_access=access, rows=rows))
    assert found == [each for each in slots(LAST - 50 * HALF, LAST) if each not in missing]


@pytest.mark.slow
@ACCESS
def test_reading_in_pieces_of_any_size_gives_the_same(access: str) -> None:
    meter = spodes()
    reads, wire = opened(plan(profile_access=access, rows=13), station(meter).answer)
    whole = list(reads.interval(wire, LAST - 100 * HALF, LAST))
    borders = [LAST - n * HALF for n in (101, 60, 59, 20, 0)]
    pieces = [list(reads.interval(wire, begin + HALF, end)) for begin, end in pairwise(borders)]
    assert [reading for piece in pieces for reading in piece] == whole
