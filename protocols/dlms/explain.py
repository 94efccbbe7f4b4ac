"""DLMS octets in words, for ``meterpost decode dlms``: HDLC frames, wrapper messages or bare APDUs. Never raises."""

from protocols.dlms.explain_apdu import describe
from protocols.dlms.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    POLL,
    UI,
    Address,
    Deframer,
    Frame,
    Limits,
    describe_control,
    fcs,
)
from protocols.dlms.security import Keys
from protocols.dlms.wrapper import unwrap
from protocols.errors import BadFrame, MeterError

UNNUMBERED_WITH_LIMITS = (0x93, 0x73)


def explain(data: bytes, answer_to: bytes | None = None, keys: Keys | None = None, title: bytes = b"") -> list[str]:
    """Lines for a person. ``answer_to``: the question, explained before it. ``keys`` and ``title`` (the sender's system
    title, where the octets do not carry it) open ciphered APDUs; keys and passwords are never shown."""
    lines: list[str] = []
    for name, octets in (("question", answer_to), ("answer" if answer_to is not None else "", data)):
        if octets is None:
            continue
        if name:
            lines.append(f"{name}:")
        lines += [("  " if name else "") + line for line in _one(octets, keys, title)]
    return lines


def _one(data: bytes, keys: Keys | None, title: bytes) -> list[str]:
    if not data:
        return ["nothing"]
    if data[0] == 0x7E:
        return _hdlc(data, keys, title)
    if data[:2] == b"\0\1":
        return _wrapper(data, keys, title)
    for llc in (LLC_COMMAND, LLC_RESPONSE):
        if data.startswith(llc):
            data = data[3:]
    return _apdu(data, keys, title)


def _apdu(apdu: bytes, keys: Keys | None, title: bytes) -> list[str]:
    try:
        return describe(apdu, keys, title)
    except MeterError as trouble:
        return [f"APDU {apdu[:64].hex(' ')}: {trouble}"]


def _wrapper(data: bytes, keys: Keys | None, title: bytes) -> list[str]:
    lines: list[str] = []
    while data:
        try:
            found = unwrap(data)
        except BadFrame as trouble:
            return [*lines, str(trouble)]
        if found is None:
            return [*lines, f"wrapper message that is not whole: {data[:64].hex(' ')}"]
        source, destination, apdu, end = found
        lines.append(f"wrapper: from {source} to {destination}, {len(apdu)} octets")
        lines += ["  " + line for line in _apdu(apdu, keys, title)]
        data = data[end:]
    return lines


def _hdlc(data: bytes, keys: Keys | None, title: bytes) -> list[str]:
    deframer, lines, message = Deframer(), list[str](), b""
    deframer.feed(data)
    while (frame := deframer.frame(silent=True)) is not None:
        lines += _frame(frame)
        if frame.control & 1 and frame.control | POLL != UI:
            continue
        message += frame.information
        if not frame.segmented:
            body = message[3:] if message[:3] in (LLC_COMMAND, LLC_RESPONSE) else message
            lines += ["  " + line for line in _apdu(body, keys, title)]
            message = b""
    if message:
        lines.append(f"  the segments hold {len(message)} octets, the last segment is missing")
    if deframer.noise or not lines:
        lines.append(_damage(bytes(deframer.noise) if lines else data))
    return lines


def _frame(frame: Frame) -> list[str]:
    places = [f"{Address.from_bytes(raw)} ({len(raw)} octets)" for raw in (frame.source, frame.destination)]
    more = ", more segments follow" if frame.segmented else ""
    head = f"HDLC {describe_control(frame.control)} from {places[0]} to {places[1]}{more}"
    if frame.control in UNNUMBERED_WITH_LIMITS:
        try:
            limits = Limits.from_bytes(frame.information)
        except BadFrame as trouble:
            return [head, f"  {trouble}"]
        default = "" if frame.information else " (defaults)"
        return [
            head,
            f"  information field at most {limits.transmit} octets sent, {limits.receive} received; "
            f"window {limits.window_transmit}/{limits.window_receive}{default}",
        ]
    return [head]


def _damage(noise: bytes) -> str:
    body = noise.strip(b"\x7e")
    if len(body) >= 5 and body[0] >> 4 == 0xA and noise[:1] == b"\x7e":
        wanted = fcs(body[:-2])
        if wanted != body[-2:]:
            return f"no sound frame: FCS is {body[-2:].hex(' ')}, {wanted.hex(' ')} would be right for these octets"
    return f"octets that are no sound frame: {noise[:64].hex(' ')}"
