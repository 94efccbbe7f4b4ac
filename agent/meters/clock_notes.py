"""What is known of the meters' clocks, kept in the store's notes."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from agent.meters.clock_state import ClockFacts
from agent.meters.sealed import checksummed, verified
from agent.meters.state import MeterState
from buffer.notes import METER_CLOCK
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer


class ClockNotes:
    """The :class:`~agent.meters.clock_state.KeepsClockFacts` of one point."""

    def __init__(
        self, point: str, facts: ClockFacts, writer: Writer, submit: Callable[[Sequence[Record]], None]
    ) -> None:
        self.facts = facts
        self._key, self._writer, self._submit = METER_CLOCK.of(point), writer, submit

    def keep(self, facts: ClockFacts, events: Sequence[Record] = ()) -> None:
        """The note is written after the events: a power cut in between repeats an event rather than losing it."""
        self.facts = facts  # also while the disk takes nothing: the worker itself remembers until the next start
        self._submit(events)
        self._writer.call(lambda store: store.note(self._key, written(facts)))


def restore(
    meters: Sequence[MeterState], store: Store, writer: Writer, submit: Callable[[Sequence[Record]], None]
) -> None:
    """Give each meter its clock notes, with what earlier starts have noted."""
    notes = store.notes(METER_CLOCK.key)
    for meter in meters:
        point = meter.config.point
        meter.watch.notes = ClockNotes(point, read(notes.get(METER_CLOCK.of(point))), writer, submit)


def written(facts: ClockFacts) -> str:
    """The note's text."""
    return checksummed(
        {
            "serial": facts.serial,
            "off": facts.off,
            "tried": facts.tried and facts.tried.isoformat(),
            "before": facts.before,
            "told": facts.told and facts.told.isoformat(),
            **({"zone_doubt": True} if facts.zone_doubt else {}),
        }
    )


def read(note: str | None) -> ClockFacts:
    """What a note says; nothing if there is none or it is damaged."""
    document: Any = verified(note)
    if document is None:
        return ClockFacts()
    before = document["before"]
    return ClockFacts(
        serial=document["serial"],
        off=document["off"],
        tried=_day(document["tried"]),
        before=None if before is None else Decimal(before),
        told=_day(document["told"]),
        zone_doubt=document.get("zone_doubt", False),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
