"""Frames of the Mercury 23x and what their answers hold.

A frame is ``address data CRC``; an answer does not repeat the request's code, so only the question says what the data
mean. Sections (§) are those of «Описание системы команд», Incotex, version 05.2023. Energy and network answers come
every few minutes from every meter, so they are unpacked by :mod:`struct`, a tenth of the cost of a compiled construct.
"""

import struct
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from protocols.checksums import crc16_modbus
from protocols.errors import BadFrame

SHORTEST = 4  # address, status, CRC: every status answer has exactly this length, no reading has
LONGEST = 99  # six tariff rows of four registers, the longest answer but that of 17 profile records

ABSENT = 0xFFFF_FFFF  # "this kind of energy is not measured" (§4.2); never a value
ABSENT3 = 0xFF_FFFF


def seal(address: int, data: bytes) -> bytes:
    """The frame for the wire: address, data, CRC with its low byte first (§1.5)."""
    body = bytes((address,)) + data
    return body + crc16_modbus(body).to_bytes(2, "little")


def unseal(address: int, frame: bytes) -> bytes:
    """The data of a sound frame from this address, or BadFrame with the bytes in hex."""
    if len(frame) < SHORTEST or crc16_modbus(frame):
        raise BadFrame(f"checksum or length: {frame.hex(' ')}")
    if frame[0] != address:
        raise BadFrame(f"meter {frame[0]} answered, {address} was asked: {frame.hex(' ')}")
    return frame[1:-2]


def sized(data: bytes, *sizes: int) -> bytes:
    """The data, or BadFrame if it has none of these lengths."""
    if len(data) not in sizes:
        raise BadFrame(f"{len(data)} octets of data, {' or '.join(map(str, sizes))} were due: {data.hex(' ')}")
    return data


@dataclass(frozen=True, slots=True)
class Done:
    """The meter has done what was asked. ``repeats``: it repeats request codes in its answers, a mode not spoken here
    (bit 7 of port parameter 15h; channel test answers 80h)."""

    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Energy:
    """Wh and varh of one register row, secondary values; None where the meter does not measure that kind."""

    active_import: int | None
    active_export: int | None
    reactive_import: int | None
    reactive_export: int | None


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """A+ in Wh by phase since reset (array 6); None where the meter does not measure it."""

    l1: int | None
    l2: int | None
    l3: int | None


@dataclass(frozen=True, slots=True)
class AllTariffs:
    """All rows of one array in one answer: ``tariffs`` T1 to T4, their ``total``, ``losses`` where accounted."""

    tariffs: tuple[Energy, Energy, Energy, Energy]
    total: Energy
    losses: Energy | None = None


def registers(data: bytes) -> list[int | None]:
    """Energy registers, 4 octets each: two low-byte-first words, the senior word first (§4.2, fig. 4.11)."""
    words = struct.unpack(f"<{len(data) // 2}H", sized(data, *range(4, 256, 4)))
    values = [high << 16 | low for high, low in zip(words[::2], words[1::2], strict=True)]
    return [None if value == ABSENT else value for value in values]


def energy(data: bytes) -> Energy:
    """16 octets: A+, A−, R+, R−."""
    return Energy(*registers(sized(data, 16)))


def phase_energy(data: bytes) -> PhaseEnergy:
    """12 octets: A+ of phases 1, 2, 3."""
    return PhaseEnergy(*registers(sized(data, 12)))


