"""What a model of IEC 62056-21 meters is: how it is reached, and which parameter brings which registers.

The files that say so are read by :mod:`drivers.iec62056.model_file`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from drivers.iec62056.parts import Archive, ClockRow, Correction, Journal, Profile, Row
from protocols.session import Line

WAYS = ("session", "readout", "direct")
CHECKS = ("auto", "xor", "sum", "none")
"""Rules of the check character; "auto" goes by the maker's letters."""


@dataclass(frozen=True, slots=True)
class Table:
    models: tuple[str, ...]
    title: str
    way: str  # session: single parameters in programming mode; readout: one telegram; direct: group read, no session
    line: Line
    check: str
    login: bool = False  # the password is needed for reading
    password: str | None = None  # as delivered
    serial: str = ""  # the parameter of the serial number; "" in a readout: found by its usual codes
    identification: str = ""  # regular expression with the groups model and firmware
    readout: str = "0"  # which one (mode character Y)
    obis: bool = False  # readout: registers by their OBIS codes
    clock: ClockRow | None = None
    now: tuple[Row, ...] = ()
    network: tuple[Row, ...] = ()
    interval: Profile | None = None
    day: tuple[Archive, ...] = ()
    month: tuple[Archive, ...] = ()
    event: tuple[Journal, ...] = ()
    set_clock: Correction | None = None
    resolution: Decimal = Decimal(1)  # Wh
    mismatch: Decimal | None = None  # Wh by which totals and tariffs of sound meters differ
    telegram: int = 2000  # octets of a readout, for the bus budget
    verified: str = ""  # where the parameters come from


def clock_reader(pattern: str) -> Callable[[str], Mapping[str, int] | None]:
    """Reads a text by a clock pattern: the numbers under year, month, day, hour, minute, second; None: no clock."""
    expression = re.escape(pattern)
    for token, name in (
        ("YY", "year"),
        ("MM", "month"),
        ("DD", "day"),
        ("hh", "hour"),
        ("mm", "minute"),
        ("ss", "second"),
    ):
        expression = expression.replace(token, rf"(?P<{name}>\d\d)", 1)
    expression = re.sub(r"(?<![A-Za-z<?\\])w", r"\\d{1,2}", expression)
    compiled = re.compile(expression)

    def read(text: str) -> Mapping[str, int] | None:
        match = compiled.match(text)
        return {name: int(digits) for name, digits in match.groupdict().items()} if match else None

    return read
