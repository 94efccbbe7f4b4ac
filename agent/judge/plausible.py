"""A reading against itself and its predecessor. Doubtful values travel with a flag, unchanged."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from drivers.events import Flag
from drivers.reading import Number

TOTALS = ("1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", "1-0:4.8.0")
TARIFFS = {total: tuple(total[:-1] + number for number in "12345") for total in TOTALS}  # some meters have five
LEAST_MISMATCH = 3  # Wh; meters round each register on its own, see Traits.mismatch for those that differ by more
LEAST_RESCALED = 10_000  # Wh; below it a factor of ten is a day's use
FLOWING = 50  # W that move the last digit of any register within minutes
FAR = 10  # times what rounding explains
DEFAULT_LIMIT_KW = Decimal(150)  # three phases, 100 A, 230 V are 69 kW; twice that and some is not one household


def energy_flags(
    values: Mapping[str, Number],
    before: Mapping[str, Number] | None,
    seconds: float | None,
    *,
    limit_kw: Decimal | None,
    resolution: Number = 1,
    mismatch: Number | None = None,
    known: Mapping[str, Number] | None = None,
) -> tuple[Flag, ...]:
    """Flags for one reading of energy registers (Wh, varh).

    ``before``: the registers of the reading before, ``seconds`` the time between them. ``resolution``: one step of a
    register in Wh. ``mismatch``: what the model's registers may differ from their total, where more is known of it.
    ``known``: an earlier reading of this meter: what its total exceeded its tariffs by lies in tariffs that are not
    named (a factory test, an earlier tariff plan), and is no mismatch while it stays the same.
    """
    flags: list[Flag] = []
    if any(_mismatched(values, total, resolution, mismatch, known) for total in TOTALS):
        flags.append("sum-mismatch")
    if before:
        common = [code for code in values if code in before and ".8." in code]
        steps: list[Any] = [values[code] - before[code] for code in common]
        if any(step < 0 for step in steps):
            flags.append("backwards")
        if any(_rescaled(values[code], before[code]) for code in common):
            flags.append("scale-changed")
        if seconds is not None and seconds > 0 and _too_large(steps, seconds, limit_kw, resolution):
            flags.append("step-too-large")
    return tuple(flags)


def _mismatched(
    values: Mapping[str, Number],
    total: str,
    resolution: Number,
    mismatch: Number | None,
    known: Mapping[str, Number] | None,
) -> bool:
    off: Any = remainder(values, total)
    if off is None:
        return False
    tolerated = max(LEAST_MISMATCH, resolution * (sum(code in values for code in TARIFFS[total]) + 1), mismatch or 0)
    if abs(off) <= tolerated:
        return False
    earlier: Any = remainder(known, total) if known is not None and off > 0 else None
    return earlier is None or abs(off - earlier) > tolerated


def remainder(values: Mapping[str, Number], total: str) -> Number | None:
    """Wh by which the total exceeds its tariffs; None without either."""
    # int and Decimal mix exactly; ints, which most meters give, are several times faster.
    tariffs: list[Any] = [values[code] for code in TARIFFS[total] if code in values]
    if total not in values or not tariffs:
        return None
    off: Any = values[total] - sum(tariffs)
    found: Number = off
    return found


def _rescaled(value: Number, before: Number) -> bool:
    """Whether one is 10, 100 or 1000 times the other, to a hundredth: kWh that became Wh, a scale read wrong."""
    now: Any = max(value, before)
    then: Any = min(value, before)
    if then < LEAST_RESCALED or now < 9 * then:
        return False
    return any(abs(now - then * factor) * 100 <= then * factor for factor in (10, 100, 1000))


def zero_total(values: Mapping[str, Number], network: Mapping[str, Number]) -> bool:
    """Whether the total of what is drawn is exactly 0 although power flows: a register that is not served."""
    power = network.get("1-0:16.7.0", network.get("1-0:1.7.0", 0))
    return values.get("1-0:1.8.0") == 0 and power >= FLOWING


def far_off(values: Mapping[str, Number], resolution: Number = 1, mismatch: Number | None = None) -> dict[str, Number]:
    """By how much the tariffs differ from their totals, by total, where that is far more than rounding: rows of
    different moments, or another meter's or question's among them."""
    found: dict[str, Number] = {}
    for total in TOTALS:
        tariffs: list[Any] = [values[code] for code in TARIFFS[total] if code in values]
        if total not in values or not tariffs:
            continue
        difference: Any = sum(tariffs) - values[total]
        if abs(difference) > FAR * max(LEAST_MISMATCH, resolution * (len(tariffs) + 1), mismatch or 0):
            found[total] = difference
    return found


def _too_large(steps: list[Any], seconds: float, limit_kw: Decimal | None, resolution: Number) -> bool:
    watts = (limit_kw if limit_kw is not None else DEFAULT_LIMIT_KW) * 1000
    most = watts * Decimal(round(seconds * 1000)) / Decimal(3_600_000) + Decimal(resolution) * 2
    return max(steps, default=0) > most


def interval_flags(
    values: Mapping[str, Number], seconds: float, limit_kw: Decimal | None, resolution: Number = 1
) -> tuple[Flag, ...]:
    """Flags for the energies (Wh, varh) of one interval of this length."""
    energies: list[Any] = list(values.values())
    return ("step-too-large",) if seconds > 0 and _too_large(energies, seconds, limit_kw, resolution) else ()


def clock_flags(offset: Number | None) -> tuple[Flag, ...]:
    """``meter_offset`` in seconds; off by more than five is reported."""
    return ("meter-clock-off",) if offset is not None and abs(Decimal(offset)) > 5 else ()


def seconds_between(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()
