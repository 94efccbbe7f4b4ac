"""What a Mercury 23x can be asked: each question knows its bytes, the length of its answer, and how to read it.

``sizes`` are the octets of data in a good answer; a frame has three more (address, CRC). Only the length and the order
of questions tie an answer to its question, the frame itself does not. Archives and journals are in
:mod:`protocols.mercury.archives`.
"""

from dataclasses import dataclass, field
from datetime import time
from typing import Any, ClassVar, Protocol

from protocols.mercury import frames, identity, quantities
from protocols.mercury.frames import Done
from protocols.session import Read, Write

STATUS = 1  # octets of data in an answer that is only a status

_MONTH_ARRAYS = (0x3, 0xB)
_ARRAYS = (0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x9, 0xA, 0xB, 0xC, 0xD)


class Asked(Protocol):
    """What a session needs of a question."""

    @property
    def repeatable(self) -> bool: ...

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def encode(self) -> bytes:
        """The request between address and CRC."""

    def decode(self, data: bytes) -> Any:
        """The reply to data of one of ``sizes``; BadFrame if they make no sense. A status is not part of this."""


class _Order:
    """Base of questions that are answered by a status alone: the session makes it Done or an error."""

    __slots__ = ()
    sizes: ClassVar[tuple[int, ...]] = (STATUS,)

    def decode(self, data: bytes) -> Done:
        return Done(repeats=bool(frames.sized(data, STATUS)[0] & 0x80))


@dataclass(frozen=True, slots=True)
class TestChannel(_Order, Read):
    """Is someone there? The answer equals the request, so on a line that echoes it proves nothing."""

    __test__: ClassVar[bool] = False  # the maker's name for it begins like a pytest class

    def encode(self) -> bytes:
        return b"\x00"


@dataclass(frozen=True, slots=True)
class OpenChannel(_Order, Read):
    """Log in at ``level`` 1 (consumer) or 2 (owner) with 6 raw octets; holds for 240 s after the last request."""

    level: int
    password: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.level not in (1, 2) or len(self.password) != 6:
            raise ValueError(f"level {self.level} with {len(self.password)} octets of password: 1 or 2 with 6 are due")

    def encode(self) -> bytes:
        return bytes((0x01, self.level)) + self.password


@dataclass(frozen=True, slots=True)
class CloseChannel(_Order, Read):
    """Log out."""

    def encode(self) -> bytes:
        return b"\x02"


@dataclass(frozen=True, slots=True)
class ReadEnergy(Read):
    """One row of registers: 0 total, 1 to 4 tariffs, 5 losses.

    ``array``: 0 since reset; 1, 2 this and last year; 3 the ``month``; 4, 5 today and yesterday; 6 A+ by phase since
    reset; 9, A at the start of this and last year; B at the start of the ``month``; C, D at the start of today and
    yesterday (9 to D: firmware of the 2023 manual only, others refuse with code 1).
    """

    array: int = 0
    month: int = 0
    tariff: int = 0

    def __post_init__(self) -> None:
        months = range(1, 13) if self.array in _MONTH_ARRAYS else range(1)
        if self.array not in _ARRAYS or self.month not in months or not 0 <= self.tariff <= 5:
            raise ValueError(f"no such energy register: {self}")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (12,) if self.array == 6 else (16,)

    def encode(self) -> bytes:
        return bytes((0x05, self.array << 4 | self.month, self.tariff))

    def decode(self, data: bytes) -> frames.Energy | frames.PhaseEnergy:
        return frames.phase_energy(data) if self.array == 6 else frames.energy(data)


@dataclass(frozen=True, slots=True)
class ReadAllTariffs(Read):
    """T1 to T4, the total and perhaps the losses of an ``array`` in one long answer (tariff number 6); arrays and
    months as :class:`ReadEnergy` has them, except for the phases.

    The maker asks for a system time-out of at least 25 ms here: multiplier 5 at 9600 bit/s.
    """

    array: int = 0
    month: int = 0

    sizes: ClassVar[tuple[int, ...]] = (80, 96)

    def __post_init__(self) -> None:
        ReadEnergy(self.array, self.month)
        if self.array == 6:
            raise ValueError("phases have no tariffs")

    def encode(self) -> bytes:
        return bytes((0x05, self.array << 4 | self.month, 0x06))

    def decode(self, data: bytes) -> frames.AllTariffs:
        return frames.all_tariffs(data)


