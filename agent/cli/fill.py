"""``meterpost fill``: ask the meters' archives for a time once more."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import POINTS, ask_running, known_points, moment
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import note, wrapped
from agent.exits import Exit

KINDS = ("interval", "day", "month")


def fill(
    points: POINTS,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Local time, 2026-11-01T00:00")],
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    kind: Annotated[str, typer.Option(help="One of: " + ", ".join(KINDS))] = "interval",
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The end, now without it.")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Fetch what is missing of this time from the meters' archives first, also what they did not have before.

    The running daemon does it in the idle time of the line; meterpost status shows how much is missing.

    \b
    Example:
      meterpost fill flat-12 --kind interval --from 2026-11-01 --to 2026-11-08
    """
    values = load_config(config, service=False)
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r}; there are: {', '.join(KINDS)}", param_hint="--kind")
    zone = ZoneInfo(values.gateway.timezone)
    start = moment(since, zone, "--from")
    end = moment(until, zone, "--to") if until else datetime.now(zone)
    if start >= end:
        raise typer.BadParameter(f"{since} is not before {until or 'now'}", param_hint="--from")
    args = {"kind": kind, "from": start.isoformat(), "to": end.isoformat()}
    answer = ask_running(values, "fill", points=known_points(values, points), **args)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for point, slots in answer["slots"].items():
            print(f"{point}: {slots} missing, asked for first" if slots else f"{point}: nothing is missing")
        for failed in answer["failed"]:
            note(wrapped(f"{failed['point']}: {failed['error']}"))
    if answer["failed"]:
        raise typer.Exit(Exit.SOME_FAILED)
