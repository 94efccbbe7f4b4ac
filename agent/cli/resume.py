"""``meterpost resume``: poll points again."""

from pathlib import Path
from typing import Annotated

from agent.cli.asking import POINTS, known_points
from agent.cli.output import CONFIG, DEFAULT_FILE, load_config
from agent.cli.pause import change


def resume(points: POINTS, config: Annotated[Path, CONFIG] = DEFAULT_FILE) -> None:
    """Poll points again that were paused, here or by the utility.

    \b
    Example:
      meterpost resume flat-12
    """
    values = load_config(config, service=False)
    change(values, known_points(values, points), False)
