"""What the commands share that ask the running daemon: points, times, and what stands in the way as exit codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from agent.config.values import Config
from agent.control.unix_socket import ControlError, NotRunning, ask_daemon
from agent.exits import Exit, Failure
from drivers.files.words import meant

POINTS = Annotated[list[str], typer.Argument(metavar="POINT…", help="Names of points.")]


def known_points(values: Config, points: Sequence[str]) -> list[str]:
    """The points as named, each once; a usage error for one that the configuration does not have."""
    known = [meter.point for meter in values.meters]
    for point in points:
        if point not in known:
            near = meant(point, known) or f"; there are: {', '.join(known)}"
            raise typer.BadParameter(f"no point {point!r}{near}", param_hint="POINT")
    return list(dict.fromkeys(points))


def ask(values: Config, op: str, **args: Any) -> Any:
    """The daemon's result, None where no daemon runs. A Failure with its exit code where it says no."""
    try:
        return ask_daemon(values.gateway.state_dir, op, **args)
    except (NotRunning, FileNotFoundError):
        return None
    except ControlError as trouble:
        raise Failure(str(trouble), Exit.LATER) from None
    except PermissionError:
        raise Failure(f"{values.gateway.state_dir}: you may not ask the daemon", Exit.PERMISSION, "try sudo") from None


def ask_running(values: Config, op: str, **args: Any) -> Any:
    """As ``ask``, for what only a running daemon can do."""
    answer = ask(values, op, **args)
    if answer is None:
        raise Failure(
            f"no daemon runs in {values.gateway.state_dir}, and this needs one", hint="sudo systemctl start meterpost"
        )
    return answer


def moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """A time as people write it, in the gateway's zone unless it says its own; a usage error for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-11-01T00:00", param_hint=option) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)
