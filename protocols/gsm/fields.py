"""Fields that short messages share: addresses and time stamps in semi-octets (3GPP TS 23.040, clause 9.1.2)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from protocols.errors import BadFrame
from protocols.gsm.alphabet import pack, septets, text_of, unpack

DIGITS = "0123456789*#abc"
"""Semi-octets of an address (clause 9.1.2.3); Fh fills the last octet."""

NUMBER = re.compile(r"\+?[0-9*#]{1,20}")
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of address: kind of number and the telephone numbering plan (9.1.2.5)
ALPHANUMERIC = 0b101
ZONE_MINUTES = 15


@dataclass
class Octets:
    """A frame that is read from left to right; BadFrame where it ends too early."""

    data: bytes
    place: int = 0

    def take(self, count: int, what: str) -> bytes:
        piece = self.data[self.place : self.place + count]
        if len(piece) < count:
            raise BadFrame(f"short message ends in its {what}: {self.data.hex(' ')}")
        self.place += count
        return piece

    def octet(self, what: str) -> int:
        return self.take(1, what)[0]

    @property
    def rest(self) -> bytes:
        return self.data[self.place :]


def number_of(text: str) -> str:
    """A telephone number as it is sent: without the blanks, brackets and dashes of a printed one. ValueError if it is
    none: a leading ``+`` for the international form, else 1 to 20 digits, ``*`` and ``#``."""
    number = re.sub(r"[ \u00a0()-]", "", text)
    if not NUMBER.fullmatch(number):
        raise ValueError(f"telephone number: found {text!r}, expected digits, with + in front if international")
    return number


def semi_octets(digits: str) -> bytes:
    """Two digits an octet, the first one in the lower half."""
    codes = [DIGITS.index(digit) for digit in digits]
    codes += [0xF] * (len(codes) % 2)
    return bytes(high << 4 | low for low, high in zip(codes[::2], codes[1::2], strict=True))


def address(number: str) -> bytes:
    """Address field: digits, type, value (clause 9.1.2.5). ValueError for what is not a number."""
    kind, digits = _kind(number_of(number))
    return bytes([len(digits), kind]) + semi_octets(digits)


def service_centre(number: str | None) -> bytes:
    """The centre's address in front of a PDU (27.005, clause 3.1; 24.011, clause 8.2.5.1: its length is in octets).
    None: the one that the SIM has."""
    if number is None:
        return b"\0"
    kind, digits = _kind(number_of(number))
    value = semi_octets(digits)
    return bytes([1 + len(value), kind]) + value


def _kind(number: str) -> tuple[int, str]:
    return (INTERNATIONAL, number[1:]) if number.startswith("+") else (UNKNOWN, number)


def sender(name: str) -> bytes:
    """Address field of a number, or of a name in the 7 bit alphabet. ValueError for a name that it cannot write."""
    if NUMBER.fullmatch(name):
        return address(name)
    codes = septets(name)
    if codes is None:
        raise ValueError(f"sender: found {name!r}, expected characters of the 7 bit alphabet")
    value = b"".join(codes)
    return bytes([(7 * len(value) + 3) // 4, 0x80 | ALPHANUMERIC << 4]) + pack(value)


def take_address(octets: Octets) -> str:
    """An address field: ``+`` and digits, digits, or an alphanumeric sender's name."""
    count = octets.octet("address")
    kind = octets.octet("address")
    value = octets.take((count + 1) // 2, "address")
    if kind >> 4 & 0b111 == ALPHANUMERIC:
        return text_of(unpack(value, count * 4 // 7))
    return _digits(kind, value, count)


def take_service_centre(octets: Octets) -> str | None:
    count = octets.octet("service centre")
    if count == 0:
        return None
    kind = octets.octet("service centre")
    value = octets.take(count - 1, "service centre")
    filled = bool(value) and value[-1] >> 4 == 0xF
    return _digits(kind, value, 2 * len(value) - filled)


def _digits(kind: int, value: bytes, count: int) -> str:
    codes = [half for octet in value for half in (octet & 0xF, octet >> 4)][:count]
    if 0xF in codes:
        raise BadFrame(f"address with a filler among its digits: {value.hex(' ')}")
    digits = "".join(DIGITS[code] for code in codes)
    return f"+{digits}" if kind == INTERNATIONAL else digits


def take_stamp(octets: Octets) -> datetime | None:
    """The service centre's time with its zone (clause 9.2.3.11); None where the seven octets are not a time of the
    calendar: some centres leave them empty, and the message is none the worse for it."""
    data = octets.take(7, "time stamp")
    year, month, day, hour, minute, second = ((octet & 0xF) * 10 + (octet >> 4) for octet in data[:6])
    quarters = (data[6] & 0b0111) * 10 + (data[6] >> 4)
    west = bool(data[6] & 0b1000)
    decimal = all(half <= 9 for octet in data[:6] for half in (octet & 0xF, octet >> 4)) and data[6] >> 4 <= 9
    try:
        zone = timezone(timedelta(minutes=-ZONE_MINUTES * quarters if west else ZONE_MINUTES * quarters))
        # Clause 9.2.3.11 leaves the century open; a modem of ours was not there in the last one.
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone) if decimal else None
    except ValueError:
        return None


def stamp(at: datetime | None) -> bytes:
    """What :func:`take_stamp` reads, to the second and the quarter of an hour; zeros for None."""
    if at is None:
        return bytes(7)
    offset = at.utcoffset() or timedelta()
    quarters, west = abs(offset) // timedelta(minutes=ZONE_MINUTES), 0b1000 if offset < timedelta() else 0
    fields = (at.year % 100, at.month, at.day, at.hour, at.minute, at.second)
    zone = quarters % 10 << 4 | quarters // 10 | west
    return bytes(value % 10 << 4 | value // 10 for value in fields) + bytes([zone])
