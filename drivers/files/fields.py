"""What may stand under each key of a TOML table, as data, and one table of a file judged by it.

A file of an installer is judged whole: what is wrong becomes a fault with its place, and the rest is read on.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from drivers.files.faults import Fault
from drivers.files.letters import note
from drivers.files.places import KeyPath
from drivers.files.source import Source, dotted
from drivers.files.words import meant, one_of, shown

NEEDED: Any = object()
"""The default of a key that must be written."""


@dataclass(frozen=True, slots=True)
class Field:
    """``check`` gives the value as the program has it, ValueError for one that may not stand there. ``default`` holds
    where the key is not written. ``choices``: words of which a misspelt one may be meant."""

    check: Callable[[Any], Any]
    expected: str
    default: Any = NEEDED
    choices: tuple[str, ...] = ()


Fields = Mapping[str, Field]

SMALLEST = 12  # decimal places of an exact number


def text(expected: str = "text in quotes", default: Any = NEEDED, pattern: str = r"(?s).*\S.*") -> Field:
    """Text that the whole pattern matches."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Field(check, expected, default)


def texts(expected: str, default: Any = NEEDED, pattern: str = r"(?s).*\S.*") -> Field:
    """A list of at least one such text, as a tuple."""
    each = text("", pattern=pattern).check

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError
        return tuple(map(each, value))

    return Field(check, expected, default)


def whole(low: int, high: int, expected: str, default: Any = NEEDED) -> Field:
    """A whole number from ``low`` to ``high``."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Field(check, expected, default)


def flag(default: bool = False) -> Field:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Field(check, "true or false", default)


def choice(*allowed: str, default: Any = NEEDED) -> Field:
    """One of these words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError
        return value

    return Field(check, one_of(allowed), default, allowed)


def number(*allowed: int, default: Any = NEEDED) -> Field:
    """One of these whole numbers."""

    def check(value: Any) -> int:
        if type(value) is not int or value not in allowed:
            raise ValueError
        return value

    *first, last = map(str, allowed)
    return Field(check, f"{', '.join(first)} or {last}", default)


def exact(low: str, high: str, expected: str, default: Any = NEEDED, digits: int = 8, plain: bool = False) -> Field:
    """An exact number, written as text of at most ``digits`` digits. ``plain``: without sign and exponent."""

    def check(value: Any) -> Decimal:
        if not isinstance(value, str) or (plain and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value)):
            raise ValueError
        try:
            found = Decimal(value)
        except InvalidOperation:
            raise ValueError from None
        if not found.is_finite() or not Decimal(low) <= found <= Decimal(high):
            raise ValueError
        parts = found.as_tuple()
        if len(parts.digits) > digits or abs(int(parts.exponent)) > SMALLEST:  # nothing that takes long to compute
            raise ValueError
        return found

    return Field(check, expected, default)


def expression(expected: str, default: Any = NEEDED) -> Field:
    """A regular expression, as its text."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or (not value and default != ""):
            raise ValueError
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise ValueError from None
        return value

    return Field(check, expected, default)


def unknown(key: str) -> str:
    """An unknown key for a fault. Its value is not shown: what stands under a wrong key may be a password."""
    return f"an unknown key {note(key)}".rstrip()


class Section:
    """One table of a file; faults gather in a list that all tables of the file share."""

    def __init__(self, source: Source, path: KeyPath, content: Mapping[str, Any], faults: list[Fault]) -> None:
        self.source, self.path, self.content, self.faults = source, path, content, faults
        self._before = len(faults)

    @property
    def sound(self) -> bool:
        """Whether no fault was told since this table was opened."""
        return len(self.faults) == self._before

    def read(self, fields: Fields, tables: Collection[str] = ()) -> dict[str, Any]:
        """The value of each field: its default where it is not written or faulty, None without one. ``tables``: keys
        that the caller reads himself; every other key is a fault."""
        known = [*fields, *tables]
        for key in self.content:
            if key not in known:
                self.fault_at_key(key, unknown(key), one_of(known) + meant(key, known))
        return {key: self._value(key, field) for key, field in fields.items()}

    def _value(self, key: str, field: Field) -> Any:
        default = None if field.default is NEEDED else field.default
        if key not in self.content:
            if field.default is NEEDED:
                self.missing(key, field.expected)
            return default
        value = self.content[key]
        try:
            return field.check(value)
        except ValueError:
            hint = meant(value, field.choices) if isinstance(value, str) and field.choices else ""
            self.fault(key, shown(value), field.expected + hint)
            return default

    def section(self, key: str) -> "Section | None":
        """The table under this key, None if there is none."""
        value = self.content.get(key)
        if isinstance(value, dict):
            return Section(self.source, (*self.path, key), value, self.faults)
        if value is not None:
            self.fault(key, shown(value), f"a table [{dotted((*self.path, key))}]")
        return None

    def sections(self, key: str) -> "Iterator[Section]":
        """The tables ``[[key]]``, in their order."""
        value = self.content.get(key, [])
        if not isinstance(value, list):
            self.fault(key, shown(value), f"tables [[{dotted((*self.path, key))}]]")
            return
        for number, content in enumerate(value):
            path = (*self.path, key, number)
            if isinstance(content, dict):
                yield Section(self.source, path, content, self.faults)
            else:
                self.faults.append(self.source.fault(path, shown(content), f"a table [[{dotted((*self.path, key))}]]"))

    def named(self, key: str) -> "Iterator[tuple[str, Section]]":
        """The tables ``[key.NAME]``, in their order."""
        inside = self.section(key)
        if inside is None:
            return
        for name in inside.content:
            section = inside.section(name)
            if section is not None:
                yield name, section

    def fault(self, key: str, found: str, expected: str) -> None:
        """A fault at this key's value."""
        self.faults.append(self.source.fault((*self.path, key), found, expected))

    def fault_at_key(self, key: str, found: str, expected: str) -> None:
        self.faults.append(self.source.fault((*self.path, key), found, expected, at_key=True))

    def fault_here(self, found: str, expected: str) -> None:
        """A fault of the whole table, at its header."""
        self.faults.append(self.source.fault(self.path, found, expected, at_key=True))

    def missing(self, key: str, expected: str) -> None:
        self.faults.append(self.source.missing((*self.path, key), expected))
