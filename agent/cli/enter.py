"""``meterpost enter``: the reading of a meter that can only be read by hand."""

import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.cli.asking import ask, without_daemon
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.read import show
from agent.cli.screen import colour, note, wrapped
from agent.config.values import Config, Meter
from agent.exits import Exit, Failure
from agent.host.clock import SystemClock
from agent.manual.entry import NotTaken, Typed, in_store, manual_point, request, tariffs_of
from buffer.body import record_from_json

SCHEMA = "meterpost/enter/1"
NOON = time(12)
Answer = Mapping[str, Any]


def enter(
    point: Annotated[str, typer.Argument(metavar="POINT", help="A point whose driver is manual.")],
    figures: Annotated[
        list[str] | None, typer.Argument(metavar="[T1=FIGURE…]", help="kWh as the display shows them; asked for else.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="2026-11-20 (noon) or 2026-11-20T18:30, local; else now.")
    ] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="The number on the meter's face, to be sure.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who read it.")] = "",
    correct: Annotated[
        bool, typer.Option("--correct", help="In place of the reading that was typed last, which was wrong.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Store it though it is doubted; it keeps its flag.")] = False,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Type in what a display shows, where a meter has no port. Stored and delivered like any other reading.

    What is hardly right (less than before, more than the connection can carry) is shown and stored with --yes only.

    \b
    Example:
      meterpost enter cellar T1=01234,5 T2=00678 --by Ivanov
    """
    values = load_config(config, service=False)
    meter = _meter(values, point)
    moment = _moment(at, ZoneInfo(values.gateway.timezone))
    typed = Typed(_asked_for(meter, _split(figures or [])), moment, serial, by.strip(), correct)
    answer = _ask(values, meter, typed, yes)
    if answer["doubts"] and not answer["stored"] and not as_json and _sure(answer["doubts"]):
        answer = _ask(values, meter, typed, True)
    if as_json:
        said = {"schema": SCHEMA, **{key: answer[key] for key in ("stored", "known", "doubts")}}
        print(json.dumps(said, ensure_ascii=False)[:-1] + f', "record": {answer["record"]}}}')
    else:
        _tell(values, answer)
    return Exit.DONE if answer["stored"] or answer["known"] else Exit.FAILED


def _meter(values: Config, point: str) -> Meter:
    try:
        return manual_point(values, point)
    except NotTaken as trouble:
        raise typer.BadParameter(str(trouble), param_hint="POINT") from None


def _split(figures: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in figures:
        name, equals, figure = text.partition("=")
        if not equals or not re.fullmatch(r"[Tt][1-4]", name):
            raise typer.BadParameter(f"{text!r}; write T1=12345,6", param_hint="T1=FIGURE")
        if name.upper() in found:
            raise typer.BadParameter(f"{name.upper()} twice", param_hint="T1=FIGURE")
        found[name.upper()] = figure
    return found


def _asked_for(meter: Meter, figures: dict[str, str]) -> dict[str, str]:
    """What is missing is asked for at a terminal; else the judgement says so."""
    if not sys.stdin.isatty():
        return figures
    for name in tariffs_of(meter):
        if name not in figures:
            meaning = (meter.tariffs or {}).get(name)
            figures[name] = typer.prompt(f"{name} ({meaning})" if meaning else name, err=True)
    return figures


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    """A day stands for its noon, or for now while that is still to come today."""
    if text is None:
        return None
    now = datetime.now(zone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a valid time; write 2026-11-20 or 2026-11-20T18:30", param_hint="--at"
        ) from None
    if len(text) <= len("2026-11-20"):
        moment = datetime.combine(moment, NOON, zone)
        return None if moment.date() == now.date() and moment > now else moment
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _ask(values: Config, meter: Meter, typed: Typed, sure: bool) -> Answer:
    answer: Answer | None = ask(values, "enter", **request(meter.point, typed, sure))
    if answer is not None:
        return answer
    stamp = SystemClock(trust=values.gateway.clock == "trust").stamp()
    try:
        return without_daemon(values, lambda store: in_store(values, store, meter.point, typed, sure, stamp))
    except NotTaken as trouble:
        raise Failure(str(trouble)) from None


def _sure(doubts: list[str]) -> bool:
    if not sys.stdin.isatty():
        return False
    for doubt in doubts:
        note(wrapped(colour("yellow", doubt, sys.stderr)))
    return typer.confirm("Is that what the display shows?", default=False, err=True)


def _tell(values: Config, answer: Answer) -> None:
    show(values, [record_from_json(answer["record"])], [])
    for doubt in answer["doubts"]:
        note(wrapped(f"doubtful: {doubt}"))
    if answer["known"]:
        note("this very reading is stored already")
    elif not answer["stored"]:
        note(
            wrapped(
                "not stored: look at the display once more; --yes stores it with its flag, "
                "--correct in place of the one before if that was typed wrongly"
            )
        )
