"""``meterpost read``: ask the meters now."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli import asking
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import note, table, when, wrapped
from agent.config.values import Config, Meter
from agent.exits import Exit, all_failed, meter_code
from agent.line.trace import TraceMessage
from buffer.body import record_from_json, record_json
from buffer.record import Record, number_text
from drivers.reading import Kind, is_kind

KINDS = ("now", "network", "interval", "day", "month", "event")
HEADINGS = {"1-0:1.8.0": "total", "1-0:1.8.1": "T1", "1-0:1.8.2": "T2", "1-0:1.8.3": "T3", "1-0:1.8.4": "T4"}
UNITS = {1: "W", 2: "W", 3: "var", 4: "var", 9: "VA", 10: "VA", 11: "A", 12: "V", 14: "Hz", 16: "W"}
"""By value group C of an OBIS code; each phase has the same ones, 20 higher than the one before (IEC 62056-6-1)."""
SIGNED_REACTIVE = 131  # from this group on: reactive power with its sign, sum and phases


def read(
    points: Annotated[list[str] | None, typer.Argument(metavar="[POINT…]", help="All points without it.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    kind: Annotated[str, typer.Option(help="What to read: " + ", ".join(KINDS))] = "now",
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Archives: local time, 2026-11-01T00:00")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Archives: the end, now without it")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show all octets of the dialogue on stderr, as text too.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Read meters now and print T1…T4; nothing is stored. Asks the daemon if it runs, else opens the port itself.

    \b
    Example:
      meterpost read flat-12 --trace
    """
    values = load_config(config, service=False)
    if not is_kind(kind) or kind not in KINDS:
        raise typer.BadParameter(f"{kind!r}; there are: {', '.join(KINDS)}", param_hint="--kind")
    known = [meter.point for meter in values.meters if not meter.manual]
    for point in points or []:
        if any(meter.point == point and meter.manual for meter in values.meters):
            raise typer.BadParameter(f"{point} is read by hand: meterpost enter {point}", param_hint="POINT")
        if point not in known:
            raise typer.BadParameter(f"no point {point!r}; there are: {', '.join(known)}", param_hint="POINT")
    span = _span(kind, since, until, values)
    records, failed, code = ask(values, points or [], kind, span, trace)
    if as_json:
        body = ",".join(record_json(record) for record in records)
        print(f'{{"schema":"meterpost/read/1","records":[{body}],"failed":{json.dumps(failed, ensure_ascii=False)}}}')
    else:
        show(values, records, failed)
    if failed:
        raise typer.Exit(code)


def ask(
    values: Config, points: list[str], kind: Kind, span: tuple[datetime, datetime] | None, trace: bool
) -> tuple[list[Record], list[dict[str, str]], int]:
    """Through the daemon where one runs; no points: all of them. The records, ``failed`` entries, and the exit code if
    there are any."""
    args: dict[str, Any] = {"points": points or None, "kind": kind, "trace": trace}
    if span is not None:
        args |= {"from": span[0].isoformat(), "to": span[1].isoformat()}
    answer = asking.ask(values, "peek", **args)
    if answer is not None:
        for line in answer["trace"]:
            _show_message(*line)
        records = [record_from_json(text) for text in answer["records"]]
        codes = [one.pop("exit") for one in answer["failed"]]
        return records, answer["failed"], _code(records, codes)
    from agent.control import offline
    from agent.line.hints import failure

    # Now we need the meters' passwords ourselves: none must be asked with another than its own, some meters lock.
    values = load_config(values.files[0])
    known = [meter.point for meter in values.meters if not meter.manual]
    records, failed = offline.read(values, points or known, kind, span, _traced if trace else None)
    codes = [meter_code(trouble) for trouble in failed.values()]
    return records, [failure(point, trouble) for point, trouble in failed.items()], _code(records, codes)


def _code(records: Sequence[Record], codes: Sequence[int]) -> int:
    return Exit.SOME_FAILED if records else all_failed(codes)


def _traced(point: str, message: TraceMessage) -> None:
    _show_message(point, message.direction, message.octets, message.words())


def _show_message(point: str, direction: str, octets: str, words: list[str]) -> None:
    """The octets as they are, then what they say, as narrow as the terminal."""
    note(wrapped(f"{point} {direction} {octets}".rstrip(), "  "))
    for line in words:
        indent = " " * (4 + len(line) - len(line.lstrip()))
        note(wrapped(indent + line.lstrip(), indent + "  "))


def _span(kind: Kind, since: str | None, until: str | None, values: Config) -> tuple[datetime, datetime] | None:
    if kind in ("now", "network"):
        return None
    zone = ZoneInfo(values.gateway.timezone)
    end = asking.moment(until, zone, "--to") if until else datetime.now(zone)
    start = asking.moment(since, zone, "--from") if since else end - timedelta(days=1)
    if start >= end:
        raise typer.BadParameter(f"{since} is not before {until or 'now'}", param_hint="--from")
    return start, end


def show(values: Config, records: list[Record], failed: list[dict[str, str]]) -> None:
    meters = {meter.point: meter for meter in values.meters}
    zone = ZoneInfo(values.gateway.timezone)
    for record in records:
        _show_record(meters[record.point], record, zone)
    for trouble in failed:
        note(wrapped(f"{trouble['point']}: {trouble['error']}"))
        note(wrapped(f"  {trouble['hint']}"))
    if not records and not failed:
        note("the meters keep nothing of that time")


def _show_record(meter: Meter, record: Record, zone: ZoneInfo) -> None:
    """Narrow enough for a phone: a line a register."""
    flags = f"  [{', '.join(record.flags)}]" if record.flags else ""
    print(wrapped(f"{record.point}  meter {record.meter}  {when(record.at, zone)}{flags}"))
    rows = []
    for code, value in record.values.items():
        name = HEADINGS.get(code, code.removeprefix("1-0:"))
        rows.append((f"  {name}", *_shown(code, value), (meter.tariffs or {}).get(name, "")))
    if rows:
        print("\n".join(table(rows, right=(1,))))
    if record.event:
        print(wrapped(f"  {record.event['code']}  {record.event.get('text', '')}".rstrip(), "    "))


def _shown(code: str, value: Any) -> tuple[str, str]:
    """Energy in kWh to three places as meters show it; everything else as it is."""
    group = code.partition(":")[2].split(".")[0]
    if ".8." in code or ".29." in code:
        whole, rest = divmod(int(value), 1000)
        exact = number_text(value)
        fraction = exact.partition(".")[2]
        return f"{whole}.{rest:03d}{fraction}", "kWh" if group in ("1", "2") else "kvarh"
    number = int(group) if group.isdigit() else 0
    unit = "var" if number >= SIGNED_REACTIVE else UNITS.get(number if number < 21 else number % 20, "")
    return number_text(value), unit
