"""Planned consumption of a point: a CSV file with a row a month or a row an hour, in kWh of the primary side.

``2026-11,300`` or ``2026-11-21T10:00,1.25``; an optional heading; ``,`` or ``;`` between the cells, a decimal comma
with ``;``. Hours are local; where the clocks go back, a row stands for both hours of its name unless it has an offset
(``2026-10-25T02:00+01:00``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.host.periods import Period, periods
from drivers.files.faults import ConfigError, Fault, once
from drivers.files.text import decode
from drivers.files.words import shown

LARGEST = 4 << 20  # bytes; ten years of hours take half of it
MOST_FAULTS = 20  # that are told of one file; a wrong separator is wrong in every line
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:00(?::00)?(?:Z|[+-][0-9]{2}:[0-9]{2})?")
ENERGY = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


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


def read_plan(file: Path) -> Plan:
    """The plan in this file; ConfigError with every faulty row, OSError where it cannot be read."""
    with file.open("rb") as opened:
        raw = opened.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ConfigError([Fault(file, 1, 1, "", "more than 4 MiB", "a row a month or a row an hour")])
    text, unread = decode(file, raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))  # spreadsheets write each of them
    if text is None:
        raise ConfigError(unread)
    return _Rows(file, text).plan(unread)


def parse(text: str) -> Plan:
    """A plan's text, with LF line ends; ConfigError with every faulty row."""
    return _Rows(Path("plan.csv"), text).plan([])


class _Rows:
    def __init__(self, file: Path, text: str) -> None:
        self._file, self._lines = file, text.split("\n")
        self._energies: dict[str, Decimal] = {}
        self._faults: list[Fault] = []
        self._step = ""

    def plan(self, unread: Sequence[Fault]) -> Plan:
        first = True
        for number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            heading = first and not re.search(r"\d", re.split("[,;]", line)[0])
            first = False
            if not heading:
                self._row(number, line)
            if len(self._faults) >= MOST_FAULTS:
                break
        if unread or self._faults:
            raise ConfigError(sorted(once(unread, self._faults), key=lambda fault: (fault.line, fault.column)))
        if not self._energies:
            self._fault(1, 1, "no rows", "such as 2026-11,300 or 2026-11-21T10:00,1.25")
            raise ConfigError(self._faults)
        return Plan(self._step, self._energies)

    def _row(self, number: int, line: str) -> None:
        separator = ";" if ";" in line else ","
        cells = line.split(separator)
        at = len(line) - len(line.lstrip()) + 1
        if len(cells) != 2:
            wanted = "a time and kWh, such as 2026-11,300 (a decimal comma goes with ; between the cells)"
            self._fault(number, at, f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}", wanted)
            return
        behind = len(cells[0]) + len(separator) + len(cells[1]) - len(cells[1].lstrip()) + 1
        when, energy = (cell.strip().strip('"') for cell in cells)
        named = _time(when)
        if named is None:
            self._fault(number, at, shown(when), "a month such as 2026-11 or a full hour such as 2026-11-21T10:00")
        exact = energy.replace(",", ".", 1) if separator == ";" else energy
        if not ENERGY.fullmatch(exact):
            self._fault(number, behind, shown(energy), "kWh from 0 to 999999999")
        elif named is not None:
            self._add(number, at, *named, Decimal(exact) * 1000)

    def _add(self, number: int, at: int, name: str, kind: str, energy: Decimal) -> None:
        self._step = self._step or kind
        if kind != self._step:
            self._fault(number, at, f"a row for {_a(kind)} among rows of {self._step}s", "one kind of rows")
        elif name in self._energies:
            self._fault(number, at, f"{name} again", f"each {self._step} once")
        else:
            self._energies[name] = energy

    def _fault(self, line: int, column: int, found: str, expected: str) -> None:
        self._faults.append(Fault(self._file, line, column, "", found, expected))


def _a(kind: str) -> str:
    return "an hour" if kind == "hour" else "a month"


def _time(when: str) -> tuple[str, str] | None:
    """The row's name and its kind, None where this is not a time of a plan."""
    if MONTH.fullmatch(when):
        return when, "month"
    if not HOUR.fullmatch(when):
        return None
    try:
        moment = datetime.fromisoformat(when)
        return (_utc_hour(moment) if moment.tzinfo else f"{moment:%Y-%m-%dT%H}"), "hour"
    except (ValueError, OverflowError):  # the first and the last year have hours that do not exist in UTC
        return None


def _utc_hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%HZ}"
