"""``meterpost report``: the consumption of a period for organisations."""

import calendar
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import note
from agent.config.values import Config
from agent.exits import Exit, Failure
from buffer.body import exact_json, milliseconds, time_text

if TYPE_CHECKING:
    from agent.report.breakdown import Report, ReportLine, Shown

FORMS = ("html", "csv", "xlsx")


def report(
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="A whole month.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first day.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DAY", help="The last day, included.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="Only this point; may be given again.")] = None,
    form: Annotated[str, typer.Option("--format", help="One of: " + ", ".join(FORMS))] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Consumption per point and tariff, from register to register, as a table for the utility or the accountant.

    \b
    Example:
      meterpost report --month 2026-10 --format xlsx -o october.xlsx
    """
    first, last = _period(month, since, until)
    if form not in FORMS:
        raise typer.BadParameter(f"{form!r}; there are: {', '.join(FORMS)}", param_hint="--format")
    if form == "xlsx" and output is None and sys.stdout.isatty() and not as_json:
        raise typer.BadParameter("a workbook is not text for a terminal: name a file", param_hint="--output")
    values = load_config(config, service=False)
    found = _made(values, first, last, point or [])
    if as_json:
        print(exact_json(_document(found)))
    else:
        encoded = _writer(form)(found)
        if output is None:
            sys.stdout.buffer.write(encoded)
        else:
            output.write_bytes(encoded)
    if found.missing:
        note(f"{found.missing} of {len(found.lines)} lines are missing; each says why")
    return Exit.SOME_FAILED if found.missing else Exit.DONE


def _period(month: str | None, since: str | None, until: str | None) -> tuple[date, date]:
    if month is not None:
        if since or until:
            raise typer.BadParameter("a month or days, not both", param_hint="--month")
        match = re.fullmatch(r"(\d{4})-(\d\d)", month)
        if not match or not 1 <= int(match[2]) <= 12 or not int(match[1]):
            raise typer.BadParameter(f"{month!r}, expected YYYY-MM", param_hint="--month")
        year, number = int(match[1]), int(match[2])
        return date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])
    if since is None or until is None:
        raise typer.BadParameter("say --month, or --from and --to", param_hint="--month")
    first, last = _day(since, "--from"), _day(until, "--to")
    if last < first:
        raise typer.BadParameter(f"{last} comes before {first}", param_hint="--to")
    return first, last


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}, expected YYYY-MM-DD", param_hint=option) from None


def _made(values: Config, first: date, last: date, points: list[str]) -> "Report":
    from agent.report.breakdown import breakdown
    from buffer.store import Store

    known = [meter.point for meter in values.meters]
    for point in points:
        if point not in known:
            raise typer.BadParameter(f"{point!r}; there are: {', '.join(known)}", param_hint="--point")
    now = datetime.now(UTC)
    try:
        store = Store.open(values.gateway.state_dir, now=lambda: now, read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None
    try:
        return breakdown(store, values, first, last, now, points)
    finally:
        store.close()


def _writer(form: str) -> Any:
    """Each form is imported when it is asked for."""
    if form == "csv":
        from agent.report.as_csv import encoded
    elif form == "html":
        from agent.report.as_html import encoded
    else:
        from agent.report.as_xlsx import encoded
    return encoded


def _document(found: "Report") -> dict[str, Any]:
    return {
        "schema": "meterpost/report/1",
        "gateway": found.gateway,
        "from": found.first.isoformat(),
        "to": found.last.isoformat(),
        "timezone": found.zone.key,
        "made": _utc(found.made),
        "lines": [_line(line) for line in found.lines],
        "totals": found.totals,
    }


def _line(line: "ReportLine") -> dict[str, Any]:
    return {
        "point": line.point,
        "account": line.account,
        "place": line.place,
        "meter": line.serial,
        "ratio": line.ratio,
        "tariff": line.tariff,
        "meaning": line.meaning,
        "opening": _shown(line.opening),
        "closing": _shown(line.closing),
        "used": line.used,
        "primary": line.primary,
        "mark": line.mark,
        "reason": line.reason or None,
    }


def _shown(shown: "Shown | None") -> dict[str, Any] | None:
    if shown is None:
        return None
    return {"energy": shown.energy, "at": _utc(shown.at), "by": "act" if shown.act else "reading"}


def _utc(moment: datetime) -> str:
    return time_text(milliseconds(moment))
