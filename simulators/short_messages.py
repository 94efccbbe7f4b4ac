"""The network's side of short messages (3GPP TS 23.040): reads what a modem is given, writes what comes in.

Written apart from :mod:`protocols.gsm.pdu`, from the same clauses and in another way (strings of bits and digits), so
that a mistake there does not meet its like here. The table of characters is shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.gsm.alphabet import BASIC, EXTENSION


class Improper(ValueError):
    """What no service centre would take."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A part that was sent. ``part``: reference, count, number; None for a message of one part."""

    centre: str
    number: str
    text: str
    part: tuple[int, int, int] | None
    report: bool
    validity: timedelta
    coding: str


def read_submit(pdu: str, length: int) -> Submitted:
    """The PDU behind ``AT+CMGS=length``. Improper unless every octet is as the standard wants it."""
    if len(pdu) % 2 or set(pdu) - set("0123456789ABCDEF"):
        raise Improper("not pairs of hexadecimal digits")
    octets = [int(pdu[place : place + 2], 16) for place in range(0, len(pdu), 2)]
    head = octets[0] + 1
    if len(octets) - head != length:
        raise Improper(f"AT+CMGS={length}, and {len(octets) - head} octets behind the service centre")
    centre = _number(pdu[2:4], pdu[4 : 2 * head], None) if head > 1 else ""
    first, body = octets[head], pdu[2 * head :]
    if first & 0b11 != 1 or first & 0b0001_1000 != 0b1_0000 or first & 0b1000_0100:
        raise Improper(f"first octet {first:08b}: no plain SMS-SUBMIT with a relative validity")
    digits = octets[head + 2]
    end = 8 + digits + digits % 2  # in digits of the body
    number = _number(body[6:8], body[8:end], digits)
    identifier, coding, validity, size = (int(body[end + place : end + place + 2] or "?", 16) for place in (0, 2, 4, 6))
    if identifier:
        raise Improper(f"protocol identifier {identifier:02X}h")
    text, part = _user_data(body[end + 8 :], coding, size, bool(first & 0x40))
    alphabet = {0x00: "gsm7", 0x08: "ucs2"}[coding]
    return Submitted(centre, number, text, part, bool(first & 0x20), _validity(validity), alphabet)


def _number(kind: str, swapped: str, digits: int | None) -> str:
    number = "".join(swapped[place + 1] + swapped[place] for place in range(0, len(swapped), 2))
    filled = number.endswith("F")
    number = number.removesuffix("F")
    if not number.isdigit() or (digits is not None and (len(number) != digits or filled != bool(digits % 2))):
        raise Improper(f"number {swapped}")
    if kind not in ("91", "81"):
        raise Improper(f"type of number {kind}")
    return "+" + number if kind == "91" else number


def _validity(code: int) -> timedelta:
    if code <= 143:
        return timedelta(minutes=5 * (code + 1))
    if code <= 167:
        return timedelta(hours=12, minutes=30 * (code - 143))
    return timedelta(days=code - 166) if code <= 196 else timedelta(weeks=code - 192)


def _user_data(data: str, coding: int, size: int, headed: bool) -> tuple[str, tuple[int, int, int] | None]:
    if len(data) > 280:
        raise Improper("more than 140 octets of user data")
    if coding not in (0x00, 0x08):
        raise Improper(f"coding {coding:02X}h")
    wanted = 2 * (-(-7 * size // 8) if coding == 0 else size)
    if len(data) != wanted:
        raise Improper(f"length {size}, and {len(data) // 2} octets of user data")
    part, skip = None, 0
    if headed:
        if data[:6] != "050003":
            raise Improper(f"header {data[:12]}: no concatenation")
        reference, count, number = (int(data[place : place + 2], 16) for place in (6, 8, 10))
        if not 1 <= number <= count or count < 2:
            raise Improper(f"part {number} of {count}")
        part, skip = (reference, count, number), 6
    if coding == 0x08:
        return bytes.fromhex(data)[skip:].decode("utf-16-be"), part
    bits = "".join(f"{octet:08b}"[::-1] for octet in bytes.fromhex(data))
    codes = [int(bits[7 * place : 7 * place + 7][::-1], 2) for place in range(size)][-(-8 * skip // 7) :]
    if "1" in bits[7 * size :]:
        raise Improper("bits behind the last character")
    return _letters(codes), part


def _letters(codes: Sequence[int]) -> str:
    text, rest = "", list(codes)
    while rest:
        code = rest.pop(0)
        if code == 0x1B:
            if not rest or rest[0] not in EXTENSION:
                raise Improper("an escape without its character")
            text += EXTENSION[rest.pop(0)]
        else:
            text += BASIC[code]
    return text


CENTRE = "07919761989901F0"  # +79168999100


def delivers(sender: str, text: str, at: datetime, reference: int = 0, size: int | None = None) -> list[bytes]:
    """What a modem gets for a text: SMS-DELIVER with the centre's address in front, in parts of ``size`` characters
    if given. A sender that is not a number goes as a name."""
    size = size or (160 if _basic(text) else 70)
    pieces = [text[place : place + size] for place in range(0, len(text), size)] or [""]
    made = []
    for number, piece in enumerate(pieces, 1):
        header = f"050003{reference:02X}{len(pieces):02X}{number:02X}" if len(pieces) > 1 else ""
        coding, length, data = _coded(piece, header)
        first = "44" if header else "04"
        made.append(bytes.fromhex(f"{CENTRE}{first}{_address(sender)}00{coding}{_stamp(at)}{length:02X}{data}"))
    return made


def status_report(reference: int, recipient: str, sent: datetime, at: datetime, status: int = 0) -> bytes:
    """SMS-STATUS-REPORT, the centre's address in front."""
    return bytes.fromhex(f"{CENTRE}06{reference:02X}{_address(recipient)}{_stamp(sent)}{_stamp(at)}{status:02X}")


def _basic(text: str) -> bool:
    return all(sign in BASIC and sign != "\x1b" for sign in text)


def _coded(text: str, header: str) -> tuple[str, int, str]:
    """Coding, TP-UDL and user data in digits."""
    if not _basic(text):
        data = header + text.encode("utf-16-be").hex().upper()
        return "08", len(data) // 2, data
    blank = -(-4 * len(header) // 7)  # characters that the header stands in for
    bits = "0" * (7 * blank) + "".join(f"{BASIC.index(sign):07b}"[::-1] for sign in text)
    packed = _octets(bits)
    return "00", blank + len(text), header + packed[len(header) :]


def _octets(bits: str) -> str:
    """Bits, the lowest first, as octets in digits."""
    padded = bits + "0" * (-len(bits) % 8)
    return "".join(f"{int(padded[place : place + 8][::-1], 2):02X}" for place in range(0, len(padded), 8))


def _address(number: str) -> str:
    digits = number.removeprefix("+")
    if digits.isdigit():
        return f"{len(digits):02X}{'91' if number[0] == '+' else '81'}{_swapped(digits)}"
    packed = _octets("".join(f"{BASIC.index(sign):07b}"[::-1] for sign in number))
    return f"{-(-7 * len(number) // 4):02X}D0{packed}"


def _swapped(digits: str) -> str:
    even = digits + "F" * (len(digits) % 2)
    return "".join(even[place + 1] + even[place] for place in range(0, len(even), 2))


def _stamp(moment: datetime) -> str:
    offset = moment.utcoffset() or timedelta()
    quarters = abs(offset) // timedelta(minutes=15)
    tens = quarters // 10 | (8 if offset < timedelta() else 0)
    return _swapped(moment.strftime("%y%m%d%H%M%S")) + f"{quarters % 10:X}{tens:X}"
