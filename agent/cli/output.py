"""What the commands share: options, the configuration, and what screen.py prints with."""

from pathlib import Path

import typer

from agent.cli.screen import explain_faults
from agent.config.values import Config
from agent.exits import Exit
from drivers.files.faults import ConfigError

DEFAULT_FILE = Path("/etc/meterpost/meterpost.toml")
CONFIG = typer.Option("--config", "-c", metavar="FILE", help="The installer's file.", readable=False)
"""``readable=False``: the loader says what is wrong with a file, with the documented exit code."""
JSON = typer.Option("--json", help="One JSON document on stdout.")


def load_config(path: Path, *, service: bool = True, secrets: bool = False) -> Config:
    """The configuration for a command at the terminal; the faults and an exit if it is not sound.

    ``service=False`` for commands that need no password: a systemd credential, which only the service has, is then no
    fault, and unless ``secrets`` says so neither is a file that this person may not read.
    """
    from agent.config.load import load

    try:
        return load(path, service=service, secrets=service or secrets)
    except ConfigError as trouble:
        explain_faults(trouble)
        raise typer.Exit(Exit.PERMISSION if trouble.denied else Exit.CONFIG) from None
