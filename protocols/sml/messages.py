"""SML files as values: type-length fields (SML 1.04 §6) and the list of registers in a GetList response (§5.1.15)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.checksums import crc16_x25
from protocols.errors import BadFrame

OPEN_RESPONSE, CLOSE_RESPONSE, GET_LIST_RESPONSE = 0x0101, 0x0201, 0x0701
SCALERS = 12  # powers of ten either way; meters use -4 to 3
DEPTH = 12  # lists within lists; a list of registers needs 6
OCTETS, BOOLEAN, INTEGER, UNSIGNED, LIST = 0, 4, 5, 6, 7  # types of fields

UNITS = {27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}
"""DLMS unit numbers (IEC 62056-62), as SML uses them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One register. ``code`` as ``1-0:1.8.0*255``; ``number`` exact, scaler applied, None where it is not a number."""

    code: str
    unit: str | None
    number: Decimal | None
    octets: bytes | None = None
    status: int | None = None  # the status word, where the meter sends one

    def fields(self) -> bytes:
        """The seven fields of a list's entry. ValueError for a unit that SML has no number for."""
        name = encode_octets(bytes(map(int, re.split("[-:.*]", self.code))))
        if self.octets is not None:
            return encode_list([name, MISSING, MISSING, MISSING, MISSING, encode_octets(self.octets), MISSING])
        if self.number is None:
            return encode_list([name, MISSING, MISSING, MISSING, MISSING, _encoded(BOOLEAN, b"\x01"), MISSING])
        sign, digits, exponent = self.number.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{self.code}: {self.number} cannot be sent")
        count = int("".join(map(str, digits))) * (-1 if sign else 1)
        unit = MISSING if self.unit is None else encode_integer(_unit(self.unit), signed=False)
        status = MISSING if self.status is None else encode_integer(self.status, signed=False)
        return encode_list([name, status, MISSING, unit, encode_integer(exponent), encode_integer(count), MISSING])


@dataclass(frozen=True, slots=True)
class Registers:
    """A GetList response: the meter's server id and its registers."""

    server: bytes
    entries: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        """The file that :func:`registers` reads: opening, list and closing, each with its CRC (§5)."""
        server, file = encode_octets(self.server), encode_octets(b"\x01")
        opening = encode_list([MISSING, MISSING, file, server, MISSING, MISSING])
        entries = encode_list([one.fields() for one in self.entries])
        content = encode_list([MISSING, server, MISSING, MISSING, entries, MISSING, MISSING])
        bodies = ((OPEN_RESPONSE, opening), (GET_LIST_RESPONSE, content), (CLOSE_RESPONSE, encode_list([MISSING])))
        return b"".join(_message(number, tag, body) for number, (tag, body) in enumerate(bodies, 1))


def registers(file: bytes) -> Registers:
    """The first list of registers in a file; BadFrame if there is none or a field is broken."""
    place = 0
    while place < len(file):
        message, place = _field(file, place, 0)
        if not isinstance(message, list) or len(message) < 4:
            raise BadFrame(f"SML: no message: {file[:24].hex(' ')} …")
        body = message[3]
        if isinstance(body, list) and len(body) == 2 and body[0] == GET_LIST_RESPONSE:
            return _registers(body[1])
    raise BadFrame("SML: a file without a list of registers")


def _registers(content: Any) -> Registers:
    if not isinstance(content, list) or len(content) != 7 or not isinstance(content[4], list):
        raise BadFrame("SML: a list of registers of another shape")
    server = content[1] if isinstance(content[1], bytes) else b""
    return Registers(server, tuple(_entry(one) for one in content[4]))


def _entry(fields: Any) -> Entry:
    if not isinstance(fields, list) or len(fields) != 7 or not isinstance(fields[0], bytes) or len(fields[0]) != 6:
        raise BadFrame("SML: an entry of another shape")
    name, status, _, unit, scaler, value, _ = fields
    code = f"{name[0]}-{name[1]}:{name[2]}.{name[3]}.{name[4]}*{name[5]}"
    if isinstance(value, bytes):
        return Entry(code, None, None, value)
    if isinstance(value, bool) or not isinstance(value, int):
        return Entry(code, None, None)
    exponent = scaler if isinstance(scaler, int) else 0
    known = status if isinstance(status, int) and not isinstance(status, bool) else None
    return Entry(code, UNITS.get(unit) if isinstance(unit, int) else None, _scaled(value, exponent), status=known)


