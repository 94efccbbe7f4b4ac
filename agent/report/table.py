"""The report's columns and how a cell is said; what all its forms share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.report.breakdown import Report, ReportLine, Shown

Cell = str | Decimal | datetime | None
"""Decimal: kWh or a ratio; datetime: aware, to be shown in the report's zone."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Callable[[ReportLine], Cell]


def kwh(energy: Decimal | None) -> Decimal | None:
    """Wh as kWh, all digits that the register has."""
    return None if energy is None else (energy / 1000).normalize()


def _energy(shown: Shown | None) -> Decimal | None:
    return None if shown is None else kwh(shown.energy)


def _at(shown: Shown | None) -> datetime | None:
    return None if shown is None else shown.at


def _by(shown: Shown | None) -> str:
    return "" if shown is None else ("act" if shown.act else "reading")


COLUMNS = (
    Column("account", lambda line: line.account),
    Column("point", lambda line: line.point),
    Column("place", lambda line: line.place),
    Column("meter", lambda line: line.serial),
    Column("ratio", lambda line: line.ratio),
    Column("tariff", lambda line: line.tariff),
    Column("meaning", lambda line: line.meaning),
    Column("opening, kWh", lambda line: _energy(line.opening)),
    Column("opening at", lambda line: _at(line.opening)),
    Column("opening by", lambda line: _by(line.opening)),
    Column("closing, kWh", lambda line: _energy(line.closing)),
    Column("closing at", lambda line: _at(line.closing)),
    Column("closing by", lambda line: _by(line.closing)),
    Column("used, kWh", lambda line: kwh(line.used)),
    Column("used × ratio, kWh", lambda line: kwh(line.primary)),
    Column("mark", lambda line: line.mark),
    Column("reason", lambda line: line.reason),
)
USED = next(number for number, column in enumerate(COLUMNS) if column.name == "used × ratio, kWh")
TARIFF = next(number for number, column in enumerate(COLUMNS) if column.name == "tariff")


def rows(report: Report) -> list[list[Cell]]:
    return [[column.cell(line) for column in COLUMNS] for line in report.lines]


def totals(report: Report) -> list[list[Cell]]:
    """A row for each tariff: the sum of its lines that are not missing, ratio applied."""
    found: list[list[Cell]] = []
    for tariff, energy in report.totals.items():
        row: list[Cell] = [None] * len(COLUMNS)
        row[0], row[TARIFF], row[USED] = "total", tariff, kwh(energy)
        row[-2:] = _of_total(report, tariff)
        found.append(row)
    return found


def _of_total(report: Report, tariff: str) -> tuple[str, str]:
    lacking = sum(line.mark == "missing" for line in report.lines if line.tariff == tariff)
    if lacking:
        return "missing", f"without {lacking} of {sum(line.tariff == tariff for line in report.lines)} lines"
    doubtful = any(line.mark == "doubtful" for line in report.lines if line.tariff == tariff)
    return ("doubtful", "") if doubtful else ("complete", "")


def moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def number(value: Decimal) -> str:
    """All the digits that it has, without zeros at the end; never an exponent."""
    return format(value.normalize(), "f")


def title(report: Report) -> str:
    return f"Electricity consumption, {report.first} to {report.last}"


def subtitle(report: Report) -> str:
    made = moment(report.made, report.zone)
    lacking = f"; {report.missing} of {len(report.lines)} lines are missing" if report.missing else ""
    return f"Gateway {report.gateway}, times in {report.zone.key}, made {made}{lacking}"
