"""An exception as one line for the person and an exit code for the shell."""

import os
import sys
import traceback
from collections.abc import Collection

from agent.cli.screen import Exit, Failure, colour, error_mark, explain_faults, note
from agent.config.faults import ConfigError


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
    hint = error.hint if isinstance(error, Failure) else ""
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


def exit_code(error: Exception) -> Exit:
    """Which of the documented codes an exception stands for."""
    if isinstance(error, Failure):
        return error.code
    if isinstance(error, ConfigError):
        return Exit.PERMISSION if error.denied else Exit.CONFIG
    late = (
        ("buffer.faults", "StoreBusy"),
        ("agent.line.port", "PortHeld"),
        ("agent.control.unix_socket", "ControlError"),
    )
    if any(_is(error, *name) for name in late):
        return Exit.LATER
    if _is(error, "buffer.faults", "StoreTooNew"):
        return Exit.CONFIG
    if isinstance(error, PermissionError) or _is(error, "agent.line.port", "PortForbidden"):
        return Exit.PERMISSION
    known = _is(error, "buffer.faults", "StoreError") or _is(error, "protocols.errors", "MeterError")
    return Exit.IO if known or isinstance(error, OSError) else Exit.FAILED


def port_code(troubles: Collection[Exception]) -> Exit:
    """For meters that all failed: the port's own code if none of them could be asked at all, else SOME_FAILED."""
    codes = {exit_code(trouble) for trouble in troubles if _is(trouble, "protocols.errors", "LinkLost")}
    if not codes or not all(_is(trouble, "protocols.errors", "LinkLost") for trouble in troubles):
        return Exit.SOME_FAILED
    return codes.pop() if len(codes) == 1 else Exit.IO


def _is(error: Exception, module: str, name: str) -> bool:
    """Of this class? A module that was never imported cannot have raised it, and is not imported to ask."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)
