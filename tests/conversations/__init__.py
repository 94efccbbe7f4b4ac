"""Recorded dialogues as text: ``# Meter: … Source: …``, then ``>> hex`` for what was sent, ``<< hex`` for answers."""

from itertools import pairwise
from pathlib import Path

SENT = ">>"
ANSWERED = "<<"


def load(name: str) -> list[tuple[str, bytes]]:
    """The dialogue in ``name.txt`` as (direction, octets), in order; ``#`` begins a comment, anywhere in a line."""
    lines = []
    for number, line in enumerate((Path(__file__).parent / f"{name}.txt").read_text("utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        if text[:2] not in (SENT, ANSWERED):
            raise ValueError(f"{name}.txt:{number}: a line begins with {SENT}, {ANSWERED} or #, not {text[:2]!r}")
        lines.append((text[:2], bytes.fromhex(text[2:])))
    return lines


def pairs(name: str) -> list[tuple[bytes, bytes]]:
    """The dialogue as (request, answer); what was published without its other half is left out."""
    lines = load(name)
    both = pairwise(lines)
    return [(sent, heard) for (out, sent), (back, heard) in both if (out, back) == (SENT, ANSWERED)]
