"""What can go wrong on a line. Each class carries what follows from it, so that no caller keeps a table of classes.

``word``: the class as one word, for states, counters and ``--json``. ``layer``: how far the dialogue came, see
:data:`LAYERS`. The message says what it is; ``hint``: what the technician at the cabinet does next. ``retry``: whether
the same question may be asked once more in this dialogue. ``exit``: the documented exit code (74 line or disk, 75 try
again later, 77 permission) of a command that ends in it.
"""

from math import ceil
from typing import Any, ClassVar, Literal, get_args

Word = Literal[
    "line", "port", "silent", "broken", "second-master", "refused", "busy", "login", "access", "wrong-serial"
]
Layer = Literal[
    "port",
    "octets",
    "echo",
    "late",
    "parity",
    "speed",
    "check",
    "protocol",
    "master",
    "address",
    "session",
    "password",
    "rights",
    "object",
]
LAYERS: tuple[Layer, ...] = get_args(Layer)
"""From the port to what was asked for, in the order in which they are looked at. docs/technician.md has the table."""
Retry = Literal["never", "at once", "after a pause"]
"""``at once``: after the channel is proved in step. Questions that change the meter are never repeated."""


class MeterError(Exception):
    """Anything a dialogue with a meter can end in; never holds a secret."""

    word: ClassVar[Word] = "line"
    layer: ClassVar[Layer] = "object"
    hint: str = "meterpost read --trace shows the dialogue"  # an error may know better than its class
    retry: ClassVar[Retry] = "never"
    exit: ClassVar[int] = 74


class LinkLost(MeterError):
    """The port is gone: close it, wait, open it again."""

    word = "port"
    layer = "port"
    hint = "is the adapter plugged in, and free? meterpost ports lists the ports and who holds them"


class NoReply(MeterError):
    """Silence in due time: drain, prove the channel in step, ask again, then the next meter."""

    word = "silent"
    layer: ClassVar[Layer] = "octets"
    hint = "check power, wires A and B (swap them once), address, speed and format; meterpost read --trace shows all"
    retry = "at once"


class OnlyEcho(NoReply):
    """Nothing but what we have sent came back."""

    layer = "echo"
    hint = "port and adapter work; check the wires behind the adapter, the meter's power, address, speed and format"


class LateReply(NoReply):
    """Something came after the time that is waited. ``delay`` in seconds after the question."""

    layer = "late"

    def __init__(self, message: str, delay: float) -> None:
        super().__init__(message)
        self.hint = f'timeout = "{max(1, ceil(2 * delay))}s" for this meter'


class BadFrame(MeterError):
    """Bytes came, but no frame of this dialogue: drain, ask again. The message holds the bytes in hex."""

    word = "broken"
    layer: ClassVar[Layer] = "check"
    hint = "noise, two meters with one address, or wrong speed or format; meterpost read --trace shows the octets"
    retry: ClassVar[Retry] = "at once"


class NeverSilent(BadFrame):
    """The line talks without end, and not to us: asking again would only add to it."""

    retry = "never"
    hint = "something else sends on this pair: take devices off one by one; meterpost read --trace shows the octets"


class WrongParity(BadFrame):
    """The characters make sense with other data or parity bits. ``form``: the format that would do."""

    layer = "parity"
    retry = "never"

    def __init__(self, message: str, form: str) -> None:
        super().__init__(message)
        self.hint = f'format = "{form}" for this bus or meter'


class WrongSpeed(BadFrame):
    """The octets are those of another speed."""

    layer = "speed"
    hint = "try the other speeds: meterpost scan PORT --driver NAME --speed 2400 --speed 9600 …; the passport has it"


class WrongCheck(BadFrame):
    """A whole frame of this protocol with a wrong check sum."""

    layer = "check"
    hint = "noise on the line: shield, termination, A and B; where it is always so, the meter computes it another way"


class OtherProtocol(BadFrame):
    """Sound frames of another protocol."""

    layer = "protocol"
    retry: ClassVar[Retry] = "never"
    hint = "another driver reads such meters: meterpost drivers lists them"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint


class OtherText(OtherProtocol):
    """Text of a modem or terminal server; it may be over with the next answer."""

    retry = "at once"


class WrongAddress(BadFrame):
    """A sound frame of another meter than the one that was asked."""

    layer = "address"
    hint = "check the address: meterpost scan shows who answers; two gateways must not ask one meter"


class SecondMaster(MeterError):
    """Sound frames came that are not ours: another master speaks on this line. Nothing that was heard since the last
    quiet moment is believed; the line is left alone for a moment, then all of it is asked again. ``heard``: what
    came, see :class:`protocols.overheard.Overheard`."""

    word = "second-master"
    layer = "master"
    hint = "a second master asks on this pair: switch it off, or set shared = true for this bus"
    retry = "never"

    def __init__(self, message: str, heard: tuple[Any, ...] = (), hint: str = "") -> None:
        super().__init__(message)
        self.heard = heard
        self.hint = hint or type(self).hint


class Refused(MeterError):
    """A sound frame says no: not asked again in this round; asked again later, rarely."""

    word = "refused"
    hint = "this meter does not have that; check driver and model"

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class SessionHeld(Refused):
    """The meter does not begin a session now: an earlier one, or another client's, is still open in it."""

    layer = "session"
    hint = "an earlier session is still open in the meter, or another client reads it: try again in two minutes"


class Busy(MeterError):
    """A sound frame says: not now. Ask again after a pause."""

    word = "busy"
    layer = "session"
    hint = "the meter is busy with itself; try again in a minute"
    retry = "after a pause"


class NotLoggedIn(MeterError):
    """The meter forgot us: open the session, ask once more."""

    word = "login"
    layer = "session"
    hint = "the meter keeps closing the session; does another master talk to it?"


class AccessDenied(MeterError):
    """Wrong password or level: not tried again within the hour, some meters lock."""

    word = "access"
    layer: ClassVar[Layer] = "password"
    hint = "check the password file, password_encoding and level; it is not tried again within the hour"


class NoRights(AccessDenied):
    """The log-in was taken, and does not suffice for what was asked."""

    layer = "rights"
    hint = "ask for less, or log in with more: level, client and password of an account that may read this"
