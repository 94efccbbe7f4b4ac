"""SML transport protocol version 1: escape sequences around a file, CRC-16/X.25 at its end (SML 1.04 §8)."""

from collections.abc import Callable, Mapping

from protocols.checksums import crc16_kermit, crc16_x25
from protocols.errors import BadFrame, WrongCheck

ESCAPE = b"\x1b\x1b\x1b\x1b"
START = ESCAPE + b"\x01\x01\x01\x01"
END = 0x1A
LARGEST = 16384  # octets; pushed files take 200 to 700


CHECKS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc": lambda covered: crc16_x25(covered).to_bytes(2, "little"),
    "kermit": lambda covered: crc16_kermit(covered).to_bytes(2, "big"),
}
"""The sum at a file's end as it is sent, by the word for it."""


def wrap(file: bytes) -> bytes:
    """A file as it is sent: what :func:`cut` takes out of a stream."""
    body = START + file.replace(ESCAPE, ESCAPE + ESCAPE)
    padding = -len(body) % 4
    head = body + bytes(padding) + ESCAPE + bytes((END, padding))
    return head + crc16_x25(head).to_bytes(2, "little")


def cut(buffer: bytearray, check: str = "crc") -> bytes | None:
    """The first file in a stream, unescaped, without its frame and padding, and taken out; None: not whole yet.

    ``check``: crc, the standard's X.25; kermit, what the first Holley DTZ541 send; none takes any. BadFrame: it is
    damaged, and taken out (up to the next start)."""
    start = buffer.find(START)
    if start < 0:
        del buffer[: max(0, len(buffer) - len(START) + 1)]
        return None
    del buffer[:start]
    data = bytearray()
    place = len(START)
    while True:
        found = buffer.find(ESCAPE, place)
        if found < 0 or found + 8 > len(buffer):
            if len(buffer) <= LARGEST:
                return None
            raise _damaged(buffer, len(START), "no end within 16 KiB")
        data += buffer[place:found]
        following = buffer[found + 4 : found + 8]
        if following == ESCAPE:
            data += ESCAPE
            place = found + 8
        elif following[0] == 0x1B:  # the escape begins one octet later, this one is data
            data.append(0x1B)
            place = found + 1
        elif following[0] == END:
            return _closed(buffer, found, data, check)
        else:
            raise _damaged(buffer, found if following == START[4:] else found + 4, "an escape sequence out of place")


def _closed(buffer: bytearray, found: int, data: bytearray, check: str) -> bytes:
    frame = bytes(buffer[: found + 8])
    padding = frame[-3]
    sums = CHECKS.get(check)
    if padding > 3:
        raise _damaged(buffer, found + 8, "wrong padding")
    if sums is not None and frame[-2:] != sums(frame[:-2]):
        kermit = frame[-2:] == CHECKS["kermit"](frame[:-2])
        words = 'its check sum is CRC-16/KERMIT: check = "kermit" takes it' if kermit else "wrong CRC"
        raise _damaged(buffer, found + 8, words)
    del buffer[: found + 8]
    return bytes(data[: len(data) - padding])


def _damaged(buffer: bytearray, size: int, words: str) -> BadFrame:
    """The error, the damaged octets taken out of the buffer."""
    head = bytes(buffer[: min(size, 24)]).hex(" ")
    del buffer[:size]
    return WrongCheck(f"SML: {words}: {head} … ({size} bytes)")
