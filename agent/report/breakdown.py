"""Consumption of a period for organisations: a line per point, meter and tariff, from register to register.

Registers are those at the period's borders (:mod:`agent.history.boundaries`: a snapshot, or the reading nearest to it,
which the line says). A replaced meter has a line of its own that ends with its act, the new one begins with its own.
Energies are exact, in Wh as the meter has them; ``primary`` is multiplied by the ratio. What is not known is missing,
never 0, and the line says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.values import Config, Meter
from agent.history.boundaries import Boundary, at_boundary
from agent.history.installations import (
    REGISTERS,
    MeterPeriod,
    NoConsumption,
    Registers,
    consumed,
    installations,
    register,
)
from agent.history.series import DOUBTFUL, NEAR
from agent.judge.identity import same
from buffer.store import Store

TARIFFS = tuple(REGISTERS)
MARKS = ("complete", "doubtful", "missing")


@dataclass(frozen=True, slots=True)
class Shown:
    """A register at one end of a line: Wh, and when. ``act``: as the act of replacement or commissioning says, then
    ``at`` is that day's midnight."""

    energy: Decimal
    at: datetime
    act: bool = False


@dataclass(frozen=True, slots=True)
class ReportLine:
    """``used``: Wh by the meter's own registers, None where it is missing; ``mark`` one of MARKS with its reason."""

    point: str
    account: str | None
    place: str | None
    serial: str
    ratio: Decimal
    tariff: str
    meaning: str | None
    opening: Shown | None
    closing: Shown | None
    used: Decimal | None
    mark: str = "complete"
    reason: str = ""

    @property
    def primary(self) -> Decimal | None:
        """Wh, ratio applied."""
        return None if self.used is None else self.used * self.ratio


@dataclass(frozen=True, slots=True)
class Report:
    """``totals``: T1… → Wh with ratio, of the lines that are not missing. ``made``: aware."""

    gateway: str
    first: date
    last: date
    zone: ZoneInfo
    made: datetime
    lines: tuple[ReportLine, ...]
    totals: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return sum(line.mark == "missing" for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Ends:
    """The period's borders in the point's zone, and the readings there."""

    since: datetime
    until: datetime
    opening: Boundary | None
    closing: Boundary | None

    def within(self, day: date) -> bool:
        return self.since.date() <= day < self.until.date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.since.tzinfo)


def breakdown(
    store: Store, config: Config, first: date, last: date, now: datetime, points: Sequence[str] = ()
) -> Report:
    """The report from the first to the last local day, both included; of all points, or of those named."""
    zone = ZoneInfo(config.gateway.timezone)
    since, until = (datetime.combine(day, time(), zone) for day in (first, last + timedelta(days=1)))
    lines: list[ReportLine] = []
    for meter in config.meters:
        if not points or meter.point in points:
            lines += _point(store, meter, since, until, now)
    totals: dict[str, Decimal] = {}
    for line in lines:
        if line.primary is not None:
            totals[line.tariff] = totals.get(line.tariff, Decimal(0)) + line.primary
    return Report(config.gateway.id, first, last, zone, now, tuple(lines), dict(sorted(totals.items())))


def _point(store: Store, meter: Meter, since: datetime, until: datetime, now: datetime) -> Iterator[ReportLine]:
    start = at_boundary(store, meter, since, NEAR["month"])
    end = at_boundary(store, meter, until, NEAR["month"]) if until <= now else None
    chain = installations(meter)
    late = "" if until <= now else "the period is not over"
    for tariff in _tariffs(meter, start, end):
        for stage in _present(chain, start, end, since, until):
            yield _line(meter, chain, stage, tariff, _Ends(since, until, start, end), late)


def _tariffs(meter: Meter, start: Boundary | None, end: Boundary | None) -> list[str]:
    """Those that are configured, else those that the readings have; a total alone is T1."""
    if meter.tariffs:
        return [tariff for tariff in TARIFFS if tariff in meter.tariffs]
    codes = {code for border in (start, end) if border for code in border.registers.values}
    return [tariff for tariff, code in REGISTERS.items() if code in codes] or ["T1"]


