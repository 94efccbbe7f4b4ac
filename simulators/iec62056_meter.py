"""What simulated IEC 62056-21 meters share: sign-on, speed, password, commands, and the clock that archives follow.

They send 7E1: bit 7 is even parity, as an eight-bit port sees it. ``hearing`` and ``speaking`` are the speeds at which
the meter listens and at which its last answer goes out; the simulated line compares them with the client's.
"""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from protocols.iec62056 import frames
from protocols.iec62056.frames import SPEEDS

NAK = b"\x15"
ACK = b"\x06"
REQUEST = re.compile(rb"/\?([^!]*)!(?:\r\n)?")
COMMAND = re.compile(rb"\x01(..)(?:\x02(.*))?[\x03]", re.DOTALL)
WAITING = 2.2  # s for the option message (t_t)


@dataclass
class IecMeter(ABC):
    """``answer`` takes one message and gives the next; ``b""`` is silence.

    ``line``: speed of the sign-on in bit/s. ``offer``: the baud character Z. ``delay``: t_r in seconds. ``patience``:
    seconds without a request after which the meter is at its start again. ``clock`` gives monotonic seconds, ``now``
    the meter's naive wall clock.
    """

    address: str = ""
    serial: str = "00000001"
    name: str = "/XYZ5METER"
    start: int = 9600
    rule: str = "xor"
    delay: float = 0.2
    patience: float = 60.0
    password: str | None = None  # P1 is needed for reading
    master: str | None = None  # P1 is needed for writing
    operand: str = ""
    now: Callable[[], datetime] = lambda: datetime(2026, 1, 1)
    clock: Callable[[], float] = time.monotonic
    energy: dict[str, int] = field(default_factory=lambda: {"total": 0})  # Wh: total, T1, T2 …
    reactive: dict[str, int] = field(default_factory=dict)  # varh
    network: dict[str, Sequence[Decimal]] = field(default_factory=dict)  # U I P PF by phase, f
    past: Callable[[datetime], Mapping[str, int] | None] = lambda wall: None  # Wh at a wall time; None: not kept
    lost: set[date] = field(default_factory=set)  # days on whose ends it had no supply, so that it froze nothing
    days: int = 128  # starts of days and months that it keeps
    months: int = 40
    minutes: int = 30  # of an interval of the load profile
    marks: dict[datetime, str] = field(default_factory=dict)  # wall start of an interval → what a CE303 marks it with
    speaking: int = 0  # bit/s of the last answer
    _changed: int = 0  # bit/s that the session goes on with, 0: those of the start
    _state: str = "start"  # greeted, locked (programming mode, no password yet), open
    _granted: bool = False  # a password was right in this session
    _heard: float = 0.0

    @property
    def hearing(self) -> int:
        """bit/s at which the meter listens now."""
        self._forget_in_time()
        return self._changed or self.start

    def _forget_in_time(self) -> None:
        if self._state != "start" and self.clock() - self._heard > self._wait:
            self._reset()

    @property
    def _wait(self) -> float:
        return WAITING if self._state == "greeted" else self.patience

    def answer(self, request: bytes) -> bytes:
        """The answer's octets with parity, or ``b""``."""
        self._forget_in_time()
        if any(byte & 0x80 and byte.bit_count() % 2 for byte in request):
            return b""
        self.speaking = self.hearing
        answer = self._answer(frames.low7(request))
        self._heard = self.clock()
        return frames.with_parity(answer)

    def _reset(self) -> None:
        self._state, self._changed, self._granted = "start", 0, False

    def _answer(self, request: bytes) -> bytes:
        opening = REQUEST.search(request)  # whatever stood on the line before it
        if opening and self._state == "start":
            if not self._meant(opening[1].decode("ascii", "replace")):
                return b""
            if len(request) > opening.end():
                return self._direct(request[opening.end() :])
            self._state = "greeted"
            return self.name.encode("ascii") + frames.CRLF
        if self._state == "greeted":
            return self._chosen(request)
        if self._state in ("locked", "open") and request[:1] == b"\x01":
            return self._command(request)
        return b""

    def _meant(self, address: str) -> bool:
        return not address or address.lstrip("0") == self.address.lstrip("0")

    def _chosen(self, option: bytes) -> bytes:
        """The option message: a wrong one leads to the readout at the start speed (§6.4.3)."""
        self._state = "start"
        offered = self.name[4]
        if len(option) != 6 or option[:2] != b"\x060" or option[2:3].decode() not in ("0", offered):
            return self._sealed_readout("0")
        if option[2:3].decode() == offered:
            self.speaking = SPEEDS[offered]
        mode = chr(option[3])
        if mode == "1":
            self._changed = self.speaking
            self._state = "locked" if self.password is not None else "open"
            return frames.command("P0", f"({self.operand})".encode("ascii"), self.rule)
        return self._sealed_readout(mode)

    def _sealed_readout(self, mode: str) -> bytes:
        return frames.readout(self.readout(mode), self.rule)

    def _command(self, request: bytes) -> bytes:
        match = COMMAND.fullmatch(request[:-1])
        if match is None or self.rule not in frames.rules_kept(request):
            return NAK
        kind, data = match[1].decode("ascii", "replace"), (match[2] or b"").decode("ascii", "replace")
        if kind == "B0":
            self._reset()
            return b""
        if kind == "P1":
            expected = self.password or self.master
            if expected is None or data == f"({expected})":
                self._state, self._granted = "open", True
                return ACK
            self._reset()
            return frames.command("B0", b"", self.rule)
        if kind == "W1" and self._state == "open":
            name, _, arguments = data.partition("(")
            fault = self.write(name, arguments.removesuffix(")")) if self._granted else 15
            return frames.answer(self.error(fault), self.rule) if fault else ACK
        if kind != "R1" or self._state == "locked":
            return frames.answer(self.error(15 if kind == "R1" else 11), self.rule)
        return frames.answer(self._read(data), self.rule)

    def _read(self, data: str) -> bytes:
        name, bracket, arguments = data.partition("(")
        found = self.read(name, arguments.removesuffix(")")) if bracket else None
        return self.error(12) if found is None else found

    def _direct(self, request: bytes) -> bytes:
        if self.rule not in frames.rules_kept(request):
            return NAK
        match = COMMAND.fullmatch(request[:-1])
        if match is None or match[1] != b"R1":
            return b""
        return frames.answer(self._read((match[2] or b"").decode("ascii", "replace")), self.rule)

    def readout(self, mode: str) -> bytes:
        """Lines of the data readout, each with CR LF."""
        return b""

    @abstractmethod
    def read(self, name: str, arguments: str) -> bytes | None:
        """Data of one parameter; None: the meter does not know it."""

    def write(self, name: str, arguments: str) -> int:
        """Number of the error, 0 where the parameter was written."""
        return 12

    def frozen(self, start: date) -> Mapping[str, int] | None:
        """Wh at midnight of this day as the meter kept them; None where it did not or the day is still to come."""
        midnight = datetime(start.year, start.month, start.day)
        if midnight > self.now() or start - timedelta(days=1) in self.lost:
            return None
        return self.past(midnight)

    def power(self, start: datetime) -> int | None:
        """Average W of the interval that starts at this wall time; None where it has not ended or was not kept."""
        end = start + timedelta(minutes=self.minutes)
        before, after = (self.past(at) for at in (start, end)) if end <= self.now() else (None, None)
        if before is None or after is None:
            return None
        return (after["total"] - before["total"]) * 60 // self.minutes

    def error(self, code: int) -> bytes:
        return f"(ERR{code:02})".encode("ascii")


def kwh(amount: int, step: int = 1) -> str:
    """Wh as the kWh that a register shows; ``step``: the Wh of its last digit."""
    return str(Decimal(amount // step * step) / 1000)


def month_back(day: date, months: int) -> date:
    """The first day of the month this many months before (negative: after) the one of this day."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)
