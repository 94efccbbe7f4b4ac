"""Days and months of a Mercury against the household behind it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from drivers.mercury.driver import Mercury230
from drivers.mercury.journal import JOURNALS
from drivers.reading import MeterPlan, Topic
from protocols.errors import Busy, Refused
from protocols.mercury import questions
from protocols.mercury.archives import ReadSnapshot
from protocols.mercury.frames import Energy, seal
from protocols.session import Line
from simulators.mercury_archive import Journal
from tests.drivers.mercury.support import bench, truth

NOON = datetime(2026, 11, 21, 9, tzinfo=UTC)
ARRAYS = bytes.fromhex("B4 E3 C2 97 DF 18 0C 00")  # bit 6 of the sixth octet is not set: no command 18h
ALL = (datetime(2020, 1, 1, tzinfo=UTC), NOON + timedelta(days=400))


def moscow(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC) - timedelta(hours=3)


def registers(at: datetime) -> dict[str, int | None]:
    """What a day's record must hold: the truth at that midnight."""
    rows = truth(at)
    active = {f"1-0:1.8.{tariff}": row.active_import for tariff, row in rows.items()}
    return active | {f"1-0:3.8.{tariff}": row.reactive_import for tariff, row in rows.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "variant", "days"),
    [
        ("day", ARRAYS, [moscow(2026, 11, 20), moscow(2026, 11, 21)]),
        ("month", ARRAYS, [moscow(2026, month, 1) for month in range(1, 12)]),
        ("month", None, [moscow(2026, month, 1) for month in range(2, 12)]),
    ],
)
@pytest.mark.parametrize("group_read", ["auto", "never"])
def test_registers_of_days_and_months_are_those_that_stood_at_midnight(
    kind: Topic, variant: bytes | None, days: list[datetime], group_read: str
) -> None:
    begin = moscow(2026, 1, 1) if variant else moscow(2026, 1, 2)
    more: dict[str, Any] = {"variant": variant} if variant else {}
    it = bench(NOON, settings={"group_read": group_read}, archive={"since": begin}, **more)
    it.driver.now(it.ask) if group_read == "auto" else None
    found = it.read(kind, *ALL)
    assert [reading.at for reading in found] == days
    assert [reading.values for reading in found] == [registers(day) for day in days]
    assert {(reading.kind, reading.flags, reading.start) for reading in found} == {(kind, (), None)}
    assert all(type(value) is int for reading in found for value in reading.values.values())


@pytest.mark.slow
def test_command_18h_reaches_123_days_back_and_not_further() -> None:
    it = bench(NOON)
    found = it.read("day", *ALL)
    assert [found[0].at, found[-1].at] == [moscow(2026, 7, 22), moscow(2026, 11, 21)]
    assert len(found) == 123
    assert all(reading.values == registers(reading.at) for reading in found)


def test_command_18h_reaches_36_months_back_and_not_further() -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    flat = {0: Energy(1000, None, None, None)}
    it = bench(NOON, archive={"since": long_ago})
    it.archive.truth = lambda at: flat
    found = it.read("month", *ALL)
    assert [found[0].at, found[-1].at] == [moscow(2023, 12, 1), moscow(2026, 11, 1)]
    assert len(found) == 36


def test_only_the_days_that_are_asked_for_cross_the_line() -> None:
    it = bench(NOON)
    days = [reading.at for reading in it.read("day", moscow(2026, 11, 3), moscow(2026, 11, 5))]
    assert days == [moscow(2026, 11, 3), moscow(2026, 11, 4), moscow(2026, 11, 5)]
    asked = {question.day for question in it.ask.asked if isinstance(question, ReadSnapshot)}
    assert asked == {date(2026, 11, 3), date(2026, 11, 4), date(2026, 11, 5)}
    assert len(it.ask.asked) == 1 + 3 * 5


def test_a_span_without_a_midnight_has_no_day() -> None:
    it = bench(NOON)
    assert it.read("day", moscow(2026, 11, 3) + timedelta(seconds=1), moscow(2026, 11, 4) - timedelta(seconds=1)) == []


