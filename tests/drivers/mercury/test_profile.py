"""The load profile of a Mercury against the household behind it: whole months, and all that can go wrong in a ring."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from drivers.mercury.profile import energy
from drivers.reading import Reading
from protocols.errors import BadFrame, Busy, MeterError, NoReply, Refused
from protocols.mercury.archives import ReadBack, ReadLastRecord, ReadRecords
from protocols.mercury.frames import Energy, seal
from protocols.mercury.identity import CONSTANTS
from tests.drivers.mercury.support import Bench, bench, truth

NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
HALF = timedelta(minutes=30)
LONG = {"multiplier": 5}
ALL = (datetime(2020, 1, 1, tzinfo=UTC), NOW + timedelta(days=1))
DAY = (datetime(2026, 11, 19, 21, 30, tzinfo=UTC), datetime(2026, 11, 20, 21, tzinfo=UTC))  # the local 20th
SMALL = bytes.fromhex("B4 E3 C2 17 DF 58 0C 00")  # 64 KiB
A_PLUS = "1-0:1.29.0"


def built(code: int, extended: bool = True) -> bytes:
    """Variant bytes of a meter with this code of its constant."""
    return bytes((0xB4, 0xE0 | code, 0xC2, 0x97, 0xDF, 0x58 if extended else 0x18))


def ends(found: list[Reading]) -> list[datetime]:
    return [reading.at for reading in found if reading.at is not None]


def slots(since: datetime, until: datetime, step: timedelta = HALF) -> list[datetime]:
    return [since + n * step for n in range((until - since) // step + 1)]


def counted(it: Bench, begin: datetime, end: datetime) -> tuple[int, int]:
    """A+ and R+ between two moments, in Wh and varh, by the meter's own registers."""
    before, after = it.archive.rows(begin)[0], it.archive.rows(end)[0]
    assert before.active_import is not None and after.active_import is not None
    assert before.reactive_import is not None and after.reactive_import is not None
    return after.active_import - before.active_import, after.reactive_import - before.reactive_import


@pytest.mark.parametrize("settings", [{}, LONG])
def test_a_day_has_48_intervals_with_the_energy_of_the_household(settings: dict[str, Any]) -> None:
    it = bench(NOW, settings=settings)
    found = it.read("interval", *DAY)
    assert ends(found) == slots(*DAY)
    for reading in found:
        assert reading.at is not None and reading.start == reading.at - HALF
        active, reactive = counted(it, reading.start, reading.at)
        assert reading.values == {A_PLUS: active, "1-0:3.29.0": reactive}
        assert (reading.kind, reading.flags) == ("interval", ())


def test_long_answers_bring_the_same_in_a_fraction_of_the_questions() -> None:
    single, long = bench(NOW), bench(NOW, settings=LONG)
    assert single.read("interval", *DAY) == long.read("interval", *DAY)
    assert (len(single.ask.asked), len(long.ask.asked)) == (1 + 48, 1 + 3)