def all_tariffs(data: bytes) -> AllTariffs:
    """80 octets T1, T2, T3, T4, total, or 96 with the losses (§4.2, tariff number 6)."""
    v = registers(sized(data, 80, 96))
    return AllTariffs(
        (Energy(*v[0:4]), Energy(*v[4:8]), Energy(*v[8:12]), Energy(*v[12:16])),
        Energy(*v[16:20]),
        Energy(*v[20:24]) if len(v) > 20 else None,
    )


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the high nibble of the parameter byte BWRI names (§4.4.13); a value is ``count × step`` of ``unit``."""

    name: str
    unit: str
    step: Decimal
    sign: int = 0  # the bit of the first octet that says "reverse"
    size: int = 3  # octets of one value


QUANTITIES = {
    0x00: Quantity("active power", "W", Decimal("0.01"), sign=0x80),
    0x04: Quantity("reactive power", "var", Decimal("0.01"), sign=0x40),
    0x08: Quantity("apparent power", "VA", Decimal("0.01")),
    0x10: Quantity("phase voltage", "V", Decimal("0.01")),
    0x20: Quantity("current", "A", Decimal("0.001")),
    0x30: Quantity("power factor", "", Decimal("0.001"), sign=0x80),
    0x40: Quantity("frequency", "Hz", Decimal("0.01")),
    0x50: Quantity("angle between voltages", "°", Decimal("0.01")),
    0x60: Quantity("voltage distortion", "%", Decimal("0.01"), size=2),
    0x80: Quantity("line voltage", "V", Decimal("0.01")),
}
GROUPS = {0x00: 4, 0x04: 4, 0x08: 4, 0x11: 3, 0x21: 3, 0x30: 4, 0x40: 1, 0x51: 3, 0x61: 3, 0x81: 3}
"""BWRI of a group request 08 16: how many values come (power and power factor: sum and three phases)."""


def quantity(parameter: int) -> Quantity:
    """What a BWRI byte asks for; ValueError if it is none known here. Power has three kinds in one nibble."""
    key = parameter & 0x0C if parameter < 0x10 else parameter & 0xF0
    if key not in QUANTITIES:
        raise ValueError(f"instantaneous quantity {parameter:02X}h is not known")
    return QUANTITIES[key]


def measured(kind: Quantity, data: bytes) -> tuple[Decimal | None, ...]:
    """Exact values of one quantity; None where the meter marks one as absent (all bits set).

    Three octets are a senior one, whose two top bits are directions, and a low-byte-first word (§4.4.13, fig. 4.23);
    two octets come low byte first.
    """
    step = kind.step
    if kind.size == 2:
        counts = struct.unpack(f"<{len(data) // 2}H", sized(data, 2, 6))
        return tuple(None if count == 0xFFFF else count * step for count in counts)
    fields = struct.unpack("<" + "BH" * (len(data) // 3), sized(data, 3, 9, 12))
    values: list[Decimal | None] = []
    for senior, junior in zip(fields[::2], fields[1::2], strict=True):
        if senior << 16 | junior == ABSENT3:
            values.append(None)
            continue
        value = ((senior & 0x3F) << 16 | junior) * step
        values.append(-value if senior & kind.sign and value else value)
    return tuple(values)


@dataclass(frozen=True, slots=True)
class Serial:
    """The factory number, eight digits with leading zeros; ``made`` is None where the date is no date."""

    serial: str
    made: date | None


def _serial_text(data: bytes) -> str:
    if any(pair > 99 for pair in data):
        raise BadFrame(f"serial number: each octet is two decimal digits, 0 to 99, but {data.hex(' ')} came")
    return "".join(f"{pair:02d}" for pair in data)


def _made(data: bytes) -> date | None:
    day, month, year = data
    try:
        return date(2000 + year, month, day)
    except ValueError:
        return None


def serial(data: bytes) -> Serial:
    """7 octets: number as four decimal pairs, date of manufacture dd mm yy, each plain binary (§4.4.2)."""
    sized(data, 7)
    return Serial(_serial_text(data[:4]), _made(data[4:7]))


def firmware(data: bytes) -> str:
    """3 octets, plain binary: 09 00 00 is "9.0.0" (§4.4.4)."""
    return ".".join(str(part) for part in sized(data, 3))


CONSTANTS = (5000, 25000, 1250, 500, 1000, 250)
"""Impulses per kWh by the low nibble of the second variant byte (§4.4.15)."""


@dataclass(frozen=True, slots=True)
class Details:
    """Who the meter is: answer to 08 01. ``variant`` are its raw bytes, see :mod:`protocols.mercury.variant`."""

    serial: str
    made: date | None
    firmware: str
    variant: bytes

    @property
    def single_phase(self) -> bool:
        """Bit 4 of the second variant byte (§4.4.15)."""
        return bool(self.variant[1] & 0x10)

    @property
    def constant(self) -> int | None:
        """Impulses per kWh, the A of load profile and maxima; None for a code that no paper has."""
        code = self.variant[1] & 0x0F
        return CONSTANTS[code] if code < len(CONSTANTS) else None

    @property
    def extended_arrays(self) -> bool:
        """Whether command 18h gives the registers of any day and month: bit 6 of the sixth variant byte."""
        return bool(self.variant[5] & 0x40)

    @property
    def profile_records(self) -> int:
        """Places in the ring of the load profile: 4096 (64 KiB), or 8192 by bit 7 of the fourth variant byte. Older
        firmware than 7.1.0 has 16 bits to point at one, so it is taken for the smaller."""
        return 8192 if self.variant[3] & 0x80 and self.sixteenths else 4096

    @property
    def sixteenths(self) -> bool:
        """Whether the place of the last profile record is told in sixteenths: from firmware 7.1.0 on (§4.4.16)."""
        return tuple(map(int, self.firmware.split("."))) >= (7, 1, 0)

    @property
    def seals(self) -> tuple[bool, bool]:
        """Whether the meter watches the cover of its terminals (fifth variant byte, bit 4) and its own (fourth, 0)."""
        return bool(self.variant[4] & 0x10), bool(self.variant[3] & 0x01)


def details(data: bytes) -> Details:
    """16 octets, or 24 with firmware checksum, variant code and two more variant bytes (§4.4.3)."""
    sized(data, 16, 24)
    variant = data[10:16] + data[20:22]
    return Details(_serial_text(data[:4]), _made(data[4:7]), firmware(data[7:10]), variant)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Voltage and current transformer ratios, for information only: no register is multiplied by them (§3.18)."""

    voltage: int
    current: int


