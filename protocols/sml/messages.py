"""SML files as values: type-length fields (SML 1.04 §6) and the list of registers in a GetList response (§5.1.15)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.errors import BadFrame

GET_LIST_RESPONSE = 0x0701
DEPTH = 12  # lists within lists; a list of registers needs 6
OCTETS, BOOLEAN, INTEGER, UNSIGNED, LIST = 0, 4, 5, 6, 7  # types of fields

UNITS = {27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}
"""DLMS unit numbers (IEC 62056-62), as SML uses them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One register. ``code`` as ``1-0:1.8.0*255``; ``number`` exact, scaler applied, None where it is no number."""

    code: str
    unit: str | None
    number: Decimal | None
    octets: bytes | None = None


@dataclass(frozen=True, slots=True)
class Registers:
    """A GetList response: the meter's server id and its registers."""

    server: bytes
    entries: tuple[Entry, ...]


def registers(file: bytes) -> Registers:
    """The first list of registers in a file; BadFrame where there is none or a field is broken."""
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
    name, _, _, unit, scaler, value, _ = fields
    code = f"{name[0]}-{name[1]}:{name[2]}.{name[3]}.{name[4]}*{name[5]}"
    if isinstance(value, bytes):
        return Entry(code, None, None, value)
    if isinstance(value, bool) or not isinstance(value, int):
        return Entry(code, None, None)
    exponent = scaler if isinstance(scaler, int) else 0
    return Entry(code, UNITS.get(unit) if isinstance(unit, int) else None, Decimal(value).scaleb(exponent))


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
