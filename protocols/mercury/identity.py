"""Who a Mercury 23x says it is: serial number, date of manufacture, firmware, variant, transformer ratios.

Sections (§) are those of «Описание системы команд», Incotex, version 05.2023.
"""

import struct
from dataclasses import dataclass
from datetime import date

from protocols.errors import BadFrame
from protocols.mercury.frames import sized


@dataclass(frozen=True, slots=True)
class Serial:
    """The factory number, eight digits with leading zeros; ``made`` is None where the octets are not a date."""

    serial: str
    made: date | None

    def to_bytes(self) -> bytes:
        digits = self.serial.zfill(8)
        number = bytes(int(digits[at : at + 2]) for at in range(0, 8, 2))
        return number + (bytes((self.made.day, self.made.month, self.made.year % 100)) if self.made else bytes(3))


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


def encode_firmware(version: str) -> bytes:
    """What :func:`firmware` reads."""
    return bytes(map(int, version.split(".")))


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

    def to_bytes(self) -> bytes:
        """24 octets where ``variant`` has the two more bytes, else 16. What is not kept (checksum, code) is 0."""
        head = Serial(self.serial, self.made).to_bytes() + encode_firmware(self.firmware) + self.variant[:6]
        return head + bytes(4) + self.variant[6:8] + bytes(2) if len(self.variant) == 8 else head


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

    def to_bytes(self) -> bytes:
        return struct.pack(">HH", self.voltage, self.current)


def ratio(data: bytes) -> Ratio:
    """4 octets: Ku, Ki, high byte first (§4.4.5)."""
    return Ratio(*struct.unpack(">HH", sized(data, 4)))
