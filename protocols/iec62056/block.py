"""Data sets ``id(value*unit)`` of IEC 62056-21:2002 §6.5 and §6.6, exact: text in, Decimals out.

A set without an id belongs to the one before it. Nothing is lost: order, duplicates, empty values and unknown ids are
kept; a line that is not a data line is set aside in ``damaged``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from protocols.texts import meter_text

_USUAL = re.compile(r"([^()\s]+)\(([^()*\s]*)(?:\*([^()*\s]+))?\)").fullmatch  # a line of one set without blanks
_SETS = re.compile(r"([^()]*)\(([^()]*)\)")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_GLUED = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s+([A-Za-z]\S*)")  # "024562 kWh" of an Iskra MT171
_ERROR = re.compile(r"\(?E(?:R+|RROR)?_?(\d+)\)?")


class Value(NamedTuple):
    """One pair of brackets. ``text`` without padding; "" is no value at all, which is not zero."""

    text: str
    unit: str = ""

    @property
    def number(self) -> Decimal | None:
        """The exact number, point or comma; None where it is empty or no number."""
        if not _NUMBER.fullmatch(self.text):
            return None
        return Decimal(self.text.replace(",", "."))

    @property
    def error(self) -> int | None:
        """The number of an error that stands in place of a value: ``ERR12``, ``E12``, ``ER23``, ``ERROR04``."""
        found = _ERROR.fullmatch(self.text)
        return int(found[1]) if found else None

    def __str__(self) -> str:
        """As it stands between the brackets."""
        return f"{self.text}*{self.unit}" if self.unit else self.text


class DataSet(NamedTuple):
    """An id as sent ("1-0:1.8.0*255", "ET0PE", "" where none came) and the values that belong to it."""

    id: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        """A line of a message."""
        return self.id + "".join(f"({value})" for value in self.values)


@dataclass(frozen=True, slots=True)
class Block:
    """The data sets of one message in order, and the lines that were none."""

    sets: tuple[DataSet, ...]
    damaged: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """What :func:`parse` reads: a line for each set. Damaged lines are left out."""
        return "".join(f"{one}\r\n" for one in self.sets).encode("cp1251")

    def values(self, name: str) -> tuple[Value, ...]:
        """All values under this id, whether each came with the id again or not."""
        return tuple(value for one in self.sets if one.id == name for value in one.values)

    def text(self, *names: str) -> str | None:
        """The first value that is not empty under one of these ids, the first name first."""
        for name in names:
            for value in self.values(name):
                if value.text:
                    return value.text
        return None


def text_of(data: bytes) -> str:
    """Characters of a message; octets above 7Fh come on a true 8-bit line only."""
    return meter_text(data)


def value_of(inner: str) -> Value:
    """What stands between brackets, split at the first ``*``; a unit behind a blank is one too."""
    text, star, unit = inner.partition("*")
    text, unit = text.strip(), unit.strip()
    if not star and (glued := _GLUED.fullmatch(text)):
        text, unit = glued[1], glued[2]
    return Value(text, unit)


def parse(data: bytes) -> Block:
    """The data sets of a message's text, without its control and check characters. Never raises."""
    sets: list[tuple[str, list[Value]]] = []
    damaged: list[str] = []
    lost = False  # the id that a set without one would belong to
    for line in text_of(data).replace("\r", "\n").split("\n"):
        if usual := _USUAL(line):
            sets.append((usual[1], [Value(usual[2], usual[3] or "")]))
            lost = False
            continue
        line = line.strip("\0 ").removesuffix("!")  # the closing mark may be glued to the last bracket
        if not line:
            continue
        found = list(_sets_of(line))
        if not found:
            damaged.append(line)
            lost = True
            continue
        for name, value in found:
            if name:
                sets.append((name, [value]))
                lost = False
            elif lost:
                damaged.append(line)
            elif sets:
                sets[-1][1].append(value)
            else:
                sets.append(("", [value]))
    return Block(tuple(DataSet(name, tuple(values)) for name, values in sets), tuple(damaged))


def _sets_of(line: str) -> Iterator[tuple[str, Value]]:
    """The data sets of a line; nothing where a part of it is not a data set."""
    found: list[tuple[str, Value]] = []
    place = 0
    line = line.replace("((", "(").replace("))", ")")  # error texts of some P1 meters stand in two pairs of brackets
    for match in _SETS.finditer(line):
        if match.start() != place:
            return
        place = match.end()
        found.append((match[1].strip(), value_of(match[2])))
    if place == len(line):
        yield from found
