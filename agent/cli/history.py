"""``meterpost history``: what a point has used, by hour, day or month."""

import csv
import difflib
import io
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import fitted, table, width, wrapped
from agent.config.values import Config, Meter
from agent.exits import Exit, Failure
from agent.history import chart
from agent.history.plan_watch import kwh
from agent.history.sheet import Sheet, SheetLine, sheet
from agent.host.periods import PERIODS, midnight
from buffer.body import exact_json, milliseconds, time_text
from buffer.record import number_text
from buffer.store import Store

USUAL = {"hour": timedelta(days=1), "day": timedelta(days=30), "month": timedelta(days=365)}
"""What is shown without --from."""
MOST = 20_000  # rows; more are a mistyped year


def history(
    point: Annotated[str, typer.Argument(metavar="POINT")],
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Local: 2026-11, 2026-11-01 or 2026-11-01T10:00")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="A day or month that is named belongs to it; now without")
    ] = None,
    by: Annotated[str, typer.Option(help="One of: " + ", ".join(PERIODS))] = "day",
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet on stdout.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the consumption of a point per tariff, from what is stored; with its plan where it has one.

    \b
    Example:
      meterpost history flat-12 --by month --html flat-12.html
    """
    if by not in PERIODS:
        raise typer.BadParameter(f"{by!r}; there are: {', '.join(PERIODS)}", param_hint="--by")
    if bool(html) + as_csv + as_json > 1:
        raise typer.BadParameter("one of --html, --csv and --json at a time", param_hint="--html")
    values = load_config(config, service=False)
    meter = find_point(values, point)
    now = datetime.now(UTC)
    start, end = _span(since, until, by, ZoneInfo(values.gateway.timezone), now)
    found = _look(values, meter, by, start, end, now, trim=since is None)
    if as_json:
        print(exact_json(document(found)))
    elif as_csv:
        _csv(found)
    elif found.empty:
        raise Failure(*_nothing(found, values))
    elif html:
        from agent.history.page import page

        html.write_text(page(found), encoding="utf-8")
        print(f"{html}: {len(found.lines)} {by}s of {point}")
    else:
        _print(found)


def find_point(values: Config, point: str) -> Meter:
    """The meter of a point; wrong usage with the likeliest name if there is none."""
    for meter in values.meters:
        if meter.point == point:
            return meter
    known = [meter.point for meter in values.meters]
    likely = difflib.get_close_matches(point, known, 1)
    more = f"did you mean {likely[0]!r}?" if likely else f"there are: {', '.join(known)}"
    raise typer.BadParameter(f"no point {point!r}; {more}", param_hint="POINT")


def _look(values: Config, meter: Meter, by: str, since: datetime, until: datetime, now: datetime, trim: bool) -> Sheet:
    try:
        store = Store.open(values.gateway.state_dir, now=lambda: now, read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {values.gateway.state_dir} yet (meterpost run makes it)") from None
    try:
        return sheet(store, values, meter, by, since, until, now, trim=trim)
    finally:
        store.close()


def _nothing(found: Sheet, values: Config) -> tuple[str, Exit, str]:
    reasons = list(dict.fromkeys(line.row.reason for line in found.lines))
    why = f": {reasons[0]}" if len(reasons) == 1 and reasons[0] != "nothing was read" else ""
    point = quote(found.meter.point)  # names may have blanks
    hint = f"meterpost status says whether {point} is polled, meterpost read {point} asks its meter now"
    if found.meter.manual:
        hint = "a meter that is read by hand has months, not days: --by month; " if found.period != "month" else ""
        hint += f"meterpost enter {point} takes what its display shows"
    return f"nothing is known of {found.meter.point} in this time{why}", Exit.FAILED, hint


# ── time ─────────────────────────────────────────────────────────────────


def _span(since: str | None, until: str | None, by: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    end = _time(until, zone, "--to", end=True) if until else now
    start = _time(since, zone, "--from") if since else end - USUAL[by]
    if start >= end:
        raise typer.BadParameter("it has to be before --to", param_hint="--from")
    hours = (min(end, now) - start) // timedelta(hours=1)
    if hours > (MOST if by == "hour" else MOST * 24):
        raise typer.BadParameter(f"more than {MOST} rows; choose a shorter time", param_hint="--from")
    return start, end


def _time(text: str, zone: ZoneInfo, option: str, end: bool = False) -> datetime:
    """A local time; a day or month stands for its start, with ``end`` for its end."""
    try:
        if len(text) == 7:
            first = date.fromisoformat(f"{text}-01")
            return midnight((first + timedelta(days=31)).replace(day=1) if end else first, zone)
        if len(text) == 10:
            return midnight(date.fromisoformat(text) + timedelta(days=1 if end else 0), zone)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        wanted = "expected 2026-11, 2026-11-21 or 2026-11-21T10:00"
        raise typer.BadParameter(f"found {text!r}, {wanted}", param_hint=option) from None


# ── outputs ──────────────────────────────────────────────────────────────


def document(found: Sheet) -> dict[str, Any]:
    """``meterpost/history/1`` (docs/schemas/history.json): exact Wh of the primary side."""
    meter = found.meter
    return {
        "schema": "meterpost/history/1",
        "gateway": found.gateway,
        "point": meter.point,
        "meter": meter.serial,
        "by": found.period,
        "timezone": found.zone.key,
        "ratio": meter.ratio,
        "tariffs": dict(found.tariffs),
        "plan_limit": meter.plan_limit if meter.plan else None,
        "rows": [_row(line) for line in found.lines],
    }


def _row(line: SheetLine) -> dict[str, Any]:
    row = line.row
    taken = row.taken
    return {
        "from": _utc(row.slot.start),
        "to": _utc(row.slot.end),
        "tariffs": dict(line.tariffs),
        "total": line.total,
        "quality": row.quality,
        "source": row.source,
        "taken": [_utc(taken[0]), _utc(taken[1])] if taken else None,
        "flags": list(row.flags),
        "reason": row.reason,
        "plan": line.planned,
        "deviation": line.deviation,
    }


def _utc(moment: datetime) -> str:
    return time_text(milliseconds(moment))


def _csv(found: Sheet) -> None:
    """As a spreadsheet with Russian settings opens it, as those of ``report``: byte order mark, semicolons, decimal
    commas; with a point it would take 12.05 kWh for text or for the 12th of May. Local times are dates there, the
    offset from UTC tells apart the two hours of one name."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    names = [*found.tariffs, "total", "plan", "deviation"]
    writer.writerow(["from", "to", "zone", *(f"{name}_kwh" for name in names), "quality", "source"])
    for line in found.lines:
        energies = map(_exact, _energies(found, line))
        writer.writerow([*_local(line, found.zone), *energies, line.row.quality, line.row.source or ""])
    sys.stdout.buffer.write(text.getvalue().encode("utf-8-sig"))


