"""General block transfer (IEC 62056-5-3, clause 7.3.13): any APDU in numbered blocks, each an APDU of its own."""

from dataclasses import dataclass

from protocols.dlms import axdr
from protocols.errors import BadFrame

GENERAL_BLOCK = 0xE0
LAST = 0x80


@dataclass(frozen=True, slots=True)
class Block:
    """``number`` from 1 on; ``octets``: a piece of the APDU."""

    number: int
    last: bool
    octets: bytes

    @classmethod
    def from_bytes(cls, apdu: bytes) -> "Block":
        """Tag, control (last, streaming, window), number, acknowledged number, octets; BadFrame on any other bytes."""
        if len(apdu) < 7 or apdu[0] != GENERAL_BLOCK:
            raise BadFrame(f"no block of a general block transfer: {apdu[:16].hex(' ')}")
        octets, end = axdr.octets_at(apdu, 6)
        if end != len(apdu):
            raise BadFrame(f"{len(apdu) - end} octets behind the block")
        return cls(int.from_bytes(apdu[2:4], "big"), bool(apdu[1] & LAST), octets)
