"""Bytes of an IEC 62056-21 dialogue as text, for ``meterpost decode iec``."""

import re
from collections.abc import Iterator

from protocols.iec62056 import frames
from protocols.iec62056.block import Value, parse
from protocols.iec62056.frames import EOT, SOH, SPEEDS, STX
from protocols.iec62056.push import telegram_sum
from protocols.iec62056.refusals import ERRORS

COMMANDS = {
    "P0": "operand of the password",
    "P1": "password",
    "P2": "result of the secure algorithm",
    "R": "read",
    "W": "write",
    "E": "execute",
    "B": "end of session",
}
MODES = {"0": "readout", "1": "programming mode", "2": "HDLC"}


def explain(data: bytes, answer_to: bytes | None = None) -> list[str]:
    """Line by line what the bytes say; ``answer_to`` is not needed, answers carry their names. Never raises.

    Parity bits are undone where every byte has even parity. A password is not shown.
    """
    chars, even = frames.without_parity(data)
    lines = []
    if any(byte & 0x80 for byte in data):
        words = "7E1 seen through eight bits: parity undone" if even else "eight bits, wrong as 7E1: read as they are"
        lines.append(words)
        if not even:
            chars = data
    place = 0
    while place < len(chars):
        size, words_of = _next(chars, place)
        lines += words_of
        place += size
    return lines or ["nothing"]


def _next(data: bytes, place: int) -> tuple[int, list[str]]:
    """Octets of the message at this place, and its words."""
    first = data[place]
    if first == 0x06 and data[place + 4 : place + 6] == frames.CRLF:
        return 6, [_option(data[place + 1 : place + 4].decode("latin-1"))]
    if first in (0x06, 0x15):
        return 1, ["ACK" if first == 0x06 else "NAK: not understood, repeat"]
    if first in (SOH, STX):
        return _frame(data, place)
    if first == ord("/"):
        return _opening(data, place)
    end = min((at for at in (data.find(mark, place + 1) for mark in b"\x01\x02\x06\x15/") if at > 0), default=len(data))
    text = data[place:end]
    if b"(" in text:
        return end - place, ["data without STX:", *_sets(text)]
    return end - place, [f"noise: {frames.hex_of(text)}"] if text.strip(b"\r\n") else []


def _option(vzy: str) -> str:
    speed = f"{SPEEDS[vzy[1]]} bit/s" if vzy[1] in SPEEDS else f"speed {vzy[1]!r}"
    return f"option {vzy}: {speed}, {MODES.get(vzy[2], f'maker-specific mode {vzy[2]!r}')}"


def _opening(data: bytes, place: int) -> tuple[int, list[str]]:
    """A request or an identification, a P1 telegram with its CRC."""
    if data[place + 1 : place + 2] == b"?":
        end = data.find(b"!", place)
        if end < 0:
            return len(data) - place, ["request, cut off"]
        size = end + 1 - place + (2 if data[end + 1 : end + 3] == frames.CRLF else 0)
        address = data[place + 2 : end].decode("latin-1")
        return size, [f"request to meter {address!r}" if address else "request to any meter"]
    end = data.find(b"\n", place)
    line = data[place : end + 1 if end >= 0 else len(data)]
    found = frames.identification(line)
    if found is None:
        return len(line), [f"no identification: {frames.hex_of(line)}"]
    speed = f", offers {found.speed} bit/s" if found.speed else ""
    words = f"identification {found}: maker {found.maker}, mode {found.mode}{speed}"
    close = data.find(b"!", place)
    if close >= 0 and (crc := re.match(rb"[0-9A-Fa-f]{1,4}(?=\r?\n|$)", data[close + 1 : close + 7])):
        words += f"; {telegram_sum(data[place : close + 1], int(crc[0], 16))}"
    return len(line), [words]


def _frame(data: bytes, place: int) -> tuple[int, list[str]]:
    ends = [end for end in (data.find(3, place + 1), data.find(EOT, place + 1)) if end > 0]
    if not ends or min(ends) + 1 >= len(data):
        return len(data) - place, [f"a frame without end: {frames.hex_of(data[place:])}"]
    end = min(ends)
    frame = data[place : end + 2]
    kept = frames.rules_kept(frame)
    verdict = f"right ({' and '.join(kept)})" if kept else "WRONG"
    check = f"check character {frame[-1]:02X}: {verdict}"
    if frame[0] == STX:
        kind = "data block, more follow" if frame[-2] == EOT else "data"
        return len(frame), [f"{kind}; {check}", *_sets(frame[1:-2])]
    kind = frame[1:3].decode("latin-1")
    words = COMMANDS.get(kind) or COMMANDS.get(kind[:1], "unknown command")
    body = frame[4:-2].decode("latin-1")
    if kind in ("P1", "P2"):
        body = "(…)"
        check = f"check character {verdict}"  # its value tells of the password
    return len(frame), [f"{kind}: {words} {body}".rstrip() + f"; {check}"]


def _sets(text: bytes) -> Iterator[str]:
    block = parse(text)
    for one in block.sets:
        yield f"  {one.id or '(no id)'} = {', '.join(map(_value, one.values))}"
    for line in block.damaged:
        yield f"  damaged line: {line!r}"


def _value(value: Value) -> str:
    if not value.text:
        return "no value"
    if value.error is not None:
        return f"error {value.text}" + (f" ({ERRORS[value.error]})" if value.error in ERRORS else "")
    return f"{value.text} {value.unit}".rstrip()