def _scaled(value: int, exponent: int) -> Decimal:
    """BadFrame for a scaler that no register has: SML takes any integer, an Integer8 is meant (SML 1.04 §5.1.15)."""
    if not -SCALERS <= exponent <= SCALERS:
        raise BadFrame(f"SML: a scaler of {exponent}")
    return Decimal(value).scaleb(exponent)


def _field(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    """One field and the place after it: bytes, bool, int or list; b"" is an optional field that is missing."""
    if depth > DEPTH:
        raise BadFrame("SML: lists nested too deeply")
    if place < len(data) and data[place] == 0:
        return b"", place + 1  # the mark that ends a message
    kind, length, body = _header(data, place)
    if kind == LIST:
        fields = []
        place = body
        for _ in range(length):
            one, place = _field(data, place, depth + 1)
            fields.append(one)
        return fields, place
    end = place + length
    if end < body or end > len(data):
        raise BadFrame(f"SML: a field of {length} octets does not fit: {data[place : place + 8].hex(' ')}")
    raw = data[body:end]
    if kind == OCTETS:
        return raw, end
    if kind == BOOLEAN and len(raw) == 1:
        return raw != b"\x00", end
    if kind in (INTEGER, UNSIGNED) and 1 <= len(raw) <= 8:
        return int.from_bytes(raw, "big", signed=kind == INTEGER), end
    raise BadFrame(f"SML: unknown field: {data[place : place + 8].hex(' ')}")


def _header(data: bytes, place: int) -> tuple[int, int, int]:
    """Kind, length (with the header, of a list: its elements) and the place after the header."""
    length = 0
    first = place
    while True:
        if place >= len(data) or place - first > 3:
            raise BadFrame("SML: the file ends inside a field")
        byte = data[place]
        length = length << 4 | byte & 0x0F
        place += 1
        if not byte & 0x80:
            return data[first] >> 4 & 7, length, place


# Encoding: each function gives the octets of one field, so that lists are written by nesting calls.

MISSING = b"\x01"  # an optional field that is not there


def encode_octets(data: bytes) -> bytes:
    return _encoded(OCTETS, data)


def encode_integer(value: int, signed: bool = True) -> bytes:
    """In as few octets as it takes; OverflowError beyond eight."""
    size = value.bit_length() // 8 + 1 if signed else max(1, (value.bit_length() + 7) // 8)
    return _encoded(INTEGER if signed else UNSIGNED, value.to_bytes(min(size, 8), "big", signed=signed))


def encode_list(fields: Iterable[bytes]) -> bytes:
    members = list(fields)
    return _head(LIST, len(members)) + b"".join(members)


def _encoded(kind: int, body: bytes) -> bytes:
    """A field whose length counts its own header."""
    header = 1
    while header + len(body) >= 1 << 4 * header:
        header += 1
    return _head(kind, header + len(body)) + body


def _head(kind: int, length: int) -> bytes:
    """Four bits of the length in each octet, the highest first; all but the last say that more come (§6.3)."""
    nibbles = [int(digit, 16) for digit in f"{length:x}"]
    more = [0x80] * (len(nibbles) - 1) + [0]
    kinds = [kind << 4] + [0] * (len(nibbles) - 1)
    return bytes(a | b | c for a, b, c in zip(more, kinds, nibbles, strict=True))


def _message(number: int, tag: int, body: bytes) -> bytes:
    group = abort = encode_integer(0, signed=False)
    choice = encode_list([encode_integer(tag, signed=False), body])
    fields = [encode_octets(bytes((number,))), group, abort, choice]
    covered = _head(LIST, 6) + b"".join(fields)
    crc = _encoded(UNSIGNED, crc16_x25(covered).to_bytes(2, "little"))
    return covered + crc + b"\x00"


def _unit(name: str) -> int:
    for number, unit in UNITS.items():
        if unit == name:
            return number
    raise ValueError(f"found unit {name!r}, expected one of {', '.join(UNITS.values())}")
