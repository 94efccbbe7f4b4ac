"""``meterpost statement``: the monthly figures, what they are, where they stand, and what leaves."""

import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import ask, read_only, without_daemon
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import emit, fitted, note, table, when, wrapped
from agent.config.utility import profile_file
from agent.config.values import Config
from agent.control.unix_socket import RequestRefused
from agent.exits import Exit
from agent.statement.actions import NotNow, StatementActions
from agent.statement.log import StatementLog, Step
from agent.statement.making import Case
from agent.statement.preview import Preview
from agent.statement.view import document, history, leaving, said
from buffer.store import Store

app = typer.Typer(no_args_is_help=True, help="The monthly figures for the utility: look, check, confirm, send.")

SCHEMA = "meterpost/statements/1"

Points = Annotated[list[str] | None, typer.Argument(metavar="[POINT…]", help="All points with an account without it.")]
Named = Annotated[list[str], typer.Argument(metavar="POINT…")]
Month = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Another month than that of the newest window.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; your login name without it.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="The reason; it is kept.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Show exactly what would leave; nothing is kept or sent.")]
Late = Annotated[bool, typer.Option("--late", help="Although the window has closed; the utility has agreed.")]


@app.command("list")
def list_statements(
    points: Points = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show where each point's statement stands: the newest window's, or that of a month.

    \b
    Example:
      meterpost statement list
    """
    values = load_config(config, service=False)
    preview = _preview(values)
    found = [preview.look(point, month) for point in points or preview.points()]
    if as_json:
        _emit(values, [_document(values, *one) for one in found])
        return
    _rows([_row(*one) for one in found])


@app.command()
def show(
    points: Named,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    spoken: Annotated[bool, typer.Option("--spoken", help="To be read out on the telephone, digit by digit.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show a statement's figures, its verdict, and what leaves by each channel.

    \b
    Example:
      meterpost statement show flat-12 --spoken
    """
    values = load_config(config, service=False)
    preview = _preview(values)
    found = [preview.made(point, month) for point in points]
    if as_json:
        texts = [{"spoken": said(log)} if spoken else {} for _, log, _ in found]
        _emit(values, [_whole(values, *one) | text for one, text in zip(found, texts, strict=True)])
        return
    for case, log, waiting in found:
        if spoken:
            text = said(log) or f"{log.point}: {waiting or 'no figures yet'}"
            print("\n".join(map(wrapped, text.splitlines())))
        else:
            _show(values, case, log, waiting)


@app.command()
def check(
    points: Points = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="New figures of a newer reading in place of the present ones.")
    ] = False,
    by: By = None,
    why: Why = "",
    dry_run: Dry = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Make the figures now and judge them. Plausible ones leave by themselves, others wait for confirm.

    \b
    Example:
      meterpost statement check flat-12 --dry-run
    """
    values = load_config(config, service=False)
    if dry_run:
        show(points or _preview(values).points(), config, month, False, as_json)
        return
    _do(values, "check", points or _preview(values).points(), month, by, why, as_json, correct=correct)


@app.command()
def confirm(
    points: Named,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    by: By = None,
    why: Why = "",
    late: Late = False,
    dry_run: Dry = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Answer for figures that are held; they leave at once.

    \b
    Example:
      meterpost statement confirm flat-12 --why "display compared, tenants away"
    """
    values = load_config(config, service=False)
    if dry_run:
        show(points, config, month, False, as_json)
        return
    _do(values, "confirm", points, month, by, why, as_json, late=late)


