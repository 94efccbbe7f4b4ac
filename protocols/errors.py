"""What can go wrong on a line. Each class carries what follows from it, so that no caller keeps a table of classes.

``word``: the class as one word, for states, counters and ``--json``. ``hint``: what the technician at the cabinet does
next. ``retry``: whether the same question may be asked once more in this dialogue. ``exit``: the documented exit code
(74 line or disk, 75 try again later, 77 permission) of a command that ends in it.
"""

from typing import Any, ClassVar, Literal

Word = Literal[
    "line", "port", "silent", "broken", "second-master", "refused", "busy", "login", "access", "wrong-serial"
]
Retry = Literal["never", "at once", "after a pause"]
"""``at once``: after the channel is proved in step. Questions that change the meter are never repeated."""


class MeterError(Exception):
    """Anything a dialogue with a meter can end in; never holds a secret."""

    word: ClassVar[Word] = "line"
    hint: ClassVar[str] = "meterpost read --trace shows the dialogue"
    retry: ClassVar[Retry] = "never"
    exit: ClassVar[int] = 74


class LinkLost(MeterError):
    """The port is gone: close it, wait, open it again."""

    word = "port"
    hint = "is the adapter plugged in, and free? meterpost ports lists the ports and who holds them"


class NoReply(MeterError):
    """Silence in due time: drain, prove the channel in step, ask again, then the next meter."""

    word = "silent"
    hint = "check power, wires A and B (swap them once), address, speed and format; meterpost read --trace shows all"
    retry = "at once"


class BadFrame(MeterError):
    """Bytes came, but no frame of this dialogue: drain, ask again. The message holds the bytes in hex."""

    word = "broken"
    hint = "noise, two meters with one address, or wrong speed or format; meterpost read --trace shows the octets"
    retry = "at once"


class SecondMaster(MeterError):
    """Sound frames came that are not ours: another master speaks on this line. Nothing that was heard since the last
    quiet moment is believed; the line is left alone for a moment, then all of it is asked again. ``heard``: what
    came, see :class:`protocols.overheard.Overheard`."""

    word = "second-master"
    hint = "a second master asks on this pair: switch it off, or set shared = true for this bus"
    retry = "never"

    def __init__(self, message: str, heard: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.heard = heard


class Refused(MeterError):
    """A sound frame says no: not asked again in this round; asked again later, rarely."""

    word = "refused"
    hint = "this meter does not have that; check driver and model"

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Busy(MeterError):
    """A sound frame says: not now. Ask again after a pause."""

    word = "busy"
    hint = "the meter is busy with itself; try again in a minute"
    retry = "after a pause"


class NotLoggedIn(MeterError):
    """The meter forgot us: open the session, ask once more."""

    word = "login"
    hint = "the meter keeps closing the session; does another master talk to it?"


class AccessDenied(MeterError):
    """Wrong password or level: not tried again within the hour, some meters lock."""

    word = "access"
    hint = "check the password file, password_encoding and level; it is not tried again within the hour"
