"""M-Bus frames around DLMS messages, as customer ports of Austrian and Swiss meters send them.

Long frames of EN 13757-2 (clause 5.5.3): ``68 L L 68 C A CI … CS 16``. With CI 00 to 1F (EN 13757-1) the source and
destination follow, then a piece of an APDU; the low four bits count the pieces, bit 4 marks the last.
"""

from dataclasses import dataclass

from protocols.errors import BadFrame

START, STOP = 0x68, 0x16
HEAD = 5  # C, A, CI, source, destination
LAST = 0x10


@dataclass(frozen=True, slots=True)
class MbusFrame:
    """``number`` of the piece from 0 on; ``octets`` of the APDU."""

    control: int
    address: int
    number: int
    last: bool
    octets: bytes


def take(data: bytes) -> tuple[MbusFrame, int]:
    """The frame at the beginning, and its length; BadFrame says at which octet it is wrong."""
    if len(data) < 4 or data[0] != START or data[3] != START or data[1] != data[2]:
        raise BadFrame(f"no M-Bus frame: {data[:8].hex(' ')}")
    size = data[1]
    end = size + 6
    if len(data) < end:
        raise BadFrame(f"M-Bus frame of {end} octets, {len(data)} are there")
    body = data[4 : 4 + size]
    if data[end - 2] != sum(body) & 0xFF or data[end - 1] != STOP:
        raise BadFrame(f"M-Bus frame: check sum {data[end - 2]:02x}, {sum(body) & 0xFF:02x} would be right")
    if size < HEAD or body[2] > 0x1F:
        raise BadFrame(
            f"M-Bus frame without a DLMS message (CI {body[2]:02x})" if size > 2 else "M-Bus frame without data"
        )
    return MbusFrame(body[0], body[1], body[2] & 0x0F, bool(body[2] & LAST), body[HEAD:]), end
