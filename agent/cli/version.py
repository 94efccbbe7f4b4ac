"""``meterpost version``."""

from typing import Annotated

from agent import VERSION
from agent.cli.output import JSON
from agent.cli.screen import emit


def version(as_json: Annotated[bool, JSON] = False) -> None:
    """Print the version.

    Example: meterpost version --json
    """
    if as_json:
        emit({"version": VERSION})
    else:
        print(f"meterpost {VERSION}")