def ratio(data: bytes) -> Ratio:
    """4 octets: Ku, Ki, high byte first (§4.4.5)."""
    return Ratio(*struct.unpack(">HH", sized(data, 4)))


def bcd(octet: int) -> int:
    """Two decimal digits in one octet, or BadFrame."""
    if octet >> 4 > 9 or octet & 0x0F > 9:
        raise BadFrame(f"{octet:02X}h is no pair of decimal digits")
    return (octet >> 4) * 10 + (octet & 0x0F)


def to_bcd(value: int) -> int:
    """0 to 99 as two decimal digits in one octet."""
    return value // 10 << 4 | value % 10


@dataclass(frozen=True, slots=True)
class Clock:
    """The meter's wall clock (naive, its own zone) and its season flag, which says nothing about a zone."""

    at: datetime
    winter: bool


def clock(data: bytes) -> Clock:
    """8 BCD octets: ss mm hh weekday dd MM yy season (§4.3). The weekday is not judged: it is often set wrong."""
    second, minute, hour, _weekday, day, month, year, season = map(bcd, sized(data, 8))
    try:
        return Clock(datetime(2000 + year, month, day, hour, minute, second), season == 1)
    except ValueError:
        raise BadFrame(f"clock: {data.hex(' ')} is no date and time") from None


@dataclass(frozen=True, slots=True)
class TariffState:
    """The tariff that counts now, 1 to 4 as coded; ``single``: the meter works with one tariff only."""

    tariff: int
    single: bool


def tariff_state(data: bytes) -> TariffState:
    """2 octets: the second has the mode in bit 0, the tariff number less one in bits 3 to 1 (§4.4.19)."""
    state = sized(data, 2)[1]
    return TariffState((state >> 1 & 7) + 1, bool(state & 1))


_WORD_ORDER = (33, 41, 17, 25, 1, 9)  # E-number of bit 0 in each of the six bytes: senior word first, low byte first


def status_codes(data: bytes) -> tuple[int, ...]:
    """The E-numbers set in a status word of 6 bytes (08 0A, journal 14h), ascending.

    The maker's table lists E-01 to E-48 in eights without naming bytes; the order here fits the manual's samples
    (E-02, E-03) and captures of real meters (E-01; E-47 while a clock correction runs; E-02).
    """
    codes = (
        first + bit
        for first, octet in zip(_WORD_ORDER, sized(data, 6), strict=True)
        for bit in range(8)
        if octet >> bit & 1
    )
    return tuple(sorted(codes))
