"""Energy between two readings of a point, across the meters it had."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.values import EarlierMeter, Meter
from agent.history.installations import (
    Backwards,
    MeterPeriod,
    MissingRecord,
    NoConsumption,
    Registers,
    consumed,
    installations,
    register,
)
from protocols.session import Line

AT = datetime(2026, 11, 1, tzinfo=UTC)
energies = st.integers(0, 99_999_999)


def shown(meter: str, **values: int) -> Registers:
    return Registers(meter, AT, {f"1-0:1.8.{name[1]}": value for name, value in values.items()})


def point(**more: Any) -> Meter:
    return Meter("flat-12", "riser", "mercury230", "45", "23456789", Line(), **more)


def test_across_a_replacement_the_acts_count() -> None:
    old = EarlierMeter("1234567", date(2026, 10, 10), {"T1": Decimal("30122.7"), "T2": Decimal(11873)})
    chain = installations(point(before=(old,), initial={"T1": Decimal("12.4"), "T2": Decimal("3.1")}))
    before, after = shown("1234567", T1=30_000_000, T2=11_873_000), shown("23456789", T1=50_000, T2=3_100)
    assert consumed(chain, "T1", before, after) == 122_700 + 37_600
    assert consumed(chain, "T2", before, after) == 0


def test_leading_zeros_of_a_serial_do_not_make_another_meter() -> None:
    assert consumed(installations(point()), "T1", shown("0023456789", T1=1), shown("23456789", T1=5)) == 4


@pytest.mark.parametrize(
    ("before", "after", "error", "words"),
    [
        (shown("1", T1=5), shown("2", T1=5), MissingRecord, "final reading of T1"),
        (shown("2", T1=5), shown("1", T1=5), NoConsumption, "wrong order"),
        (shown("3", T1=5), shown("2", T1=5), NoConsumption, "does not belong to this point"),
        (shown("2", T1=5), shown("2", T1=4), Backwards, "ran back"),
        (shown("2", T2=5), shown("2", T1=4), NoConsumption, "no T1"),
    ],
)
def test_what_is_not_known_is_said_and_not_guessed(
    before: Registers, after: Registers, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        consumed([MeterPeriod("1"), MeterPeriod("2")], "T1", before, after)


def test_a_display_rolls_over_only_near_its_end() -> None:
    chain = [MeterPeriod("1", digits=5)]
    assert consumed(chain, "T1", shown("1", T1=99_999_000), shown("1", T1=2_000)) == 3_000
    with pytest.raises(Backwards):
        consumed(chain, "T1", shown("1", T1=50_000_000), shown("1", T1=2_000))


def test_a_total_alone_is_not_measured_against_an_act_with_tariffs() -> None:
    chain = [
        MeterPeriod("1", final={"T1": Decimal(900), "T2": Decimal(100)}),
        MeterPeriod("2", initial={"T1": Decimal(0)}),
    ]
    bare = Registers("1", AT, {"1-0:1.8.0": 800})
    with pytest.raises(NoConsumption, match="gave no tariffs"):
        consumed(chain, "T1", bare, shown("2", T1=5))
    assert consumed(chain, "T1", shown("1", T1=800, T2=90), shown("2", T1=5)) == 105
    assert consumed(chain, "T2", shown("1", T1=800, T2=90), Registers("2", AT, {"1-0:1.8.0": 5})) == 10


def test_a_meter_without_tariffs_has_all_its_energy_in_t1() -> None:
    assert register("T1", {"1-0:1.8.0": 7}) == 7
    assert register("T2", {"1-0:1.8.0": 7}) is None
    assert register("T1", {"1-0:1.8.0": 7, "1-0:1.8.2": 3}) is None


@pytest.mark.slow
@given(st.lists(st.tuples(energies, energies), min_size=1, max_size=5), st.data())
def test_consumption_of_the_parts_is_that_of_the_whole(
    used: list[tuple[int, int]], data: st._internal.core.DataObject
) -> None:
    """Any chain of meters: from the first to the last reading goes what went through each of them."""
    chain, truth = [], 0
    for number, (first, step) in enumerate(used):
        chain.append(MeterPeriod(str(number + 1), initial={"T1": Decimal(first)}, final={"T1": Decimal(first + step)}))
        truth += step
    start, end = shown("1", T1=used[0][0]), shown(str(len(used)), T1=sum(used[-1]))
    assert consumed(chain, "T1", start, end) == truth
    middle = data.draw(st.integers(0, len(used) - 1))
    first, step = used[middle]
    between = shown(str(middle + 1), T1=first + data.draw(st.integers(0, step)))
    assert consumed(chain, "T1", start, between) + consumed(chain, "T1", between, end) == truth
