"""What cannot be is left out, whatever meter says it."""

from decimal import Decimal

import pytest

from agent.judge.bounds import impossible
from agent.judge.plausible import energy_flags, zero_total
from drivers.reading import Number


@pytest.mark.parametrize("scale", ["1", "0.1", "0.01", "0.001", "10", "1000"])
@pytest.mark.parametrize("mark", [2147483647, 4294967295, -2147483648, (1 << 64) - 1, (1 << 63) - 1, -(1 << 63)])
def test_2147483647_published_as_energy(mark: int, scale: str) -> None:
    """Named after a rival's failure: the mark for "no value" went out as a reading."""
    assert impossible({"1-0:1.8.0": mark * Decimal(scale)}) == ("1-0:1.8.0",)


@pytest.mark.parametrize("energy", [0, 1, 65535, 99999999, Decimal("21474836.46"), 10**14, 2147483646])
def test_a_register_that_a_meter_can_show_is_kept(energy: Number) -> None:
    assert impossible({"1-0:1.8.0": energy}) == ()


@pytest.mark.parametrize(
    ("code", "wrong", "right"),
    [
        ("1-0:13.7.0", "1.05", "1"),
        ("1-0:33.7.0", "4.556", "-0.9"),
        ("1-0:14.7.0", "6553.5", "49.98"),
        ("1-0:14.7.0", "12", "0"),
        ("1-0:32.7.0", "-1", "230.1"),
        ("1-0:32.7.0", "4294967295", "110000"),
        ("1-0:31.7.0", "2147483.647", "-4.5"),
        ("1-0:16.7.0", "21474836470", "-3000"),
        ("1-0:131.7.0", "-2147483648", "0"),
    ],
)
def test_each_quantity_has_bounds(code: str, wrong: str, right: str) -> None:
    assert impossible({code: Decimal(wrong)}) == (code,) and impossible({code: Decimal(right)}) == ()


@pytest.mark.parametrize("factor", [1000, 100, 10])
def test_a_total_that_flips_between_wh_and_kwh_between_two_readings(factor: int) -> None:
    """Named after a rival's failure."""
    now, then = {"1-0:1.8.0": 12_345_678}, {"1-0:1.8.0": Decimal(12_345_678) / factor}
    assert "scale-changed" in energy_flags(now, then, 900, limit_kw=None)
    assert "scale-changed" in energy_flags(then, now, 900, limit_kw=None)
    assert energy_flags({"1-0:1.8.0": 12_345_978}, now, 900, limit_kw=None) == ()


def test_a_register_that_rolls_back_and_becomes_a_spike() -> None:
    """Named after a rival's failure: the step back is told, and so is the step that leads to where it was."""
    before, back = {"1-0:1.8.0": 50_000_000}, {"1-0:1.8.0": 120}
    assert "backwards" in energy_flags(back, before, 900, limit_kw=None)
    assert "step-too-large" in energy_flags(before, back, 900, limit_kw=None)


def test_a_total_of_exactly_zero_beside_flowing_power_is_doubtful() -> None:
    assert zero_total({"1-0:1.8.0": 0}, {"1-0:16.7.0": 1150}) and zero_total({"1-0:1.8.0": 0}, {"1-0:1.7.0": 50})
    assert not zero_total({"1-0:1.8.0": 0}, {"1-0:16.7.0": -1150}), "it feeds in"
    assert not zero_total({"1-0:1.8.0": 0}, {}) and not zero_total({"1-0:1.8.0": 1}, {"1-0:16.7.0": 1150})


FACTORY = {"1-0:1.8.0": 12_500, "1-0:1.8.1": 9_000, "1-0:1.8.2": 3_000}  # 500 Wh lie in a T3 that no one names


def test_energy_in_tariffs_that_are_not_named_is_a_mismatch_once_and_then_known() -> None:
    assert energy_flags(FACTORY, None, None, limit_kw=None) == ("sum-mismatch",)
    later = {"1-0:1.8.0": 13_500, "1-0:1.8.1": 9_600, "1-0:1.8.2": 3_400}
    assert energy_flags(later, FACTORY, 3600, limit_kw=None, known=FACTORY) == ()
    grown = {"1-0:1.8.0": 14_500, "1-0:1.8.1": 9_600, "1-0:1.8.2": 3_400}
    assert "sum-mismatch" in energy_flags(grown, later, 3600, limit_kw=None, known=later), "T3 counts now"
    less = {"1-0:1.8.0": 12_500, "1-0:1.8.1": 9_600, "1-0:1.8.2": 3_400}
    assert "sum-mismatch" in energy_flags(less, less, 3600, limit_kw=None, known=less), "tariffs above their total"
