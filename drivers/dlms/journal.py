"""Rows of a DLMS meter's journals as documented events."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from drivers.dlms.model import Journal
from drivers.dlms.profile import Layout, Row
from drivers.reading import Reading


def told(journal: Journal, shape: Layout, rows: Iterable[Row]) -> Iterator[Reading]:
    """An event for each row, in their order. ``maker`` is the journal's name and the meter's own number; ``n`` counts
    events of one second and code, so ``rows`` have all of a second or none."""
    at_code = next((at for at, each in enumerate(shape.columns) if at != shape.clock), None)
    counted: dict[tuple[datetime, str], int] = {}
    for row in rows:
        number = row.cells[at_code] if at_code is not None else None
        maker = number if isinstance(number, int) else None
        code, words = journal.events.get(-1 if maker is None else maker, ("other", f"{journal.name} {maker}"))
        n = counted[row.at, code] = counted.get((row.at, code), 0) + 1
        event = {"code": code, "maker": f"{journal.name}.{maker}", "text": words, "n": n}
        yield Reading("event", {}, (), at=row.at, event=event)
