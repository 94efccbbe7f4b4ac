"""How a command ends: the documented exit codes, and which of them an exception stands for."""

import enum
import sys
from collections.abc import Collection

from drivers.files.faults import ConfigError


class Exit(enum.IntEnum):
    """The documented exit codes; from 64 on those of BSD's sysexits."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3  # some meters
    IO = 74  # line or disk
    LATER = 75
    PERMISSION = 77
    CONFIG = 78


class Failure(Exception):
    """A command ends here: the message and the hint go to stderr, the code to the shell."""

    def __init__(self, message: str, code: Exit = Exit.FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


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
