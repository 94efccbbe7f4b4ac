"""``meterpost records``: what the store holds."""

import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import ask, without_daemon
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import fitted, table, when
from agent.config.values import Config
from agent.exits import Exit, Failure
from buffer.body import record_json
from buffer.body import when as when_utc
from buffer.record import Record, number_text
from buffer.store import Store

app = typer.Typer(no_args_is_help=True, help="List, count, export and send again what the store holds.")

STATES = ("all", "pending", "held", "confirmed", "refused")
PAGE = 500

State = Annotated[str, typer.Option(help="One of: " + ", ".join(STATES))]
First = Annotated[int, typer.Option("--from-seq", min=1, help="The first sequence number.")]


@app.command("list")
def list_records(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    state: State = "all",
    from_seq: Annotated[
        int | None, typer.Option("--from-seq", min=1, help="The first number; else the newest.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="How many.")] = 100,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show records by their sequence number: the newest, with --json or --state the first ones, or from a number on.

    \b
    Example:
      meterpost records list --state refused
    """
    values = load_config(config, service=False)
    store = _open(values)
    newest = from_seq is None and state == "all" and not as_json
    first = max(1, store.last_seq - limit + 1) if newest else from_seq or 1
    rows = store.rows(_state(state), first, limit + 1)
    following = rows[limit][0].seq if len(rows) > limit else None
    rows = rows[:limit]
    if as_json:
        body = ",".join(_with_state(*row) for row in rows)
        print(
            f'{{"schema":"meterpost/records/1","gateway":{json.dumps(values.gateway.id)},'
            f'"epoch":{json.dumps(store.epoch)},"records":[{body}],"next":{json.dumps(following)}}}'
        )
        return
    zone = ZoneInfo(values.gateway.timezone)
    print("\n".join(fitted(("seq", "state", "kind", "point", "at", "what"), [_line(*row, zone) for row in rows], (0,))))
    if following:
        print(f"… more from --from-seq {following}")


@app.command()
def stats(config: Annotated[Path, CONFIG] = DEFAULT_FILE, as_json: Annotated[bool, JSON] = False) -> None:
    """Count records by state, and say how old the oldest pending one is.

    \b
    Example:
      meterpost records stats
    """
    values = load_config(config, service=False)
    store = _open(values)
    counts = store.counts()
    oldest = when_utc(counts.oldest_pending) if counts.oldest_pending else None
    numbers = {name: getattr(counts, name) for name in ("last_seq", "confirmed", "pending", "held", "refused")}
    if as_json:
        print(json.dumps({"gateway": values.gateway.id, "epoch": store.epoch, **numbers, "oldest_pending": oldest}))
        return
    print("\n".join(table([(name, str(value)) for name, value in numbers.items()], right=(1,))))
    if counts.oldest_pending:
        print(f"oldest pending: {when(counts.oldest_pending, ZoneInfo(values.gateway.timezone))}")


@app.command()
def export(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl")] = "csv",
    state: State = "all",
    from_seq: First = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """Write all records as CSV (a line a register) or JSON lines (a line a record).

    \b
    Example:
      meterpost records export --format csv -o readings.csv
    """
    if form not in ("csv", "jsonl"):
        raise typer.BadParameter(f"{form!r}; there are: csv, jsonl", param_hint="--format")
    store = _open(load_config(config, service=False))
    rows = _all(store, _state(state), from_seq)
    target = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
    try:
        (_csv if form == "csv" else _json_lines)(rows, target)
    finally:
        if output:
            target.close()


@app.command()
def resend(
    from_seq: Annotated[int, typer.Argument(min=1)],
    to_seq: Annotated[int | None, typer.Argument(min=1)] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
) -> None:
    """Send records again: the same numbers with the same content.

    \b
    Example:
      meterpost records resend 81 83
    """
    values = load_config(config, service=False)
    last = to_seq or from_seq
    if last < from_seq:
        raise typer.BadParameter(f"{last} comes before {from_seq}", param_hint="TO_SEQ")
    answer = ask(values, "resend", from_seq=from_seq, to_seq=last)
    count = without_daemon(values, lambda store: store.resend(from_seq, last)) if answer is None else answer["records"]
    print(f"{count} records wait to be sent again")
    if not count:
        raise typer.Exit(Exit.FAILED)


def _open(values: Config) -> Store:
    try:
        return Store.open(values.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None


def _state(state: str) -> str:
    if state not in STATES:
        raise typer.BadParameter(f"{state!r}; there are: {', '.join(STATES)}", param_hint="--state")
    return state


def _with_state(record: Record, state: str, reason: str | None) -> str:
    more: dict[str, Any] = {"state": state, **({"reason": reason} if reason else {})}
    return record_json(record)[:-1] + "," + json.dumps(more, ensure_ascii=False)[1:]


def _line(record: Record, state: str, reason: str | None, zone: ZoneInfo) -> tuple[str, ...]:
    what = ", ".join(
        f"{code.removeprefix('1-0:')}={number_text(value)}" for code, value in list(record.values.items())[:2]
    )
    if record.event:
        what = str(record.event["code"])
    return str(record.seq), state, record.kind, record.point, when(record.at, zone), reason or what


def _all(store: Store, state: str, first: int) -> Iterator[tuple[Record, str, str | None]]:
    while rows := store.rows(state, first, PAGE):
        yield from rows
        first = rows[-1][0].seq + 1


def _csv(rows: Iterator[tuple[Record, str, str | None]], target: Any) -> None:
    writer = csv.writer(target)
    writer.writerow(
        ["seq", "state", "kind", "point", "meter", "at", "read_at", "clock", "obis", "value", "flags", "event"]
    )
    for record, state, _ in rows:
        head = [record.seq, state, record.kind, record.point, record.meter, when_utc(record.at)]
        head += [when_utc(record.read_at), record.clock]
        tail = [" ".join(record.flags), record.event["code"] if record.event else ""]
        texts = {code: number_text(value) for code, value in record.values.items()}
        for code, text in (texts or {"": ""}).items():
            writer.writerow([*head, code, text, *tail])


def _json_lines(rows: Iterator[tuple[Record, str, str | None]], target: Any) -> None:
    for row in rows:
        target.write(_with_state(*row) + "\n")
