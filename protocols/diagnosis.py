"""What octets are that no session understands: which protocol they look like, their parity, their speed.

Looked at once a dialogue has failed, never on the way of a sound answer. Every look asks for a mark that noise does not
have: a check sum, a fixed run of octets, or all characters of one kind.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from protocols.checksums import crc16_modbus, crc16_x25
from protocols.errors import BadFrame, OtherProtocol, OtherText, WrongParity, WrongSpeed
from protocols.iec62056.frames import identification, low7, without_parity

FEW = 4  # octets that say nothing
LOOKED_AT = 4096  # octets
SLOW = frozenset(octet for octet in range(256) if ((octet ^ octet >> 1) & 0x7F).bit_count() <= 1)
"""Octets of at most two runs of equal bits: what a line that is much slower, or a stuck one, is read as."""
MOSTLY = 0.85

NAMES = {
    "dlms": "DLMS",
    "iec62056": "IEC 62056-21",
    "mercury": "Mercury's protocol",
    "modbus": "Modbus",
    "p1": "P1 or D0",
    "sml": "SML",
}
"""Protocols as a technician calls them, by the package that speaks them."""

_TEXT = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))
_FRAMING = frozenset((0x01, 0x02, 0x03, 0x04, 0x06, 0x15))
_TELEGRAM = re.compile(rb"/[A-Za-z]{3}[^\r\n!]*\r?\n\s*(?:\d+-\d+:)?\d+\.\d+")
_DATA = re.compile(rb"\([^()]*\)")  # of a data set, in all text protocols of meters
_ENCRYPTED = re.compile(rb"\xdb\x08.{8}(?:\x82..|\x81.|[\x11-\x7f])\x30", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Look:
    """``name`` as it stands in the message, ``speakers``: the protocols to which such octets are no strangers."""

    name: str
    speakers: frozenset[str]
    seen: Callable[[bytes], bool]
    hint: str


def _hdlc(octets: bytes) -> bool:
    at = -1
    while (at := octets.find(b"\x7e", at + 1)) >= 0 and at + 3 <= len(octets):
        size = (octets[at + 1] & 7) << 8 | octets[at + 2]
        frame = octets[at + 1 : at + 1 + size]
        whole = octets[at + 1] & 0xF0 == 0xA0 and 7 <= size == len(frame)
        if whole and crc16_x25(frame[:-2]).to_bytes(2, "little") == frame[-2:]:
            return True
    return False


def _mbus(octets: bytes) -> bool:
    at = -1
    while (at := octets.find(b"\x68", at + 1)) >= 0 and at + 6 <= len(octets):
        size = octets[at + 1]
        body, end = octets[at + 4 : at + 4 + size], octets[at + 4 + size : at + 6 + size]
        if octets[at + 2] == size and octets[at + 3] == 0x68 and end == bytes((sum(body) & 0xFF, 0x16)):
            return True
    return False


def _crc_of_modbus(octets: bytes) -> bool:
    """All of it is one sound frame, except a few octets of noise before it."""
    return any(len(octets) - start >= 6 and not crc16_modbus(octets[start:]) for start in range(3))


def _wrapper(octets: bytes) -> bool:
    return octets[:2] == b"\0\1" and len(octets) >= 8 and 0 < int.from_bytes(octets[6:8], "big") <= len(octets) - 8


LOOKS = (
    Look(
        "SML (1B 1B 1B 1B)",
        frozenset({"sml"}),
        lambda octets: b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" in octets,
        'driver = "sml" reads such meters',
    ),
    Look(
        "encrypted telegrams (DB 08)",
        frozenset(),
        lambda octets: _ENCRYPTED.search(octets) is not None,
        "the port is encrypted, no driver here deciphers it: ask the grid operator for an open port",
    ),
    Look(
        "HDLC frames (7E A0), as DLMS has them",
        frozenset({"dlms"}),
        _hdlc,
        "a driver of DLMS reads such meters, spodes the Russian ones: meterpost drivers",
    ),
    Look(
        "M-Bus frames (68 … 68)",
        frozenset(),
        _mbus,
        "the meter speaks M-Bus at this port; meterpost drivers lists what is read here",
    ),
    Look(
        "telegrams (/XXX5 …), as P1 or D0 has them",
        frozenset({"p1"}),
        lambda octets: _TELEGRAM.search(octets) is not None,
        'the meter sends by itself: driver = "p1" or "d0"',
    ),
    Look(
        "a DLMS message in the TCP wrapper (00 01)",
        frozenset({"dlms"}),
        _wrapper,
        'a driver of DLMS with the transport "wrapper" reads such meters',
    ),
    Look(
        "a frame with the CRC of Modbus (Modbus RTU, Mercury)",
        frozenset({"modbus", "mercury"}),
        _crc_of_modbus,
        "a driver of Modbus or mercury230 reads such meters",
    ),
)


def of(octets: bytes, spoken: str, asked: bytes = b"") -> BadFrame | None:
    """What these octets are for one that speaks ``spoken`` (the name of a package of protocols, ``p1``, ``sml``);
    None where nothing can be said. ``asked``: the question; where it carries parity bits the session undoes them."""
    octets = octets[:LOOKED_AT]
    if len(octets) < FEW:
        return None
    plain, even = without_parity(octets)
    for look in LOOKS:
        if spoken not in look.speakers and (look.seen(octets) or (even and look.seen(plain))):
            return OtherProtocol(f"the line talks, but not {NAMES.get(spoken, spoken)}: {look.name}", look.hint)
    return _text(octets, plain, even, spoken, bool(asked) and without_parity(asked)[1]) or _speed(octets)


def _text(octets: bytes, plain: bytes, even: bool, spoken: str, parity: bool) -> BadFrame | None:
    high = any(octet & 0x80 for octet in octets)
    if even and high and not parity and len(octets) >= 2 * FEW and _share(plain, _TEXT | _FRAMING) > MOSTLY:
        return WrongParity(f"the characters carry parity bits, as on a 7E1 line: {_shown(plain)}", "7E1")
    if high or _share(octets, _TEXT) < MOSTLY or len(set(octets)) <= FEW or _DATA.search(octets):
        return None
    found = identification(octets if octets.endswith(b"\n") else octets + b"\n") if spoken == "iec62056" else None
    if found is not None and parity:
        return WrongParity(f"a sound identification came without parity bits, as behind a converter: {found}", "7E1")
    if found is None and not octets.lstrip().startswith(b"/"):
        return OtherText(
            f"text came, as of a modem or a terminal server: {_shown(octets)}",
            "look at the converter's or modem's own settings: it must hand on the meter's octets unchanged",
        )
    return None


def _speed(octets: bytes) -> BadFrame | None:
    if _share(octets, SLOW) > MOSTLY:
        return WrongSpeed(f"octets as another speed makes them: {octets[:16].hex(' ')}")
    return None


def _share(octets: bytes, kind: frozenset[int]) -> float:
    return sum(octet in kind for octet in octets) / len(octets)


def _shown(octets: bytes) -> str:
    text = low7(octets[:48]).decode("ascii", "replace")
    return repr(" ".join(text.split()))
