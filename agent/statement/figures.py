"""From records to the whole kWh that a utility bills: which reading counts, the fraction dropped, the ratio."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from agent.config.utility.profile import Profile
from agent.config.utility.window import Window
from agent.config.values import Meter
from agent.history.installations import REGISTERS, TOTAL
from agent.judge.identity import same
from buffer.record import Record
from drivers.reading import Kind, Number
from drivers.times import MILLISECOND

KINDS: tuple[Kind, ...] = ("month", "day", "now")  # in the order of preference where two are equally near
EARLY = timedelta(days=3)  # how far before the reporting moment a reading may lie; after it: until the window closes
SETTLE = timedelta(hours=2)  # so long the meter's own snapshot of the reporting moment may take to be read
HASTE = timedelta(days=1)
"""So long before the fall-back begins a figure that is older than wanted will do, in the window's second half only."""


class NoReading(ValueError):
    """There is no reading to take yet; the text says what is waited for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The reading that a statement is made of. ``registers``: the utility's T1… → Wh of the meter's register;
    ``values``: the same by OBIS code. ``source``: month, day, now or manual."""

    record: Record
    source: str
    registers: Mapping[str, Number]
    values: Mapping[str, Number]


def taken(record: Record, meter: Meter, profile: Profile) -> Taken | None:
    """What this record says for the statement; None where it is another meter's, a register is missing, or its time
    is not known."""
    if not same(record.meter, meter.serial) or record.clock == "unset":
        return None
    registers: dict[str, Number] = {}
    values: dict[str, Number] = {}
    named = profile.named(meter)
    for name, own in named.items():
        code = _code(own, record.values, single=len(named) == 1, told=bool(meter.tariffs))
        if code is None:
            return None
        registers[name] = values[code] = record.values[code]
    return Taken(record, "manual" if "manual" in record.flags else record.kind, registers, values)


def _code(own: str, values: Mapping[str, Number], *, single: bool, told: bool) -> str | None:
    """The register of a tariff. Where there is but one, the total and it are the same energy; where no one said which
    tariffs there are, the total counts, for it has them all."""
    tariffs = [code for code in REGISTERS.values() if code in values]
    wanted = [REGISTERS[own]]
    if single and not told:
        wanted = [TOTAL, *tariffs] if len(tariffs) <= 1 else [TOTAL]
    elif single and not tariffs:
        wanted = [TOTAL]
    return next((code for code in wanted if code in values), None)


def choose(records: Iterable[Record], meter: Meter, profile: Profile, window: Window) -> Taken | None:
    """The reading nearest to the reporting moment, the meter's own month snapshot before all others of that moment."""
    found = [one for record in records if (one := taken(record, meter, profile)) is not None]
    return min(found, key=lambda one: _distance(one, window.reporting), default=None)


def _distance(one: Taken, reporting: datetime) -> tuple[timedelta, int]:
    return abs(one.record.at - reporting), KINDS.index(one.record.kind)


def span(window: Window, now: datetime) -> tuple[datetime, datetime]:
    """Where readings for a statement may lie: since ≤ at < until."""
    return window.reporting - EARLY, min(now + MILLISECOND, window.closes)


def ripe(found: Taken | None, window: Window, now: datetime, before: timedelta, *, patient: bool = True) -> Taken:
    """The reading, if it may be taken now; NoReading while a better one can still come, unless an operator does not
    want to wait (``patient``).

    ``before``: how long before the window closes the fall-back begins.
    """
    if now < window.reporting:
        raise NoReading(f"the figures are those of {_local(window.reporting, window)}")
    if found is None:
        first = _local(window.reporting - EARLY, window)
        raise NoReading(f"no reading with all tariffs since {first}: read the meter, or type one in")
    at = found.record.at
    exact = at == window.reporting and found.source in ("month", "day")
    settled = now >= window.reporting + SETTLE and at >= window.reporting
    late = now >= max(window.closes - before - HASTE, window.reporting + (window.closes - window.reporting) / 2)
    if exact or settled or late or found.source == "manual" or not patient:
        return found
    raise NoReading(f"the newest reading is of {_local(at, window)}; a later one is waited for")


def _local(moment: datetime, window: Window) -> str:
    return f"{moment.astimezone(window.zone):%Y-%m-%d %H:%M}"


def whole(watt_hours: Number, ratio: Number = 1) -> int:
    """Whole kWh, the fraction dropped: never more than the register (times the ratio) shows."""
    return int((Decimal(watt_hours) * ratio / 1000).to_integral_value(ROUND_FLOOR))


def billed(registers: Mapping[str, Number], meter: Meter, profile: Profile) -> dict[str, int]:
    """The utility's T1… → whole kWh; times the ratio where it bills primary energy."""
    ratio = meter.ratio if profile.primary else Decimal(1)
    return {name: whole(value, ratio) for name, value in registers.items()}


def padded(figure: int, digits: int | None) -> str:
    """With zeros before it up to the meter's digits; a longer figure is never cut."""
    return str(figure) if digits is None else f"{figure:0{digits}}"
