"""What can be asked of an IEC 62056-21 meter, and what it answers."""

from dataclasses import dataclass

from protocols.iec62056.block import Block
from protocols.iec62056.frames import Identification
from protocols.session import Line, Read, Write


@dataclass(frozen=True, slots=True)
class Readout(Read):
    """Sign-on and data readout in one dialogue (modes A, B, C): the answer is a :class:`Telegram`.

    ``mode`` is the mode character Y: ``0`` the full list, ``6`` the short one of Energomera CE102M.
    """

    mode: str = "0"


@dataclass(frozen=True, slots=True)
class Program(Read):
    """Sign-on and programming mode (mode C, Y = 1): the answer is :class:`Opened`. Programming mode is also the way
    to single registers; this changes nothing in the meter."""

    mode: str = "1"


@dataclass(frozen=True, slots=True)
class Password(Write):
    """Log in after :class:`Program`: kind ``P1`` the password itself, ``P2`` the result of the maker's algorithm.

    Never repeated: meters lock after wrong ones. The answer is :class:`Done`, or AccessDenied is raised."""

    secret: bytes
    kind: str = "P1"

    def __repr__(self) -> str:
        return f"Password(kind={self.kind!r})"


@dataclass(frozen=True, slots=True)
class Get(Read):
    """Read one parameter in programming mode: the answer is a :class:`~protocols.iec62056.block.Block`.

    ``kind`` R1…R6; with R3, R4 and R6 the answer may come in blocks, each is acknowledged. ``named``: the answer
    repeats the name (an Elster A1140 does not)."""

    name: str
    arguments: str = ""
    kind: str = "R1"
    named: bool = True


@dataclass(frozen=True, slots=True)
class Direct(Read):
    """Read without a session: ``/?address!SOH R1 STX name(arguments) ETX check`` (Energomera).

    ``answers`` are the ids that the answer must bring, in this order; the answer is a Block."""

    name: str
    arguments: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put(Write):
    """Write one parameter in programming mode: Done, or Refused is raised. ``arguments`` with several operands: as
    they stand between the outer brackets, ``a)(b``."""

    name: str
    arguments: str
    kind: str = "W1"


@dataclass(frozen=True, slots=True)
class Break(Read):
    """``SOH B0 ETX check``: ends any session, no one answers."""


@dataclass(frozen=True, slots=True)
class WakeUp(Read):
    """NUL characters that wake a battery meter (Annex B); the next sign-on owes the pause after them."""


@dataclass(frozen=True, slots=True)
class HandOver(Read):
    """Sign-on and mode E (V = 2, Y = 2): the answer is :class:`HandedOver`, HDLC follows."""


@dataclass(frozen=True, slots=True)
class Lost(Read):
    """The proof after a silence in programming mode: NotLoggedIn is raised, the session must be opened again."""


@dataclass(frozen=True, slots=True)
class Telegram:
    """A data readout. ``checked``: it carried a check character, and that was right."""

    identification: Identification
    block: Block
    checked: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """Programming mode is on. ``operand``: what P0 brought, a seed, the meter's address, a password or nothing."""

    identification: Identification
    operand: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The meter waits for HDLC frames with these line settings."""

    identification: Identification
    line: Line


@dataclass(frozen=True, slots=True)
class Done:
    """The meter said ACK."""


def body(question: Get | Put | Direct) -> bytes:
    """What stands between STX and ETX of a command."""
    return f"{question.name}({question.arguments})".encode("cp1251")
