"""xDLMS answers and unsolicited messages (IEC 62056-5-3): bytes ↔ dataclasses. Requests: ``apdu.py``."""

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.dlms import axdr, words
from protocols.dlms.apdu import (
    ACTION_ANSWER,
    EXCEPTION,
    GET_ANSWER,
    NOTIFICATION,
    SERVICE_ERROR,
    SET_ANSWER,
    block_at,
    block_octets,
)
from protocols.errors import BadFrame

STAMP = 12  # octets of a date-time


@dataclass(frozen=True, slots=True)
class GetAnswer:
    """One value as A-XDR octets, or the data-access-result that came instead."""

    invoke: int
    data: bytes
    error: int = 0

    def to_bytes(self) -> bytes:
        return bytes((GET_ANSWER, 1, self.invoke)) + (bytes((1, self.error)) if self.error else b"\0" + self.data)


@dataclass(frozen=True, slots=True)
class GetBlock:
    """A piece of a long answer. The pieces of all blocks together are the value."""

    invoke: int
    last: bool
    number: int
    piece: bytes
    error: int = 0

    def to_bytes(self) -> bytes:
        head = bytes((GET_ANSWER, 2, self.invoke, self.last)) + self.number.to_bytes(4, "big")
        if self.error:
            return head + bytes((1, self.error))
        return head + b"\0" + axdr.size(len(self.piece)) + self.piece


@dataclass(frozen=True, slots=True)
class GetListAnswer:
    """``items``: count, then for each attribute 00 and its value, or 01 and a data-access-result."""

    invoke: int
    items: bytes

    def to_bytes(self) -> bytes:
        return bytes((GET_ANSWER, 3, self.invoke)) + self.items


@dataclass(frozen=True, slots=True)
class SetAnswer:
    """``block``: which block of a long value is acknowledged, None for a plain SET. ``last``: the whole is done."""

    invoke: int
    error: int = 0
    block: int | None = None
    last: bool = True

    def to_bytes(self) -> bytes:
        if self.block is None:
            return bytes((SET_ANSWER, 1, self.invoke, self.error))
        number = self.block.to_bytes(4, "big")
        if not self.last:
            return bytes((SET_ANSWER, 2, self.invoke)) + number
        return bytes((SET_ANSWER, 3, self.invoke, self.error)) + number


@dataclass(frozen=True, slots=True)
class ActionAnswer:
    """``error`` is the action's result; ``data`` what it returned, None if nothing; ``data_error`` for that part."""

    invoke: int
    error: int = 0
    data: bytes | None = None
    data_error: int = 0

    def to_bytes(self) -> bytes:
        head = bytes((ACTION_ANSWER, 1, self.invoke, self.error))
        if self.data_error:
            return head + bytes((1, 1, self.data_error))
        return head + (b"\0" if self.data is None else b"\1\0" + self.data)


@dataclass(frozen=True, slots=True)
class ActionPiece:
    """A piece of what a method returns. The pieces of all blocks together are the value."""

    invoke: int
    last: bool
    number: int
    piece: bytes

    def to_bytes(self) -> bytes:
        return bytes((ACTION_ANSWER, 2, self.invoke)) + block_octets(self.last, self.number, self.piece)


@dataclass(frozen=True, slots=True)
class ActionMore:
    """Block number ``block`` of long parameters has come, the next one is wanted."""

    invoke: int
    block: int

    def to_bytes(self) -> bytes:
        return bytes((ACTION_ANSWER, 4, self.invoke)) + self.block.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class ExceptionAnswer:
    """``counter``: the frame counter that the meter expects, where it says so (service 6)."""

    state: int
    service: int
    counter: int | None = None

    def to_bytes(self) -> bytes:
        tail = b"" if self.counter is None else self.counter.to_bytes(4, "big")
        return bytes((EXCEPTION, self.state, self.service)) + tail


@dataclass(frozen=True, slots=True)
class ServiceError:
    service: int
    kind: int
    value: int

    def to_bytes(self) -> bytes:
        return bytes((SERVICE_ERROR, self.service, self.kind, self.value))


@dataclass(frozen=True, slots=True)
class Notification:
    """A pushed message. ``stamp`` is empty or a 12-octet date-time; ``data`` A-XDR."""

    number: int
    stamp: bytes
    data: bytes

    def to_bytes(self) -> bytes:
        stamp = axdr.size(len(self.stamp)) + self.stamp
        return bytes((NOTIFICATION,)) + self.number.to_bytes(4, "big") + stamp + self.data


Answer = (
    GetAnswer
    | GetBlock
    | GetListAnswer
    | SetAnswer
    | ActionAnswer
    | ActionPiece
    | ActionMore
    | ExceptionAnswer
    | ServiceError
    | Notification
)


