"""DLMS octets as text, for ``meterpost decode dlms``: HDLC frames, wrapper messages or bare APDUs. Never raises."""

from protocols.dlms import mbus
from protocols.dlms.blocks import GENERAL_BLOCK, Block
from protocols.dlms.explain_apdu import describe, names_asked
from protocols.dlms.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    POLL,
    SNRM,
    UA,
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

Pieces = list[str | bytes]
"""What octets consist of: a line about a frame, or the octets of an APDU that it brought."""


def explain(data: bytes, answer_to: bytes | None = None, keys: Keys | None = None, title: bytes = b"") -> list[str]:
    """Lines for an operator. ``answer_to``: the question, whose attributes then name the values of the answer. ``keys``
    and ``title`` (the sender's system title, where the octets do not carry it) open ciphered APDUs; keys and passwords
    are never shown."""
    names: tuple[str, ...] = ()
    for piece in _pieces(answer_to) if answer_to else ():
        if isinstance(piece, bytes):
            names = names_asked(piece, keys, title) or names
    lines: list[str] = []
    blocks = b""
    for piece in _pieces(data):
        if isinstance(piece, str):
            lines.append(piece)
            continue
        if piece[:1] == bytes((GENERAL_BLOCK,)):
            try:
                block = Block.from_bytes(piece)
            except BadFrame as trouble:
                lines.append(f"APDU {piece[:64].hex(' ')}: {trouble}")
                continue
            lines.append(f"  general block transfer: block {block.number}{' (last)' if block.last else ''}, "
                         f"{len(block.octets)} octets")  # fmt: skip
            blocks += block.octets
            if not block.last:
                continue
            piece, blocks = blocks, b""
        try:
            told = describe(piece, keys, title, names)
        except MeterError as trouble:
            told = [f"APDU {piece[:64].hex(' ')}: {trouble}"]
        lines += ["  " + line for line in told] if lines else told
    if blocks:
        lines.append(f"  the blocks hold {len(blocks)} octets, the last is missing")
    return lines or ["nothing"]


def _pieces(data: bytes) -> Pieces:
    if data[:1] == b"\x7e":
        return _hdlc(data)
    if data[:2] == b"\0\1":
        return _wrapper(data)
    if data[:1] == b"\x68":
        return _mbus(data)
    return [_without_llc(data)] if data else []


def _without_llc(message: bytes) -> bytes:
    return message[3:] if message[:3] in (LLC_COMMAND, LLC_RESPONSE) else message


def _mbus(data: bytes) -> Pieces:
    pieces: Pieces = []
    message, place = b"", 0
    while place < len(data):
        try:
            frame, size = mbus.take(data[place:])
        except BadFrame as trouble:
            return [*pieces, f"octet {place + 1}: {trouble}"]
        last = ", the last" if frame.last else ""
        pieces.append(f"M-Bus frame to {frame.address}: piece {frame.number}{last}, {len(frame.octets)} octets")
        message += frame.octets
        place += size
        if frame.last:
            pieces.append(message)
            message = b""
    return [*pieces, f"  the pieces hold {len(message)} octets, the last is missing"] if message else pieces


def _wrapper(data: bytes) -> Pieces:
    pieces: Pieces = []
    while data:
        try:
            found = unwrap(data)
        except BadFrame as trouble:
            return [*pieces, str(trouble)]
        if found is None:
            return [*pieces, f"wrapper message that is not whole: {data[:64].hex(' ')}"]
        source, destination, apdu, end = found
        pieces += [f"wrapper: from {source} to {destination}, {len(apdu)} octets", apdu]
        data = data[end:]
    return pieces


def _hdlc(data: bytes) -> Pieces:
    deframer, pieces, message = Deframer(), list[str | bytes](), b""
    deframer.feed(data)
    while (frame := deframer.frame(silent=True)) is not None:
        pieces += _frame(frame)
        if frame.control & 1 and frame.control | POLL != UI:
            continue
        message += frame.information
        if not frame.segmented:
            pieces.append(_without_llc(message))
            message = b""
    if message:
        pieces.append(f"  the segments hold {len(message)} octets, the last segment is missing")
    if deframer.noise or not pieces:
        pieces.append(_damage(bytes(deframer.noise) if pieces else data))
    return pieces


def _frame(frame: Frame) -> list[str]:
    places = [f"{Address.from_bytes(raw)} ({len(raw)} octets)" for raw in (frame.source, frame.destination)]
    more = ", more segments follow" if frame.segmented else ""
    head = f"HDLC {describe_control(frame.control)} from {places[0]} to {places[1]}{more}"
    if frame.control not in (SNRM, UA):
        return [head]
    try:
        limits = Limits.from_bytes(frame.information)
    except BadFrame as trouble:
        return [head, f"  {trouble}"]
    default = "" if frame.information else " (defaults)"
    sizes = f"information field at most {limits.transmit} octets sent, {limits.receive} received"
    return [head, f"  {sizes}; window {limits.window_transmit}/{limits.window_receive}{default}"]


def _damage(noise: bytes) -> str:
    body = noise.strip(b"\x7e")
    if len(body) >= 5 and body[0] >> 4 == 0xA and noise[:1] == b"\x7e":
        wanted = fcs(body[:-2])
        if wanted != body[-2:]:
            return f"no sound frame: FCS is {body[-2:].hex(' ')}, {wanted.hex(' ')} would be right for these octets"
    return f"octets that are not a sound frame: {noise[:64].hex(' ')}"
