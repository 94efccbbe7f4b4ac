"""Messages of IEC 62056-21:2002 §6.3, their check character and their parity; 7-bit characters throughout.

Two check rules are in use in the same place: the standard's XOR (Landis+Gyr, Iskra, EMH, Elster, Neva…) and a sum
(Energomera, Kamstrup Multical 66). Both cover everything after the first SOH or STX up to and with ETX or EOT.
"""

import re
from dataclasses import dataclass

from protocols.errors import BadFrame

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
CRLF = b"\r\n"

RULES = ("xor", "sum")

SPEEDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud characters of modes C, D and E (§6.3.2 item 13c)."""
SPEEDS_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""Baud characters of mode B: both ends change speed by themselves (§6.3.2 item 13b)."""

_ADDRESS = re.compile(r"[0-9A-Za-z .]{0,32}")
_IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([\x20-\x7e])([^\r\n/!]{0,64})\r*")
_PARITY = bytes(byte | (byte.bit_count() & 1) << 7 for byte in range(128)) + bytes(
    byte & 0x7F | ((byte & 0x7F).bit_count() & 1) << 7 for byte in range(128, 256)
)
_LOW = bytes(byte & 0x7F for byte in range(256))
_EVEN = bytes(byte for byte in range(256) if byte.bit_count() % 2 == 0)


def check_character(scope: bytes, rule: str) -> int:
    """The check character over ``scope`` (without the first SOH or STX, with ETX or EOT), 0…127.

    ``xor``: ISO 1155, §6.3.4; ``sum``: the arithmetic sum, as Energomera's meters send it.
    """
    return (_folded(scope) if rule == "xor" else sum(scope)) & 0x7F


def _folded(data: bytes) -> int:
    """All bytes joined by XOR: the halves of one long number, again and again."""
    number, size = int.from_bytes(data, "big"), len(data)
    while size > 1:
        half = size // 2
        number = number >> 8 * half ^ number & (1 << 8 * half) - 1
        size -= half
    return number


def rules_kept(frame: bytes) -> tuple[str, ...]:
    """Which rules a frame (SOH or STX … ETX or EOT, check character) keeps: none, one or, by chance, both."""
    return tuple(rule for rule in RULES if frame[-1] & 0x7F == check_character(frame[1:-1], rule))


def sealed(body: bytes, rule: str) -> bytes:
    """``body`` begins with SOH or STX and ends with ETX or EOT; its check character is put behind."""
    return body + bytes([check_character(body[1:], rule)])


def with_parity(data: bytes) -> bytes:
    """7-bit characters with even parity in bit 7: what a 7E1 line carries, seen through an 8N1 port."""
    return data.translate(_PARITY)


def without_parity(data: bytes) -> tuple[bytes, bool]:
    """The characters with bit 7 cleared, and whether every one of them had even parity."""
    return data.translate(_LOW), not data.translate(None, _EVEN)


def low7(data: bytes) -> bytes:
    """Bit 7 cleared: a 7E1 port delivers nothing else, a pseudo-terminal may."""
    return data.translate(_LOW)


def address_of(text: str) -> str:
    """A device address as it goes on the wire, at most 32 characters 0-9 A-Z a-z, space (§6.3.2 item 22) and the point
    of Energomera's factory text. Empty is the general call. ValueError says what may stand there."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(
            f"found {text!r}, expected at most 32 letters, digits, spaces or points, or nothing (every meter answers)"
        )
    return text


def request(address: str = "") -> bytes:
    """``/?address!``: opens every dialogue but mode D's (§6.3.1)."""
    return b"/?" + address.encode("ascii") + b"!" + CRLF


def option(protocol: str, speed: str, mode: str) -> bytes:
    """``ACK V Z Y``: acknowledges the identification and chooses speed and mode (§6.3.3)."""
    return bytes([ACK]) + f"{protocol}{speed}{mode}".encode("ascii") + CRLF


def command(kind: str, data: bytes, rule: str) -> bytes:
    """``SOH kind STX data ETX check``, e.g. kind ``R1``, data ``1.8.0()`` (§6.3.7). No STX where data is empty."""
    body = b"\x02" + data if data else b""
    return sealed(b"\x01" + kind.encode("ascii") + body + b"\x03", rule)


def answer(data: bytes, rule: str, last: bool = True) -> bytes:
    """``STX data ETX check``; EOT in place of ETX where more blocks follow (§6.3.5, §6.3.9)."""
    return sealed(b"\x02" + data + (b"\x03" if last else b"\x04"), rule)


def readout(lines: bytes, rule: str) -> bytes:
    """``STX lines ! CR LF ETX check``: the data message of a readout; each line with its CR LF (§6.3.5)."""
    return answer(lines + b"!" + CRLF, rule)


@dataclass(frozen=True, slots=True)
class Identification:
    """What a meter says of itself at the sign-on (§6.3.2): FLAG letters of the maker, baud character, the rest."""

    maker: str  # three letters, as sent; a small third one: reacts within 20 ms
    baud: str  # the character Z
    text: str  # model and firmware, escape pairs ``\\W`` removed
    escapes: str = ""  # the characters W: "2" HDLC available (mode E), "@" VDEW commands R5, R6, W5

    @property
    def mode(self) -> str:
        """``A``, ``B``, ``C`` or ``E`` (which is C for a reader without HDLC); §6.3.2 item 13."""
        if self.baud in SPEEDS:
            return "E" if "2" in self.escapes else "C"
        return "B" if self.baud in SPEEDS_B else "A"

    @property
    def speed(self) -> int | None:
        """bit/s that the meter offers; None in mode A."""
        return SPEEDS.get(self.baud) or SPEEDS_B.get(self.baud)

    @property
    def reaction(self) -> float:
        """Seconds that both ends leave at least between a message and its answer (t_r, §6.3.2 item 12, §6.4.1)."""
        return 0.02 if self.maker[2:].islower() else 0.2

    def __str__(self) -> str:
        return f"/{self.maker}{self.baud}{''.join(chr(92) + w for w in self.escapes)}{self.text}"

    def to_bytes(self) -> bytes:
        """The line that :func:`identification` reads."""
        return str(self).encode("ascii") + CRLF


def identification(line: bytes) -> Identification | None:
    """The identification in a line that LF ended, whatever noise stands before its ``/``; None: there is none.

    Control characters inside it are tolerated (an escape pair is seen as byte 02 behind some converters). An echo of
    our own request (``/?…``) is none.
    """
    found = _IDENTIFICATION.search(line.rstrip(b"\n"))
    if found is None:
        return None
    maker, baud, rest = found[1].decode(), found[2].decode(), found[3].decode("ascii", "replace").rstrip("\r\n")
    escapes = re.findall(r"\\(.)", rest)
    text = re.sub(r"\\.", "", rest)
    return Identification(maker, baud, text, "".join(escapes))


def hex_of(data: bytes, limit: int = 48) -> str:
    """Bytes for an error message: hex, the middle left out where they are many."""
    if len(data) <= limit:
        return data.hex(" ")
    half = limit // 2
    return f"{data[:half].hex(' ')} … {data[-half:].hex(' ')} ({len(data)} bytes)"


def broken(words: str, data: bytes, kind: type[BadFrame] = BadFrame) -> BadFrame:
    """A BadFrame with the bytes in hex."""
    return kind(f"{words}: {hex_of(data)}")
