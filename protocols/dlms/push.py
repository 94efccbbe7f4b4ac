"""What a meter sends unasked (DataNotification), in UI frames, in the wrapper or as a bare APDU."""

from dataclasses import dataclass
from typing import Any

from protocols.dlms import axdr
from protocols.dlms.answers import Notification, parse_answer
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.hdlc import LLC_COMMAND, LLC_RESPONSE, POLL, UI, Deframer
from protocols.dlms.security import Keys, is_ciphered, reveal
from protocols.dlms.wrapper import unwrap
from protocols.errors import BadFrame


@dataclass(frozen=True, slots=True)
class Pushed:
    """``stamp``: when the meter says it was sent, None where it does not; ``data``: decoded (see axdr)."""

    number: int
    stamp: Stamp | None
    data: Any


def pushed(data: bytes, keys: Keys | None = None, title: bytes = b"") -> Pushed:
    """The one notification in these octets; BadFrame if there is none, AccessDenied where the keys do not fit."""
    apdu = _apdu(data)
    if is_ciphered(apdu):
        if keys is None:
            raise BadFrame("a ciphered notification, and no keys")
        _, apdu = reveal(apdu, keys, title)
    said = parse_answer(apdu)
    if not isinstance(said, Notification):
        raise BadFrame(f"{type(said).__name__} instead of a notification")
    stamp = Stamp.from_bytes(said.stamp) if said.stamp else None
    return Pushed(said.number, stamp, axdr.decode(said.data))


def _apdu(data: bytes) -> bytes:
    if data[:2] == b"\0\1":
        found = unwrap(data)
        if found is None:
            raise BadFrame("a wrapper message that is not whole")
        return found[2]
    if data[:1] != b"\x7e":
        return data
    deframer, message = Deframer(), b""
    deframer.feed(data)
    while (frame := deframer.frame(silent=True)) is not None:
        if frame.control | POLL == UI:
            message += frame.information
            if not frame.segmented:
                break
    if message[:3] not in (LLC_COMMAND, LLC_RESPONSE):
        raise BadFrame(f"no pushed frame: {data[:32].hex(' ')}")
    return message[3:]
