"""The installer's file with one meter replaced: only what has to change changes, comments and order stay.

The text is edited where the keys stand, then read again and compared with what was meant; where that is not the same
(a file written in an unusual way), nothing is written.
"""

import contextlib
import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.replacement.act import ReplacementRecord
from buffer.record import number_text
from drivers.files.places import KeyPath, Place, Places
from drivers.files.source import Source

LONGEST = 4000  # characters of a value that is replaced
MARK = "\ufeff"  # some editors put it before the first character


class Unwritable(ValueError):
    """The file is written in a way that is not edited here; ``lines`` are what an operator has to write."""

    def __init__(self, text: str, lines: str) -> None:
        super().__init__(text)
        self.lines = lines


def changed(source: Source, text: str) -> Source:
    """The source as it would be read with this text."""
    return replace(source, data=_parsed(text), text=text.removeprefix(MARK).replace("\r\n", "\n"))


def new_text(text: str, source: Source, index: int, act: ReplacementRecord) -> str:
    """The file's new text, proven to say what was meant; Unwritable."""
    try:
        new = _Editor(text.removeprefix(MARK), source.places, index, source.data["meter"][index]).edit(act)
        right = _parsed(new) == _meant(source.data, index, act)
    except (LookupError, tomllib.TOMLDecodeError):
        right = False
    if not right:
        raise Unwritable(f"{source.file} is written in a way that is not edited here", by_hand(act))
    return MARK + new if text.startswith(MARK) else new


def by_hand(act: ReplacementRecord) -> str:
    """What an operator would write into the meter's table."""
    lines = [f"{key} = {literal}" for key, literal in _keys(act).items()]
    return "\n".join([*lines, "", *_before(act)])


def put(file: Path, old: bytes, new: bytes, now: datetime) -> Path:
    """Replace the file atomically, its owner and mode kept; the copy of the old one that was made. OSError.

    FileExistsError where someone has changed the file since it was read.
    """
    place = file.resolve()
    if place.read_bytes() != old:
        raise FileExistsError(f"{file} was changed by someone else just now; look at it and begin again")
    copy = place.with_name(f"{place.name}.{now:%Y%m%dT%H%M%S}.bak")
    shutil.copy2(place, copy)
    found = place.stat()
    fresh = place.with_name(f".{place.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(new)
            os.fchmod(target.fileno(), found.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.fchown(target.fileno(), found.st_uid, found.st_gid)
                os.chown(copy, found.st_uid, found.st_gid)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(place)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return copy


class _Editor:
    """Changes of one meter's table, gathered as (start, end, new text) and made from the end on."""

    def __init__(self, text: str, places: Places, index: int, table: Mapping[str, Any]) -> None:
        self._text, self._places, self._path = text, places, ("meter", index)
        self._table = table
        self._starts = [0]
        while (end := text.find("\n", self._starts[-1])) >= 0:
            self._starts.append(end + 1)
        self._changes: list[tuple[int, int, str]] = []
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def edit(self, act: ReplacementRecord) -> str:
        added = []
        for key, literal in _keys(act).items():
            place = self._places.values.get((*self._path, key))
            if place is None:
                added.append(f"{key} = {literal}")
            else:
                start = self._offset(place)
                self._changes.append((start, self._end(start, self._table[key]), literal))
        self._after_serial(added)
        self._append(_before(act))
        text = self._text
        # From the end on; of two that go to one place the later one stands behind.
        for start, _, end, new in sorted(
            ((start, order, end, new) for order, (start, end, new) in enumerate(self._changes)), reverse=True
        ):
            text = text[:start] + new + text[end:]
        return text

    def _offset(self, place: Place) -> int:
        return self._starts[place.line - 1] + place.column - 1

    def _end(self, start: int, value: Any) -> int:
        """Where the value that begins here ends: at the shortest text that reads as it."""
        for end in range(start + 1, min(len(self._text), start + LONGEST) + 1):
            with contextlib.suppress(tomllib.TOMLDecodeError):
                found = _parsed(f"x = {self._text[start:end]}")["x"]
                if type(found) is type(value) and found == value:
                    return end
        raise LookupError("no end of a value")

    def _after_serial(self, lines: list[str]) -> None:
        """New keys stand below the serial number, as far in as it does."""
        if not lines:
            return
        place = self._places.values[*self._path, "serial"]
        start = self._starts[place.line - 1]
        line = self._text[start:].split("\n", 1)[0]
        indent = line[: len(line) - len(line.lstrip())]
        self._insert(start + len(line), [f"{indent}{one}" for one in lines])

    def _append(self, lines: list[str]) -> None:
        """At the end of the meter's tables, before the comment above the next table."""
        end = min(filter(lambda at: at > self._offset(self._places.keys[self._path]), self._others()), default=None)
        body = self._text if end is None else self._text[:end]
        rows = body.split("\n")
        if end is not None:
            rows.pop()  # what stands before the header on its own line
            while rows and rows[-1].lstrip().startswith("#"):
                rows.pop()
        while rows and not rows[-1].strip():
            rows.pop()
        self._insert(len("\n".join(rows)), ["", *lines])

    def _others(self) -> list[int]:
        """Offsets of the headers that do not belong to this meter."""
        keys: list[tuple[KeyPath, Place]] = list(self._places.keys.items())
        offsets = {self._offset(place): path for path, place in keys if path[:2] != self._path}
        mine = {self._offset(place) for path, place in keys if path[:2] == self._path}
        return [at for at in offsets if self._text.startswith("[", at) and at not in mine]

    def _insert(self, at: int, lines: list[str]) -> None:
        if self._text[at - 1 : at] == "\r":  # the line's own end stays behind what is inserted
            at -= 1
        self._changes.append((at, at, "".join(self._newline + line for line in lines)))


def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix(MARK), parse_float=Decimal)


def _meant(data: Mapping[str, Any], index: int, act: ReplacementRecord) -> dict[str, Any]:
    whole = deepcopy(dict(data))
    table = whole["meter"][index]
    table |= {"serial": act.serial, "installed": act.day, "initial": dict(act.initial.energies)}
    if act.address is not None:
        table["address"] = _number(act.address)
    if act.driver is not None:
        table["driver"] = act.driver
    gone = {"serial": act.meter.serial, "removed": act.day, "final": dict(act.final.energies)}
    table["before"] = [*table.get("before", []), gone]
    return whole


def _keys(act: ReplacementRecord) -> dict[str, str]:
    """Key → what is to stand behind its "="."""
    keys = {
        "serial": json.dumps(act.serial),
        "installed": act.day.isoformat(),
        "initial": _energies(act.initial.energies),
    }
    if act.address is not None:
        keys["address"] = act.address if isinstance(_number(act.address), int) else json.dumps(act.address)
    if act.driver is not None:
        keys["driver"] = json.dumps(act.driver)
    return keys


def _number(address: str) -> int | str:
    return int(address) if address.isascii() and address.isdecimal() and str(int(address)) == address else address


def _before(act: ReplacementRecord) -> list[str]:
    return [
        "[[meter.before]]",
        f"serial = {json.dumps(act.meter.serial)}",
        f"removed = {act.day.isoformat()}",
        f"final = {_energies(act.final.energies)}",
    ]


def _energies(energies: Mapping[str, Decimal]) -> str:
    return "{ " + ", ".join(f"{name} = {number_text(kwh)}" for name, kwh in sorted(energies.items())) + " }"
