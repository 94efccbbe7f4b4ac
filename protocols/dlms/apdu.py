"""xDLMS application data units with logical names (IEC 62056-5-3; ASN.1 of the Green Book): requests ↔ bytes.

Requests are dataclasses with ``to_bytes``; ``parse_request`` is the meter's side of them. Answers: ``answers.py``.
"""

from dataclasses import dataclass

from protocols.dlms import axdr
from protocols.errors import BadFrame

GET, SET, ACTION = 0xC0, 0xC1, 0xC3
GET_ANSWER, SET_ANSWER, ACTION_ANSWER = 0xC4, 0xC5, 0xC7
EXCEPTION, NOTIFICATION, EVENT, SERVICE_ERROR = 0xD8, 0x0F, 0xC2, 0x0E
NORMAL, NEXT, LIST = 1, 2, 3  # kinds of GET
FIRST_BLOCK, BLOCK = 2, 3  # kinds of SET beside NORMAL
ACTION_NEXT, ACTION_FIRST_BLOCK, ACTION_BLOCK = 2, 4, 6  # kinds of ACTION beside NORMAL; 3 and 5 are lists
INVOKE = 0xC0  # confirmed, high priority; the low four bits number the question


def obis(text: str) -> bytes:
    """``1.0.1.8.0.255``, ``1-0:1.8.0`` or ``1-0:1.8.0*255`` as six octets; ValueError for anything else."""
    numbers = text.replace("-", ".").replace(":", ".").replace("*", ".").split(".")
    if len(numbers) == 5:
        numbers.append("255")
    try:
        code = bytes(int(number) for number in numbers)
    except ValueError:
        code = b""
    if len(code) != 6:
        raise ValueError(f"{text!r} is no OBIS code such as 1.0.1.8.0.255")
    return code


def obis_text(code: bytes) -> str:
    """Six octets as ``1-0:1.8.0``; the last group only where it is not 255."""
    a, b, c, d, e, f = code
    return f"{a}-{b}:{c}.{d}.{e}" + ("" if f == 0xFF else f"*{f}")


@dataclass(frozen=True, slots=True)
class Range:
    """Selective access 1 of a profile's buffer: rows whose clock lies from ``since`` to ``until``, both included.

    Both are 12-octet date-times; ``typed``: written as type date-time instead of octet-string, as some meters want.
    """

    since: bytes
    until: bytes
    typed: bool = False

    selector = 1

    def to_bytes(self) -> bytes:
        clock = axdr.structure(
            axdr.long_unsigned(8), axdr.octets(obis("0.0.1.0.0.255")), axdr.integer(2), axdr.long_unsigned(0)
        )
        stamps = [b"\x19" + each if self.typed else axdr.octets(each) for each in (self.since, self.until)]
        return axdr.structure(clock, *stamps, axdr.array([]))


