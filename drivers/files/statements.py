"""A TOML text cut into its statements, without trusting it: a fault in one does not hide those of the others.

A statement is a header, or a key with its value, which may take several lines. Where a bracket or a quote is never
closed, the statement ends before the next line that resembles the beginning of another one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLANK = " \t"
NEXT = re.compile(r"\s*(?:\[{1,2}\s*[A-Za-z]|[\w-]+(?:\s*\.\s*[\w-]+)*\s*=)")
"""A line that begins with a header or a key."""
TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')
ENDS = {'"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"{3,5}'), "'''": re.compile(r"(?:[^']|'(?!''))*'{3,5}")}
"""The rest of a text of several lines, up to its closing quotes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines from ``start`` (0 is the first) to ``end``, which is not among them."""

    start: int
    end: int
    header: bool


def statements(lines: Sequence[str]) -> Iterator[Statement]:
    """All statements of a text; blank lines and comments between them belong to none."""
    at = 0
    while at < len(lines):
        text = lines[at].lstrip(BLANK)
        if not text or text.startswith("#"):
            at += 1
            continue
        header = text.startswith("[")
        end = at + 1 if header else _end(lines, at)
        yield Statement(at, end, header)
        at = end


def _end(lines: Sequence[str], start: int) -> int:
    """The line after the value that begins in this one."""
    quotes, depth, cut = "", 0, 0
    for number in range(start, len(lines)):
        line = lines[number]
        if depth and not quotes and not cut and number > start and NEXT.match(line):
            cut = number
        quotes, depth = _after(line, quotes, depth)
        if not quotes and depth <= 0:
            return cut or number + 1
    return cut or start + 1


def _after(line: str, quotes: str, depth: int) -> tuple[str, int]:
    """Which quotes of several lines, and how many square brackets, are open after a line."""
    at = 0
    while True:
        if quotes:
            closed = ENDS[quotes].match(line, at)
            if closed is None:
                return quotes, depth
            quotes, at = "", closed.end()
        token = TOKEN.search(line, at)
        if token is None:
            return "", depth
        at = token.end()
        if token[0] in ENDS:
            quotes = token[0]
        elif token[0] in "[]":
            depth += 1 if token[0] == "[" else -1
