"""What the tables of IEC 62056-21 meters are made of: parameters and what their values are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from drivers.iec62056 import obis
from drivers.reading import Number
from protocols.errors import BadFrame
from protocols.iec62056.block import Value

PERIODS = frozenset({3, 6, 12, 15, 30, 60})
"""Minutes whose part of an hour is a finite decimal: energies of others would have to be rounded."""

_TOKENS = {"DD": "%d", "MM": "%m", "YY": "%y"}


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter and the registers that its values are, in their order ("" for a value that is not ours)."""

    name: str
    registers: tuple[str, ...]
    arguments: str = ""
    factor: Decimal = Decimal(1)  # the meter's unit in ours, e.g. 1000 for kWh
    split: str = ""  # what separates the values inside one pair of brackets
    prefix: str = ""  # regular expression of what stands before the first value, e.g. a date
    modulo: int | None = None  # takes a leading sign digit away (Neva's power factor)
    optional: bool = False  # not every meter of the family has it: its refusal is not worth a flag
    more: bool = False  # further values may follow and are not ours


@dataclass(frozen=True, slots=True)
class Archive:
    """Registers frozen at the start of each day or month: one parameter that is asked for by the date of the period
    that ended, or ``names``, the parameters that hold them, newest first: the first was frozen at the start of the
    running day or month."""

    row: Row  # ``arguments`` with DD MM YY in place of the date
    depth: int  # starts that the meter keeps
    names: tuple[str, ...] = ()
    stamped: bool = False  # the answer's first value begins with the date of the period

    def arguments(self, ended: date) -> str:
        """What stands between the brackets of the question for the period whose last day was ``ended``."""
        return re.sub("DD|MM|YY", lambda token: ended.strftime(_TOKENS[token[0]]), self.row.arguments)


@dataclass(frozen=True, slots=True)
class Profile:
    """Average power of the intervals of a day, the first of them from midnight on. One parameter that is asked for by
    date, first interval and count, or ``names``, those of this day, of the day before and so on."""

    name: str
    register: str
    depth: int  # days, this one included
    arguments: str = ""  # with DD MM YY n k in place of the date, the number of the first interval from 1, the count
    names: tuple[str, ...] = ()
    minutes: int = 0  # of an interval; 0: the parameter ``period`` says them
    period: str = ""
    factor: Decimal = Decimal(1)  # the meter's unit of power in W
    split: str = ""  # what separates the values inside one pair of brackets
    whole: bool = False  # values are whole numbers: what is none has another unit

    def asked(self, day: date, first: int, count: int) -> str:
        """What stands between the brackets of the question for these intervals of a day."""
        numbers = {"n": str(first), "k": str(count)}
        return re.sub(
            r"DD|MM|YY|\b[nk]\b", lambda token: numbers.get(token[0]) or day.strftime(_TOKENS[token[0]]), self.arguments
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal by its parameter; all its entries have one event code. ``text`` says what it is about."""

    name: str
    code: str
    text: str
    ring: bool = False  # asked for by first entry and count with a point, entries in no known order
    pointer: str = ""  # of a ring: the parameter that changes when an entry is written


@dataclass(frozen=True, slots=True)
class Correction:
    """A parameter that takes seconds to add to the clock, at most ``limit`` at once."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class ClockRow:
    """The parameters that hold date and time, and how their texts, joined by a blank, are read (``w`` weekday)."""

    names: tuple[str, ...]
    pattern: str


def registers(row: Row, values: Sequence[Value]) -> dict[str, Number]:
    """Register → exact number; what is empty, an error or no number is left out. BadFrame where values are too few
    or too many."""
    texts = [value.text for value in values]
    if texts and row.prefix:
        texts[0] = re.sub(f"^(?:{row.prefix})", "", texts[0], count=1)
    if row.split and len(texts) == 1:
        texts = texts[0].split(row.split)
    if len(texts) != len(row.registers) and not (row.more and len(texts) > len(row.registers)):
        raise BadFrame(f"{row.name}: {len(texts)} values came, {len(row.registers)} are due: {', '.join(texts)[:80]}")
    found: dict[str, Number] = {}
    for register, text in zip(row.registers, texts, strict=False):
        number = Value(text.strip()).number if register else None
        if number is None or (number < 0 and ".8." in register):
            continue
        number = number % row.modulo if row.modulo else number  # without the leading sign digit
        found[register] = obis.plain(number * row.factor)
    return found
