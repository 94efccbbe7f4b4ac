"""What of a text is not TOML: every faulty statement with its place, and the text without them to go on with.

Where a small repair makes TOML of a statement, the repair says what was meant, and what it says is judged further;
any other is left out. A repaired text is for telling more faults only: the file is refused.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from drivers.files import letters
from drivers.files.faults import Fault
from drivers.files.repairs import repair
from drivers.files.statements import BLANK, Statement, statements
from drivers.files.text import MOST

KEY = re.compile(r"\s*[\"']?([\w-]+)")
LIMITS = {
    "arrays or tables inside each other without end": "a few levels at most",
    "a number of thousands of digits": "numbers that fit a meter",
}
"""What Python does not take though it is TOML, and what may stand there."""
TWICE = ("cannot overwrite", "cannot declare", "cannot mutate")  # tomllib's beginnings, for a key or a table


@dataclass(slots=True)
class Parsed:
    """``data`` None: too much is wrong to go on. ``text`` is what the data and their places come from. ``skipped``:
    line of a table's header (0: none) and key → the line where that key was left out; ``lost``: table → the same."""

    text: str
    data: dict[str, Any] | None
    faults: list[Fault] = field(default_factory=list)
    skipped: dict[tuple[int, str], int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def parse(file: Path, text: str) -> Parsed:
    """The values of a text, numbers with a point as exact Decimal, and every fault of its syntax."""
    try:
        return Parsed(text, loads(text))
    except (ValueError, RecursionError):
        return _Recovery(file, text).parsed()


def loads(text: str) -> dict[str, Any]:
    """As tomllib, which raises ValueError or RecursionError, without binary floats."""
    return tomllib.loads(text, parse_float=_exact)


def _exact(text: str) -> Decimal:
    """What no Decimal can hold is not a number, and is refused where it stands."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("nan")


class _Recovery:
    def __init__(self, file: Path, text: str) -> None:
        self.file, self.lines = file, text.split("\n")
        self.result = Parsed(text, None)
        self.header = 0  # line of the header of the table that is read

    def parsed(self) -> Parsed:
        whole = list(statements(self.lines))
        for statement in whole:
            self._statement(statement)
            if len(self.result.faults) >= MOST:
                return self.result
        if self.result.lost:
            self._leave_out_lost(whole)
        while len(self.result.faults) < MOST:
            self.result.text = "\n".join(self.lines)
            try:
                self.result.data = loads(self.result.text)
                break
            except (ValueError, RecursionError) as error:
                self._contradiction(whole, str(error))
        return self.result

    def _statement(self, statement: Statement) -> None:
        start, text = statement.start, "\n".join(self.lines[statement.start : statement.end])
        if statement.header:
            self.header = start + 1
        error = error_of(text)
        if error is None:
            return
        if (repaired := repair(text, lambda new: error_of(new) is None)) is not None:
            new, found = repaired
            self._add(self._fault(start, text, *one) for one in found)
            self.lines[start : statement.end] = new.split("\n")
            return
        at, what = _place(text, error)
        self._add([self._fault(start, text, at, _with_strange(what, text, at), LIMITS.get(error) or _usual(text))])
        self._skip(statement)

    def _add(self, faults: Iterable[Fault]) -> None:
        self.result.faults += faults

    def _fault(self, start: int, text: str, at: int, found: str, expected: str) -> Fault:
        line, column = start + text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return Fault(self.file, line, column, "", found, expected)

    def _skip(self, statement: Statement) -> None:
        text = self.lines[statement.start]
        if statement.header:
            self.result.lost[re.sub(r"[\[\]\s]", "", text).split(".")[0].split("#")[0]] = statement.start + 1
        elif (key := KEY.match(letters.latin(text))) is not None:
            self.result.skipped[self.header, key[1]] = statement.start + 1
        self.lines[statement.start : statement.end] = [""] * (statement.end - statement.start)

    def _leave_out_lost(self, whole: list[Statement]) -> None:
        """What stands below a header that was left out belongs to no table that is known."""
        lost = False
        for statement in whole:
            if statement.header:
                lost = not self.lines[statement.start].strip(BLANK)
            elif lost:
                self.lines[statement.start : statement.end] = [""] * (statement.end - statement.start)

    def _contradiction(self, whole: list[Statement], error: str) -> None:
        """A statement that is sound by itself and not after the others, such as a key that stands twice; or a comment
        with a character that may not be in one."""
        text = "\n".join(self.lines)
        at, what = _place(text, error)
        line = text.count("\n", 0, at)
        found = next((one for one in whole if one.start <= line < one.end), None)
        if found is None:
            self._add([self._fault(0, text, at, _with_strange(what, text, at), "a comment of printable characters")])
            self.lines[line] = ""
            return
        self.header = max((one.start + 1 for one in whole if one.header and one.start <= found.start), default=0)
        if error.lower().startswith(TWICE):
            what = f"a {'table' if found.header else 'key'} that stands there already ({_reason(error)})"
        at = len(self.lines[found.start]) - len(self.lines[found.start].lstrip(BLANK))
        fault = self._fault(found.start, self.lines[found.start], at, what, "each once")
        self._add([fault])
        self._skip(found)
        if found.header:
            self._leave_out_lost(whole)


def error_of(text: str) -> str | None:
    """Why a statement is not TOML, None where it is."""
    try:
        loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    except RecursionError:
        return next(iter(LIMITS))
    except ValueError:  # a whole number beyond Python's limit of 4300 digits; tomllib does not say where
        return list(LIMITS)[1]
    return None


def _place(text: str, error: str) -> tuple[int, str]:
    """Where in the text tomllib stopped, and what stands there as far as it says."""
    where = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", error)
    if where is None:
        return 0, error
    what = f"what is not TOML ({_reason(error)})"
    if where[1] is None:
        return len(text.rstrip("\n")), what
    at = 0
    for _ in range(int(where[1]) - 1):
        at = text.index("\n", at) + 1
    return at + int(where[2]) - 1, what


def _with_strange(what: str, text: str, at: int) -> str:
    """The same with the name of a character that no keyboard shows."""
    there = text[at : at + 1]
    plain = there in ("", "\n") or (there.isascii() and there.isprintable())
    return what if plain else f"{what}, at {letters.name(there)}"


def _reason(error: str) -> str:
    return error.rpartition(" (at ")[0].lower()


def _usual(text: str) -> str:
    return (
        "[[table]] or [table]" if text.lstrip(BLANK).startswith("[") else 'key = "text", key = 1, [table] or [[table]]'
    )