@dataclass(frozen=True, slots=True)
class ReadSerial(Read):
    """Factory number and date; answered without a log-in, and no other answer has its length."""

    sizes: ClassVar[tuple[int, ...]] = (7,)

    def encode(self) -> bytes:
        return b"\x08\x00"

    def decode(self, data: bytes) -> identity.Serial:
        return identity.serial(data)


@dataclass(frozen=True, slots=True)
class ReadIdentity(Read):
    """Number, date, firmware, variant; ``extended`` adds two variant bytes (2023 manual, older ones may be silent)."""

    extended: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        return (24,) if self.extended else (16,)

    def encode(self) -> bytes:
        return b"\x08\x01\x00" if self.extended else b"\x08\x01"

    def decode(self, data: bytes) -> identity.Details:
        return identity.details(data)


@dataclass(frozen=True, slots=True)
class ReadRatio(Read):
    """Transformer ratios as the installer wrote them into the meter."""

    sizes: ClassVar[tuple[int, ...]] = (4,)

    def encode(self) -> bytes:
        return b"\x08\x02"

    def decode(self, data: bytes) -> identity.Ratio:
        return identity.ratio(data)


@dataclass(frozen=True, slots=True)
class ReadFirmware(Read):
    """Firmware version as text, "9.0.0"."""

    sizes: ClassVar[tuple[int, ...]] = (3,)

    def encode(self) -> bytes:
        return b"\x08\x03"

    def decode(self, data: bytes) -> str:
        return identity.firmware(data)


@dataclass(frozen=True, slots=True)
class ReadStatusWord(Read):
    """The meter's own faults as a tuple of E-numbers."""

    sizes: ClassVar[tuple[int, ...]] = (6,)

    def encode(self) -> bytes:
        return b"\x08\x0a"

    def decode(self, data: bytes) -> tuple[int, ...]:
        return frames.status_codes(data)


@dataclass(frozen=True, slots=True)
class ReadVariant(Read):
    """How the meter was built: a :class:`protocols.mercury.variant.Variant`."""

    sizes: ClassVar[tuple[int, ...]] = (6,)

    def encode(self) -> bytes:
        return b"\x08\x12"

    def decode(self, data: bytes) -> Any:
        from protocols.mercury.variant import Variant  # loads construct, rarely needed

        return Variant.from_bytes(data)


@dataclass(frozen=True, slots=True)
class ReadTariffState(Read):
    """Which tariff counts now."""

    sizes: ClassVar[tuple[int, ...]] = (2,)

    def encode(self) -> bytes:
        return b"\x08\x17"

    def decode(self, data: bytes) -> frames.TariffState:
        return frames.tariff_state(data)


@dataclass(frozen=True, slots=True)
class ReadInstant(Read):
    """One value by its BWRI byte (:data:`quantities.QUANTITIES`), as a tuple of one."""

    parameter: int

    def __post_init__(self) -> None:
        quantities.quantity(self.parameter)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (quantities.quantity(self.parameter).size,)

    def encode(self) -> bytes:
        return bytes((0x08, 0x11, self.parameter))

    def decode(self, data: bytes) -> Any:
        return quantities.measured(quantities.quantity(self.parameter), frames.sized(data, *self.sizes))


@dataclass(frozen=True, slots=True)
class ReadNetworkGroup(Read):
    """All values of a quantity by the BWRI byte of its group (:data:`quantities.GROUPS`): sum and phases, or phases."""

    parameter: int

    def __post_init__(self) -> None:
        if self.parameter not in quantities.GROUPS:
            raise ValueError(f"no group of instantaneous values {self.parameter:02X}h")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (quantities.GROUPS[self.parameter] * quantities.quantity(self.parameter).size,)

    def encode(self) -> bytes:
        return bytes((0x08, 0x16, self.parameter))

    def decode(self, data: bytes) -> Any:
        return quantities.measured(quantities.quantity(self.parameter), frames.sized(data, *self.sizes))


@dataclass(frozen=True, slots=True)
class ReadClock(Read):
    """The meter's wall clock."""

    sizes: ClassVar[tuple[int, ...]] = (8,)

    def encode(self) -> bytes:
        return b"\x04\x00"

    def decode(self, data: bytes) -> frames.Clock:
        return frames.clock(data)


@dataclass(frozen=True, slots=True)
class CorrectClock(_Order, Write):
    """Bring the clock gently to ``to`` (whole seconds, the meter's own zone): at most ±4 minutes, once a calendar
    day; a second time is Refused with code 4."""

    to: time

    def encode(self) -> bytes:
        return bytes((0x03, 0x0D, *map(frames.to_bcd, (self.to.second, self.to.minute, self.to.hour))))
