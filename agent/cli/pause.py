"""``meterpost pause``: leave points alone for a while."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.asking import POINTS, ask, known_points
from agent.cli.output import CONFIG, DEFAULT_FILE, load_config
from agent.cli.screen import note
from agent.config.values import Config


def pause(points: POINTS, config: Annotated[Path, CONFIG] = DEFAULT_FILE) -> None:
    """Stop polling these points, for work at the cabinet, until meterpost resume; a restart does not end it.

    \b
    Example:
      meterpost pause flat-12
    """
    values = load_config(config, service=False)
    change(values, known_points(values, points), True)


def change(values: Config, points: list[str], paused: bool) -> None:
    """Tell the daemon, or note it for its next start; say what holds now."""
    if ask(values, "pause" if paused else "resume", points=points) is None:
        from agent.control import offline
        from agent.meters.pauses import keep

        if not values.gateway.state_dir.is_dir():
            note(f"{values.gateway.state_dir} does not exist yet: nothing to note")
            raise typer.Exit(1)
        offline.change(values.gateway.state_dir, partial(keep, points=points, paused=paused))
        note("no daemon runs; it is noted for its next start")
    for point in points:
        print(f"{point}: {'paused' if paused else 'polled again'}")