@dataclass(frozen=True, slots=True)
class Entries:
    """Selective access 2: rows number ``first`` to ``last`` (from 1, both included, 0 = to the end)."""

    first: int
    last: int = 0

    selector = 2

    def to_bytes(self) -> bytes:
        return axdr.structure(
            axdr.double_long_unsigned(self.first),
            axdr.double_long_unsigned(self.last),
            axdr.long_unsigned(1),
            axdr.long_unsigned(0),
        )


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute (or, for an action, a method) of an object."""

    class_id: int
    code: bytes  # OBIS, six octets
    index: int
    access: Range | Entries | None = None

    def head(self) -> bytes:
        return self.class_id.to_bytes(2, "big") + self.code + bytes((self.index,))

    def to_bytes(self) -> bytes:
        if self.access is None:
            return self.head() + b"\0"
        return self.head() + bytes((1, self.access.selector)) + self.access.to_bytes()

    def __str__(self) -> str:
        return f"class {self.class_id} {obis_text(self.code)} attribute {self.index}"


@dataclass(frozen=True, slots=True)
class GetRequest:
    invoke: int
    attribute: Attribute

    def to_bytes(self) -> bytes:
        return bytes((GET, NORMAL, self.invoke)) + self.attribute.to_bytes()


@dataclass(frozen=True, slots=True)
class GetNext:
    """``block`` is the number of the block that came last, not of the wanted one."""

    invoke: int
    block: int

    def to_bytes(self) -> bytes:
        return bytes((GET, NEXT, self.invoke)) + self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class GetListRequest:
    invoke: int
    attributes: tuple[Attribute, ...]

    def to_bytes(self) -> bytes:
        items = b"".join(each.to_bytes() for each in self.attributes)
        return bytes((GET, LIST, self.invoke)) + axdr.size(len(self.attributes)) + items


@dataclass(frozen=True, slots=True)
class SetRequest:
    invoke: int
    attribute: Attribute
    data: bytes  # A-XDR

    def to_bytes(self) -> bytes:
        return bytes((SET, NORMAL, self.invoke)) + self.attribute.to_bytes() + self.data


@dataclass(frozen=True, slots=True)
class SetBlock:
    """A piece of a long value; ``attribute`` only with the first one, which has number 1."""

    invoke: int
    attribute: Attribute | None
    last: bool
    number: int
    piece: bytes

    def to_bytes(self) -> bytes:
        kind = BLOCK if self.attribute is None else FIRST_BLOCK
        head = b"" if self.attribute is None else self.attribute.to_bytes()
        return bytes((SET, kind, self.invoke)) + head + block_octets(self.last, self.number, self.piece)


@dataclass(frozen=True, slots=True)
class ActionRequest:
    invoke: int
    method: Attribute
    data: bytes | None = None  # A-XDR

    def to_bytes(self) -> bytes:
        head = bytes((ACTION, NORMAL, self.invoke)) + self.method.head()
        return head + (b"\0" if self.data is None else b"\1" + self.data)


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """A piece of long parameters; ``method`` only with the first one, which has number 1."""

    invoke: int
    method: Attribute | None
    last: bool
    number: int
    piece: bytes

    def to_bytes(self) -> bytes:
        kind = ACTION_BLOCK if self.method is None else ACTION_FIRST_BLOCK
        head = b"" if self.method is None else self.method.head()
        return bytes((ACTION, kind, self.invoke)) + head + block_octets(self.last, self.number, self.piece)


@dataclass(frozen=True, slots=True)
class ActionNext:
    """Asks for more of what a method returns; ``block`` is the number of the block that came last."""

    invoke: int
    block: int

    def to_bytes(self) -> bytes:
        return bytes((ACTION, ACTION_NEXT, self.invoke)) + self.block.to_bytes(4, "big")


Request = GetRequest | GetNext | GetListRequest | SetRequest | SetBlock | ActionRequest | ActionBlock | ActionNext


def parse_request(apdu: bytes) -> Request:
    """A GET, SET or ACTION as a meter hears it; BadFrame on any other bytes."""
    kind, invoke = apdu[:2], apdu[2] if len(apdu) > 2 else 0
    if kind == bytes((GET, NORMAL)):
        attribute, end = _attribute(apdu, 3)
        _ends(apdu, end)
        return GetRequest(invoke, attribute)
    if kind == bytes((GET, NEXT)) and len(apdu) == 7:
        return GetNext(invoke, int.from_bytes(apdu[3:], "big"))
    if kind == bytes((GET, LIST)):
        return _list(apdu, invoke)
    if kind == bytes((SET, NORMAL)):
        attribute, end = _attribute(apdu, 3)
        _ends(apdu, axdr.decode_at(apdu, end)[1])
        return SetRequest(invoke, attribute, apdu[end:])
    if kind == bytes((SET, FIRST_BLOCK)):
        attribute, end = _attribute(apdu, 3)
        return SetBlock(invoke, attribute, *block_at(apdu, end))
    if kind == bytes((SET, BLOCK)):
        return SetBlock(invoke, None, *block_at(apdu, 3))
    if apdu[:1] == bytes((ACTION,)):
        return _action(apdu, invoke)
    raise BadFrame(f"no request that is known here: {apdu[:32].hex(' ')}")


def _action(apdu: bytes, invoke: int) -> Request:
    kind = apdu[1] if len(apdu) > 1 else 0
    if kind == NORMAL:
        method, end = _head(apdu, 3)
        if len(apdu) <= end or (apdu[end] and apdu[end] != 1):
            raise BadFrame("ACTION ends early")
        if apdu[end]:
            _ends(apdu, axdr.decode_at(apdu, end + 1)[1])
            return ActionRequest(invoke, method, apdu[end + 1 :])
        _ends(apdu, end + 1)
        return ActionRequest(invoke, method)
    if kind == ACTION_NEXT and len(apdu) == 7:
        return ActionNext(invoke, int.from_bytes(apdu[3:], "big"))
    if kind == ACTION_FIRST_BLOCK:
        method, end = _head(apdu, 3)
        return ActionBlock(invoke, method, *block_at(apdu, end))
    if kind == ACTION_BLOCK:
        return ActionBlock(invoke, None, *block_at(apdu, 3))
    raise BadFrame(f"no ACTION that is known here: {apdu[:32].hex(' ')}")


def _list(apdu: bytes, invoke: int) -> GetListRequest:
    count, at = axdr.length_at(apdu, 3)
    if count * 10 > len(apdu) - at:
        raise BadFrame(f"list of {count} attributes in {len(apdu) - at} octets")
    attributes = []
    for _ in range(count):
        attribute, at = _attribute(apdu, at)
        attributes.append(attribute)
    _ends(apdu, at)
    return GetListRequest(invoke, tuple(attributes))


def _head(apdu: bytes, at: int) -> tuple[Attribute, int]:
    if len(apdu) < at + 9:
        raise BadFrame(f"descriptor ends early: {apdu[at:].hex(' ')}")
    return Attribute(int.from_bytes(apdu[at : at + 2], "big"), apdu[at + 2 : at + 8], apdu[at + 8]), at + 9


def _attribute(apdu: bytes, at: int) -> tuple[Attribute, int]:
    plain, at = _head(apdu, at)
    if len(apdu) <= at or apdu[at] > 1:
        raise BadFrame("selective access is missing")
    if not apdu[at]:
        return plain, at + 1
    if len(apdu) < at + 2:
        raise BadFrame("selective access ends early")
    value, end = axdr.decode_at(apdu, at + 2)
    match apdu[at + 1], value:
        case 1, (tuple(), bytes() as since, bytes() as until, list()) if len(since) == len(until) == 12:
            # the restricting object and the from value are tagged; which tag the stamps have is kept
            access: Range | Entries = Range(since, until, b"\x19" + since in apdu[at + 2 : end])
        case 2, (int() as first, int() as last, int(), int()):
            access = Entries(first, last)
        case selector, _:
            raise BadFrame(f"selective access {selector} with such parameters is unknown")
    return Attribute(plain.class_id, plain.code, plain.index, access), end


def block_octets(last: bool, number: int, piece: bytes) -> bytes:
    """DataBlock-SA: whether it is the last one, its number from 1, its piece."""
    return bytes((last,)) + number.to_bytes(4, "big") + axdr.size(len(piece)) + piece


def block_at(apdu: bytes, at: int) -> tuple[bool, int, bytes]:
    """What :func:`block_octets` wrote, to the end of the APDU; BadFrame where it is not whole."""
    if len(apdu) < at + 6:
        raise BadFrame("block ends early")
    piece, end = axdr.octets_at(apdu, at + 5)
    _ends(apdu, end)
    return bool(apdu[at]), int.from_bytes(apdu[at + 1 : at + 5], "big"), piece


def _ends(apdu: bytes, end: int) -> None:
    if end != len(apdu):
        raise BadFrame(f"{len(apdu) - end} octets behind the request")
