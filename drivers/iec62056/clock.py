"""A meter's clock from the parameters that hold its date and time."""

from collections.abc import Callable
from datetime import datetime

from drivers.iec62056.parts import ClockRow
from drivers.iec62056.table import clock_reader
from protocols.errors import BadFrame


def shown(row: ClockRow, text: Callable[[str], str]) -> datetime:
    """The wall time, naive, whole seconds; ``text`` reads a parameter. BadFrame where it is not a clock."""
    read = clock_reader(row.pattern)
    texts = " ".join(map(text, row.names))
    numbers = read(texts)
    if numbers is not None and numbers["hour"] == numbers["minute"] == 0 and len(row.names) > 1:
        numbers = read(" ".join(map(text, row.names)))  # midnight may lie between date and time
    try:
        if numbers is None:
            raise ValueError("no date")
        date = (2000 + numbers["year"], numbers["month"], numbers["day"])
        return datetime(*date, numbers["hour"], numbers["minute"], numbers["second"])
    except ValueError:
        raise BadFrame(f"no clock: {texts[:40]!r}") from None
