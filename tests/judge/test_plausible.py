"""Doubtful values travel with a flag, unchanged."""

from decimal import Decimal
from typing import Any

import pytest

from agent.judge.identity import judge
from agent.judge.plausible import clock_flags, energy_flags
from drivers.reading import Identity


def registers(total: int, *tariffs: int) -> dict[str, int]:
    return {"1-0:1.8.0": total, **{f"1-0:1.8.{number}": value for number, value in enumerate(tariffs, 1)}}


def flags(
    values: dict[str, int], before: dict[str, int] | None = None, seconds: float | None = None, **more: Any
) -> tuple[str, ...]:
    return energy_flags(values, before, seconds, limit_kw=more.pop("limit_kw", None), **more)


@pytest.mark.parametrize(
    ("total", "tariffs", "resolution", "wanted"),
    [
        (2000100, (1500000, 500100), 1, ()),
        (2000103, (1500000, 500100), 1, ()),
        (2000104, (1500000, 500100), 1, ("sum-mismatch",)),
        (2000070, (1500000, 500100), 10, ()),
        (2000060, (1500000, 500100), 1, ("sum-mismatch",)),
        (2000100, (), 1, ()),
        (0, (0, 0, 0), 1, ()),
    ],
)
def test_a_total_is_compared_with_its_tariffs_within_their_resolution(
    total: int, tariffs: tuple[int, ...], resolution: int, wanted: tuple[str, ...]
) -> None:
    assert flags(registers(total, *tariffs), resolution=resolution) == wanted


def test_a_model_with_looser_registers_says_so() -> None:
    assert flags(registers(1000, 980), mismatch=25) == ()


def test_a_register_that_ran_backwards_is_flagged_even_by_one_watt_hour() -> None:
    assert flags(registers(999), registers(1000), 900.0) == ("backwards",)


def test_a_step_beyond_what_the_connection_carries_is_flagged() -> None:
    before = registers(1_000_000)
    assert flags(registers(1_002_500), before, 900.0, limit_kw=Decimal(10)) == ()
    assert flags(registers(1_002_503), before, 900.0, limit_kw=Decimal(10)) == ("step-too-large",)


def test_without_a_known_time_between_them_a_step_cannot_be_judged() -> None:
    assert flags(registers(9_000_000), registers(1), None) == ()


@pytest.mark.parametrize(("offset", "wanted"), [(None, ()), (5, ()), (Decimal("-5.1"), ("meter-clock-off",))])
def test_a_meter_clock_beyond_five_seconds_is_flagged(offset: int | Decimal | None, wanted: tuple[str, ...]) -> None:
    assert clock_flags(offset) == wanted


@pytest.mark.parametrize(
    ("configured", "answered"), [("01906467", "01906467"), ("1906467", "01906467"), (" 00A1", "00a1")]
)
def test_serials_are_the_same_whatever_their_padding(configured: str, answered: str) -> None:
    assert judge(configured, Identity(answered)).right


def test_another_serial_is_another_meter() -> None:
    assert not judge("23456789", Identity("23456780")).right


def test_a_model_without_a_serial_register_is_believed_but_marked() -> None:
    verdict = judge("23456789", Identity(None))
    assert verdict.right and not verdict.known and verdict.serial == "23456789"