def tenth(at: datetime) -> dict[int, Energy]:
    return {
        tariff: Energy((row.active_import or 0) // 10, None, (row.reactive_import or 0) // 10, None)
        for tariff, row in truth(at).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("code", range(6))
@pytest.mark.parametrize("month", [1, 2, 3])
def test_intervals_days_and_months_agree(code: int, month: int) -> None:
    """Months of 31, 28 and 31 days; every constant: the sum is off by less than one count of the whole month."""
    constant = CONSTANTS[code]
    begin, end = (datetime(2026, n, 1, tzinfo=UTC) - timedelta(hours=3) for n in (month + 1, month + 2))
    it = bench(end + timedelta(days=1), settings=LONG, variant=built(code), archive={"constant": constant})
    if constant == 25000:  # made for 1 A behind transformers: 1.3 kWh fill the 16 bits of a count
        it.archive.truth = tenth
    intervals = it.read("interval", begin + HALF, end)
    first, *days, last = it.read("day", begin, end)
    months = it.read("month", begin, end)
    assert len(intervals) == (end - begin) // HALF
    assert (first.at, last.at, len(days) + 1) == (begin, end, (end - begin).days)
    for total, each in (("1-0:1.8.0", A_PLUS), ("1-0:3.8.0", "1-0:3.29.0")):
        by_days = last.values[total] - first.values[total]
        assert by_days == months[1].values[total] - months[0].values[total]
        summed = sum(reading.values[each] for reading in intervals)
        assert abs(summed - by_days) <= Decimal(500) / constant
        assert summed > 0


@pytest.mark.parametrize(
    ("count", "constant", "exact"),
    [
        (10500, 1000, 5250),
        (1, 5000, Decimal("0.1")),
        (3, 25000, Decimal("0.06")),
        (7, 1250, Decimal("2.8")),
        (65534, 500, 65534),
        (1, 1000, Decimal("0.5")),
        (0, 250, 0),
        (3, 250, 6),
    ],
)
def test_energy_of_a_count_is_exact(count: int, constant: int, exact: int | Decimal) -> None:
    assert energy(count, constant) == exact
    assert isinstance(energy(count, constant), int | Decimal)


@pytest.mark.parametrize("firmware", [(7, 0, 9), (7, 1, 0), (9, 0, 0)])
@pytest.mark.parametrize("variant", [SMALL, built(3)])
@pytest.mark.parametrize("settings", [{}, LONG])
def test_the_ring_is_read_across_its_end_and_no_further_than_it_reaches(
    firmware: tuple[int, int, int], variant: bytes, settings: dict[str, Any]
) -> None:
    places = 8192 if variant[3] & 0x80 and firmware >= (7, 1, 0) else 4096
    begin = NOW - HALF * (places + 20)
    it = bench(NOW, settings=settings, firmware=firmware, variant=variant, archive={"places": places, "since": begin})
    it.archive.truth = lambda at: {0: Energy((at - begin) // HALF * 7, None, None, None)}
    newest = datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert it.archive.last()[0] < 48, "the day lies on both sides of the end"
    assert ends(it.read("interval", NOW - timedelta(days=2), NOW)) == slots(newest - HALF * 95, newest)
    if settings:
        longs = sum(getattr(question, "long", False) for question in it.ask.asked)
        assert longs > 3, "a long question across the end would have been refused, and given up"
    it.ask.asked.clear()
    oldest = newest - HALF * (places - 1)
    assert ends(it.read("interval", ALL[0], oldest + HALF)) == [oldest, oldest + HALF]
    assert len(it.ask.asked) == 3


@pytest.mark.parametrize("behind", range(1, 40, 3))
def test_a_day_across_the_ring_s_end_costs_one_long_question_more_at_most(behind: int) -> None:
    """``behind``: records of the day that lie at the ring's beginning."""
    begin = NOW - HALF * (4096 + behind)
    it = bench(NOW, settings=LONG, variant=SMALL, archive={"places": 4096, "since": begin})
    it.archive.truth = lambda at: {0: Energy((at - begin) // HALF * 7, None, None, None)}
    newest = datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert ends(it.read("interval", newest - HALF * 47, newest)) == slots(newest - HALF * 47, newest)
    singles = sum(isinstance(each, ReadRecords) and not each.long for each in it.ask.asked)
    assert sum(getattr(each, "long", False) for each in it.ask.asked) <= 4
    assert singles <= 2 * 5, "each end has fewer than six left over"


def test_a_gap_without_supply_has_no_intervals_and_its_edges_are_partial() -> None:
    off = (datetime(2026, 11, 20, 3, 40, tzinfo=UTC), datetime(2026, 11, 20, 6, 10, tzinfo=UTC))
    it = bench(NOW, settings=LONG, archive={"off": [off]})
    found = {reading.at: reading for reading in it.read("interval", *DAY)}
    gone = slots(datetime(2026, 11, 20, 4, 30, tzinfo=UTC), datetime(2026, 11, 20, 6, tzinfo=UTC))
    assert [at for at in slots(*DAY) if at not in found] == gone
    edges = [gone[0] - HALF, gone[-1] + HALF]
    assert [at for at, reading in found.items() if reading.flags] == edges
    assert all(found[at].flags == ("partial",) for at in edges)
    by_registers = counted(it, DAY[0] - HALF, DAY[1])[0]
    assert sum(reading.values[A_PLUS] for reading in found.values()) == by_registers


def test_an_older_lap_under_a_gap_never_becomes_a_value() -> None:
    off = (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 6, tzinfo=UTC))
    it = bench(NOW, settings=LONG, variant=SMALL, archive={"off": [off], "places": 4096})
    stale = it.archive.record((it.archive.last()[0] - 60) % 4096)
    assert stale[1:6] == bytes.fromhex("22 00 26 08 26"), "4096 half hours before 20.11. 06:00"
    found = ends(it.read("interval", *DAY))
    assert not [at for at in found if off[0] < at <= off[1]]
    assert len(found) == 48 - 12


@pytest.mark.parametrize("settings", [{}, LONG])
def test_a_restarted_profile_gives_what_came_after_and_nothing_else(settings: dict[str, Any]) -> None:
    restart = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    it = bench(NOW, settings=settings, archive={"restarts": [restart]})
    found = it.read("interval", NOW - timedelta(days=3), NOW)
    assert ends(found) == slots(datetime(2026, 11, 20, 10, 30, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC))
    assert [reading.flags for reading in found[:2]] == [("partial",), ()]


def test_a_profile_just_begun_has_nothing_and_one_being_cleared_is_busy() -> None:
    it = bench(NOW, archive={"restarts": [NOW - timedelta(minutes=5)]})
    assert it.read("interval", *ALL) == []
    it.ask.spoil = lambda question, octets: seal(45, octets[1:3] + b"\x04" + octets[4:-2])
    with pytest.raises(Busy):
        it.read("interval", *ALL)


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), 46),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 50),
        ("Europe/Moscow", datetime(2026, 3, 28, 21, tzinfo=UTC), 48),
        ("Europe/Moscow", datetime(2026, 10, 24, 21, tzinfo=UTC), 48),
    ],
)
def test_a_day_of_46_or_50_half_hours_is_whole_where_summer_time_is_kept(zone: str, day: datetime, count: int) -> None:
    last = day + HALF * count
    it = bench(last + timedelta(minutes=1), zone=zone, settings=LONG)
    midnights = [reading.at for reading in it.read("day", day, last)]
    assert midnights == [day, last]
    found = it.read("interval", day + HALF, last)
    assert ends(found) == slots(day + HALF, last)
    assert sum(reading.values[A_PLUS] for reading in found) == counted(it, day, last)[0]


