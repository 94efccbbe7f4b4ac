"""Short messages as PDUs (3GPP TS 23.040, clause 9.2.2): what we send, what comes in, and delivery reports."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from protocols.errors import BadFrame
from protocols.gsm.alphabet import pack, septets, text_of, unpack
from protocols.gsm.fields import (
    Octets,
    address,
    sender,
    service_centre,
    stamp,
    take_address,
    take_service_centre,
    take_stamp,
)

DELIVER, SUBMIT, STATUS_REPORT = 0b00, 0b01, 0b10  # TP-MTI (9.2.3.1)
WITH_HEADER, WANTS_REPORT, RELATIVE_VALIDITY = 0x40, 0x20, 0x10  # TP-UDHI, TP-SRR, TP-VPF = relative

GSM7, EIGHT_BIT, UCS2 = 0x00, 0x04, 0x08  # TP-DCS (23.038, clause 4)
SPACE = 140  # octets of user data
SEPTETS, SEPTETS_OF_A_PART = 160, 153  # of the 7 bit alphabet without and with a header of concatenation
UNITS, UNITS_OF_A_PART = 70, 67  # UCS2 characters likewise
MOST_PARTS = 255
VALIDITY = (  # 9.2.3.12.1: a step, where its codes start, the code there, the last code
    (timedelta(minutes=5), timedelta(minutes=5), 0, 143),
    (timedelta(minutes=30), timedelta(hours=12), 143, 167),
    (timedelta(days=1), timedelta(), 166, 196),
    (timedelta(weeks=1), timedelta(), 192, 255),
)
CONCATENATED, CONCATENATED_16 = 0x00, 0x08  # information elements (9.2.3.24.1, 9.2.3.24.8)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a long message this is: ``number`` of ``count``, from 1; ``reference`` is the same in all."""

    reference: int
    count: int
    number: int


@dataclass(frozen=True, slots=True)
class Submit:
    """SMS-SUBMIT: one part of a message on its way to ``number``. The modem fills in TP-MR."""

    number: str
    coding: int
    length: int  # TP-UDL: septets or octets, with the header
    data: bytes  # TP-UD with the header
    part: Part | None = None
    report: bool = True  # a status report is asked for
    validity: timedelta = timedelta(days=1)

    def to_bytes(self) -> bytes:
        first = SUBMIT | RELATIVE_VALIDITY
        first |= (WANTS_REPORT if self.report else 0) | (WITH_HEADER if self.part else 0)
        head = bytes([first, 0]) + address(self.number)
        return head + bytes([0, self.coding, relative(self.validity), self.length]) + self.data


def submits(
    number: str, text: str, *, reference: int = 0, report: bool = True, validity: timedelta = timedelta(days=1)
) -> tuple[Submit, ...]:
    """A text as as many messages as it takes, in the 7 bit alphabet if that has all of it, else in UCS2.

    ``reference`` (0 to 255) marks the parts of one long text. ValueError: no text, no number, or more than 255 parts.
    """
    if not text:
        raise ValueError("a short message without a text")
    address(number)
    codes = septets(text)
    coding, pieces = (UCS2, _units(text)) if codes is None else (GSM7, codes)
    space, space_of_a_part = (SEPTETS, SEPTETS_OF_A_PART) if coding == GSM7 else (2 * UNITS, 2 * UNITS_OF_A_PART)
    whole = b"".join(pieces)
    if len(whole) <= space:
        return (_submit(number, coding, whole, None, report, validity),)
    parts = list(_cut(pieces, space_of_a_part))
    if len(parts) > MOST_PARTS:
        raise ValueError(f"a text of {len(text)} characters does not fit {MOST_PARTS} short messages")
    return tuple(
        _submit(number, coding, piece, Part(reference & 0xFF, len(parts), place), report, validity)
        for place, piece in enumerate(parts, 1)
    )


def _units(text: str) -> list[bytes]:
    """Two octets a character; four, as UTF-16 has it, where one is beyond UCS2: phones read it so."""
    return [sign.encode("utf-16-be") for sign in text]


def _cut(pieces: list[bytes], space: int) -> Iterator[bytes]:
    """Pieces in parts of at most ``space``; none is cut in two (an escape and its code, a surrogate pair)."""
    part = b""
    for piece in pieces:
        if len(part) + len(piece) > space:
            yield part
            part = b""
        part += piece
    yield part


def _submit(number: str, coding: int, body: bytes, part: Part | None, report: bool, validity: timedelta) -> Submit:
    length, data = _user_data(coding, body, part)
    return Submit(number, coding, length, data, part, report, validity)


def _user_data(coding: int, body: bytes, part: Part | None) -> tuple[int, bytes]:
    """TP-UDL and TP-UD: septets (one in each octet of ``body``) are packed, all else goes as it is."""
    header = b""
    if part is not None:
        long = part.reference > 0xFF
        element = part.reference.to_bytes(2 if long else 1) + bytes([part.count, part.number])
        header = bytes([len(element) + 2, CONCATENATED_16 if long else CONCATENATED, len(element)]) + element
    if coding != GSM7:
        return len(header) + len(body), header + body
    fill = -8 * len(header) % 7
    taken = (8 * len(header) + fill) // 7  # septets that the header takes
    return taken + len(body), header + pack(body, fill)


def relative(validity: timedelta) -> int:
    """TP-VP, relative format (9.2.3.12.1): the shortest period that is not shorter, at most 63 weeks."""
    for step, start, base, last in VALIDITY:
        code = base - (start - validity) // step
        if code <= last:
            return max(code, 0)
    return 255


