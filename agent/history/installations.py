"""A point and the meters it had: energy between two readings, whichever meter they are of.

final − previous + current − initial (design §9), with whole meters in between where there were any. Energy in Wh
(varh), exact. What an act does not say is not guessed: a replacement without its readings has no consumption across it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from agent.config.values import Meter
from agent.judge.identity import same
from drivers.reading import Number

TOTAL = "1-0:1.8.0"
TARIFF = "1-0:1.8."
REGISTERS: Mapping[str, str] = {f"T{number}": f"{TARIFF}{number}" for number in range(1, 5)}
"""T1…T4 → the OBIS code of its A+ register."""


class NoConsumption(ValueError):
    """Nothing can be said; the text is the reason as helpful text."""


class MissingRecord(NoConsumption):
    """A replacement without its act: final or initial readings are missing."""


class Backwards(NoConsumption):
    """A register is lower than before, and it is not a rollover of the display."""


@dataclass(frozen=True, slots=True)
class MeterPeriod:
    """One meter of a point. ``initial`` and ``final`` by T register in Wh, as the acts have them; ``removed``: the
    local day on which it went, None for the meter that hangs there now; ``digits`` of its display, whole kWh."""

    serial: str
    installed: date | None = None
    removed: date | None = None
    initial: Mapping[str, Decimal] = field(default_factory=dict)
    final: Mapping[str, Decimal] = field(default_factory=dict)
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class Registers:
    """What one meter's registers were at one moment, by OBIS code."""

    meter: str
    at: datetime
    values: Mapping[str, Number]


def installations(meter: Meter) -> tuple[MeterPeriod, ...]:
    """The meters of a point, the present one last. An earlier meter began when the one before it was removed; its
    initial readings are not in the configuration."""
    earlier: list[MeterPeriod] = []
    since: date | None = None
    for old in sorted(meter.before, key=lambda one: one.removed):
        earlier.append(MeterPeriod(old.serial, since, old.removed, {}, _watt_hours(old.final), None))
        since = old.removed
    present = MeterPeriod(meter.serial, meter.installed or since, None, _watt_hours(meter.initial), {}, meter.digits)
    return (*earlier, present)


def _watt_hours(energies: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {tariff: kwh * 1000 for tariff, kwh in energies.items()}


def register(tariff: str, values: Mapping[str, Number]) -> Number | None:
    """The value of T1…T4 in Wh. A meter without tariffs has all its energy in T1; None if there is none."""
    value = values.get(REGISTERS[tariff])
    if value is None and tariff == "T1" and not any(code in values for code in REGISTERS.values()):
        return values.get(TOTAL)
    return value


def consumed(chain: Sequence[MeterPeriod], tariff: str, earlier: Registers, later: Registers) -> Decimal:
    """Energy of T1…T4 in Wh that went through this point between the two readings; never negative.

    NoConsumption where a register is missing or a meter does not belong to this point, NoAct where a replacement
    between them has no act, Backwards where a register ran back.
    """
    first, last = _place(chain, earlier.meter), _place(chain, later.meter)
    if first > last:
        raise NoConsumption(f"meter {later.meter} was replaced by {earlier.meter}: the readings are in the wrong order")
    if first == last:
        _alike(earlier, later)
        return _step(chain[first], tariff, _value(tariff, earlier), _value(tariff, later))
    _fits(earlier, chain[first].final)
    _fits(later, chain[last].initial)
    total = Decimal(0)
    if not _never_had(tariff, earlier, chain[first].final):
        total += _step(chain[first], tariff, _value(tariff, earlier), _act(chain[first], tariff, "final"))
    for stage in chain[first + 1 : last]:
        total += _step(stage, tariff, _act(stage, tariff, "initial"), _act(stage, tariff, "final"))
    if not _never_had(tariff, later, chain[last].initial):
        total += _step(chain[last], tariff, _act(chain[last], tariff, "initial"), _value(tariff, later))
    return total


def initial(chain: Sequence[MeterPeriod], tariff: str) -> Decimal:
    """What the present meter began with, in Wh, by its act; NoAct where it is not written."""
    return _act(chain[-1], tariff, "initial")


def _never_had(tariff: str, registers: Registers, act: Mapping[str, Decimal]) -> bool:
    """A meter without this register: neither its act nor its reading has it. (One with two tariffs replaces one with
    a single one, or the other way round.) Without any act nothing is known."""
    return bool(act) and tariff not in act and register(tariff, registers.values) is None


def _fits(registers: Registers, act: Mapping[str, Decimal]) -> None:
    """A reading that has the total alone cannot be taken from an act that has tariffs."""
    if len(act) > 1 and not any(code in registers.values for code in REGISTERS.values()):
        raise NoConsumption(f"meter {registers.meter} gave no tariffs at {registers.at:%Y-%m-%d %H:%M} UTC")


def _alike(earlier: Registers, later: Registers) -> None:
    """A reading that has the total alone says nothing of T1 beside one that has tariffs."""
    first, second = (any(code in one.values for code in REGISTERS.values()) for one in (earlier, later))
    if first != second:
        bare = later if first else earlier
        raise NoConsumption(f"meter {bare.meter} gave no tariffs at {bare.at:%Y-%m-%d %H:%M} UTC")


def _place(chain: Sequence[MeterPeriod], serial: str) -> int:
    for place, stage in enumerate(chain):
        if same(stage.serial, serial):
            return place
    raise NoConsumption(f"meter {serial} does not belong to this point: name it in [[meter.before]] if it was one")


def _value(tariff: str, registers: Registers) -> Decimal:
    value = register(tariff, registers.values)
    if value is None:
        raise NoConsumption(f"meter {registers.meter} gave no {tariff} at {registers.at:%Y-%m-%d %H:%M} UTC")
    return Decimal(value)


def _act(stage: MeterPeriod, tariff: str, which: str) -> Decimal:
    known: Mapping[str, Decimal] = getattr(stage, which)
    if tariff not in known:
        where = "initial" if which == "initial" else "final in [[meter.before]]"
        raise MissingRecord(
            f"meter {stage.serial}: {which} reading of {tariff} is not known; write {where} from the act"
        )
    return known[tariff]


def _step(stage: MeterPeriod, tariff: str, start: Decimal, end: Decimal) -> Decimal:
    if end >= start:
        return end - start
    if stage.digits is not None:
        lap = Decimal(10) ** (stage.digits + 3)
        # A display that rolled over was near its end before and is near its start now.
        if start >= lap * 9 / 10 and start < lap and end < lap / 10:
            return end + lap - start
    raise Backwards(
        f"meter {stage.serial}: {tariff} ran back from {start / 1000:f} to {end / 1000:f} kWh; was it replaced?"
    )