@pytest.mark.parametrize("minutes", [0, 30, 60, 90, 120])
def test_the_last_record_of_the_hour_that_comes_twice_is_taken_for_the_right_one(minutes: int) -> None:
    newest = datetime(2026, 10, 24, 23, 30, tzinfo=UTC) + timedelta(minutes=minutes)
    it = bench(newest + timedelta(minutes=1), zone="Europe/Berlin")
    assert ends(it.read("interval", newest - HALF, newest)) == [newest - HALF, newest]


def test_intervals_of_an_hour_are_read_as_such() -> None:
    hour = timedelta(hours=1)
    it = bench(NOW, settings=LONG, archive={"period": 60})
    since, until = DAY[0] + HALF, DAY[1]
    found = it.read("interval", since, until)
    assert ends(found) == slots(since, until, hour)
    assert all(reading.at is not None and reading.start == reading.at - hour for reading in found)
    assert sum(reading.values[A_PLUS] for reading in found) == counted(it, since - hour, until)[0]


def test_a_meter_that_stamps_the_start_is_read_by_its_setting() -> None:
    ending, starting = bench(NOW), bench(NOW, settings={"stamp": "start"})
    since, until = DAY[0] + HALF, DAY[1]
    moved = starting.read("interval", since, until)
    assert ends(moved) == slots(since, until)
    assert [reading.values for reading in moved] == [
        reading.values for reading in ending.read("interval", since - HALF, until - HALF)
    ]


@pytest.mark.parametrize("means", ["end", "start"])
@pytest.mark.parametrize("access", ["single", "long", "distance"])
def test_pieces_of_a_span_bring_each_interval_that_ends_within_it_once(access: str, means: str) -> None:
    settings = {"stamp": means} | (LONG if access == "long" else {})
    it = bench(NOW, settings=settings, by_address=access != "distance")
    asked = slots(*DAY)
    pieces = [asked[:1], asked[1:20], asked[20:]]
    assert [ends(it.read("interval", piece[0], piece[-1])) for piece in pieces] == pieces


def test_an_absent_count_is_missing_and_an_interval_of_none_is_partial() -> None:
    it = bench(NOW)
    it.archive.truth = lambda at: {0: Energy(None, None, None, None)}
    (reading,) = it.read("interval", DAY[1], DAY[1])
    assert (reading.values, reading.flags) == ({}, ("partial",))


def test_only_the_directions_that_are_configured_are_brought() -> None:
    it = bench(NOW, settings={"directions": "A+"})
    assert {name for reading in it.read("interval", *DAY) for name in reading.values} == {A_PLUS}


@pytest.mark.parametrize(
    "where",
    [pytest.param(slice(1, 6), id="stamp"), pytest.param(slice(6, 7), id="period")],
)
def test_a_record_with_another_stamp_or_period_than_its_slots_never_becomes_a_value(where: slice) -> None:
    it = bench(NOW)
    other = it.archive.record((it.archive.last()[0] - 100) % it.archive.places)
    other = other[:6] + b"\x0f" + other[7:]

    def wrong(question: Any, octets: bytes) -> bytes:
        if not isinstance(question, ReadRecords):
            return octets
        record = bytearray(octets[1:-2])
        record[where] = other[where]
        return seal(45, bytes(record))

    it.ask.spoil = wrong
    assert it.read("interval", *DAY) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_a_meter_that_gives_no_long_answers_is_asked_one_by_one_from_then_on(quiet: bool) -> None:
    it = bench(NOW, settings=LONG, archive={"long_answers": False})
    if quiet:
        it.ask.spoil = lambda question, octets: b"" if getattr(question, "long", False) else octets
    for longs in (1, 0):
        it.ask.asked.clear()
        assert ends(it.read("interval", *DAY)) == slots(*DAY)
        assert sum(getattr(question, "long", False) for question in it.ask.asked) == longs


