"""One TOML file of the installer as values with their places."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from drivers.files import syntax
from drivers.files.faults import Fault, once
from drivers.files.places import KeyPath, Places, scan
from drivers.files.text import read_text


@dataclass(frozen=True)
class Source:
    """One file that was read. ``data`` holds tomllib's values, numbers with a point as exact Decimal, ``text`` what
    they come from. ``skipped`` and ``lost`` are what could not be read of it (:class:`drivers.files.syntax.Parsed`)."""

    file: Path
    data: Mapping[str, Any]
    text: str
    skipped: Mapping[tuple[int, str], int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def places(self) -> Places:
        """Found when the first one is asked for: a sound model needs none."""
        return scan(self.text)

    def fault(self, path: KeyPath, found: str, expected: str, *, at_key: bool = False) -> Fault:
        """A fault at the value of this path, or at its key."""
        place = self.places.of_key(path) if at_key else self.places.of_value(path)
        return Fault(self.file, place.line, place.column, dotted(path), found, expected)

    def missing(self, path: KeyPath, expected: str) -> Fault:
        """A fault for a key that is not there. Where it is there and could not be read, it has the place of that: what
        is told of this line already takes its place (:func:`drivers.files.faults.once`)."""
        header = self.places.of_key(path[:-1]).line if len(path) > 1 else 0
        line = self.skipped.get((header, str(path[-1]))) or self.lost.get(str(path[0]))
        fault = self.fault(path, "nothing", expected, at_key=True)
        return replace(fault, line=line, column=1) if line else fault


def dotted(path: KeyPath) -> str:
    """``("meter", 0, "serial")`` counted from 1: ``meter[1].serial``. Parts with points in them are in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
            continue
        name = part if re.fullmatch(r"[\w-]+", part) else f'"{part}"'
        text += f".{name}" if text else name
    return text


def read(file: Path) -> tuple[Source | None, list[Fault]]:
    """One file and every fault of its encoding and its syntax; None where too much is wrong to go on."""
    text, faults = read_text(file)
    if text is None:
        return None, faults
    parsed = syntax.parse(file, text)
    faults = sorted(once(faults, parsed.faults), key=lambda fault: (fault.line, fault.column))
    if parsed.data is None:
        return None, faults
    return Source(file, parsed.data, parsed.text, parsed.skipped, parsed.lost), faults
