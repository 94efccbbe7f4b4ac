"""The GSM 7 bit default alphabet and its packing (3GPP TS 23.038, clauses 6.1.2 and 6.2.1)."""

from collections.abc import Iterator, Sequence

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Clause 6.2.1, by code; 1Bh is the escape to the extension table."""

EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|"} | {
    0x65: "€"
}
"""Clause 6.2.1.1."""

ESCAPE = 0x1B
CODES: dict[str, bytes] = {
    **{sign: bytes([code]) for code, sign in enumerate(BASIC) if code != ESCAPE},
    **{sign: bytes([ESCAPE, code]) for code, sign in EXTENSION.items()},
}


def septets(text: str) -> list[bytes] | None:
    """One or two septets for each character; None where the alphabet lacks one (Cyrillic: UCS2 is needed)."""
    found = [CODES.get(sign) for sign in text]
    return None if None in found else [code for code in found if code is not None]


def text_of(codes: Sequence[int]) -> str:
    """The characters of these septets.

    A code that the extension table lacks is shown as the basic table has it, an escape to a further table as a space
    (clause 6.2.1.1, notes 1 and 2).
    """
    return "".join(_signs(codes))


def _signs(codes: Sequence[int]) -> Iterator[str]:
    escaped = False
    for code in codes:
        if escaped:
            escaped = False
            yield " " if code == ESCAPE else EXTENSION.get(code, BASIC[code])
        elif code == ESCAPE:
            escaped = True
        else:
            yield BASIC[code]
    if escaped:
        yield " "


def pack(codes: Sequence[int], fill: int = 0) -> bytes:
    """Septets as octets, the first one in the lowest bits, behind ``fill`` zero bits (clause 6.1.2.1.1)."""
    bits = 0
    for place, code in enumerate(codes):
        bits |= code << (7 * place)
    return (bits << fill).to_bytes((7 * len(codes) + fill + 7) // 8, "little")


def unpack(data: bytes, count: int, fill: int = 0) -> list[int]:
    """``count`` septets that begin ``fill`` bits into the octets; fewer octets than that give zeros: the caller
    compares lengths first."""
    bits = int.from_bytes(data, "little") >> fill
    return [bits >> (7 * place) & 0x7F for place in range(count)]
