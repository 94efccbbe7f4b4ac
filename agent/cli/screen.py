"""What a command prints: tables that fit a phone, colours on a terminal only, one JSON document; and exit codes.

Knows nothing of Typer: the service prints through it too and does not carry Typer (and pydantic behind it).
"""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from drivers.files.faults import ConfigError

COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
ESCAPE = re.compile("\033\\[[0-9;]*m")


def explain_faults(trouble: ConfigError) -> None:
    """Every fault on stderr, one a line, as FILE:LINE:COL: key: what stands there, what may stand there."""
    mark = error_mark()
    for fault in trouble.faults:
        print(f"{mark}{fault}", file=sys.stderr)  # editors take FILE:LINE:COL from a whole line
    count = len(trouble.faults)
    note(mark + colour("red", f"{count} {'fault' if count == 1 else 'faults'} in the configuration", sys.stderr))


def to_journal() -> bool:
    """Whether stderr is read by systemd's journal and by no person (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or none of the system's
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def error_mark() -> str:
    """Before a line that the journal shall know as an error (sd-daemon(3)): journalctl -p err finds it."""
    return "<3>" if to_journal() else ""


def emit(document: Any) -> None:
    """The one JSON document of ``--json``."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """What JSON has no type for. Exact numbers that are not whole are written as text, never as a binary float."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else format(value, "f")
    return str(value)


def note(message: str) -> None:
    """A message for the operator, beside the data; on a terminal lines that are too long are broken at blanks."""
    if sys.stderr.isatty():
        message = "\n".join(line if length(line) <= width() else wrapped(line) for line in message.split("\n"))
    print(message, file=sys.stderr)


def colour(name: str, text: str, stream: TextIO | None = None) -> str:
    """Coloured where the stream (stdout) is a terminal and NO_COLOR (no-color.org) is not set, else as it is."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not (stream or sys.stdout).isatty():
        return text
    return f"\033[{COLOURS[name]}m{text}\033[0m"


def width() -> int:
    """Columns of the terminal, at least 30. $COLUMNS goes first; 80 where no one knows."""
    return max(shutil.get_terminal_size((80, 24)).columns, 30)


def wrapped(text: str, indent: str = "  ") -> str:
    """Text that fits the terminal; further lines are indented."""
    return textwrap.fill(text, width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def when(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as the people at the meter say it."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines with aligned columns; those in ``right`` stand to the right. Cells may be coloured."""
    widths = [max(map(length, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_cell(*one, right) for one in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]


def fitted(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A table where it fits the terminal, else each row as a block of "heading: value"."""
    lines = table([[colour("bold", heading) for heading in headings], *rows], right)
    if max(map(length, lines)) <= width():
        return lines
    lines = []
    for first, *rest in rows:
        lines.append(colour("bold", first))
        named = zip(headings[1:], rest, strict=True)
        lines += [line for name, cell in named if cell for line in _named(name, cell)]
    return lines


def _named(name: str, cell: str) -> list[str]:
    text = f"{name}: {cell}" if name else cell
    return textwrap.wrap(text, width(), initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _cell(index: int, one: tuple[str, int], right: Collection[int]) -> str:
    text, wanted = one
    blanks = " " * (wanted - length(text))
    return blanks + text if index in right else text + blanks


def length(text: str) -> int:
    """Columns that a text takes on the screen."""
    return len(ESCAPE.sub("", text))