def _present(
    chain: Sequence[MeterPeriod], start: Boundary | None, end: Boundary | None, since: datetime, until: datetime
) -> list[MeterPeriod]:
    """The meters that hung there in the period: by the readings at its borders, else by the acts' days."""
    first = _place(chain, start.registers.meter) if start else None
    last = _place(chain, end.registers.meter) if end else None
    found = []
    for number, stage in enumerate(chain):
        began = stage.installed is None or stage.installed < until.date()
        gone = stage.removed is not None and stage.removed < since.date()
        if (number >= first if first is not None else not gone) and (number <= last if last is not None else began):
            found.append(stage)
    return found or [chain[-1]]


def _place(chain: Sequence[MeterPeriod], serial: str) -> int | None:
    return next((number for number, stage in enumerate(chain) if same(stage.serial, serial)), None)


def _line(
    meter: Meter,
    chain: Sequence[MeterPeriod],
    stage: MeterPeriod,
    tariff: str,
    ends: _Ends,
    late: str,
) -> ReportLine:
    opening = _read(stage, tariff, ends.opening) or _initial(stage, tariff, ends)
    closing = _read(stage, tariff, ends.closing) or _final(stage, tariff, ends)
    used, reason = None, ""
    if opening is None or closing is None:
        lacks = [word for word, shown in (("opening", opening), ("closing", closing)) if shown is None]
        reason = _why(chain, stage, tariff, lacks, ends) if not late or opening is None else late
    else:
        try:
            used = consumed(chain, tariff, _registers(stage, tariff, opening), _registers(stage, tariff, closing))
        except NoConsumption as trouble:
            reason = str(trouble)
    mark = "missing"
    if used is not None:
        reason = ", ".join(_doubts(stage, ends))
        mark = "doubtful" if reason else "complete"
    meaning = (meter.tariffs or {}).get(tariff)
    return ReportLine(
        meter.point,
        meter.account,
        meter.place,
        stage.serial,
        meter.ratio,
        tariff,
        meaning,
        opening,
        closing,
        used,
        mark,
        reason,
    )


def _read(stage: MeterPeriod, tariff: str, border: Boundary | None) -> Shown | None:
    if border is None or not same(stage.serial, border.registers.meter):
        return None
    value = register(tariff, border.registers.values)
    return None if value is None else Shown(Decimal(value), border.registers.at)


def _initial(stage: MeterPeriod, tariff: str, ends: _Ends) -> Shown | None:
    """By the act of commissioning, where the meter came within the period."""
    if stage.installed is None or not ends.within(stage.installed) or tariff not in stage.initial:
        return None
    return Shown(stage.initial[tariff], ends.midnight(stage.installed), act=True)


def _final(stage: MeterPeriod, tariff: str, ends: _Ends) -> Shown | None:
    """By the act of replacement, where the meter went within the period."""
    if stage.removed is None or not ends.within(stage.removed) or tariff not in stage.final:
        return None
    return Shown(stage.final[tariff], ends.midnight(stage.removed), act=True)


def _registers(stage: MeterPeriod, tariff: str, shown: Shown) -> Registers:
    return Registers(stage.serial, shown.at, {REGISTERS[tariff]: shown.energy})


def _why(chain: Sequence[MeterPeriod], stage: MeterPeriod, tariff: str, lacks: Sequence[str], ends: _Ends) -> str:
    borders = {"opening": ends.opening, "closing": ends.closing}
    reasons = []
    for word in lacks:
        border = borders[word]
        if border is None:
            reasons.append(f"no {word} reading")
        elif _place(chain, border.registers.meter) is None:
            reasons.append(f"{word} reading is of meter {border.registers.meter}, which does not belong to this point")
        elif same(stage.serial, border.registers.meter):
            reasons.append(f"no {tariff} in the {word} reading")
        else:
            reasons.append(f"no {'initial' if word == 'opening' else 'final'} reading of {tariff} in the act")
    return ", ".join(reasons)


def _doubts(stage: MeterPeriod, ends: _Ends) -> Iterator[str]:
    for word, border in (("opening", ends.opening), ("closing", ends.closing)):
        if border is None or not same(stage.serial, border.registers.meter):
            continue
        if not border.exact:
            minutes = round(abs(border.off).total_seconds() / 60)
            yield f"{word} reading {minutes} min {'after' if border.off > timedelta() else 'before'} the border"
        yield from (f"{word} reading: {flag}" for flag in border.flags if flag in DOUBTFUL)
