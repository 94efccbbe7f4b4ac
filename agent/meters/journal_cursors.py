"""Until when each meter's journals were read, kept across restarts: what a meter noted in an outage is read after it.

The readings of a start say nothing of that: power may fail once more before the journals' turn has come.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.meters.sealed import checksummed, verified
from agent.meters.state import MeterState
from buffer.faults import StoreError
from buffer.notes import JOURNALS
from buffer.store import Store
from buffer.writer import Change

log = logging.getLogger("meterpost")

EVERY = timedelta(days=1)
"""How old the note may become: cards wear, and reading one day of journals twice makes no event twice."""


class JournalCursors:
    """Until when each journal was read, by point with the meter's serial: one note for all of them."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._noted: dict[str, tuple[str, datetime]] = {}

    def restore(self, meters: Iterable[MeterState], store: Store) -> None:
        """To each meter what was noted of it; another meter at its point begins with all that its journals have."""
        self._noted = _read(verified(store.noted(JOURNALS.key)))
        for meter in meters:
            serial, until = self._noted.get(meter.config.point, ("", None))
            meter.journals_until = until if serial == meter.config.serial else None

    def save(self, meters: Sequence[MeterState], every: timedelta = EVERY) -> None:
        """Write the note where a look is ``every`` newer than the noted one, or the first of its meter."""
        ends = {m.config.point: (m.config.serial, m.journals_until) for m in meters if m.journals_until is not None}
        if not any(self._is_late(point, *end, every) for point, end in ends.items()):
            return
        noted = self._noted | ends
        text = checksummed({point: [serial, until.isoformat()] for point, (serial, until) in noted.items()})
        try:
            self._change(lambda store: store.note(JOURNALS.key, text))
        except StoreError as trouble:  # a full disk: written again with the next check
            log.error("until when journals were read is not noted: %s", trouble)
        else:
            self._noted = noted

    def _is_late(self, point: str, serial: str, journals_until: datetime, every: timedelta) -> bool:
        known, until = self._noted.get(point, ("", journals_until))
        return known != serial or abs(journals_until - until) > every  # also where our clock was set back


def _read(document: Any) -> dict[str, tuple[str, datetime]]:
    """Nothing where there is no note or it is damaged: then journals are read from their beginning on."""
    found = document or {}
    return {point: (serial, datetime.fromisoformat(until).astimezone(UTC)) for point, (serial, until) in found.items()}