def test_one_lost_long_answer_is_no_reason_to_give_them_up() -> None:
    it = bench(NOW, settings=LONG)
    it.read("interval", *DAY)
    it.ask.spoil = lambda question, octets: b"" if getattr(question, "long", False) else octets
    with pytest.raises(NoReply):
        it.read("interval", *DAY)
    it.ask.spoil = lambda question, octets: octets
    it.ask.asked.clear()
    it.read("interval", *DAY)
    assert len(it.ask.asked) == 1 + 3


def test_a_meter_that_takes_no_addresses_is_read_by_distance() -> None:
    it = bench(NOW, by_address=False)
    found = it.read("interval", *DAY)
    assert ends(found) == slots(*DAY)
    assert found == bench(NOW).read("interval", *DAY)
    assert any(isinstance(question, ReadBack) for question in it.ask.asked)


def test_a_record_that_comes_while_reading_by_distance_makes_no_gap() -> None:
    it = bench(NOW, by_address=False)
    it.read("interval", DAY[1], DAY[1])

    def later(question: Any, octets: bytes) -> bytes:
        if isinstance(question, ReadBack):
            it.now += timedelta(minutes=1)
        return octets

    it.ask.spoil = later
    with pytest.raises(Busy):
        it.read("interval", *DAY)


def test_a_record_that_comes_while_reading_by_address_changes_nothing() -> None:
    it = bench(NOW + timedelta(minutes=17), settings=LONG)

    def later(question: Any, octets: bytes) -> bytes:
        it.now += timedelta(minutes=2)
        return octets

    it.ask.spoil = later
    before = it.archive.last()
    assert ends(it.read("interval", *DAY)) == slots(*DAY)
    assert it.archive.last() != before


@pytest.mark.slow
def test_no_wrong_number_of_octets_is_ever_asked_for() -> None:
    it = bench(NOW, settings=LONG)
    it.archive.truth = lambda at: {0: Energy(0, 0, 0, 0)}
    assert len(it.read("interval", NOW - timedelta(days=180), NOW)) == 8192
    assert it.meter.status == bytes(6), "E-07 would stand there"


def test_a_meter_without_a_profile_or_of_unknown_constant_refuses() -> None:
    without = bench(NOW)
    without.meter.archive = None
    for asked in (1, 0):
        without.ask.asked.clear()
        with pytest.raises(Refused, match="no load profile"):
            without.read("interval", *DAY)
        assert len(without.ask.asked) == asked
    with pytest.raises(Refused, match="constant"):
        bench(NOW, variant=built(9)).read("interval", *DAY)


@pytest.mark.parametrize(("octet", "value"), [(2, 0xFF), (9, 0), (9, 7), (9, 255)])
def test_a_pointer_that_makes_no_sense_is_broken(octet: int, value: int) -> None:
    it = bench(NOW, firmware=(7, 0, 0), variant=SMALL, archive={"places": 4096})

    def wrong(question: Any, octets: bytes) -> bytes:
        if not isinstance(question, ReadLastRecord):
            return octets
        changed = bytearray(octets[:-2])
        changed[octet] = value
        return seal(45, bytes(changed[1:]))

    it.ask.spoil = wrong
    with pytest.raises(BadFrame):
        it.read("interval", *DAY)


@pytest.mark.slow
@examples(max_examples=150)
@given(st.binary(min_size=15, max_size=15), st.binary(min_size=9, max_size=9), st.booleans())
def test_any_octets_in_the_records_are_nothing_or_the_slot_that_was_asked(
    record: bytes, pointer: bytes, spoil_pointer: bool
) -> None:
    it = bench(NOW, settings=LONG)

    def spoiled(question: Any, octets: bytes) -> bytes:
        if isinstance(question, ReadRecords):
            return seal(45, record * (len(octets) // 15))
        return seal(45, pointer) if spoil_pointer and isinstance(question, ReadLastRecord) else octets

    it.ask.spoil = spoiled
    since = NOW - timedelta(hours=5)
    try:
        found = it.read("interval", since, NOW)
    except MeterError:
        return
    assert all(reading.at is not None and since <= reading.at <= NOW for reading in found)
    assert len(found) <= 1
