"""``meterpost simulate``: a house of simulated meters on pseudo-terminals, for trials without a cabinet."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.output import JSON
from agent.cli.screen import emit, fitted, note
from agent.exits import Exit, Failure
from simulators.model import PlannedMeter
from simulators.plant import Plant, load
from simulators.plant_file import PlantError

HOUSE = Path(__file__).parents[2] / "simulators" / "plants" / "house.toml"


def simulate(
    plant: Annotated[
        Path, typer.Argument(metavar="PLANT.toml", help="The plant; the example house if left out.")
    ] = HOUSE,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where the ports' names go.", file_okay=False)
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Run a simulated plant of meters on pseudo-terminals until Ctrl-C.

    \b
    Example:
      meterpost simulate house.toml --dir /run/user/1000/house
    """
    try:
        built = load(plant, _folder(folder))
    except PlantError as trouble:
        raise Failure(str(trouble), Exit.CONFIG) from None
    # Whoever reads it may act on the first line of output: a signal must end it properly from here on.
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with built:
            _show(built, as_json)
            signal.sigwait(signals)
    except OSError as trouble:
        raise Failure(f"{trouble}", Exit.IO) from None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _folder(wanted: Path | None) -> Path:
    """The folder of the links, made if it is missing; the usual one is the user's alone, /tmp being everybody's."""
    folder = wanted or Path(tempfile.gettempdir()) / f"meterpost-plant-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if wanted is None and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
            raise Failure(f"{folder} belongs to someone else", Exit.PERMISSION, "choose another place with --dir")
    except OSError as trouble:
        raise Failure(str(trouble), Exit.IO) from None
    return folder.resolve()


def _show(plant: Plant, as_json: bool) -> None:
    if as_json:
        emit({"schema": "meterpost/simulate/1", "buses": [_bus(plant, name) for name in plant.lines]})
    else:
        rows = [_row(plant, meter.plan) for meter in plant.meters]
        print("\n".join(fitted(["port", "line", "model", "address", "serial", ""], rows)), flush=True)
        note("Ctrl-C ends it")


def _bus(plant: Plant, name: str) -> dict[str, Any]:
    meters = [
        {"model": plan.model, "address": plan.address, "serial": plan.serial, "dead": plan.dead}
        for plan in plant.plan.meters
        if plan.bus == name
    ]
    line = plant.lines[name].line
    return {"name": name, "port": str(plant.ports[name]), "speed": line.speed, "format": line.format, "meters": meters}


def _row(plant: Plant, plan: PlannedMeter) -> list[str]:
    port, line = str(plant.ports[plan.bus]), f"{plan.line.speed} {plan.line.format}"
    return [port, line, plan.model, str(plan.address), plan.serial, "silent" if plan.dead else ""]
