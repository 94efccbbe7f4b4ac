"""``meterpost status``: what the daemon is doing."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.asking import ask
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import colour, length, table, width, wrapped
from agent.config.values import Config
from agent.judge.plausible import clock_flags
from agent.line import others
from agent.line.correction import as_text

REFRESH = 1.0  # s
COLOURS = {"ok": "green", "silent": "red", "wrong-serial": "red"}  # all else is yellow
CLEAR = "\x1b[H\x1b[J"


def status(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second, until Ctrl-C.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show meters, buses, what is delivered and what waits. Without a daemon: what the store says.

    \b
    Example:
      meterpost status --watch
    """
    values = load_config(config, service=False)
    document, running = look(values)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    if not watch:
        print("\n".join(screen(document, running)))
        return
    try:
        while True:
            document, running = look(values)
            print(CLEAR if sys.stdout.isatty() else "", *screen(document, running), sep="\n", flush=True)
            time.sleep(REFRESH)
    except KeyboardInterrupt:
        return


def look(values: Config) -> tuple[dict[str, Any], bool]:
    """The document, and whether it comes from a running daemon."""
    document = ask(values, "status")
    return (_from_the_store(values), False) if document is None else (document, True)


def _from_the_store(values: Config) -> dict[str, Any]:
    from agent.control.status import without_daemon
    from buffer.store import Store

    try:
        store = Store.open(values.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        return without_daemon(values, None)
    try:
        return without_daemon(values, store)
    finally:
        store.close()


def screen(document: dict[str, Any], running: bool) -> list[str]:
    """Lines for a terminal; narrow enough for a phone."""
    delivery = document.get("delivery") or {}
    link = "online" if document["online"] else f"offline: {delivery.get('broker')}"
    state = link if running else "not running"
    lines = [
        colour(
            "green" if document["online"] else "red",
            wrapped(f"{document['gateway']}: {state}, clock {document['clock']}"),
        ),
        wrapped(
            f"stored {document['last_seq']}, confirmed {document['confirmed']}, pending {document['pending']}, "
            f"refused {document['refused']}" + (f", held {document['held']}" if document.get("held") else "")
        ),
    ]
    if document.get("oldest_pending"):
        lines.append(f"the oldest pending one waits for {age(document['oldest_pending'])}")
    if document.get("disk"):
        lines.append(colour("red", wrapped(f"the disk: {document['disk']}")))
    lines += _exchange(document.get("exchange"))
    for bus in document["buses"]:
        if bus.get("error"):
            lines.append(colour("red", wrapped(f"{bus['name']}: {bus['error']}")))
        if bus.get("second_master"):
            lines.append(colour("yellow", wrapped(f"{bus['name']}: {others.as_text(bus['second_master'])}")))
    lines += [line for bus in document["buses"] if (line := _filling(bus, document["meters"]))]
    rows: list[tuple[str, ...]] = [("point", "T1", "T2", "T3", "T4", "age", "state")]
    rows += [_row(meter, running) for meter in document["meters"]]
    lines += _meters(_without_empty_columns(rows))
    lines += [wrapped(_trouble(meter)) for meter in document["meters"] if meter.get("error")]
    lines += [wrapped(off) for meter in document["meters"] if (off := _clock(meter))]
    return lines


def _trouble(meter: dict[str, Any]) -> str:
    """What it is, and what to do next."""
    said = f"{meter['point']}: {meter['error']}"
    return f"{said}{' ' if said.endswith('?') else '; '}{meter['hint']}" if meter.get("hint") else said


def _exchange(exchange: dict[str, Any] | None) -> list[str]:
    """A line of the exchange files, and one of what is wrong with the newest that has a trouble."""
    if exchange is None:
        return []
    sent, made = exchange["last_sent"], exchange["last_made"]
    told = [f"sent to {sent}" if sent else "", f"made to {made}" if made and (not sent or made > sent) else ""]
    told += [f"{name} {exchange[name]}" for name in ("waiting", "unanswered", "held") if exchange[name]]
    lines = [wrapped(f"exchange: {', '.join(filter(None, told)) or 'no file yet'}")]
    error = exchange["error"]
    if error:
        head = " ".join(filter(None, ("exchange", error["day"], error["state"])))
        lines.append(colour("red" if exchange["held"] else "yellow", wrapped(f"{head}: {error['text']}")))
    return lines


def _clock(meter: dict[str, Any]) -> str | None:
    """A line for a meter whose clock is told as wrong."""
    offset = meter.get("meter_offset")
    if offset is None or not clock_flags(Decimal(str(offset))):
        return None
    return f"{meter['point']}: the meter's clock is {as_text(Decimal(str(offset)))}"


def _filling(bus: dict[str, Any], meters: list[dict[str, Any]]) -> str:
    """How much of a bus's archives is missing and when it will be there, except for meters that cannot be asked now; ""
    where nothing is."""
    filling = bus.get("filling") or {}
    if not filling.get("missing"):
        return ""
    text = f"{bus['name']}: {filling['missing']} archive values missing"
    if filling.get("done_at"):
        text += f", there in {in_time(filling['done_at'])}"
    of_bus = [meter for meter in meters if meter.get("bus") == bus["name"] and meter["state"] != "ok"]
    waiting = {meter["point"]: sum(filter(None, (meter.get("missing") or {}).values())) for meter in of_bus}
    waiting = {point: count for point, count in waiting.items() if count}
    if waiting:
        whom = next(iter(waiting)) if len(waiting) == 1 else f"{len(waiting)} meters"
        text += f"; {sum(waiting.values())} wait for {whom}"
    return wrapped(text)


def _meters(rows: list[tuple[str, ...]]) -> list[str]:
    """A table where it fits, else a line a meter with its state, and its figures below it."""
    lines = table(rows, right=range(1, len(rows[0]) - 1))
    if max(map(length, lines)) <= width():
        return lines
    lines, figures = [], rows[0][1:-2]
    for point, *values, age_now, state in rows[1:]:
        told = f"{point}  {age_now}  {state}"
        lines.append(told if length(told) <= width() else wrapped(told))
        told = "  ".join(f"{name} {value}" for name, value in zip(figures, values, strict=True) if value)
        lines += [wrapped(f"  {told}")] if told else []
    return lines


def _without_empty_columns(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """A phone has space for the tariffs that some meter has. The last two columns, age and state, always stay."""
    columns = list(zip(*rows, strict=True))
    kept = [column for column in columns[:-2] if any(column[1:])] + columns[-2:]
    return list(zip(*kept, strict=True))


def _row(meter: dict[str, Any], running: bool) -> tuple[str, ...]:
    values = meter.get("values") or {}
    shown = [kwh(values.get(f"1-0:1.8.{number}")) for number in "1234"]
    if not any(shown):
        shown[0] = kwh(values.get("1-0:1.8.0"))
    state = meter["state"] if running else "-"  # no one asks the meters now
    state = "due" if meter.get("due") else state  # an operator has to read this one
    return (meter["point"], *shown, age(meter.get("last")), colour(COLOURS.get(state, "yellow"), state))


def kwh(value: Any) -> str:
    """Watt-hours as kWh to two places, cut, not rounded: what the display shows."""
    return "" if value is None else f"{int(value) // 1000}.{int(value) % 1000 // 10:02d}"


def age(text: str | None) -> str:
    """How long ago, in one unit."""
    return _span(datetime.now(UTC) - datetime.fromisoformat(text)) if text else "never"


def in_time(text: str) -> str:
    """How long until then, in one unit."""
    return _span(datetime.fromisoformat(text) - datetime.now(UTC))


def _span(time: timedelta) -> str:
    seconds = max(0, round(time.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