def test_days_before_the_meter_began_are_left_out() -> None:
    it = bench(NOON, archive={"since": moscow(2026, 11, 18)})
    assert [reading.at for reading in it.read("day", *ALL)] == [moscow(2026, 11, day) for day in range(18, 22)]


def test_days_before_the_meter_was_made_are_not_even_asked() -> None:
    it = bench(NOON, made=date(2026, 11, 20))
    it.read("day", *ALL)
    asked = {question.day for question in it.ask.asked if isinstance(question, ReadSnapshot)}
    assert asked == {date(2026, 11, 20), date(2026, 11, 21)}


def test_a_date_that_the_meter_refused_is_not_asked_again_at_once() -> None:
    it = bench(NOON, archive={"since": moscow(2026, 11, 20)})
    it.read("day", moscow(2026, 11, 19), moscow(2026, 11, 19))
    it.ask.asked.clear()
    assert it.read("day", moscow(2026, 11, 19), moscow(2026, 11, 19)) == []
    assert it.ask.asked == [questions.ReadClock()]


def test_a_tariff_that_the_meter_has_not_is_asked_for_one_day_only() -> None:
    it = bench(NOON)
    it.archive.truth = lambda at: {tariff: row for tariff, row in truth(at).items() if tariff != 4}
    found = it.read("day", moscow(2026, 11, 1), moscow(2026, 11, 10))
    assert len(found) == 10
    assert not any(name.endswith(".4") for reading in found for name in reading.values)
    assert sum(isinstance(question, ReadSnapshot) and question.tariff == 4 for question in it.ask.asked) == 1


def test_a_register_marked_absent_in_the_archive_is_missing_and_partial_if_it_was_there_before() -> None:
    it = bench(NOON)
    gone = moscow(2026, 11, 10)

    def fading(at: datetime) -> dict[int, Energy]:
        rows = truth(at)
        return rows | {3: Energy(None, None, None, None)} if at == gone else rows

    it.archive.truth = fading
    before, day = it.read("day", gone - timedelta(days=1), gone)
    assert before.flags == ()
    assert day.flags == ("partial",)
    assert "1-0:1.8.3" not in day.values
    assert day.values["1-0:1.8.2"] == truth(gone)[2].active_import


@pytest.mark.parametrize(("kind", "questions_due"), [("day", 2), ("month", 11)])
def test_a_meter_with_neither_command_nor_arrays_says_so_and_is_not_asked_again_at_once(
    kind: Topic, questions_due: int
) -> None:
    it = bench(NOON, variant=ARRAYS, arrays=False, made=date(2026, 1, 1))
    for asked in (questions_due, 0):
        it.ask.asked.clear()
        with pytest.raises(Refused, match="keeps no registers"):
            it.read(kind, *ALL)
        assert sum(isinstance(question, questions.ReadEnergy) for question in it.ask.asked) == asked


def test_a_midnight_while_today_is_read_never_makes_it_another_day() -> None:
    it = bench(moscow(2026, 11, 21) - timedelta(seconds=1), variant=ARRAYS, settings={"group_read": "never"})

    def late(question: Any, octets: bytes) -> bytes:
        if isinstance(question, questions.ReadEnergy):
            it.now += timedelta(seconds=1)
        return octets

    it.ask.spoil = late
    with pytest.raises(Busy):
        it.read("day", *ALL)
    assert [reading.at for reading in it.read("day", *ALL)] == [moscow(2026, 11, 20), moscow(2026, 11, 21)]


def test_a_refused_array_of_today_is_no_value() -> None:
    it = bench(NOON, variant=ARRAYS)
    it.ask.spoil = lambda question, octets: seal(45, b"\x01") if getattr(question, "array", None) == 0xC else octets
    assert [reading.at for reading in it.read("day", *ALL)] == [moscow(2026, 11, 20)]


@pytest.mark.parametrize("kind", ["day", "month", "interval", "event"])
@pytest.mark.parametrize("settings", [{}, {"timezone": "Moscow"}, {"timezone": "../etc"}])
def test_without_a_zone_no_archive_is_read(kind: Topic, settings: dict[str, Any]) -> None:
    driver = Mercury230(MeterPlan("mercury230", "45", "1", Line(), settings=settings))
    with pytest.raises(Refused, match=r"zone"):
        list(getattr(driver, kind)(lambda question: pytest.fail("asked"), *ALL))


