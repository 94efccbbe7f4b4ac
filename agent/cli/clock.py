"""``meterpost clock``: how far the meters' clocks are off, and setting them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import POINTS, ask, ask_running, known_points
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import colour, fitted, note, wrapped
from agent.config.values import Config, Meter
from agent.exits import Exit, Failure
from agent.line.clocks import OFF
from agent.line.correction import as_text
from buffer.body import exact
from buffer.body import when as when_utc
from buffer.record import Record
from buffer.store import Store
from drivers.reading import Kind

app = typer.Typer(no_args_is_help=True, help="Show and set the meters' clocks.")

KINDS: tuple[Kind, ...] = ("now", "network", "interval", "day", "month")


@dataclass(frozen=True, slots=True)
class ClockDay:
    """The offsets of one local day, seconds."""

    day: date
    least: Decimal
    last: Decimal
    most: Decimal


@app.command()
def show(
    point: Annotated[str | None, typer.Argument(metavar="[POINT]", help="Its offsets day by day; all without.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    days: Annotated[int, typer.Option(min=1, max=4000, help="So many days back.")] = 30,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show how far each meter's clock is off the gateway's, or one meter's day by day, in seconds; fast is positive.

    \b
    Example:
      meterpost clock show flat-12
    """
    values = load_config(config, service=False)
    document: dict[str, Any] = {"schema": "meterpost/clock/1", "gateway": values.gateway.id}
    if point is None:
        rows = _now(values)
        document["meters"] = [
            {"point": one, "meter_offset": _number(offset), "at": at and when_utc(at), "set_clock": may}
            for one, offset, at, may in rows
        ]
        lines = _all(rows, ZoneInfo(values.gateway.timezone))
    else:
        (named,) = known_points(values, [point])
        meter = next(meter for meter in values.meters if meter.point == named)
        series = by_day(_offsets(values, meter, days), ZoneInfo(values.gateway.timezone))
        numbers = [(one.day.isoformat(), one.least, one.last, one.most) for one in series]
        document |= {
            "point": point,
            "days": [
                {"day": day, "min": _number(least), "last": _number(last), "max": _number(most)}
                for day, least, last, most in numbers
            ],
        }
        cells = [(day, *(f"{offset:+}" for offset in offsets)) for day, *offsets in numbers]
        lines = fitted(("day", "min", "last", "max"), cells, (1, 2, 3)) if cells else ["nothing is stored of it"]
    print(json.dumps(document, ensure_ascii=False) if as_json else "\n".join(lines))


@app.command("set")
def set_clocks(
    points: POINTS,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Set these meters' clocks by the gateway's now, within what each meter allows, once a day.

    \b
    Example:
      meterpost clock set flat-12
    """
    values = load_config(config, service=False)
    answer = ask_running(values, "set-clock", points=known_points(values, points))
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for made in answer["corrected"]:
            after = made["after"]
            shown = "not known" if after is None else as_text(Decimal(str(after)))
            print(f"{made['point']}: {as_text(Decimal(str(made['before'])))} before, {shown} after")
        for right in answer["right"]:
            print(f"{right['point']}: right already, {as_text(Decimal(str(right['offset'])))}")
        for failed in answer["failed"]:
            note(wrapped(f"{failed['point']}: {failed['error']}"))
    if answer["failed"]:
        raise typer.Exit(Exit.SOME_FAILED)


def by_day(records: Iterable[Record], zone: ZoneInfo) -> list[ClockDay]:
    """The smallest, last and largest offset of each local day on which one was read, ascending."""
    days: dict[date, list[tuple[datetime, Decimal]]] = {}
    for record in records:
        if record.meter_offset is not None:
            read = (record.read_at, Decimal(record.meter_offset))
            days.setdefault(record.read_at.astimezone(zone).date(), []).append(read)
    found = []
    for day, reads in sorted(days.items()):
        offsets = [offset for _, offset in reads]
        found.append(ClockDay(day, min(offsets), max(reads)[1], max(offsets)))
    return found


def _offsets(values: Config, meter: Meter, days: int) -> Iterable[Record]:
    """Records of the kind that is read most often of those that this meter is polled for."""
    kind: Kind = next((kind for kind in KINDS if getattr(meter.poll, kind) is not None), "now")
    now = datetime.now(UTC)
    return _store(values).find(meter.point, (kind,), now - timedelta(days=days), now + timedelta(days=1))


Now = tuple[str, Decimal | None, datetime | None, bool]
"""Point, offset in seconds, when it was read last, whether its clock may be set by itself."""


def _now(values: Config) -> list[Now]:
    """What the daemon knows; without one, what the newest record of each point says."""
    may = {meter.point: meter.set_clock for meter in values.meters}
    status = ask(values, "status")
    if status is not None:
        return [
            (one["point"], _decimal(one["meter_offset"]), _moment(one["last"]), may.get(one["point"], False))
            for one in status["meters"]
        ]
    note("no daemon runs; this is what was stored last")
    store = _store(values)
    rows = []
    for meter in values.meters:
        known = [record for kind in KINDS if (record := store.last(meter.point, kind)) is not None]
        last = max(known, key=lambda record: record.read_at, default=None)
        offset = None if last is None or last.meter_offset is None else Decimal(last.meter_offset)
        rows.append((meter.point, offset, None if last is None else last.read_at, meter.set_clock))
    return rows


def _all(rows: list[Now], zone: ZoneInfo) -> list[str]:
    shown = []
    for point, offset, at, may in rows:
        words = "not known" if offset is None else as_text(offset)
        words = colour("yellow", words) if offset is not None and abs(offset) > OFF else words
        read = f"{at.astimezone(zone):%m-%d %H:%M}" if at else "never"
        shown.append((point, words, read, "by itself" if may else ""))
    return fitted(("point", "clock", "read", "set"), shown)


def _store(values: Config) -> Store:
    try:
        return Store.open(values.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _number(offset: Decimal | None) -> int | float | str | None:
    return None if offset is None else exact(offset)
