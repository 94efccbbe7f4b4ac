"""``meterpost scan``: which meters are connected to a line."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON
from agent.cli.screen import emit, note, wrapped
from agent.config.words import FORMATS
from agent.exits import Exit, Failure
from agent.line.scan import Found, addresses, way_of
from agent.line.scan import scan as look
from agent.meters.build import margin_of
from drivers.registry import UnknownDriver
from protocols.errors import LAYERS, MeterError
from protocols.session import SPEEDS, Line


def scan(
    port: Annotated[str, typer.Argument(help="A device, a pyserial URL, or the name of a [[bus]] of the file.")],
    driver: Annotated[str, typer.Option(help="As which meter to ask: meterpost drivers lists them.")],
    numbers: Annotated[
        str | None, typer.Option("--addresses", metavar="1-16,45", help="Else all that are usual.")
    ] = None,
    speed: Annotated[list[int] | None, typer.Option(help="May be given several times.")] = None,
    form: Annotated[list[str] | None, typer.Option("--format", help="8N1, 7E1, …; several times.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Ask each address once who is there: no password is sent, nothing is changed. Exit code 1 if no one answers.

    \b
    Example:
      meterpost scan /dev/ttyUSB0 --driver sdm630 --addresses 1-32 --speed 9600 --speed 19200
    """
    from agent.line.port import Port

    url, models_dir = _of_file(port, config)
    try:
        family, way = way_of(driver, models_dir)
        wanted = addresses(way.addresses if numbers is None else numbers)
        for number in wanted:
            family.address(number)
    except UnknownDriver as trouble:
        raise typer.BadParameter(str(trouble), param_hint="--driver") from None
    except ValueError as trouble:
        raise typer.BadParameter(str(trouble), param_hint="--addresses") from None
    lines = [
        Line(each, one)
        for each in _speeds(speed, [family.line.speed, *way.speeds])
        for one in _formats(form, family.line)
    ]
    opened = Port(url, lines[0])
    found: list[Found] = []
    unheard: list[MeterError] = []
    try:
        looking = look(
            opened,
            driver,
            lines,
            wanted,
            models_dir=models_dir,
            each=_progress,
            unheard=unheard.append,
            margin=margin_of(url),
        )
        for one in looking:
            found.append(one)
            if not as_json:
                _say(one)
    finally:
        opened.close()
        if sys.stderr.isatty():
            note("")
    if as_json:
        emit({"schema": "meterpost/scan/1", "port": url, "found": [_document(one) for one in found]})
    elif not found:
        # What went furthest tells most: an echo shows that the port is right.
        nearest = max(unheard, key=lambda trouble: LAYERS.index(trouble.layer))
        hint = "; ".join(filter(None, (way.numbering, nearest.hint)))
        raise Failure(f"no one answers at {len(wanted)} addresses: {nearest}", hint=hint)
    return Exit.DONE if found else Exit.FAILED


def _of_file(port: str, config: Path) -> tuple[str, Path | None]:
    """A bus's port by its name, where a sound configuration has it; and the installer's models."""
    if "/" in port:
        return port, None
    from agent.cli.output import load_config

    values = load_config(config, service=False)
    for bus in values.buses:
        if bus.name == port:
            return bus.port, values.gateway.models_dir
    names = ", ".join(bus.name for bus in values.buses)
    raise typer.BadParameter(f"no bus {port!r}; there are: {names}; or write a device such as /dev/ttyUSB0")


def _speeds(speeds: list[int] | None, usual: list[int]) -> list[int]:
    for each in speeds or ():
        if each not in SPEEDS:
            raise typer.BadParameter(f"{each}; there are: {', '.join(map(str, SPEEDS))}", param_hint="--speed")
    return speeds or list(dict.fromkeys(usual))


def _formats(forms: list[str] | None, usual: Line) -> list[str]:
    for each in forms or ():
        if each not in FORMATS:
            raise typer.BadParameter(f"{each!r}; there are: {', '.join(FORMATS)}", param_hint="--format")
    return forms or [usual.format]


def _progress(line: Line, number: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{line.speed} {line.format}  {number or 'any'}   ", end="", file=sys.stderr, flush=True)


def _say(found: Found) -> None:
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr, flush=True)
    if found.note:
        print(wrapped(f"address {found.address or 'any'}, {found.line.speed} {found.line.format}: {found.note}"))
        return
    print(f"# {found.model or found.driver}, {found.line.speed} {found.line.format}")
    print("[[meter]]")
    print(f'driver = "{found.driver}"')
    print(f"address = {found.address}" if found.address.isdecimal() else f'address = "{found.address}"')
    print(f'serial = "{found.serial}"' if found.serial else "# this model tells no serial number: write the one on it")


def _document(found: Found) -> dict[str, Any]:
    return {
        "driver": found.driver,
        "address": found.address,
        "speed": found.line.speed,
        "format": found.line.format,
        "serial": found.serial,
        "model": found.model,
        "note": found.note,
    }
