"""A-XDR, the coding of COSEM data (IEC 61334-6; types as in IEC 62056-5-3 and -6-2): bytes ↔ plain Python values.

| type | Python value |
| --- | --- |
| null-data, don't-care, a float that is not a number | None |
| array, compact-array | list |
| structure | tuple |
| boolean | bool |
| bit-string | Bits |
| integers, enum, bcd | int |
| octet-string, date-time, date, time | bytes |
| visible-string, utf8-string | str |
| float32, float64 | Decimal: the shortest decimal that rounds to it |

Decoding raises BadFrame only, on any bytes; nesting and counts are bounded before anything is allocated.
"""

import math
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.dlms.flat import Flat, flat
from protocols.errors import BadFrame
from protocols.texts import meter_text

DEEPEST = 16  # levels of nesting; real objects use five
MOST = 1 << 20  # members of one compact array, whose members may take no octets at all

NULL, ARRAY, STRUCTURE, BOOLEAN, BITS = 0x00, 0x01, 0x02, 0x03, 0x04
OCTETS, VISIBLE, UTF8, BCD, COMPACT = 0x09, 0x0A, 0x0C, 0x0D, 0x13
FLOAT32, FLOAT64, DONT_CARE = 0x17, 0x18, 0xFF
# tag: (octets, signed)
INTEGERS = {
    0x05: (4, True),
    0x06: (4, False),
    0x0F: (1, True),
    0x10: (2, True),
    0x11: (1, False),
    0x12: (2, False),
    0x14: (8, True),
    0x15: (8, False),
    0x16: (1, False),
}
FIXED = {0x19: 12, 0x1A: 5, 0x1B: 4}  # date-time, date, time: kept as octets

