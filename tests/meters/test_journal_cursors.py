"""What meters noted in an outage is read after it, whatever happens while the gateway comes back."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.config.load import load
from agent.config.values import Poll
from agent.daemon import Daemon
from agent.meters.journal_cursors import EVERY, JournalCursors
from buffer.faults import StoreUnusable
from buffer.notes import JOURNALS
from buffer.store import Store
from protocols.errors import LinkLost
from protocols.session import Line
from tests.line.test_archive_polls import HOUR, Archive
from tests.support.bus import NOON, FakeBus
from tests.support.files import FLAT

T = TypeVar("T")


class Gateway:
    """A bus of one meter with journals, whose looks are kept in a real store; each ``start`` is a new run."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder, now=lambda: NOON)
        self.away = 0.0
        self.full = False  # the disk takes nothing
        self.written: list[datetime] = []

    def start(self, away: timedelta = timedelta()) -> Archive:
        self.away += away.total_seconds()
        journal = Archive("event")
        self.bus = FakeBus(1, Poll(now=60.0, network=None, event=3600.0), prepare=journal)
        self.bus.clock.step(self.away)
        self.cursors = JournalCursors(self.change)
        self.cursors.restore(self.bus.meters, self.store)
        return journal

    def run(self, seconds: float) -> None:
        self.bus.run(seconds, lambda: self.cursors.save(self.bus.meters))
        self.away += seconds

    def change(self, work: Callable[[Store], T], /) -> T:
        if self.full:
            raise StoreUnusable("the disk is full")
        self.written.append(self.bus.clock.stamp().utc)
        return work(self.store)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.store.close()


def test_a_power_cut_before_the_journals_turn_costs_nothing_of_the_outage(gateway: Gateway) -> None:
    journal = gateway.start()
    gateway.run(120)
    ((_, first),) = journal.asked
    cut_short = gateway.start(away=timedelta(days=40))
    gateway.run(20)
    assert gateway.bus.readings() and not cut_short.asked
    journal = gateway.start(away=timedelta(minutes=5))
    gateway.run(120)
    assert journal.asked[0][0] == first - HOUR


@pytest.mark.slow
def test_the_note_is_written_once_a_day_and_never_older(gateway: Gateway) -> None:
    gateway.start()
    gateway.run(3 * 86400)
    assert len(gateway.written) == 3
    journal = gateway.start()
    gateway.run(60)
    assert journal.asked[0][1] - journal.asked[0][0] <= EVERY + 3 * HOUR


def test_a_stop_notes_the_last_look_whatever_its_age(gateway: Gateway) -> None:
    journal = gateway.start()
    gateway.run(3 * 3600 + 60)
    gateway.cursors.save(gateway.bus.meters, timedelta())
    last = journal.asked[-1][1]
    journal = gateway.start(away=timedelta(days=9))
    gateway.run(60)
    assert journal.asked[0][0] == last - HOUR


@pytest.mark.slow
def test_another_meter_a_damaged_note_and_none_begin_with_all(gateway: Gateway) -> None:
    gateway.start()
    gateway.run(60)
    assert gateway.bus.meters[0].journals_until
    gateway.cursors.restore(gateway.bus.meters, gateway.store)
    assert gateway.bus.meters[0].journals_until
    note = gateway.store.noted(JOURNALS.key)
    assert note is not None
    for damaged in (note.replace("20000001", "20000002"), note[:-1], None):
        gateway.store.note(JOURNALS.key, damaged)
        gateway.cursors.restore(gateway.bus.meters, gateway.store)
        assert gateway.bus.meters[0].journals_until is None


def test_the_note_names_the_meter(gateway: Gateway) -> None:
    gateway.start()
    gateway.run(60)
    other = FakeBus(2).meters[1]
    other.config = gateway.bus.meters[0].config.__class__(
        "flat-1", "riser", "mercury230", "2", "20000002", Line(), poll=other.config.poll
    )
    gateway.cursors.restore([other], gateway.store)
    assert other.journals_until is None


def test_a_disk_that_takes_no_note_is_asked_again(gateway: Gateway) -> None:
    gateway.start()
    gateway.full = True
    gateway.run(60)
    assert gateway.store.noted(JOURNALS.key) is None
    gateway.full = False
    gateway.run(1)
    assert gateway.store.noted(JOURNALS.key) is not None


@pytest.mark.slow
def test_the_daemon_keeps_them_over_a_reload_and_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "meterpost.toml"
    file.write_text(FLAT)
    seen: list[datetime | None] = []

    def no_port(url: str, line: Line) -> Any:
        raise LinkLost(f"{url}: not there")

    for number in range(2):
        daemon = Daemon(load(file), file, open_port=no_port)
        daemon.start()
        try:
            (meter,) = daemon.buses.workers[0].meters
            seen.append(meter.journals_until)
            meter.journals_until = NOON + number * HOUR
            daemon.tick()
            daemon.in_force.reload()
            (meter,) = daemon.buses.workers[0].meters
            seen.append(meter.journals_until)
            meter.journals_until = NOON + number * HOUR + timedelta(minutes=30)
        finally:
            daemon.close()
    half = timedelta(minutes=30)
    assert seen == [None, NOON, NOON + half, NOON + HOUR]
