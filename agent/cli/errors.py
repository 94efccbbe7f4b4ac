"""An exception as one line for the operator and an exit code for the shell."""

import os
import sys
import traceback

from agent.cli.screen import colour, error_mark, explain_faults, note
from agent.exits import Exit, exit_code
from drivers.files.faults import ConfigError


def report(error: Exception, where: bool = False) -> int:
    """Say what happened, and with ``where`` also in which lines of ours; the exit code."""
    if isinstance(error, BrokenPipeError):  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    show = getattr(error, "show", None)
    if show is not None and hasattr(error, "exit_code"):  # Typer's word for wrong usage
        show()
        return int(error.exit_code)
    if where:
        traceback.print_exception(error)
    if isinstance(error, ConfigError):
        explain_faults(error)
    else:
        note(f"{error_mark()}{colour('red', 'error:', sys.stderr)} {_words(error)}")
    code = exit_code(error)
    hint = getattr(error, "hint", "")
    if code == Exit.PERMISSION and isinstance(error, OSError) and "sudo" not in str(error) and os.geteuid() != 0:
        hint = "the same with sudo"
    if hint:
        note(f"hint: {hint}")
    return code


def _words(error: Exception) -> str:
    """What happened; of the system's own errors the file and the reason, without their number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def interrupted() -> int:
    """Ctrl-C ended a command before it was done."""
    note("interrupted")
    return Exit.FAILED
