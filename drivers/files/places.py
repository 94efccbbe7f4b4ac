"""Where each key and value of a TOML file stands: tomllib gives the values, but no places.

The scanner trusts its text: it is called for texts that tomllib has accepted (TOML 1.0), and knows just enough of the
grammar to walk over strings, arrays and tables. A table of an array of tables has its index in the path, as the
values have it: the second ``[[meter]]`` is ``("meter", 1)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1; the column counts characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Places:
    """The places of the keys (a table's key is its header) and of the values of one file."""

    keys: Mapping[KeyPath, Place]
    values: Mapping[KeyPath, Place]

    def of_value(self, path: KeyPath) -> Place:
        """Where the value stands, or the nearest enclosing table that was written."""
        return self.values.get(path) or self.of_key(path)

    def of_key(self, path: KeyPath) -> Place:
        while path:
            place = self.keys.get(path) or self.values.get(path)
            if place:
                return place
            path = path[:-1]
        return Place(1, 1)


def scan(text: str) -> Places:
    """The places in a text that tomllib accepts."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    place = _Lines(scanner.text).place
    return Places(
        {path: place(at) for path, at in scanner.keys.items()},
        {path: place(at) for path, at in scanner.values.items()},
    )


class _Lines:
    """Offsets of one text as places, asked in growing order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = 1
        self.start = 0  # of the line that holds the offset asked last

    def place(self, offset: int) -> Place:
        if offset < self.start:
            self.line, self.start = 1, 0
        while (end := self.text.find("\n", self.start, offset)) >= 0:
            self.line += 1
            self.start = end + 1
        return Place(self.line, offset - self.start + 1)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.keys: dict[KeyPath, int] = {}
        self.values: dict[KeyPath, int] = {}
        self.tables: dict[KeyPath, int] = {}  # arrays of tables: how many tables each has so far

    def document(self) -> None:
        current: KeyPath = ()
        while True:
            self.blank(newlines=True)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[", self.at):
                current = self.header()
            else:
                self.pair(current)

    def header(self) -> KeyPath:
        start = self.at
        many = self.text.startswith("[[", start)
        self.at += 2 if many else 1
        path: KeyPath = ()
        parts = self.key()
        for index, (part, _) in enumerate(parts):
            path = (*path, part)
            last = index == len(parts) - 1
            if many and last:
                self.keys.setdefault(path, start)
                self.tables[path] = self.tables.get(path, 0) + 1
            elif not last:
                self.keys.setdefault(path, start)
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        self.keys[path] = start
        self.at += 2 if many else 1
        return path

    def pair(self, table: KeyPath) -> None:
        path = table
        for part, start in self.key():
            path = (*path, part)
            self.keys.setdefault(path, start)
        self.at += 1  # the "="
        self.blank()
        self.value(path)

    def key(self) -> list[tuple[str, int]]:
        """The parts of a dotted key with their offsets; ends at the character after it and its blanks."""
        parts = []
        while True:
            self.blank()
            start = self.at
            if self.text[start] in "\"'":
                self.string()
                parts.append((_unquote(self.text[start : self.at]), start))
            else:
                while self.text[self.at] not in " \t.=]":
                    self.at += 1
                parts.append((self.text[start : self.at], start))
            self.blank()
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def value(self, path: KeyPath) -> None:
        self.values[path] = self.at
        match self.text[self.at]:
            case '"' | "'":
                self.string()
            case "[":
                self.array(path)
            case "{":
                self.inline_table(path)
            case _:  # number, truth value or date; a date may hold a blank, none of these characters
                while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                    self.at += 1

    def array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while True:
            self.blank(newlines=True)
            match self.text[self.at]:
                case "]":
                    self.at += 1
                    return
                case ",":
                    self.at += 1
                case _:
                    self.value((*path, index))
                    index += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self.blank(newlines=True)
            match self.text[self.at]:
                case "}":
                    self.at += 1
                    return
                case ",":
                    self.at += 1
                case _:
                    self.pair(path)

    def string(self) -> None:
        quote = self.text[self.at]
        end = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(end)
        while not self.text.startswith(end, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(end)
        if len(end) == 3:  # up to two quotes more belong to the string: """he said "no\"""" ends with four
            for _ in range(2):
                self.at += self.text.startswith(quote, self.at)

    def blank(self, newlines: bool = False) -> None:
        """Over blanks; with ``newlines`` over line ends and comments too."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t" or (newlines and self.text[self.at] == "\n"):
                self.at += 1
            elif newlines and self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return


def _unquote(key: str) -> str:
    """A quoted key as tomllib reads it."""
    import tomllib

    return next(iter(tomllib.loads(f"{key}=0")))
