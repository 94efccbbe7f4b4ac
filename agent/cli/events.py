"""``meterpost events``: what the meters' journals and the gateway itself have told."""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import known_points, moment
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import colour, fitted, note, table, when, width, wrapped
from agent.config.values import Config
from agent.events import EVENTS
from agent.exits import Failure
from buffer.body import record_json
from buffer.record import Record
from buffer.store import Store
from drivers.files.words import meant

PIECE = timedelta(days=7)  # of the store, scanned backwards until there are enough
USUAL = timedelta(days=30)  # that is shown; a year of a large house takes its time to look through
AHEAD = timedelta(days=1)  # a journal is stamped by its meter's clock, which may be before ours


def events(
    points: Annotated[list[str] | None, typer.Argument(metavar="[POINT…]", help="All without it.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    code: Annotated[str | None, typer.Option(help="Only this code, cover-open for one.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Local time, 2026-11-01T00:00; else 30 days back.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The end.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="The newest this many.")] = 50,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what the meters' journals and the gateway itself have told, the newest last.

    \b
    Example:
      meterpost events flat-12 --code cover-open
    """
    values = load_config(config, service=False)
    zone = ZoneInfo(values.gateway.timezone)
    wanted = known_points(values, points or [])
    if code is not None and code not in EVENTS and values.gateway.models_dir is None:
        near = meant(code, EVENTS) or "; docs/technician.md lists them"
        raise typer.BadParameter(f"no event code {code!r}{near}", param_hint="--code")
    start = moment(since, zone, "--from") if since else None
    end = moment(until, zone, "--to") if until else datetime.now(UTC) + AHEAD
    if start is not None and start >= end:
        raise typer.BadParameter(f"{since} is not before {until or 'now'}", param_hint="--from")
    found = newest(_store(values), wanted, code, start or end - USUAL, end, limit)
    if as_json:
        body = ",".join(map(record_json, found))
        print(f'{{"schema":"meterpost/events/1","gateway":{json.dumps(values.gateway.id)},"events":[{body}]}}')
        return
    if not found:
        note("no such event is stored")
    print("\n".join(screen(found, zone)), end="\n" if found else "")


def newest(
    store: Store, points: list[str], code: str | None, since: datetime, until: datetime, limit: int
) -> list[Record]:
    """The newest this many of this time that fit, ascending."""
    found: deque[Record] = deque()
    end = until
    while end > since and len(found) < limit:
        start = max(since, end - PIECE)
        part = [record for record in _events(store, points, start, end) if code in (None, _of(record)["code"])]
        found.extendleft(reversed(part))
        end = start
    return list(found)[-limit:]


def _events(store: Store, points: list[str], since: datetime, until: datetime) -> Iterator[Record]:
    only = points[0] if len(points) == 1 else None
    for record in store.find(only, ("event",), since, until):
        if not points or record.point in points:
            yield record


def screen(found: list[Record], zone: ZoneInfo) -> list[str]:
    """A line an event where it fits, else its words below it: narrow enough for a phone."""
    if not found:
        return []
    rows = [
        (when(record.at, zone), record.point or "gateway", str(_of(record)["code"]), said(record)) for record in found
    ]
    headings = ("time", "point", "code", "what")
    if max(map(len, table([headings, *rows]))) <= width():
        return fitted(headings, rows)
    lines = []
    for at, point, code, what in rows:
        lines.append(wrapped(f"{at}  {point}  {code}").replace(code, colour("bold", code)))
        if what:
            lines.append(wrapped(f"  {what}", "    "))
    return lines


def said(record: Record) -> str:
    """The words of the meter or the gateway, and the maker's own code."""
    told = _of(record)
    maker = f" [{told['maker']}]" if told.get("maker") else ""
    return f"{told.get('text') or EVENTS.get(str(told['code']), '')}{maker}"


def _of(record: Record) -> dict[str, Any]:
    return dict(record.event or {"code": ""})


def _store(values: Config) -> Store:
    try:
        return Store.open(values.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None
