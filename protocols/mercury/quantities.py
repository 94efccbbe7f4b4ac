"""What a Mercury 23x measures at this moment: values of a quantity, from octets and back.

Sections (§) are those of «Описание системы команд», Incotex, version 05.2023. These answers come every few minutes from
every meter, so they are unpacked by :mod:`struct`, a tenth of the cost of a compiled construct.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from protocols.mercury.frames import sized

ABSENT3 = 0xFF_FFFF
LARGEST = 0x3F_FFFF  # 22 bits: the two above are directions


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


def encode_measured(kind: Quantity, values: Iterable[Decimal | None]) -> bytes:
    """What :func:`measured` reads, values rounded towards zero to the step. ValueError for one that does not fit."""
    return b"".join(_encoded(kind, value) for value in values)


def _encoded(kind: Quantity, value: Decimal | None) -> bytes:
    if value is None:
        return b"\xff" * kind.size
    count = int(abs(value) / kind.step)
    if count > (LARGEST if kind.size == 3 else 0xFFFE) or (value < 0 and not kind.sign):
        raise ValueError(f"{kind.name}: {value} {kind.unit} does not fit {kind.size} octets")
    if kind.size == 2:
        return count.to_bytes(2, "little")
    return bytes((count >> 16 | (kind.sign if value < 0 else 0), count & 0xFF, count >> 8 & 0xFF))