def _energies(found: Sheet, line: SheetLine) -> list[Any]:
    return [*(line.tariffs.get(name) for name in found.tariffs), line.total, line.planned, line.deviation]


def _exact(energy: Any) -> str:
    return "" if energy is None else kwh(energy).replace(".", ",")


def _local(line: SheetLine, zone: ZoneInfo) -> list[str]:
    start, end = (moment.astimezone(zone) for moment in (line.row.slot.start, line.row.slot.end))
    return [f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", f"UTC{start.isoformat()[-6:]}"]


def _print(found: Sheet) -> None:
    glyphs = chart.UNICODE if "utf" in (sys.stdout.encoding or "").lower() else chart.ASCII
    meter = found.meter
    of_years = f" of {found.years()}" if found.period == "hour" else ""
    print(wrapped(f"{meter.point}  meter {meter.serial}  kWh by {found.period}{of_years}, {found.zone.key}"))
    if meter.ratio != 1:
        print(wrapped(f"primary energy: the meter's registers {glyphs.times} {number_text(meter.ratio)}"))
    print("\n".join(_with_bars(found, chart.columns(found), glyphs) or _narrow(found, glyphs)))
    for mark, text in found.legend().items():
        print(f"{mark} {text}")
    for text in (*found.reasons(), *found.notes):
        print(wrapped(text))


def _with_bars(found: Sheet, wanted: Sequence[str], glyphs: chart.Glyphs) -> list[str]:
    """The table with a bar behind each row; nothing where there is no space for them."""
    lines = _table(chart.grid(found, wanted, glyphs))
    used = max(map(len, lines)) + 2
    if width() - used < chart.ROOM:
        return []
    drawn = ["", *chart.bars(found, width() - used, glyphs), ""]
    text = [f"{line:<{used}}{bar}".rstrip() for line, bar in zip(lines, drawn, strict=True)]
    keys = chart.fills(found, glyphs)
    return [*text, *([wrapped(keys, "")] if keys else [])]


def _narrow(found: Sheet, glyphs: chart.Glyphs) -> list[str]:
    """Without space for bars a character a row above the table. Where not even its columns fit side by side, total and
    plan in one table, with bars if they can be, and the tariffs in the next ones."""
    wanted = chart.columns(found)
    if _fits(found, wanted, glyphs):
        return [*chart.skyline(found, width(), glyphs), *_plain(found, wanted, glyphs)]
    tariffs, totals = wanted[: wanted.index("kWh")], wanted[wanted.index("kWh") :]
    lines = _with_bars(found, totals, glyphs)
    if not lines:
        lines = [*chart.skyline(found, width(), glyphs), *_plain(found, totals, glyphs)]
    while tariffs:
        many = next(many for many in range(len(tariffs), 0, -1) if many == 1 or _fits(found, tariffs[:many], glyphs))
        lines += _plain(found, tariffs[:many], glyphs)
        tariffs = tariffs[many:]
    return lines


def _plain(found: Sheet, wanted: Sequence[str], glyphs: chart.Glyphs) -> list[str]:
    head, *rows = chart.grid(found, wanted, glyphs)
    return fitted(head, rows, range(1, len(head) - 1))


def _fits(found: Sheet, wanted: Sequence[str], glyphs: chart.Glyphs) -> bool:
    return max(map(len, _table(chart.grid(found, wanted, glyphs)))) <= width()


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    return table(rows, range(1, len(rows[0]) - 1))
