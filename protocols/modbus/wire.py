"""Requests as octets, what the octets of an answer say, and answers as octets.

Requests are built by pymodbus' PDU and framer classes, once a question. Answers are checked and taken apart here:
pymodbus' framer believes the length that the frame claims and skips nothing, so a late answer of another length, or a
stray octet before the answer, ends in a wrong value or a lost one; its decoding of 20 registers also costs more than
our whole check. The tests hold both against each other. pymodbus is imported when the first request is built: a
gateway without Modbus meters need not carry it.
"""

from functools import cache
from typing import Any

from protocols.errors import BadFrame, Busy, MeterError, NoReply, Refused
from protocols.modbus.questions import DeviceIdentification, Question, ReadDeviceIdentification, ReadHolding, ReadInput

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, not done yet",
    6: "busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway: path unavailable",
    11: "gateway: the unit did not answer",
}
"""Modbus Application Protocol V1.1b3 §7; 7 is from the older Modicon guide."""

NOT_NOW = (4, 5, 6, 8, 9)  # 9 is undefined and treated as 4
SILENCE_BEHIND = (10, 11)


@cache
def _framers() -> dict[str, Any]:
    from pymodbus.framer import FramerRTU, FramerSocket
    from pymodbus.pdu import DecodePDU

    return {"rtu": FramerRTU(DecodePDU(False)), "tcp": FramerSocket(DecodePDU(False))}


def build(unit: int, question: Question, framing: str) -> bytes:
    """The request as it goes on the wire; in TCP with transaction id 0. ValueError for a count beyond 1..125 or an
    address beyond 16 bits."""
    from pymodbus.pdu.mei_message import ReadDeviceInformationRequest
    from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

    match question:
        case ReadHolding():
            pdu = ReadHoldingRegistersRequest(address=question.address, count=question.count, dev_id=unit)
        case ReadInput():
            pdu = ReadInputRegistersRequest(address=question.address, count=question.count, dev_id=unit)
        case ReadDeviceIdentification():
            pdu = ReadDeviceInformationRequest(read_code=1, object_id=question.first, dev_id=unit)
    return bytes(_framers()[framing].buildFrame(pdu))


def exception(unit: int, code: int) -> MeterError:
    """What an exception answer asks us to do. It proves that the unit (or its gateway) is alive."""
    words = f"unit {unit} answers exception {code} ({EXCEPTIONS.get(code, 'not in the standard')})"
    if code in NOT_NOW:
        return Busy(words)
    if code in SILENCE_BEHIND:
        return NoReply(words)
    return Refused(words, code)


def identification_size(pdu: bytes) -> int | None:
    """Octets of a function 43/14 answer from its function code on; None while too little has come to tell."""
    if len(pdu) < 7:
        return None
    size = 7
    for _ in range(pdu[6]):
        if len(pdu) < size + 2:
            return None
        size += 2 + pdu[size + 1]
    return size


def identification(pdu: bytes) -> DeviceIdentification:
    """The objects of a whole function 43/14 answer; BadFrame if it is another kind or its lengths do not add up."""
    if identification_size(pdu) != len(pdu) or pdu[1] != 0x0E:
        raise BadFrame(f"no device identification: {pdu.hex(' ')}")
    objects, at = {}, 7
    for _ in range(pdu[6]):
        objects[pdu[at]] = pdu[at + 2 : at + 2 + pdu[at + 1]]
        at += 2 + pdu[at + 1]
    return DeviceIdentification(objects, pdu[5] if pdu[4] == 0xFF else None)


# Answers as octets, from the function code on; rtu.seal and mbap.wrap put the frame around them.


def encode_registers(function: int, data: bytes) -> bytes:
    """The registers' octets, high octet first, as the answer to function 3 or 4."""
    return bytes((function, len(data))) + data


def encode_exception(function: int, code: int) -> bytes:
    """What :func:`exception` is told by."""
    return bytes((function | 0x80, code))


def encode_identification(found: DeviceIdentification, code: int = 1) -> bytes:
    """What :func:`identification` reads; ``code``: the kind of access that was asked for, 1 the basic objects."""
    more = (0, 0) if found.more is None else (0xFF, found.more)
    objects = b"".join(bytes((number, len(text))) + text for number, text in found.objects.items())
    return bytes((0x2B, 0x0E, code, 1, *more, len(found.objects))) + objects
