"""The one shape that every protocol has, so that one Link serves them all.

A session is pure: bytes in, bytes out, no port, clock, disk or log. Three things stay three things: "not whole yet"
(``None``), "broken" (:class:`~protocols.errors.BadFrame`) and "refused" (:class:`~protocols.errors.Refused`).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Protocol

SPEEDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""bit/s at which meters talk."""


@dataclass(frozen=True, slots=True)
class Line:
    """Settings of a serial line. ``speed`` in bit/s, ``format`` as ``8N1``: data bits, parity N/E/O, stop bits."""

    speed: int = 9600
    format: str = "8N1"

    @property
    def character(self) -> float:
        """Seconds that one character takes: start bit, data bits, parity bit if any, stop bits."""
        return _character(self.speed, self.format)


@lru_cache
def _character(speed: int, form: str) -> float:
    """Asked several times in each exchange, for the few settings that a gateway has."""
    bits = 1 + int(form[0]) + (form[1] != "N") + int(form[2])
    return bits / speed


@dataclass(frozen=True, slots=True)
class Sending:
    """Bytes for the line and how their answer is awaited. All times in seconds."""

    data: bytes
    wait: float  # longest time from the last byte sent to the first byte of the answer
    gap: float = 0.05  # silence inside an answer that ends it, where its length does not
    pause: float = 0.0  # silence that the line owes before these bytes
    size: int = 256  # the longest answer in octets: how long draining lasts at most
    least: int = 0  # octets that an answer of the asked kind has at least: no need to look before they can be there
    then: Line | None = None  # settings that hold once these bytes have left (IEC 62056-21 changes the speed)
    before: Line | None = None  # settings that hold before these bytes are sent: a sign-on goes back to its own speed
    answered: bool = True  # False: a broadcast or a sign-off that no one answers
    secret: bytes = field(default=b"", repr=False)  # octets of ``data`` as on the wire that must never be shown


class Question(Protocol):
    """A frozen dataclass that says what is asked. ``repeatable``: asking twice changes nothing in the meter."""

    @property
    def repeatable(self) -> bool: ...


class Read:
    """Base of questions that only read: safe to repeat."""

    __slots__ = ()
    repeatable: ClassVar[bool] = True


class Write:
    """Base of questions that change the meter: never repeated blindly, the silent meter may have heard."""

    __slots__ = ()
    repeatable: ClassVar[bool] = False


class Session(Protocol):
    """One dialogue with one meter.

    ``send`` starts a question (a question out of turn is a RuntimeError: our own mistake). ``receive`` is fed what
    the line brings, piece by piece; ``b""`` says that the line fell silent. It answers ``None`` (not whole yet), the
    reply (a frozen dataclass or any value the protocol documents), or another :class:`Sending` (a block to
    acknowledge: the Link sends it and goes on feeding). It raises MeterError classes only, on any bytes.
    """

    def send(self, question: Any) -> Sending: ...

    def receive(self, data: bytes) -> Any: ...

    def proof(self) -> Any | None:
        """After a time-out: a question whose answer can be told from every other, or None where frames are
        numbered. The Link asks it before anything else and expects a reply; the session forgets the lost question."""
        ...
