"""One TOML file of the installer: bytes on the disk as values with their places."""

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from drivers.files.faults import Fault
from drivers.files.places import KeyPath, Places, scan

LARGEST = 1 << 20  # bytes; a thousand meters take a fifth of it


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read. ``data`` holds tomllib's values, numbers with a point as exact Decimal."""

    file: Path
    data: Mapping[str, Any]
    places: Places

    def fault(self, path: KeyPath, found: str, expected: str, *, at_key: bool = False) -> Fault:
        """A fault at the value of this path, or at its key."""
        place = self.places.of_key(path) if at_key else self.places.of_value(path)
        return Fault(self.file, place.line, place.column, dotted(path), found, expected)


def dotted(path: KeyPath) -> str:
    """``("meter", 0, "serial")`` as a person counts: ``meter[1].serial``."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(file: Path) -> Source | Fault:
    """One file, or what keeps it from being read."""
    text = _text(file)
    if isinstance(text, Fault):
        return text
    try:
        data = tomllib.loads(text, parse_float=_exact)
    except tomllib.TOMLDecodeError as error:
        return _syntax(file, text, str(error))
    except RecursionError:
        return Fault(file, 1, 1, "", "arrays or tables inside each other without end", "a few levels at most")
    except ValueError:  # a whole number beyond Python's limit of 4300 digits; tomllib does not say where
        return Fault(file, 1, 1, "", "a number of thousands of digits", "numbers that fit a meter")
    return Source(file, data, scan(text))


def _text(file: Path) -> str | Fault:
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            return Fault(file, 1, 1, "", "a directory", "a TOML file")
        if not stat.S_ISREG(mode):
            return Fault(file, 1, 1, "", "a device or pipe", "a TOML file")
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except FileNotFoundError:
        return Fault(file, 1, 1, "", "no such file", "the installer's TOML file (docs/installer.md shows one)")
    except PermissionError:
        return Fault(file, 1, 1, "", "a file that you may not read", "permission, for example by sudo", denied=True)
    except OSError as error:
        return Fault(file, 1, 1, "", f"a file that cannot be read ({error.strerror})", "a readable TOML file")
    if len(raw) > LARGEST:
        return Fault(file, 1, 1, "", "more than 1 MiB", "a TOML file of at most 1 MiB")
    try:
        return raw.decode("utf-8-sig")  # some editors put a mark before the first character
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        start = raw.rfind(b"\n", 0, error.start) + 1
        column = len(raw[start : error.start].decode("utf-8-sig")) + 1
        return Fault(file, line, column, "", f"the byte 0x{raw[error.start]:02x}", "text in UTF-8")


def _exact(text: str) -> Decimal:
    """Never a binary float. What no Decimal can hold is not a number, and is refused where it stands."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("nan")


def _syntax(file: Path, text: str, message: str) -> Fault:
    what, _, where = message.rpartition(" (at ")
    numbers = re.findall(r"\d+", where)
    if len(numbers) == 2:
        line, column = int(numbers[0]), int(numbers[1])
    else:  # "end of document"
        line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    return Fault(file, line, column, "", f"what is no TOML ({what.lower()})", _usual(text, line))


def _usual(text: str, line: int) -> str:
    """What is usually wrong in a line that is no TOML."""
    lines = text.split("\n")
    found = lines[line - 1] if line <= len(lines) else ""
    if re.match(r"\s*\w+\s*:", found):
        return 'key = value, with "=" and not ":"'
    if re.match(r"\s*[\w.]+\s*=\s*[^\s\d\"'\[{tf+-]", found):
        return 'text in quotes: key = "text"'
    return 'key = "text", key = 1, [table] or [[table]]'
