"""Frames of the Mercury 23x and what their answers hold: energy, clock, tariff, status word.

Each decoder has its encoder beside it (``to_bytes`` of what it gives, or ``encode_…``). Instantaneous values are in
:mod:`protocols.mercury.quantities`, serial number and build in :mod:`protocols.mercury.identity`, archives and journals
in :mod:`protocols.mercury.archives`.

A frame is ``address data CRC``; an answer does not repeat the request's code, so only the question says what the data
mean. Sections (§) are those of «Описание системы команд», Incotex, version 05.2023. Energy answers come every few
minutes from every meter, so they are unpacked by :mod:`struct`, a tenth of the cost of a compiled construct.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from protocols.checksums import crc16_modbus
from protocols.errors import BadFrame

SHORTEST = 4  # address, status, CRC: every status answer has exactly this length, no reading has
LONGEST = 99  # six tariff rows of four registers, the longest answer but that of 17 profile records

ABSENT = 0xFFFF_FFFF  # "this kind of energy is not measured" (§4.2); never a value


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

    def to_bytes(self) -> bytes:
        return b"\x80" if self.repeats else b"\x00"


@dataclass(frozen=True, slots=True)
class Energy:
    """Wh and varh of one register row, secondary values; None where the meter does not measure that kind."""

    active_import: int | None
    active_export: int | None
    reactive_import: int | None
    reactive_export: int | None

    def to_bytes(self) -> bytes:
        values = self.active_import, self.active_export, self.reactive_import, self.reactive_export
        return encode_registers(values)


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """A+ in Wh by phase since reset (array 6); None where the meter does not measure it."""

    l1: int | None
    l2: int | None
    l3: int | None

    def to_bytes(self) -> bytes:
        return encode_registers((self.l1, self.l2, self.l3))


@dataclass(frozen=True, slots=True)
class AllTariffs:
    """All rows of one array in one answer: ``tariffs`` T1 to T4, their ``total``, ``losses`` where accounted."""

    tariffs: tuple[Energy, Energy, Energy, Energy]
    total: Energy
    losses: Energy | None = None

    def to_bytes(self) -> bytes:
        rows = (*self.tariffs, self.total, *(() if self.losses is None else (self.losses,)))
        return b"".join(row.to_bytes() for row in rows)


def registers(data: bytes) -> list[int | None]:
    """Energy registers, 4 octets each: two low-byte-first words, the senior word first (§4.2, fig. 4.11)."""
    words = struct.unpack(f"<{len(data) // 2}H", sized(data, *range(4, 256, 4)))
    values = [high << 16 | low for high, low in zip(words[::2], words[1::2], strict=True)]
    return [None if value == ABSENT else value for value in values]


def encode_registers(values: Iterable[int | None]) -> bytes:
    """What :func:`registers` reads."""
    numbers = [ABSENT if value is None else value for value in values]
    return b"".join(struct.pack("<HH", number >> 16, number & 0xFFFF) for number in numbers)


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


def bcd(octet: int) -> int:
    """Two decimal digits in one octet, or BadFrame."""
    if octet >> 4 > 9 or octet & 0x0F > 9:
        raise BadFrame(f"{octet:02X}h is not a pair of decimal digits")
    return (octet >> 4) * 10 + (octet & 0x0F)


def to_bcd(value: int) -> int:
    """0 to 99 as two decimal digits in one octet."""
    return value // 10 << 4 | value % 10


@dataclass(frozen=True, slots=True)
class Clock:
    """The meter's wall clock (naive, its own zone) and its season flag, which says nothing about a zone."""

    at: datetime
    winter: bool

    def to_bytes(self) -> bytes:
        at = self.at
        fields = (at.second, at.minute, at.hour, at.isoweekday(), at.day, at.month, at.year % 100, self.winter)
        return bytes(map(to_bcd, fields))


def clock(data: bytes) -> Clock:
    """8 BCD octets: ss mm hh weekday dd MM yy season (§4.3). The weekday is not judged: it is often set wrong."""
    second, minute, hour, _weekday, day, month, year, season = map(bcd, sized(data, 8))
    try:
        return Clock(datetime(2000 + year, month, day, hour, minute, second), season == 1)
    except ValueError:
        raise BadFrame(f"clock: {data.hex(' ')} is not a date and time") from None


@dataclass(frozen=True, slots=True)
class TariffState:
    """The tariff that counts now, 1 to 4 as coded; ``single``: the meter works with one tariff only."""

    tariff: int
    single: bool

    def to_bytes(self) -> bytes:
        return bytes((0, self.tariff - 1 << 1 | self.single))


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


def encode_status(codes: Iterable[int]) -> bytes:
    """What :func:`status_codes` reads."""
    raised = set(codes)
    return bytes(sum(1 << bit for bit in range(8) if first + bit in raised) for first in _WORD_ORDER)
