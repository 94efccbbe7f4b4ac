"""``meterpost run``: the daemon."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE
from agent.cli.service import serve


def run(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is polled and sent.")] = False,
) -> int:
    """Poll the meters, keep the readings, deliver them. Ends with SIGTERM or Ctrl-C; SIGHUP reads the file again.

    \b
    Example:
      meterpost run -c /etc/meterpost/meterpost.toml
    """
    return serve(config, verbose)
