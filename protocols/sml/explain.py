"""SML octets as text, for ``meterpost decode sml``. Never raises."""

from protocols.errors import BadFrame
from protocols.sml.messages import Entry, registers
from protocols.sml.transport import CHECKS, START, cut


def explain(data: bytes, answer_to: bytes | None = None) -> list[str]:
    """Lines for an operator: each file of the stream, its check sum, its registers. ``answer_to`` is not needed."""
    lines: list[str] = []
    buffer = bytearray(data)
    while buffer:
        start = buffer.find(START)
        if start:
            noise = bytes(buffer if start < 0 else buffer[:start])
            lines.append(f"{len(noise)} octets that begin no file: {noise[:32].hex(' ')}")
            del buffer[: len(noise)]
            continue
        lines += _file(buffer)
    return lines or ["nothing"]


def _file(buffer: bytearray) -> list[str]:
    """The file at the beginning, taken out."""
    whole = bytes(buffer)
    try:
        file = cut(buffer, "none")
    except BadFrame as trouble:
        return [str(trouble)]
    if file is None:
        size = len(buffer)
        buffer.clear()
        return [f"a file without its end: {size} octets are there"]
    frame = whole[: len(whole) - len(buffer)]
    fitting = [name for name, rule in CHECKS.items() if rule(frame[:-2]) == frame[-2:]]
    words = {"crc": "CRC-16/X.25 right", "kermit": 'CRC-16/KERMIT in its place, right (check = "kermit")'}
    lines = [f"SML file, {len(frame)} octets; {words[fitting[0]] if fitting else 'check sum WRONG'}"]
    try:
        found = registers(file)
    except BadFrame as trouble:
        return [*lines, f"  {trouble}"]
    return [*lines, f"  server id {found.server.hex(' ')}", *(f"  {_entry(one)}" for one in found.entries)]


def _entry(entry: Entry) -> str:
    status = "" if entry.status is None else f", status {entry.status:X}h"
    if entry.octets is not None:
        return f"{entry.code} {entry.octets.hex(' ')}{status}"
    number = "no number" if entry.number is None else f"{entry.number:f} {entry.unit or ''}".rstrip()
    return f"{entry.code} {number}{status}"
