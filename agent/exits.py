"""How a command ends: the documented exit codes, and which of them an exception stands for."""

import enum
from collections.abc import Collection

from protocols.errors import LinkLost


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
        self.exit, self.hint = code, hint


def exit_code(error: Exception) -> Exit:
    """Which of the documented codes an exception stands for: its own ``exit`` where its class has one."""
    own = getattr(error, "exit", None)
    if own is not None:
        return Exit(own)
    if isinstance(error, PermissionError):
        return Exit.PERMISSION
    return Exit.IO if isinstance(error, OSError) else Exit.FAILED


def meter_code(trouble: Exception) -> Exit:
    """For one meter that failed: the port's own code if it could not be asked at all, else SOME_FAILED."""
    return exit_code(trouble) if isinstance(trouble, LinkLost) else Exit.SOME_FAILED


def all_failed(codes: Collection[int]) -> Exit:
    """For meters that all failed, each with its own code."""
    if not codes or Exit.SOME_FAILED in codes:
        return Exit.SOME_FAILED
    return Exit(min(codes)) if len(set(codes)) == 1 else Exit.IO