def test_the_meters_own_zone_goes_before_the_gateways() -> None:
    it = bench(NOON, zone="Europe/Moscow", settings={"timezone": "Asia/Yekaterinburg"})
    assert it.read("day", *ALL)[-1].at == moscow(2026, 11, 21) - timedelta(hours=2)


@pytest.mark.parametrize(
    ("kind", "span"),
    [
        ("day", (moscow(2026, 11, 21), NOON)),
        ("month", (moscow(2026, 11, 1), NOON)),
        ("interval", (NOON - timedelta(minutes=5), NOON)),
        ("event", (NOON - timedelta(minutes=5), NOON)),
    ],
)
@pytest.mark.parametrize("level", [1, 2])
def test_the_budget_is_what_the_newest_row_puts_on_the_wire(
    kind: Topic, span: tuple[datetime, datetime], level: int
) -> None:
    long_ago = {"since": datetime(2024, 1, 1, tzinfo=UTC)}
    it = bench(NOON, variant=ARRAYS, settings={"group_read": "never", "level": level}, archive=long_ago)
    it.meter.journals = {number: Journal(JOURNALS[number].size, JOURNALS[number].ring) for number in JOURNALS}
    octets: list[tuple[int, int]] = []
    original = it.meter.answer

    def counted(request: bytes) -> bytes:
        answer = original(request)
        octets.append((len(request), len(answer)))
        return answer

    it.meter.answer = counted  # type: ignore[method-assign]
    it.driver.open(it.ask)
    it.driver.identify(it.ask)
    it.read(kind, *span)
    it.driver.close(it.ask)
    assert [(exchange.request, exchange.answer) for exchange in it.driver.exchanges(kind)] == octets
    assert all(exchange.quiet == pytest.approx(0.010) for exchange in it.driver.exchanges(kind))


def test_a_clock_an_hour_slow_at_midnight_reads_no_day_that_is_yet_to_come() -> None:
    it = bench(moscow(2026, 11, 21) + timedelta(minutes=30))
    it.meter.correction = -timedelta(hours=1)
    assert it.read("day", *ALL)[-1].at == moscow(2026, 11, 20)


@pytest.mark.parametrize(("stale", "lost"), [({3: 15}, {3}), ({3: 15, 4: 14}, {3, 4}), ({9: 0}, {9}), ({11: 12}, {11})])
def test_a_month_whose_array_still_holds_last_year_is_missing(stale: dict[int, int], lost: set[int]) -> None:
    """The meter had no supply when these months began: their arrays hold the registers of this many months before."""
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    it = bench(NOON, variant=ARRAYS, archive={"since": long_ago})
    it.archive.truth = lambda at: {
        0: Energy((at - long_ago).days * 5000, None, (at - long_ago).days * 900, None),
        1: Energy((at - long_ago).days * 5000, None, (at - long_ago).days * 900, None),
    }
    known = it.archive.array

    def array(number: int, month: int) -> dict[int, Energy] | None:
        if month not in stale:
            return known(number, month)
        if not stale[month]:
            return {0: Energy(0, None, 0, None), 1: Energy(0, None, 0, None)}
        count = 2026 * 12 + month - 1 - stale[month]
        return it.archive.rows(it.archive.midnight(date(count // 12, count % 12 + 1, 1)))

    it.archive.array = array  # type: ignore[method-assign,assignment]
    for month in range(1, 12):  # also where only one is asked for: the month's own poll, or one that is filled
        (alone,) = it.read("month", moscow(2026, month, 1), moscow(2026, month, 2)) or (None,)
        assert (alone is None) == (month in lost)
    found = it.read("month", *ALL)
    kept = [month for month in (12, *range(1, 12)) if month not in lost]
    assert [(reading.at + timedelta(hours=3)).month for reading in found] == kept
    assert all(reading.values["1-0:1.8.0"] == (reading.at - long_ago).days * 5000 for reading in found)
