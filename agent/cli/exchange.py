"""``meterpost exchange``: the half-hour exchange file (Макет 80020) of each day."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import ask, without_daemon
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import emit, fitted, note, when
from agent.config.values import Config
from agent.exits import Exit, Failure
from buffer.store import Store

if TYPE_CHECKING:
    from agent.report.days import ExchangeDay

app = typer.Typer(no_args_is_help=True, help="Half-hour exchange files (Макет 80020): list, make, send, answers.")

DAY = typer.Argument(metavar="DAY", help="YYYY-MM-DD, a local day that is over.")


@app.command("list")
def list_days(config: Annotated[Path, CONFIG] = DEFAULT_FILE, as_json: Annotated[bool, JSON] = False) -> None:
    """Show each day's file: its number, whether it has left, and what the receiver said.

    \b
    Example:
      meterpost exchange list
    """
    from agent.report.days import ExchangeDays
    from agent.report.exchange import told
    from buffer.store import Store

    values = _configured(config)
    try:
        store = Store.open(values.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None
    try:
        days = ExchangeDays(store, lambda key, text: None).all()
    finally:
        store.close()
    _show(values, [told(day) for day in days], as_json)


@app.command()
def make(
    day: Annotated[str, DAY],
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write the file of a day under a new number; the same records give the same values. Nothing is sent.

    \b
    Example:
      meterpost exchange make 2026-10-05
    """
    _ask(config, as_json, verb="make", day=_day(day))


@app.command()
def send(
    day: Annotated[str, DAY],
    again: Annotated[bool, typer.Option("--again", help="Although it has left already.")] = False,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Send the file of a day by e-mail to [exchange] to.

    \b
    Example:
      meterpost exchange send 2026-10-05 --again
    """
    _ask(config, as_json, verb="send", day=_day(day), again=again)


@app.command()
def answer(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receiver's Макет 80021.")],
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Take the receiver's answer to a file. One that is damaged or of no file of ours changes nothing.

    \b
    Example:
      meterpost exchange answer 80021_7700000000_20261005_12.xml
    """
    from agent.report.answer80021 import LONGEST

    with file.open("rb") as opened:
        data = opened.read(LONGEST + 1)
    _ask(config, as_json, verb="answer", data=data.hex())


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter(f"{text!r}, expected YYYY-MM-DD", param_hint="DAY") from None


def _configured(path: Path) -> Config:
    values = load_config(path, service=False)
    if values.exchange is None:
        raise Failure("[exchange] is not configured", Exit.CONFIG, "docs/reports.md says what it holds")
    return values


def _ask(path: Path, as_json: bool, **question: Any) -> None:
    """Through the daemon where one runs, else in the store itself."""
    values = _configured(path)
    answer = ask(values, "exchange", **question)
    day = _offline(values, question) if answer is None else answer["day"]
    _show(values, [day], as_json)


def _offline(values: Config, question: dict[str, Any]) -> dict[str, Any]:
    from agent.channels.mail import send as post
    from agent.control import arguments
    from agent.report.exchange import ExchangeError, ExchangeFiles, told

    def work(store: Store) -> "ExchangeDay":
        exchange = ExchangeFiles(lambda: values, store, store.note, lambda: datetime.now(UTC), post)
        return exchange.do(arguments.exchange(question))

    try:
        return told(without_daemon(values, work))
    except ExchangeError as trouble:
        raise Failure(str(trouble)) from None


def _show(values: Config, days: list[dict[str, Any]], as_json: bool) -> None:
    left_out = [meter.point for meter in values.meters if not meter.exchange_code]
    if as_json:
        inn = values.exchange.inn if values.exchange else None
        emit({"schema": "meterpost/exchange/1", "inn": inn, "days": days, "left_out": left_out})
        return
    zone = ZoneInfo(values.gateway.timezone)
    if days:
        heads = ("day", "number", "state", "since", "gaps", "reason")
        print("\n".join(fitted(heads, [_row(day, zone) for day in days], (1, 4))))
    else:
        print("no file was made yet")
    if left_out:
        note(f"without an exchange_code, in no file: {', '.join(left_out)}")


def _row(day: dict[str, Any], zone: ZoneInfo) -> tuple[str, ...]:
    since = when(datetime.fromisoformat(day["since"]), zone) if day["number"] else ""
    return (
        day["day"],
        str(day["number"] or ""),
        day["state"],
        since,
        str(day["gaps"]) if day["number"] else "",
        day["reason"] or "",
    )
