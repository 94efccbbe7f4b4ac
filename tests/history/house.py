"""A point's records over real calendars: registers that grow by rule, as snapshots, readings and intervals."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.values import Meter
from agent.host.periods import periods
from buffer.record import Record
from protocols.session import Line

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")
SERIAL = "23456789"
Truth = Callable[[datetime], tuple[int, int]]
"""Moment → T1, T2 in Wh."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def metered(**more: object) -> Meter:
    fields: dict[str, object] = {"tariffs": {"T1": "day", "T2": "night"}} | more
    return Meter("flat-12", "riser-1", "mercury230", "45", SERIAL, Line(), **fields)  # type: ignore[arg-type]


def steady(moment: datetime) -> tuple[int, int]:
    """1200 W in T1, 300 W in T2, from 1000 and 500 kWh on."""
    minutes = int((moment - EPOCH).total_seconds()) // 60
    return 1_000_000 + minutes * 20, 500_000 + minutes * 5


def values_of(moment: datetime, truth: Truth = steady) -> dict[str, int | Decimal]:
    first, second = truth(moment)
    return {"1-0:1.8.0": first + second, "1-0:1.8.1": first, "1-0:1.8.2": second}


def reading(moment: datetime, kind: str = "now", truth: Truth = steady, **more: object) -> Record:
    fields: dict[str, object] = {"meter": SERIAL, "values": values_of(moment, truth)} | more
    return replace(Record(kind, "flat-12", "", moment, moment), **fields)  # type: ignore[arg-type]


def snapshots(kind: str, since: datetime, until: datetime, zone: ZoneInfo, truth: Truth = steady) -> list[Record]:
    return [reading(slot.start, kind, truth) for slot in periods(kind, since, until, zone) if slot.start >= since]


def readings(since: datetime, until: datetime, step: timedelta, truth: Truth = steady) -> list[Record]:
    found, at = [], since
    while at < until:
        found.append(reading(at, truth=truth))
        at += step
    return found


def intervals(since: datetime, until: datetime, truth: Truth = steady, **more: Any) -> list[Record]:
    """Half hours, as the meter's load profile has them: one total, no tariffs."""
    found, at = [], since
    while at < until:
        end = at + timedelta(minutes=30)
        energy = sum(truth(end)) - sum(truth(at))
        found.append(reading(end, "interval", values={"1-0:1.29.0": energy}, start=at, **more))
        at = end
    return found
