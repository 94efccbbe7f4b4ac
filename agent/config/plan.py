"""Planned consumption of a point: a CSV file with a row a month or a row an hour, in kWh of the primary side.

``2026-11,300`` or ``2026-11-21T10:00,1.25``; an optional heading; ``,`` or ``;`` between the cells, a decimal comma
with ``;``. Hours are local; where the clocks go back, a row stands for both hours of its name unless it has an offset
(``2026-10-25T02:00+01:00``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.host.periods import Period, periods

LARGEST = 4 << 20  # octets; ten years of hours take half of it
MOST_FAULTS = 20  # that are told of one file; a wrong separator is wrong in every line
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
HOUR = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:00(?::00)?(?:Z|[+-]\d{2}:\d{2})?")
ENERGY = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


class PlanError(ValueError):
    """What stands in a line (from 1) of a plan, and what may stand there; ``more``: the same of further lines."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.line, self.found, self.expected = line, found, expected
        self.more: list[PlanError] = []


@dataclass(frozen=True, slots=True)
class Plan:
    """``step``: month or hour. ``energies`` in Wh by the row's own name: "2026-11", a local hour "2026-11-21T10", or
    an hour of UTC "2026-11-21T07Z"."""

    step: str
    energies: Mapping[str, Decimal]

    def of(self, slot: Period, period: str, zone: ZoneInfo) -> Decimal | None:
        """What is planned for this hour, day or month in Wh; None where the plan does not say it. A plan by the month
        says nothing of its days."""
        if self.step == period:
            return self._one(slot, zone)
        if self.step == "month":
            return None
        hours = [self._one(hour, zone) for hour in periods("hour", slot.start, slot.end, zone)]
        return None if None in hours else sum((hour for hour in hours if hour is not None), Decimal(0))

    def _one(self, slot: Period, zone: ZoneInfo) -> Decimal | None:
        there = slot.start.astimezone(zone)
        if self.step == "month":
            return self.energies.get(f"{there:%Y-%m}")
        exact = self.energies.get(_utc_hour(slot.start))
        return self.energies.get(f"{there:%Y-%m-%dT%H}") if exact is None else exact


def read_plan(path: Path) -> Plan:
    """The plan in this file; PlanError with the line and the words, OSError where it cannot be read."""
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise PlanError(1, "more than 4 MiB", "a row a month or a row an hour")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlanError(line, f"the byte 0x{raw[error.start]:02x}", "text in UTF-8") from None
    return parse(text)


def parse(text: str) -> Plan:
    """A plan's text; PlanError for its first faulty line, the next ones in it."""
    energies: dict[str, Decimal] = {}
    faults: list[PlanError] = []
    step, first = "", True
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        heading = first and not re.search(r"\d", re.split("[,;]", line)[0])
        first = False
        if heading:
            continue
        try:
            name, kind, energy = _row(number, line)
            step = step or kind
            if kind != step:
                raise PlanError(number, f"a row for {_a(kind)} among rows of {step}s", "one kind of rows")
            if name in energies:
                raise PlanError(number, f"{name} again", f"each {step} once")
        except PlanError as trouble:
            faults.append(trouble)
            if len(faults) == MOST_FAULTS:
                break
        else:
            energies[name] = energy
    if faults:
        faults[0].more = faults[1:]
        raise faults[0]
    if not energies:
        raise PlanError(1, "no rows", "such as 2026-11,300 or 2026-11-21T10:00,1.25")
    return Plan(step, energies)


def _a(kind: str) -> str:
    return "an hour" if kind == "hour" else "a month"


def _row(number: int, line: str) -> tuple[str, str, Decimal]:
    separator = ";" if ";" in line else ","
    cells = [cell.strip().strip('"') for cell in line.split(separator)]
    if len(cells) != 2:
        wanted = "a time and kWh, such as 2026-11,300 (a decimal comma goes with ; between the cells)"
        raise PlanError(number, f"{len(cells)} cells", wanted)
    when, energy = cells
    if separator == ";":
        energy = energy.replace(",", ".", 1)
    if not ENERGY.fullmatch(energy):
        raise PlanError(number, repr(energy[:40]), "kWh from 0 to 999999999")
    name, kind = _time(number, when)
    return name, kind, Decimal(energy) * 1000


def _time(number: int, when: str) -> tuple[str, str]:
    if MONTH.fullmatch(when):
        return when, "month"
    try:
        if not HOUR.fullmatch(when):
            raise ValueError
        moment = datetime.fromisoformat(when)
        name = _utc_hour(moment) if moment.tzinfo else f"{moment:%Y-%m-%dT%H}"
    except (ValueError, OverflowError):  # the first and the last year have hours that are none in UTC
        wanted = "a month such as 2026-11 or a full hour such as 2026-11-21T10:00"
        raise PlanError(number, repr(when[:40]), wanted) from None
    return name, "hour"


def _utc_hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%HZ}"