@app.command()
def hold(
    points: Named,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    by: By = None,
    why: Why = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Keep figures back until someone confirms them.

    \b
    Example:
      meterpost statement hold flat-12 --why "the meter is to be changed tomorrow"
    """
    _do(load_config(config, service=False), "hold", points, month, by, why, as_json)


@app.command()
def send(
    points: Named,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    by: By = None,
    why: Why = "",
    channel: Annotated[str | None, typer.Option(help="mqtt, sms or mail; mqtt without it.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Although the figures have left that way.")] = False,
    late: Late = False,
    dry_run: Dry = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Send figures now by a channel. What is held does not leave; what has left does so once more with --again only.

    \b
    Example:
      meterpost statement send flat-12 --channel sms
    """
    values = load_config(config)
    if dry_run:
        show(points, config, month, False, as_json)
        return
    _do(values, "send", points, month, by, why, as_json, channel=channel, again=again, late=late)


@app.command("history")
def statement_history(
    point: Annotated[str, typer.Argument(metavar="POINT")],
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    month: Month = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show every step of a point's statements: when, who, why.

    \b
    Example:
      meterpost statement history flat-12 --month 2026-10
    """
    values = load_config(config, service=False)
    found = [log for log in _preview(values).logs(point) if month in (None, log.month)]
    if as_json:
        _emit(values, [{"point": point, "month": log.month, "steps": history(log)} for log in found])
        return
    for log in found:
        print(f"{point}  {log.month}  {log.state}")
        for step in log.steps:
            _show_step(step, ZoneInfo(values.gateway.timezone))
    if not found:
        note(f"{point}: no statement{f' of {month}' if month else ''} yet")


# ── what is done ─────────────────────────────────────────────────────────


def _do(
    values: Config,
    do: str,
    points: list[str],
    month: str | None,
    by: str | None,
    why: str,
    as_json: bool,
    **switches: object,
) -> None:
    """By the daemon where one runs, else in the store itself; each point for itself. The first trouble's code."""
    done: list[dict[str, Any]] = []
    failed: list[str] = []
    for point in points:
        asked = {"do": do, "points": [point], "month": month, "by": by or _who(), "why": why, **switches}
        try:
            done += _ask(values, asked)["statements"]
        except (RequestRefused, NotNow) as trouble:
            failed.append(str(trouble))
    if as_json:
        _emit(values, done, failed)
    elif done:
        _rows([(one["point"], one["month"], _figures(one["figures"]), one["state"], _last(one)) for one in done])
    for text in failed:
        note(text)
    stuck = [one for one in done if (one["last"] or {}).get("what") in ("failed", "unclear")]
    if failed or stuck:
        raise typer.Exit(Exit.SOME_FAILED if len(done) > len(stuck) else Exit.FAILED)


def _ask(values: Config, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] | None = ask(values, "statement-action", **asked)
    return without_daemon(values, partial(_offline, values, asked)) if found is None else found


def _offline(values: Config, asked: dict[str, Any], store: Store) -> dict[str, Any]:
    """No daemon holds the store: the same workflow works on it for a moment. What MQTT carries waits for the daemon."""
    from agent.host.clock import SystemClock
    from agent.statement.outbound import channels
    from agent.statement.workflow import StatementWorkflow

    run: Callable[[Callable[[Store], Any]], Any] = lambda work: work(store)  # noqa: E731
    workflow = StatementWorkflow(
        values,
        profile_file.load(values.gateway.utilities_dir),
        store,
        change=run,
        submit=store.put,
        clock=SystemClock(trust=values.gateway.clock == "trust"),
        channels=channels(values),
    )
    return StatementActions(workflow).ask(asked)


def _who() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return "someone"


def _preview(values: Config) -> Preview:
    return Preview(values, profile_file.load(values.gateway.utilities_dir), read_only(values), datetime.now(UTC))


# ── what is shown ────────────────────────────────────────────────────────


def _emit(values: Config, statements: list[dict[str, Any]], failed: list[str] | None = None) -> None:
    found = {"schema": SCHEMA, "gateway": values.gateway.id, "statements": statements}
    emit(found | ({"failed": failed} if failed else {}))


def _document(values: Config, case: Case, log: StatementLog, waiting: str) -> dict[str, Any]:
    return document(case.meter, case.profile, case.window, log, values, waiting)


def _whole(values: Config, case: Case, log: StatementLog, waiting: str) -> dict[str, Any]:
    gone = leaving(case.meter, case.profile, case.window, log, values)
    return _document(values, case, log, waiting) | {"leaving": gone}


def _figures(figures: dict[str, Any]) -> str:
    return " ".join(f"{name} {figure}" for name, figure in figures.items())


def _row(case: Case, log: StatementLog, waiting: str) -> tuple[str, ...]:
    figures = _figures(dict(log.attempt.figures)) if log.attempt else ""
    last = log.steps[-1].reason if log.steps and log.state not in ("sent", "accepted") else ""
    return log.point, log.month, figures, log.state, waiting or last or _until(case, log)


def _until(case: Case, log: StatementLog) -> str:
    due = log.state == "due" and case.window.open(datetime.now(UTC))
    return f"the window closes after {case.window.last_day}" if due else ""


def _rows(rows: list[tuple[str, ...]]) -> None:
    """A table, and what there is to say of a point in a line of its own below it."""
    print("\n".join(fitted(("point", "month", "figures", "state"), [row[:4] for row in rows])))
    for row in rows:
        if row[4]:
            print(wrapped(f"{row[0]}: {row[4]}"))


def _show_step(step: Step, zone: ZoneInfo) -> None:
    by = f", by {step.channel}" if step.channel else ""
    print(wrapped(f"  {when(step.at, zone)}  {step.state}: {step.what}{by} ({step.by})", "    "))
    if step.reason or step.reference:
        print(wrapped(f"    {step.reason or f'reference {step.reference}'}", "    "))


def _last(one: dict[str, Any]) -> str:
    return "; ".join(filter(None, (str((one["last"] or {}).get("reason", "")), one.get("waiting"))))


def _show(values: Config, case: Case, log: StatementLog, waiting: str) -> None:
    zone = ZoneInfo(values.gateway.timezone)
    print(wrapped(f"{log.point}  {case.profile.title}  account {case.meter.account}"))
    window = f"window {case.window.day(case.window.opens)} to {case.window.last_day}"
    print(wrapped(f"{log.month}: {log.state}, {window}"))
    if waiting:
        print(wrapped(waiting))
    if log.attempt is None:
        return
    told, attempt = log.attempt.statement, log.attempt
    rows = [
        (f"  {name}", str(figure), "kWh", told["tariffs"].get(name, ""), _plus(told["consumption"].get(name)))
        for name, figure in attempt.figures.items()
    ]
    print("\n".join(table(rows, right=(1, 4))))
    read = datetime.fromisoformat(told["read_at_register"])
    print(wrapped(f"  meter {attempt.meter}, {told['source']} reading of {when(read, zone)}", "    "))
    print(f"  {told['verdict']}")
    for reason in told["reasons"]:
        print(wrapped(f"  {reason['code']}: {reason['text']}", "    "))
    for one in leaving(case.meter, case.profile, case.window, log, values):
        _show_leaving(one)


def _plus(consumption: Any) -> str:
    return "" if consumption is None else f"+{consumption}"


def _show_leaving(one: dict[str, Any]) -> None:
    if one["channel"] == "mqtt":
        print("by mqtt: the record that --json shows")
        return
    head = f"by {one['channel']} to {one['to'] or '?'}"
    if one["channel"] == "sms":
        head += f" ({one['characters']} characters, {one['parts']} part{'s' if one['parts'] > 1 else ''})"
    print(wrapped(f"{head}; it cannot leave: {one['cannot']}" if "cannot" in one else head))
    if one.get("subject"):
        print(f"  subject: {one['subject']}")
    for line in one["text"].splitlines():
        print(f"  {line}")