NAMES = {
    NULL: "null-data",
    ARRAY: "array",
    STRUCTURE: "structure",
    BOOLEAN: "boolean",
    BITS: "bit-string",
    0x05: "double-long",
    0x06: "double-long-unsigned",
    OCTETS: "octet-string",
    VISIBLE: "visible-string",
    UTF8: "utf8-string",
    BCD: "bcd",
    0x0F: "integer",
    0x10: "long",
    0x11: "unsigned",
    0x12: "long-unsigned",
    COMPACT: "compact-array",
    0x14: "long64",
    0x15: "long64-unsigned",
    0x16: "enum",
    FLOAT32: "float32",
    FLOAT64: "float64",
    0x19: "date-time",
    0x1A: "date",
    0x1B: "time",
    DONT_CARE: "don't-care",
}


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit-string as text, the first bit first: ``Bits("1010")``."""

    text: str


def decode(data: bytes) -> Any:
    """The one value that these octets are; BadFrame if they are none or more than one."""
    value, end = decode_at(data, 0)
    if end != len(data):
        raise BadFrame(f"{len(data) - end} octets behind the value: {data[end : end + 32].hex(' ')}")
    return value


def decode_at(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """The value that starts at ``at``, and where it ends."""
    if at >= len(data):
        raise BadFrame("the value ends early")
    return _body(data, at + 1, data[at], depth)


def _body(data: bytes, at: int, tag: int, depth: int) -> tuple[Any, int]:
    known = INTEGERS.get(tag)
    if known is not None:
        end = at + known[0]
        if end > len(data):
            raise BadFrame("the value ends early")
        return int.from_bytes(data[at:end], "big", signed=known[1]), end
    if tag == OCTETS:
        return octets_at(data, at)
    if tag in (ARRAY, STRUCTURE):
        return _sequence(data, at, tag, depth)
    if tag in (NULL, DONT_CARE):
        return None, at
    return _rare(data, at, tag, depth)


def _sequence(data: bytes, at: int, tag: int, depth: int) -> tuple[Any, int]:
    count, at = length_at(data, at)
    if count > len(data) - at:  # each member takes an octet at least
        raise BadFrame(f"{NAMES[tag]} of {count} members in {len(data) - at} octets")
    if depth >= DEEPEST:
        raise BadFrame(f"data nested deeper than {DEEPEST} levels")
    members: list[Any] = []
    form: Flat | None = None
    for number in range(count):
        if form is not None and (row := form.row(data, at)) is not None:
            members.append(row)
            at += form.size
            continue
        start = at
        known = INTEGERS.get(data[at]) if at < len(data) else None
        if known is not None:  # nearly every cell of a profile: not worth two calls
            end = at + 1 + known[0]
            if end > len(data):
                raise BadFrame("the value ends early")
            members.append(int.from_bytes(data[at + 1 : end], "big", signed=known[1]))
            at = end
        else:
            value, at = decode_at(data, at, depth + 1)
            members.append(value)
            if not number and tag == ARRAY and count > 2:  # further rows of a profile look like the first
                form = flat(data[start:at])
    return (members if tag == ARRAY else tuple(members)), at


def _rare(data: bytes, at: int, tag: int, depth: int) -> tuple[Any, int]:
    if tag == COMPACT:
        return _compact(data, at, depth)
    if tag in FIXED:
        return _take(data, at, FIXED[tag])
    if tag in (VISIBLE, UTF8):
        raw, end = octets_at(data, at)
        return meter_text(raw), end
    if tag == BITS:
        count, at = length_at(data, at)
        raw, end = _take(data, at, (count + 7) // 8)
        return Bits("".join(f"{octet:08b}" for octet in raw)[:count]), end
    if tag == BOOLEAN:
        raw, end = _take(data, at, 1)
        return raw != b"\0", end
    if tag in (FLOAT32, FLOAT64):
        raw, end = _take(data, at, 4 if tag == FLOAT32 else 8)
        return shortest(raw), end
    if tag == BCD:
        raw, end = _take(data, at, 1)
        if raw[0] >> 4 > 9 or raw[0] & 15 > 9:
            raise BadFrame(f"bcd {raw.hex()} has no decimal digits")
        return int(raw.hex()), end
    raise BadFrame(f"data type {tag:02x} is unknown")


def _compact(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    """IEC 62056-5-3: a type description, a length in octets, then the values without tags."""
    kind, at = _description(data, at, depth + 1)
    size, at = length_at(data, at)
    packed, end = _take(data, at, size)
    values: list[Any] = []
    at = 0
    while at < size:
        before = at
        value, at = _packed(packed, at, kind, depth + 1)
        if at == before or len(values) >= MOST:
            raise BadFrame("compact-array whose members take no octets")
        values.append(value)
    return values, end


def _description(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """A tag, ("array", count, type) or ("structure", types)."""
    if depth > DEEPEST:
        raise BadFrame(f"data nested deeper than {DEEPEST} levels")
    raw, at = _take(data, at, 1)
    if raw[0] == STRUCTURE:
        count, at = length_at(data, at)
        if count > len(data) - at:
            raise BadFrame(f"structure of {count} types in {len(data) - at} octets")
        kinds = []
        for _ in range(count):
            kind, at = _description(data, at, depth + 1)
            kinds.append(kind)
        return ("structure", kinds), at
    if raw[0] == ARRAY:
        octets, at = _take(data, at, 2)
        kind, at = _description(data, at, depth + 1)
        return ("array", int.from_bytes(octets, "big"), kind), at
    if raw[0] == COMPACT or raw[0] not in NAMES:
        raise BadFrame(f"type {raw[0]:02x} inside a compact-array")
    return raw[0], at


def _packed(data: bytes, at: int, kind: Any, depth: int) -> tuple[Any, int]:
    if isinstance(kind, int):
        return _body(data, at, kind, depth)
    if kind[0] == "structure":
        members = []
        for each in kind[1]:
            value, at = _packed(data, at, each, depth)
            members.append(value)
        return tuple(members), at
    if kind[1] > len(data) - at:
        raise BadFrame(f"array of {kind[1]} members in {len(data) - at} octets")
    items = []
    for _ in range(kind[1]):
        value, at = _packed(data, at, kind[2], depth)
        items.append(value)
    return items, at


def length_at(data: bytes, at: int) -> tuple[int, int]:
    """A length or count (below 80h one octet, else 81h…84h and that many octets), and where it ends."""
    if at >= len(data):
        raise BadFrame("the length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if not 0x81 <= first <= 0x84:
        raise BadFrame(f"length octet {first:02x}")
    raw, end = _take(data, at + 1, first - 0x80)
    return int.from_bytes(raw, "big"), end


def octets_at(data: bytes, at: int) -> tuple[bytes, int]:
    """A length and that many octets, and where they end."""
    size, at = length_at(data, at)
    return _take(data, at, size)


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise BadFrame(f"{size} octets announced, {max(0, len(data) - at)} came")
    return data[at:end], end


def shortest(raw: bytes) -> Decimal | None:
    """A big-endian binary float (4 or 8 octets) as the shortest decimal that rounds to it; None if no number."""
    code = ">f" if len(raw) == 4 else ">d"
    (value,) = struct.unpack(code, raw)
    if not math.isfinite(value):
        return None
    if len(raw) == 8:
        return Decimal(repr(value))
    for digits in range(1, 10):  # nine digits always suffice for 24 bits
        text = f"{value:.{digits}g}"
        try:
            if struct.pack(code, float(text)) == raw:
                return Decimal(text)
        except OverflowError:  # rounded up beyond the largest float32
            continue
    raise AssertionError("nine digits tell every float32")


# Encoding: each function gives the octets of one value, so that nested data is written by nesting calls.


def size(count: int) -> bytes:
    """A length or count in its shortest form."""
    if count < 0x80:
        return bytes((count,))
    octets = (count.bit_length() + 7) // 8
    return bytes((0x80 | octets,)) + count.to_bytes(octets, "big")


def null() -> bytes:
    return b"\0"


def boolean(value: bool) -> bytes:
    return b"\x03\x01" if value else b"\x03\x00"


def number(tag: int, value: int) -> bytes:
    """An integer of the type ``tag`` (a key of INTEGERS); OverflowError where it does not fit."""
    octets, signed = INTEGERS[tag]
    return bytes((tag,)) + value.to_bytes(octets, "big", signed=signed)


def integer(value: int) -> bytes:
    return number(0x0F, value)


def long(value: int) -> bytes:
    return number(0x10, value)


def long64(value: int) -> bytes:
    return number(0x14, value)


def unsigned(value: int) -> bytes:
    return number(0x11, value)


def long_unsigned(value: int) -> bytes:
    return number(0x12, value)


def double_long_unsigned(value: int) -> bytes:
    return number(0x06, value)


def long64_unsigned(value: int) -> bytes:
    return number(0x15, value)


def enum(value: int) -> bytes:
    return number(0x16, value)


def octets(value: bytes) -> bytes:
    return b"\x09" + size(len(value)) + value


def visible(value: str) -> bytes:
    return b"\x0a" + size(len(value)) + value.encode("ascii")


def utf8(value: str) -> bytes:
    raw = value.encode("utf-8")
    return b"\x0c" + size(len(raw)) + raw


def bcd(value: int) -> bytes:
    """0 to 99."""
    return bytes((BCD, value // 10 << 4 | value % 10))


def float32(value: float | Decimal) -> bytes:
    return b"\x17" + struct.pack(">f", value)


def float64(value: float | Decimal) -> bytes:
    return b"\x18" + struct.pack(">d", value)


def fixed(tag: int, value: bytes) -> bytes:
    """A date-time, date or time: ``tag`` is a key of FIXED, which says how many octets ``value`` has."""
    if len(value) != FIXED[tag]:
        raise ValueError(f"{NAMES[tag]}: found {len(value)} octets, expected {FIXED[tag]}")
    return bytes((tag,)) + value


def bits(value: Bits) -> bytes:
    padded = value.text + "0" * (-len(value.text) % 8)
    raw = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    return b"\x04" + size(len(value.text)) + raw


def array(members: list[bytes]) -> bytes:
    return b"\x01" + size(len(members)) + b"".join(members)


def compact(kind: bytes, members: list[bytes]) -> bytes:
    """``kind``: the type description, ``members`` without their tags."""
    body = b"".join(members)
    return b"\x13" + kind + size(len(body)) + body


def structure(*members: bytes) -> bytes:
    return b"\x02" + size(len(members)) + b"".join(members)
