"""What is shown of a point's past, on whatever screen: rows with the transformer ratio applied, beside the plan."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.plan import Plan, read_plan
from agent.config.values import Config, Meter
from agent.history.plan_watch import kwh
from agent.history.series import NOTHING, ONE_SIDED, Row, series
from buffer.store import Store
from drivers.times import MILLISECOND

FORMS = {"hour": "%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m"}
MARKS: Mapping[str, str] = {"complete": "", "restored": "+", "partial": "<", "doubtful": "!", "missing": "?"}
NEAR = "~"
LEGEND: Mapping[str, str] = {
    "?": "missing",
    "!": "doubtful: a reading has a flag",
    "<": "only a part",
    "~": "read beside the border",
    "+": "from the meter's archive",
}


@dataclass(frozen=True, slots=True)
class SheetLine:
    """A row as it is shown: Wh of the primary side. ``planned`` None where the plan says nothing; ``deviation`` is
    total − planned, None where a part that stays below the plan cannot be compared with it."""

    label: str
    row: Row
    tariffs: Mapping[str, Decimal]
    total: Decimal | None
    planned: Decimal | None = None

    @property
    def deviation(self) -> Decimal | None:
        if self.total is None or self.planned is None:
            return None
        part = self.row.quality == "partial" or bool(self.row.reason)
        return None if part and self.total <= self.planned else self.total - self.planned

    @property
    def mark(self) -> str:
        return MARKS[self.row.quality] + (NEAR if self.row.near else "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """``tariffs``: T1… that have figures, with their meaning ("" without one); ``notes``: further sentences."""

    gateway: str
    meter: Meter
    period: str
    zone: ZoneInfo
    now: datetime
    lines: Sequence[SheetLine]
    tariffs: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def planned(self) -> bool:
        return any(line.planned is not None for line in self.lines)

    @property
    def empty(self) -> bool:
        return all(line.total is None and not line.tariffs for line in self.lines)

    def legend(self) -> dict[str, str]:
        """The marks that are used, and what they mean."""
        used = "".join(line.mark for line in (*self.lines, self.sums()))
        return {mark: text for mark, text in LEGEND.items() if mark in used}

    def reasons(self) -> list[str]:
        """Why something is missing, where it is more than that nothing was read; the first line of each reason."""
        found: dict[str, str] = {}
        for line in self.lines:
            if line.row.reason and line.row.source != "intervals" and line.row.reason not in (NOTHING, ONE_SIDED):
                found.setdefault(line.row.reason, line.label)
        return [f"{label}: {reason}" for reason, label in found.items()]

    def years(self) -> str:
        """The year that the lines lie in, or the first and the last one."""
        ends = (self.lines[0].row.slot.start, self.lines[-1].row.slot.start)
        return " to ".join(dict.fromkeys(f"{end.astimezone(self.zone):%Y}" for end in ends))

    def sums(self) -> SheetLine:
        """All lines together, as far as they are known; planned only where every line is."""
        total = _sum(line.total for line in self.lines)
        tariffs = {name: _sum(line.tariffs.get(name) for line in self.lines) for name in self.tariffs}
        plans = [line.planned for line in self.lines]
        whole = all(line.row.quality not in ("partial", "missing") for line in self.lines)
        row = Row(self.lines[0].row.slot, quality="complete" if whole else "partial")
        known = {name: value for name, value in tariffs.items() if value is not None}
        return SheetLine("sum", row, known, total, None if None in plans else _sum(plans))


def sheet(
    store: Store,
    config: Config,
    meter: Meter,
    period: str,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    trim: bool = False,
) -> Sheet:
    """The rows of this point that begin by now; ``trim``: without those before the first one that is known. ConfigError
    and OSError where its plan cannot be read."""
    zone = ZoneInfo(config.gateway.timezone)
    rows = series(store, meter, period, since, until, zone, now)
    if trim:
        known = [index for index, row in enumerate(rows) if row.source]
        rows = rows[known[0] :] if known else []
    plan = read_plan(meter.plan) if meter.plan else None
    lines: list[SheetLine] = []
    for row in rows:
        before = lines[-1].label if lines else ""
        lines.append(_line(row, meter, period, zone, plan, before))
    present = {name for line in lines for name in line.tariffs}
    meanings = {name: (meter.tariffs or {}).get(name, "") for name in sorted(present)}
    notes = [] if plan is None or not rows else _of_months(store, meter, plan, period, zone, now)
    return Sheet(config.gateway.id, meter, period, zone, now, lines, meanings, notes)


def _line(row: Row, meter: Meter, period: str, zone: ZoneInfo, plan: Plan | None, before: str) -> SheetLine:
    there = row.slot.start.astimezone(zone)
    label = format(there, FORMS[period])
    if label == before:  # the hour that comes twice in autumn
        label += f"{there:%z}"[:3]
    tariffs = {name: value * meter.ratio for name, value in row.tariffs.items()}
    total = None if row.total is None else row.total * meter.ratio
    return SheetLine(label, row, tariffs, total, plan.of(row.slot, period, zone) if plan else None)


def _of_months(store: Store, meter: Meter, plan: Plan, period: str, zone: ZoneInfo, now: datetime) -> list[str]:
    """A plan by the month says nothing of days and hours: how far the running month is."""
    if plan.step != "month" or period == "month":
        return []
    (row,) = series(store, meter, "month", now - MILLISECOND, now, zone, now)
    line = _line(row, meter, "month", zone, plan, "")
    if line.planned is None:
        return []
    used = "nothing is known" if line.total is None else f"{kwh(line.total)} kWh used so far"
    return [f"plan of {line.label}: {kwh(line.planned)} kWh, {used}"]


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