@dataclass(frozen=True, slots=True)
class Deliver:
    """SMS-DELIVER: a message, or a part of one, that came in. ``text`` is empty where ``data`` is none (8 bit)."""

    centre: str | None
    sender: str
    at: datetime | None  # the service centre's time with its zone
    text: str
    part: Part | None = None
    data: bytes | None = None

    def to_bytes(self) -> bytes:
        """What :func:`read` reads. ValueError where the text does not fit one message."""
        codes = septets(self.text)
        if self.data is not None:
            coding, body = EIGHT_BIT, self.data
        else:
            coding, body = (UCS2, self.text.encode("utf-16-be")) if codes is None else (GSM7, b"".join(codes))
        length, data = _user_data(coding, body, self.part)
        if len(data) > SPACE:
            raise ValueError(f"{len(data)} octets do not fit a short message")
        head = bytes([DELIVER | (WITH_HEADER if self.part else 0)]) + sender(self.sender)
        return service_centre(self.centre) + head + bytes([0, coding]) + stamp(self.at) + bytes([length]) + data


@dataclass(frozen=True, slots=True)
class StatusReport:
    """SMS-STATUS-REPORT: what became of the message with this TP-MR. ``state``: ``delivered``, ``waiting`` (the
    centre goes on trying) or ``failed``; ``status`` is TP-ST (9.2.3.15)."""

    centre: str | None
    reference: int
    recipient: str
    sent_at: datetime | None
    at: datetime | None
    status: int

    @property
    def state(self) -> Literal["delivered", "waiting", "failed"]:
        if self.status < 0x20:
            return "delivered"
        return "waiting" if self.status < 0x40 else "failed"

    def to_bytes(self) -> bytes:
        """What :func:`read` reads."""
        head = bytes([STATUS_REPORT, self.reference]) + sender(self.recipient)
        return service_centre(self.centre) + head + stamp(self.sent_at) + stamp(self.at) + bytes([self.status])


def read(pdu: bytes) -> Deliver | StatusReport:
    """A PDU as a modem stores it, the service centre's address in front. BadFrame on anything else."""
    octets = Octets(pdu)
    centre = take_service_centre(octets)
    first = octets.octet("first octet")
    if first & 0b11 == DELIVER:
        return _deliver(centre, first, octets)
    if first & 0b11 == STATUS_REPORT:
        reference = octets.octet("reference")
        recipient = take_address(octets)
        sent, done = take_stamp(octets), take_stamp(octets)
        return StatusReport(centre, reference, recipient, sent, done, octets.octet("status"))
    raise BadFrame(f"no incoming short message (type {first & 0b11}): {pdu.hex(' ')}")


def _deliver(centre: str | None, first: int, octets: Octets) -> Deliver:
    sender = take_address(octets)
    octets.octet("protocol identifier")
    coding = alphabet(octets.octet("coding"))
    at = take_stamp(octets)
    length = octets.octet("length")
    body = octets.take((length * 7 + 7) // 8 if coding == "gsm7" else length, "text")
    header = b""
    if first & WITH_HEADER:
        if not body or len(body) < 1 + body[0]:
            raise BadFrame(f"short message with a header longer than its text: {octets.data.hex(' ')}")
        header = body[: 1 + body[0]]
    part = concatenation(header[1:])
    if coding == "gsm7":
        fill = -8 * len(header) % 7
        count = length - (8 * len(header) + fill) // 7
        if count < 0:
            raise BadFrame(f"short message with a header longer than its text: {octets.data.hex(' ')}")
        return Deliver(centre, sender, at, text_of(unpack(body[len(header) :], count, fill)), part)
    rest = body[len(header) :]
    if coding == "ucs2":
        return Deliver(centre, sender, at, rest.decode("utf-16-be", errors="replace"), part)
    return Deliver(centre, sender, at, "", part, rest)


def alphabet(coding: int) -> str:
    """``gsm7``, ``ucs2`` or ``8bit`` of a data coding scheme (23.038, clause 4); BadFrame for compressed text.
    Reserved codings are taken as the 7 bit alphabet, as the clause says."""
    group = coding >> 4
    if group < 0b1000:
        if coding & 0x20:
            raise BadFrame(f"short message with compressed text (coding {coding:02X}h)")
        return ("gsm7", "8bit", "ucs2", "gsm7")[coding >> 2 & 0b11]
    if group == 0b1110:
        return "ucs2"
    return "8bit" if group == 0b1111 and coding & 0b100 else "gsm7"


def concatenation(header: bytes) -> Part | None:
    """Which part the elements of a user data header speak of; None where they speak of none, or of an impossible one
    (clause 9.2.3.24.1 says to ignore it then). BadFrame where an element is longer than the header."""
    octets = Octets(header)
    found = None
    while octets.rest:
        element = octets.octet("header")
        value = octets.take(octets.octet("header"), "header")
        size = {CONCATENATED: 3, CONCATENATED_16: 4}.get(element)
        if size == len(value) and 1 <= value[-1] <= value[-2]:
            found = Part(int.from_bytes(value[:-2]), value[-2], value[-1])
    return found


def line(submit: Submit, centre: str | None = None) -> tuple[int, bytes]:
    """What ``AT+CMGS`` wants: the length (27.005, clause 4.3: octets without the service centre's address), and the
    PDU in hexadecimal digits."""
    body = submit.to_bytes()
    return len(body), (service_centre(centre) + body).hex().upper().encode("ascii")
