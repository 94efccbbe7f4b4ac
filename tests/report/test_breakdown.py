"""Consumption of a period for organisations, whatever happened in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent.config.values import EarlierMeter, Meter
from agent.history.installations import Registers, consumed, installations
from agent.report.breakdown import Report, ReportLine, breakdown
from buffer.record import Record
from tests.report.plant import SERIAL, configured, metered, midnight, opened, reading
from tests.support.present import present

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
START, END = midnight(FIRST), midnight(date(2026, 11, 1))
NOW = datetime(2026, 11, 21, tzinfo=UTC)
OLD = EarlierMeter("1234567", date(2026, 10, 10), {"T1": Decimal("30122.7"), "T2": Decimal(11873)})
REPLACED = metered(
    before=(OLD,),
    installed=date(2026, 10, 10),
    initial={"T1": Decimal("12.4"), "T2": Decimal("3.1")},
    ratio=Decimal(40),
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Report]]:
    """A function: the lines of October from these records."""
    stores = []

    def lines(records: list[Record], *meters: Meter, now: datetime = NOW, points: list[str] | tuple[()] = ()) -> Report:
        store = opened(tmp_path)
        stores.append(store)
        store.put(records)
        return breakdown(store, configured(tmp_path, *(meters or (metered(),))), FIRST, LAST, now, points)

    yield lines
    for store in stores:
        store.close()


def told(line: ReportLine) -> tuple[str, str, Decimal | None, str, str]:
    return line.serial, line.tariff, line.used, line.mark, line.reason


def test_a_month_goes_from_snapshot_to_snapshot_and_ratio_counts_on_the_way_out(made: Callable[..., Report]) -> None:
    records = [reading(START, T1=1_000_400, T2=500_000), reading(END, T1=1_200_900, T2=500_000)]
    report = made(records, metered(account="00123", place="ТП-12", ratio=Decimal(40)))
    one, two = report.lines
    assert told(one) == (SERIAL, "T1", 200_500, "complete", "")
    assert told(two) == (SERIAL, "T2", 0, "complete", "")
    assert (one.account, one.place, one.meaning, two.meaning) == ("00123", "ТП-12", "day", "night")
    assert (present(one.opening).energy, present(one.opening).at, present(one.closing).energy) == (
        1_000_400,
        START,
        1_200_900,
    )
    assert (one.primary, report.totals) == (8_020_000, {"T1": 8_020_000, "T2": 0})


def test_a_replaced_meter_has_its_own_line_up_to_its_act_and_the_new_one_from_its_own(
    made: Callable[..., Report],
) -> None:
    first = reading(START, meter="1234567", T1=30_000_000, T2=11_800_000)
    last = reading(END, T1=112_400, T2=3_600)
    report = made([first, last], REPLACED)
    assert [told(line)[:4] for line in report.lines] == [
        ("1234567", "T1", 122_700, "complete"),
        (SERIAL, "T1", 100_000, "complete"),
        ("1234567", "T2", 73_000, "complete"),
        (SERIAL, "T2", 500, "complete"),
    ]
    old, new = report.lines[:2]
    assert (present(old.opening).act, present(old.closing).act, present(new.opening).act, present(new.closing).act) == (
        False,
        True,
        True,
        False,
    )
    assert present(old.closing).at == present(new.opening).at == midnight(date(2026, 10, 10))
    whole = consumed(
        installations(REPLACED), "T1", Registers("1234567", START, first.values), Registers(SERIAL, END, last.values)
    )
    assert present(old.used) + present(new.used) == whole
    assert report.totals == {"T1": 222_700 * 40, "T2": 73_500 * 40}


def test_a_replacement_without_an_act_is_missing_and_says_what_to_write(made: Callable[..., Report]) -> None:
    records = [reading(START, meter="1234567", T1=1, T2=2), reading(END, T1=3, T2=4)]
    report = made(records, replace(REPLACED, before=(replace(OLD, final={}),), initial={}))
    assert {told(line)[2:4] for line in report.lines} == {(None, "missing")}
    assert report.lines[0].reason == "no final reading of T1 in the act"
    assert report.lines[1].reason == "no initial reading of T1 in the act"
    assert report.totals == {} and report.missing == 4


def test_a_replacement_of_another_month_does_not_show(made: Callable[..., Report]) -> None:
    earlier = replace(REPLACED, before=(replace(OLD, removed=date(2026, 9, 10)),), installed=date(2026, 9, 10))
    report = made([reading(START, T1=1000, T2=0), reading(END, T1=3000, T2=0)], earlier)
    assert [told(line)[:3] for line in report.lines] == [(SERIAL, "T1", 2000), (SERIAL, "T2", 0)]


def test_a_replacement_after_the_period_does_not_end_it_with_the_act(made: Callable[..., Report]) -> None:
    later = replace(REPLACED, before=(replace(OLD, removed=date(2026, 11, 10)),), installed=date(2026, 11, 10))
    records = [reading(START, meter="1234567", T1=1000, T2=0), reading(END, meter="1234567", T1=3000, T2=0)]
    assert [told(line)[:3] for line in made(records, later).lines] == [("1234567", "T1", 2000), ("1234567", "T2", 0)]


def test_a_point_that_began_in_the_period_begins_with_its_act(made: Callable[..., Report]) -> None:
    new = metered(installed=date(2026, 10, 12), initial={"T1": Decimal("0.7"), "T2": Decimal(0)})
    one, two = made([reading(END, T1=10_700, T2=40)], new).lines
    assert (one.used, two.used, present(one.opening).act) == (10_000, 40, True)


def test_what_was_not_read_is_missing_and_not_0(made: Callable[..., Report]) -> None:
    report = made([reading(START, T1=1, T2=2)])
    assert [told(line)[2:] for line in report.lines] == [(None, "missing", "no closing reading")] * 2


def test_a_point_of_which_nothing_is_known_is_in_the_report(made: Callable[..., Report]) -> None:
    report = made([])
    assert [told(line)[2:] for line in report.lines] == [
        (None, "missing", "no opening reading, no closing reading")
    ] * 2


def test_a_period_that_is_not_over_says_so(made: Callable[..., Report]) -> None:
    report = made([reading(START, T1=1, T2=2)], now=END - timedelta(seconds=1))
    assert {told(line)[2:] for line in report.lines} == {(None, "missing", "the period is not over")}


def test_a_tariff_that_the_meter_did_not_give_is_missing(made: Callable[..., Report]) -> None:
    one, two = made([reading(START, T1=1, T2=2), reading(END, T1=5)]).lines
    assert (one.used, two.used, two.reason) == (4, None, "no T2 in the closing reading")


def test_a_register_that_ran_back_is_missing_with_the_figures(made: Callable[..., Report]) -> None:
    one, _ = made([reading(START, T1=5000, T2=2), reading(END, T1=4000, T2=2)]).lines
    assert one.mark == "missing" and "ran back from 5 to 4 kWh" in one.reason


def test_a_reading_beside_the_border_is_doubtful_and_says_how_far(made: Callable[..., Report]) -> None:
    beside = reading(END + timedelta(minutes=90), "now", T1=5000, T2=2)
    one, _ = made([reading(START, T1=1000, T2=2), beside]).lines
    assert told(one)[2:] == (4000, "doubtful", "closing reading 90 min after the border")


def test_a_flag_of_a_reading_makes_its_line_doubtful(made: Callable[..., Report]) -> None:
    flagged = replace(reading(END, T1=5000, T2=2), flags=("sum-mismatch", "restored"))
    one, _ = made([reading(START, T1=1000, T2=2), flagged]).lines
    assert told(one)[2:] == (4000, "doubtful", "closing reading: sum-mismatch")


def test_a_foreign_meter_at_the_point_is_named(made: Callable[..., Report]) -> None:
    one, _ = made([reading(START, T1=1000, T2=2), reading(END, meter="999", T1=5000, T2=2)]).lines
    assert one.mark == "missing" and "meter 999, which does not belong to this point" in one.reason


def test_only_the_points_that_are_asked_for_are_in_it(made: Callable[..., Report]) -> None:
    records = [
        reading(moment, point=point, T1=energy, T2=0)
        for point in ("shop", "lift")
        for moment, energy in ((START, 0), (END, 7))
    ]
    report = made(records, metered(), metered("lift"), points=["lift"])
    assert {line.point for line in report.lines} == {"lift"} and report.totals == {"T1": 7, "T2": 0}


def test_a_meter_without_tariffs_has_its_total_as_t1(made: Callable[..., Report]) -> None:
    records = [replace(reading(at), values={"1-0:1.8.0": energy}) for at, energy in ((START, 10), (END, 40))]
    (line,) = made(records, metered(tariffs=None)).lines
    assert (line.tariff, line.used) == ("T1", 30)
