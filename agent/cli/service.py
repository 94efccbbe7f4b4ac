"""``meterpost run`` as the service starts it: without Typer, whose memory and start-up time a daemon need not carry."""

import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.screen import to_journal
from agent.exits import Exit, exit_code

if TYPE_CHECKING:
    from agent.daemon import Daemon

PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog(3)'s numbers from a level on; 7 is below them all."""


class ForJournal(logging.Formatter):
    """Each line with its priority before it (sd-daemon(3)), which the journal takes off: journalctl -p warning."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def parse(args: Sequence[str]) -> tuple[Path, bool] | None:
    """FILE and verbose of ``-c FILE [-v]``; None for everything else (help, wrong usage): Typer's to answer."""
    rest = list(args)
    verbose = False
    config: Path | None = None
    while rest:
        word = rest.pop(0)
        if word in ("-v", "--verbose"):
            verbose = True
        elif word in ("-c", "--config") and rest and not rest[0].startswith("-"):
            config = Path(rest.pop(0))
        else:
            return None
    return (config or Path("/etc/meterpost/meterpost.toml")), verbose


def serve(config: Path, verbose: bool = False) -> int:
    """Poll, keep and deliver until a signal. A fault of the file, a second instance or the disk is an exception."""
    _log_to_stderr(verbose)
    from agent.config.child import begin

    loading = begin(config)
    from agent.daemon import Daemon  # takes nearly as long to import as the child takes to read the file

    _import_drivers(config)
    try:
        daemon = Daemon(loading(), config)
        _catch_signals(daemon)
        daemon.run()
    except Exception as error:
        if exit_code(error) == Exit.FAILED:  # a mistake of ours: the journal shall know where
            logging.getLogger(__name__).exception("the service fails")
        raise
    return Exit.DONE


def _catch_signals(daemon: "Daemon") -> None:
    """SIGTERM and SIGINT end it, SIGHUP reads the configuration again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    signal.signal(signal.SIGHUP, lambda *_: daemon.ask_reload())


def _import_drivers(config: Path) -> None:
    """In the time that the child still takes; what is wrong with the file is the child's to say."""
    from drivers import registry

    with contextlib.suppress(OSError, UnicodeDecodeError):
        registry.expect(config.read_text(encoding="utf-8"))


def _log_to_stderr(verbose: bool) -> None:
    """The journal adds time and unit and wants the priority; a terminal wants the time."""
    form = "%(asctime)s %(message)s" if sys.stderr.isatty() else "%(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ForJournal(form) if to_journal() else logging.Formatter(form))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
