"""What the commands share that ask the running daemon: points, times, and what stands in the way as exit codes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer

from agent.config.values import Config
from agent.control.unix_socket import NotRunning, ask_daemon
from agent.exits import Failure
from buffer.store import Store
from drivers.files.words import meant

T = TypeVar("T")

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
    """The daemon's result, None where no daemon runs.

    RequestRefused (exit 1) if it says no, NoAnswer (75) without an answer in due time, PermissionError (77) where this
    user may not ask it: each ends the command with its message, its hint and its exit code.
    """
    try:
        return ask_daemon(values.gateway.state_dir, op, **args)
    except NotRunning:
        return None


def ask_running(values: Config, op: str, **args: Any) -> Any:
    """As ``ask``, for what only a running daemon can do."""
    answer = ask(values, op, **args)
    if answer is None:
        raise Failure(
            f"no daemon runs in {values.gateway.state_dir}, and this needs one", hint="sudo systemctl start meterpost"
        )
    return answer


def read_only(values: Config) -> Store:
    """The store for looking only; a Failure if there is none yet."""
    folder = values.gateway.state_dir
    try:
        return Store.open(folder, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        raise Failure(f"no store in {folder} yet (meterpost run makes it)") from None


def without_daemon(values: Config, work: Callable[[Store], T]) -> T:
    """The result of ``work`` on the store, which is opened for writing for a moment, if there is one."""
    from agent.control.offline import change

    read_only(values).close()
    return change(values.gateway.state_dir, work)


def moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """A time as people write it, in the gateway's zone unless it says its own; a usage error for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a valid time; write 2026-11-01T00:00", param_hint=option) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)
