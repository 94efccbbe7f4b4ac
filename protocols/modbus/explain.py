"""Modbus frames as text, for a technician who has a hex dump."""

import struct
from collections.abc import Iterator

from protocols.checksums import crc16_modbus
from protocols.errors import BadFrame
from protocols.modbus.wire import EXCEPTIONS, identification, identification_size

NAMES = {1: "coils", 2: "discrete inputs", 3: "holding registers", 4: "input registers"}
OBJECTS = ("maker", "product", "revision", "address", "product name", "model", "application")


def explain(data: bytes, answer_to: bytes | None = None) -> list[str]:
    """One line a finding; never raises, on any bytes. ``answer_to`` is the request that these bytes answer.

    RTU frames are told by their CRC, Modbus TCP ones by their header. What is neither is said to be so, with the CRC
    that the bytes would need. Without the request an answer's registers are numbered from 0.
    """
    if answer_to is not None:
        return ["request:", *_indented(_frames(answer_to, "request", None)), "answer:", *_indented(
            _frames(data, "answer", _asked(answer_to)))]  # fmt: skip
    return list(_frames(data, "either", None))


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _frames(data: bytes, side: str, asked: tuple[int, int] | None) -> Iterator[str]:
    if not data:
        yield "no octets"
        return
    while data:
        size, tcp = _size(data)
        if not size:
            yield from _unknown(data)
            return
        frame, data = data[:size], data[size:]
        if tcp:
            number = int.from_bytes(frame[:2], "big")
            yield f"Modbus TCP, transaction {number}, unit {frame[6]}"
            yield from _pdu(frame[7:], side, asked)
        else:
            yield f"Modbus RTU, unit {frame[0]}, CRC {frame[-2:].hex(' ')} is right"
            yield from _pdu(frame[1:-2], side, asked)


def _size(data: bytes) -> tuple[int, bool]:
    """Octets of the sound frame at the beginning (0: none) and whether it is Modbus TCP."""
    for size in range(4, min(len(data), 256) + 1):
        if crc16_modbus(data[:size]) == 0 and (size > 4 or size == len(data)):
            return size, False
    if len(data) >= 8 and data[2:4] == b"\0\0":
        size = 6 + int.from_bytes(data[4:6], "big")
        if 8 <= size <= len(data):
            return size, True
    return 0, False


def _unknown(data: bytes) -> Iterator[str]:
    yield f"no Modbus frame: {data.hex(' ')}"
    if len(data) >= 4:
        right = crc16_modbus(data[:-2]).to_bytes(2, "little")
        yield f"as RTU the CRC would be {right.hex(' ')}, {data[-2:].hex(' ')} is there"


def _asked(request: bytes) -> tuple[int, int] | None:
    """(function, first register) of a request that reads registers."""
    size, tcp = _size(request)
    pdu = request[7:size] if tcp else request[1 : size - 2]
    return (pdu[0], int.from_bytes(pdu[1:3], "big")) if len(pdu) == 5 and pdu[0] in NAMES else None


def _pdu(pdu: bytes, side: str, asked: tuple[int, int] | None) -> Iterator[str]:
    code = pdu[0]
    if code & 0x80 and len(pdu) == 2:
        yield f"exception {pdu[1]} to function {code & 0x7F}: {EXCEPTIONS.get(pdu[1], 'not in the standard')}"
    elif code in (3, 4) and side != "request" and len(pdu) >= 2 and len(pdu) == 2 + pdu[1]:
        yield f"answer of function {code}: {pdu[1]} octets"
        if asked and asked[0] != code:
            yield f"the request had function {asked[0]}: this answers another question"
            asked = None
        yield from _registers(pdu[2:], asked[1] if asked else None)
    elif code in NAMES and side != "answer" and len(pdu) == 5:
        address, count = struct.unpack(">HH", pdu[1:])
        yield f"read {count} {NAMES[code]} from {address} (0x{address:04X}), function {code}"
    elif code == 43 and len(pdu) == 4 and side != "answer":
        yield f"read device identification, from object {pdu[3]}"
    elif code == 43 and identification_size(pdu) == len(pdu):
        yield from _identification(pdu)
    else:
        yield f"function {code}, data {pdu[1:].hex(' ') or 'none'}"


def _registers(octets: bytes, first: int | None) -> Iterator[str]:
    for at in range(0, len(octets) - 1, 2):
        number = (first or 0) + at // 2
        place = f"0x{number:04X}" if first is not None else f"+{number}"
        words = [f"{place}: {octets[at : at + 2].hex()}", f"u16 {int.from_bytes(octets[at : at + 2], 'big')}"]
        if len(octets) >= at + 4:
            pair = octets[at : at + 4]
            words.append(f"u32 {int.from_bytes(pair, 'big')}")
            words.append(f"f32 {struct.unpack('>f', pair)[0]:.7g}")
        yield "  ".join(words)


def _identification(pdu: bytes) -> Iterator[str]:
    try:
        found = identification(pdu)
    except BadFrame as wrong:
        yield str(wrong)
        return
    for number, text in found.objects.items():
        name = OBJECTS[number] if number < len(OBJECTS) else f"object {number}"
        yield f"{name}: {text.decode('ascii', 'replace')}"
