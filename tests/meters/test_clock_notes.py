"""What is known of a meter's clock, in the store's notes."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from agent.events import gateway_event
from agent.meters import clock_notes
from agent.meters.clock_state import ClockFacts
from buffer.writer import Writer
from tests.buffer.plant import crashed, opened
from tests.support.bus import FakeBus


@pytest.mark.parametrize(
    "facts",
    [
        ClockFacts(),
        ClockFacts("20000001", off=True, tried=date(2026, 11, 21), before=Decimal("-42.5"), told=date(2026, 11, 20)),
        ClockFacts("20000001", before=Decimal(42)),
    ],
)
def test_what_is_known_of_a_clock_survives_its_note(facts: ClockFacts) -> None:
    assert clock_notes.read(clock_notes.written(facts)) == facts


def test_a_damaged_note_is_none() -> None:
    note = clock_notes.written(ClockFacts("20000001", off=True))
    assert clock_notes.read(note.replace("true", "false")) == ClockFacts()
    assert clock_notes.read(None) == ClockFacts()


def test_what_was_told_and_tried_is_on_the_disk_when_it_was_told_and_known_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    writer = Writer(store, on_stored=lambda records: None)
    meter = FakeBus(1).meters[0]
    clock_notes.restore([meter], store, writer, writer.submit)
    assert meter.watch.notes is not None and meter.watch.notes.facts == ClockFacts()
    facts = ClockFacts("20000001", off=True, tried=date(2026, 11, 21), before=Decimal("42.3"))
    told = gateway_event("meter-clock-off", "42.3 s fast", FakeBus(1).clock.stamp(), point="flat-1", serial="20000001")
    meter.watch.notes.keep(facts, [told])
    crashed_store = opened(crashed(tmp_path, tmp_path / "after"))  # kill -9 at this moment
    again = FakeBus(1).meters[0]
    clock_notes.restore([again], crashed_store, writer, writer.submit)
    assert again.watch.notes is not None and again.watch.notes.facts == facts
    assert [record.event for record, _, _ in crashed_store.rows()] == [told.event]
    writer.close()
    store.close()
    crashed_store.close()
