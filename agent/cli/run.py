"""``meterpost run``: the daemon."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import CONFIG, Exit, explain_faults
from agent.config.faults import ConfigError


def run(
    config: Annotated[Path, CONFIG],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is polled and sent.")] = False,
) -> None:
    """Poll the meters, keep the readings, deliver them. Ends with SIGTERM or Ctrl-C; SIGHUP reads the file again.

    Example: meterpost run -c /etc/meterpost/meterpost.toml
    """
    _log_to_stderr(verbose)
    from agent.config.child import load_in_child
    from buffer.faults import StoreBusy, StoreError, StoreTooNew

    try:
        values = load_in_child(config)
    except ConfigError as trouble:
        explain_faults(trouble)
        raise typer.Exit(Exit.CONFIG) from None
    from agent.daemon import Daemon

    try:
        daemon = Daemon(values, config)
    except StoreBusy as trouble:
        print(f"meterpost: {trouble}", file=sys.stderr)
        raise typer.Exit(Exit.LATER) from None
    except StoreTooNew as trouble:
        print(f"meterpost: {trouble}", file=sys.stderr)
        raise typer.Exit(Exit.CONFIG) from None
    except (StoreError, OSError) as trouble:
        print(f"meterpost: {trouble}", file=sys.stderr)
        raise typer.Exit(Exit.IO) from None
    daemon.catch_signals()
    daemon.run()


def _log_to_stderr(verbose: bool) -> None:
    """The journal adds time and unit; a terminal wants the time."""
    text = "%(asctime)s %(message)s" if sys.stderr.isatty() else "%(message)s"
    logging.basicConfig(stream=sys.stderr, format=text, level=logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
