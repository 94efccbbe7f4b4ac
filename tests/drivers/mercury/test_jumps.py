"""A Mercury's load profile across what moves its records: its clock set, supply lost, its period changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from drivers.reading import Reading
from protocols.mercury.archives import ReadRecords
from protocols.mercury.frames import Energy, seal
from tests.drivers.mercury.support import Bench, bench

NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
HALF = timedelta(minutes=30)
LONG = {"multiplier": 5}
BEGUN = NOW - timedelta(days=20)
SET = datetime(2026, 11, 18, 10, 7, tzinfo=UTC)
SPAN = (NOW - timedelta(days=6), NOW)
LATELY = NOW - timedelta(days=5)
A_PLUS = "1-0:1.29.0"


def linear(at: datetime) -> dict[int, Energy]:
    """One Wh a minute, so that an interval's energy is its true length in minutes."""
    return {0: Energy((at - BEGUN) // timedelta(minutes=1), None, None, None)}


def stepped(by: timedelta, **archive: Any) -> Bench:
    it = bench(NOW, settings=LONG, archive={"since": BEGUN, "steps": [(SET, by)]} | archive)
    it.archive.truth = linear
    it.meter.now = it.archive.wall
    it.driver.open(it.ask)
    return it


def ends(found: list[Reading]) -> list[datetime]:
    return [reading.at for reading in found if reading.at is not None]


def slots(since: datetime, until: datetime) -> list[datetime]:
    return [since + n * HALF for n in range((until - since) // HALF + 1)]


@pytest.mark.parametrize("settings", [{}, LONG])
@pytest.mark.parametrize("hours", [1, 5, 30])
def test_a_clock_set_forward_skips_slots_and_loses_no_record_before_it(settings: dict[str, Any], hours: int) -> None:
    it = stepped(timedelta(hours=hours))
    it.driver = bench(NOW, settings=settings).driver
    it.ask.driver = it.driver
    it.driver.identify(it.ask)
    it.ask.asked.clear()
    until = NOW + timedelta(hours=hours)
    found = it.read("interval", SPAN[0], until)
    skipped = SET.replace(minute=0) + HALF, SET.replace(minute=30) + timedelta(hours=hours)
    due = [at for at in slots(SPAN[0].replace(minute=30), until.replace(minute=0)) if not skipped[0] <= at < skipped[1]]
    assert ends(found) == due
    partial = [reading for reading in found if reading.flags]
    assert [reading.at for reading in partial] == [skipped[1]]
    assert partial[0].values == {A_PLUS: 30}, "all that was counted since the interval before"
    assert sum(reading.values[A_PLUS] for reading in found) == 30 * len(found)


@pytest.mark.parametrize("minutes", [33, 60, 300])
def test_a_clock_set_back_gives_each_slot_once_and_loses_no_record_before_it(minutes: int) -> None:
    it = stepped(-timedelta(minutes=minutes))
    found = it.read("interval", *SPAN)
    at = ends(found)
    assert len(set(at)) == len(at)
    clock = NOW - timedelta(minutes=minutes)
    assert set(at) == set(slots(SPAN[0].replace(minute=30), clock - (clock - BEGUN.replace(minute=0)) % HALF))
    assert all(reading.values[A_PLUS] == 30 for reading in found if not reading.flags)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, LONG])
def test_a_meter_whose_places_stand_still_without_supply_is_read_across_the_gap(settings: dict[str, Any]) -> None:
    off = (datetime(2026, 11, 18, 3, 40, tzinfo=UTC), datetime(2026, 11, 18, 15, 10, tzinfo=UTC))
    it = bench(NOW, settings=settings, archive={"since": BEGUN, "off": [off], "goes_on": False})
    it.archive.truth = linear
    found = it.read("interval", *SPAN)
    gone = slots(datetime(2026, 11, 18, 4, 30, tzinfo=UTC), datetime(2026, 11, 18, 15, tzinfo=UTC))
    due = slots(SPAN[0].replace(minute=30), NOW.replace(minute=0))
    assert ends(found) == [at for at in due if at not in gone]
    assert [reading.at for reading in found if reading.flags] == [gone[0] - HALF, gone[-1] + HALF]


def test_looking_for_records_behind_a_jump_costs_a_question_or_two() -> None:
    straight, jumped = stepped(timedelta()), stepped(timedelta(hours=1))
    straight.ask.asked.clear()
    jumped.ask.asked.clear()
    straight.read("interval", *SPAN)
    jumped.read("interval", *SPAN)
    assert len(jumped.ask.asked) <= len(straight.ask.asked) + 3


@pytest.mark.parametrize("settings", [{}, LONG])
def test_one_record_with_another_slots_stamp_moves_nothing(settings: dict[str, Any]) -> None:
    it = bench(NOW, settings=settings, archive={"since": BEGUN})
    it.archive.truth = linear
    moved = (it.archive.last()[0] - 40) % it.archive.places
    other = it.archive.record((moved - 10) % it.archive.places)
    known = it.archive.record

    def record(place: int) -> bytes:
        return other if place == moved else known(place)

    it.archive.record = record  # type: ignore[method-assign]
    found = it.read("interval", *SPAN)
    wrong = NOW.replace(minute=0) - 40 * HALF
    assert ends(found) == [at for at in slots(SPAN[0].replace(minute=30), NOW.replace(minute=0)) if at != wrong]
    assert all(reading.values == {A_PLUS: 30} for reading in found)


def test_records_of_another_period_than_the_last_one_are_none() -> None:
    it = bench(NOW, settings=LONG, archive={"since": BEGUN})
    it.archive.truth = linear
    changed = NOW - timedelta(days=2)

    def older(question: Any, octets: bytes) -> bytes:
        if not isinstance(question, ReadRecords):
            return octets
        data, records = octets[1:-2], []
        for at in range(0, len(data), 15):
            record = data[at : at + 15]
            young = record[3] >= int(f"{changed.day}", 16) or record[3] == 0xFF
            records.append(record if young else record[:6] + b"\x3c" + record[7:])
        return seal(45, b"".join(records))

    it.ask.spoil = older
    assert ends(it.read("interval", *SPAN))[0] >= changed.replace(hour=0, minute=0) - timedelta(hours=3)


@pytest.mark.parametrize("cell", ["31 02", "00 00", "32 11", "10 13", "AA 11", "FF FF"])
def test_a_record_whose_day_no_calendar_knows_is_absent_and_costs_no_other(cell: str) -> None:
    it = bench(NOW, settings=LONG, archive={"since": BEGUN})
    it.archive.truth = linear
    strange = (it.archive.last()[0] - 7) % it.archive.places
    known = it.archive.record

    def record(place: int) -> bytes:
        said = known(place)
        return said[:3] + bytes.fromhex(cell) + said[5:] if place == strange else said

    it.archive.record = record  # type: ignore[method-assign]
    found = ends(it.read("interval", *SPAN))
    assert found == [
        at for at in slots(SPAN[0].replace(minute=30), NOW.replace(minute=0)) if at != NOW.replace(minute=0) - 7 * HALF
    ]


@pytest.mark.slow
def test_a_count_of_all_ones_is_absent_and_the_largest_one_is_a_value() -> None:
    it = bench(NOW, settings=LONG, archive={"since": BEGUN})
    counts = {3: b"\xff\xff", 5: b"\xfe\xff"}
    newest, known = it.archive.last()[0], it.archive.record

    def record(place: int) -> bytes:
        said = known(place)
        return said[:7] + counts.get((newest - place) % it.archive.places, said[7:9]) + said[9:]

    it.archive.record = record  # type: ignore[method-assign]
    found = {reading.at: reading for reading in it.read("interval", *SPAN)}
    absent, largest = (found[NOW.replace(minute=0) - age * HALF] for age in counts)
    assert (A_PLUS in absent.values, A_PLUS in largest.values) == (False, True)
    assert largest.values[A_PLUS] == 65534, (
        "far above what a household draws: judged by whoever compares, never dropped"
    )


@pytest.mark.parametrize("period", [15, 30, 60])
@pytest.mark.parametrize("year", [2024, 2028])
def test_a_leap_day_has_all_its_slots(period: int, year: int) -> None:
    now = datetime(year, 3, 2, 9, 10, tzinfo=UTC)
    it = bench(now, settings=LONG, archive={"since": now - timedelta(days=20), "period": period})
    it.archive.truth = lambda at: {
        0: Energy((at - BEGUN + timedelta(days=2000)) // timedelta(minutes=1), None, None, None)
    }
    step = timedelta(minutes=period)
    midnight = datetime(year, 2, 29, tzinfo=UTC) - timedelta(hours=3)
    found = it.read("interval", midnight + step, midnight + timedelta(days=1))
    assert len(found) == 24 * 60 // period
    assert {reading.values[A_PLUS] for reading in found} == {period}
    assert all(later.start == earlier.at for earlier, later in pairwise(found))
    days = it.read("day", midnight, midnight + timedelta(days=1))
    assert [reading.at for reading in days] == [midnight, midnight + timedelta(days=1)]


@pytest.mark.slow
@examples(max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 4 * 48), st.integers(-400, 400)), max_size=3),
    st.lists(st.tuples(st.integers(0, 4 * 48), st.integers(1, 2000)), max_size=2),
    st.booleans(),
    st.booleans(),
)
def test_whatever_happened_to_clock_and_supply_an_interval_holds_what_was_counted_in_it(
    steps: list[tuple[int, int]], off: list[tuple[int, int]], goes_on: bool, long: bool
) -> None:
    moments = [(LATELY + n * HALF + timedelta(minutes=7), timedelta(minutes=by)) for n, by in steps]
    gone = [(LATELY + n * HALF + timedelta(minutes=3), LATELY + n * HALF + timedelta(minutes=3 + by)) for n, by in off]
    it = bench(
        NOW,
        settings=LONG if long else {},
        archive={"since": LATELY, "steps": moments, "off": gone[:1], "goes_on": goes_on},
    )
    it.archive.truth = linear
    it.meter.now = it.archive.wall
    it.driver.open(it.ask)
    found = it.read("interval", LATELY - timedelta(days=1), NOW + timedelta(days=1))
    at = ends(found)
    assert len(set(at)) == len(at)
    truth: dict[datetime, set[int]] = {}
    for slot in it.archive._kept():
        if it.archive._written(slot):
            counted = it.archive.rows(slot.end)[0], it.archive.rows(slot.begin)[0]
            truth.setdefault(slot.stamp, set()).add((counted[0].active_import or 0) - (counted[1].active_import or 0))
    for reading in found:
        assert reading.at is not None
        assert reading.values[A_PLUS] in truth[reading.at]
    if goes_on and not moments:
        assert set(at) == set(truth)