def parse_answer(apdu: bytes) -> Answer:
    """What a meter says, in the clear; BadFrame on any other bytes."""
    if len(apdu) < 4:
        if len(apdu) == 3 and apdu[0] == EXCEPTION:
            return ExceptionAnswer(apdu[1], apdu[2])
        raise BadFrame(f"APDU of {len(apdu)} octets: {apdu.hex(' ')}")
    tag = apdu[0]
    if tag == GET_ANSWER:
        return _get(apdu)
    if tag == SET_ANSWER:
        return _set(apdu)
    if tag == ACTION_ANSWER:
        return _action(apdu)
    if tag == EXCEPTION and len(apdu) == 7 and apdu[2] == words.COUNTER_ERROR:
        return ExceptionAnswer(apdu[1], apdu[2], int.from_bytes(apdu[3:], "big"))
    if tag == SERVICE_ERROR and len(apdu) == 4:
        return ServiceError(apdu[1], apdu[2], apdu[3])
    if tag == NOTIFICATION:
        stamp, at = stamp_of(apdu)
        _ends(apdu, axdr.decode_at(apdu, at)[1])
        return Notification(int.from_bytes(apdu[1:5], "big"), stamp, apdu[at:])
    raise BadFrame(f"no answer that is known here: {apdu[:32].hex(' ')}")


def stamp_of(apdu: bytes) -> tuple[bytes, int]:
    """The date-time of a notification, which may be empty, and where its data begin; BadFrame for another length."""
    # Kaifa's ports put the tag of an octet string before the length (customer ports of Norway).
    tagged = apdu[5:7] == bytes((axdr.OCTETS, STAMP))
    stamp, at = axdr.octets_at(apdu, 6 if tagged else 5)
    if len(stamp) not in (0, STAMP):
        raise BadFrame(f"notification with a date-time of {len(stamp)} octets")
    return stamp, at


def _get(apdu: bytes) -> Answer:
    kind, invoke = apdu[1], apdu[2]
    if kind == 1 and apdu[3] == 0 and len(apdu) > 4:
        return GetAnswer(invoke, apdu[4:])
    if kind == 1 and apdu[3] == 1 and len(apdu) == 5 and apdu[4]:
        return GetAnswer(invoke, b"", apdu[4])
    if kind == 2 and len(apdu) >= 10 and apdu[3] <= 1:
        last, number = bool(apdu[3]), int.from_bytes(apdu[4:8], "big")
        if apdu[8] == 1 and len(apdu) == 10 and apdu[9]:
            return GetBlock(invoke, last, number, b"", apdu[9])
        if apdu[8] == 0:
            piece, end = axdr.octets_at(apdu, 9)
            _ends(apdu, end)
            return GetBlock(invoke, last, number, piece)
    if kind == 3:
        return GetListAnswer(invoke, apdu[3:])
    raise BadFrame(f"GET answer: {apdu[:32].hex(' ')}")


def _set(apdu: bytes) -> SetAnswer:
    kind, invoke = apdu[1], apdu[2]
    if kind == 1 and len(apdu) == 4:
        return SetAnswer(invoke, apdu[3])
    if kind == 2 and len(apdu) == 7:
        return SetAnswer(invoke, 0, int.from_bytes(apdu[3:], "big"), False)
    if kind == 3 and len(apdu) == 8:
        return SetAnswer(invoke, apdu[3], int.from_bytes(apdu[4:], "big"))
    raise BadFrame(f"SET answer: {apdu[:32].hex(' ')}")


def _action(apdu: bytes) -> Answer:
    kind, invoke, error, tail = apdu[1], apdu[2], apdu[3], apdu[4:]
    if kind == 2:
        return ActionPiece(invoke, *block_at(apdu, 3))
    if kind == 4 and len(apdu) == 7:
        return ActionMore(invoke, int.from_bytes(apdu[3:], "big"))
    if kind == 1 and tail[:1] in (b"", b"\0") and len(tail) <= 1:  # some meters leave the 00 out
        return ActionAnswer(invoke, error)
    if kind == 1 and tail[:2] == b"\1\0" and len(tail) > 2:
        _ends(tail, axdr.decode_at(tail, 2)[1])
        return ActionAnswer(invoke, error, tail[2:])
    if kind == 1 and tail[:2] == b"\1\1" and len(tail) == 3:
        return ActionAnswer(invoke, error, None, tail[2])
    raise BadFrame(f"ACTION answer: {apdu[:32].hex(' ')}")


def list_items(items: bytes) -> list[bytes | int]:
    """The items of a GET-with-list answer: A-XDR octets, or the data-access-result (int) that stands instead."""
    count, at = axdr.length_at(items, 0)
    if count > len(items) - at:
        raise BadFrame(f"list of {count} results in {len(items) - at} octets")
    found: list[bytes | int] = []
    for _ in range(count):
        choice = items[at : at + 2]
        if len(choice) == 2 and choice[0] == 1:
            found.append(choice[1])
            at += 2
        elif len(choice) == 2 and choice[0] == 0:
            _, end = axdr.decode_at(items, at + 1)
            found.append(items[at + 1 : end])
            at = end
        else:
            raise BadFrame(f"GET list result: {items[at : at + 16].hex(' ')}")
    _ends(items, at)
    return found


def encode_items(items: Sequence[bytes | int]) -> bytes:
    """What :func:`list_items` reads."""
    each = (bytes((1, item)) if isinstance(item, int) else b"\0" + item for item in items)
    return axdr.size(len(items)) + b"".join(each)


def _ends(data: bytes, end: int) -> None:
    if end != len(data):
        raise BadFrame(f"{len(data) - end} octets behind the answer")
