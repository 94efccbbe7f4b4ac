"""Archives make way for energies, questions from outside and a stop; they come to their end anyway."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.config.values import Poll
from agent.line.archive_share import FAIR_WAIT, PIECE, SHARE
from agent.line.worker import Question
from buffer.record import Record
from drivers.mercury.driver import Mercury230
from drivers.mercury.journal import JOURNALS
from drivers.reading import Ask, Reading
from protocols.mercury.questions import ReadSerial
from simulators.mercury_archive import Journal, moments
from tests.support.bus import NOON, FakeBus

METERS = 8
EXCHANGE = 0.05  # s; more than one question and answer of these meters takes


def only(*kinds: str) -> Callable[[Mercury230], None]:
    def prepare(driver: Mercury230) -> None:
        driver.capabilities = frozenset({"identify", *kinds})

    return prepare


def with_journals(now: float, meters: int = METERS) -> FakeBus:
    """Meters with two entries in each journal, polled every ``now`` seconds."""
    bus = FakeBus(meters, Poll(now=now, network=None, event=3600.0), prepare=only("now", "event"))
    for meter in bus.simulated:
        for number, kind in JOURNALS.items():
            kept = meter.journals[number] = Journal(kind.size, kind.ring)
            for back in (2, 1):
                at = (NOON - timedelta(hours=back, minutes=number % 50)).replace(tzinfo=None)
                data = moments(at, at + timedelta(minutes=3)) if kind.over else moments(at)
                kept.add(data if number not in (0x13, 0x14) else bytes(12))
    return bus


def told(bus: FakeBus) -> Counter[tuple[Any, ...]]:
    events = [record for record in bus.records if record.event and record.point]
    return Counter((record.point, record.at, *sorted((record.event or {}).items())) for record in events)


def rounds(records: list[Record], period: float) -> dict[datetime, float]:
    """Slot → seconds from it to the last reading of its round."""
    found: dict[datetime, float] = {}
    for record in records:
        late = (record.read_at - NOON).total_seconds() % period
        slot = record.read_at - timedelta(seconds=late)
        found[slot] = max(found.get(slot, 0.0), late)
    return found


@pytest.fixture(scope="module")
def all_events() -> Counter[tuple[Any, ...]]:
    """As an idle bus brings them."""
    bus = with_journals(now=900.0)
    bus.run(120)
    return told(bus)


@pytest.mark.slow
@pytest.mark.parametrize("period", [5.0, 10.0])
def test_no_energy_waits_longer_than_one_exchange_for_journals(period: float, all_events: Counter[Any]) -> None:
    alone = FakeBus(METERS, Poll(now=period, network=None), prepare=only("now"))
    alone.run(120)
    usual = max(late for slot, late in rounds(alone.readings(), period).items() if slot > NOON)
    bus = with_journals(period)
    bus.run(120)
    assert told(bus) == all_events and set(all_events.values()) == {1}
    found = {slot: late for slot, late in rounds(bus.readings(), period).items() if slot > NOON}
    assert len(found) >= 120 / period - 1
    assert max(found.values()) <= usual + EXCHANGE


@pytest.mark.slow
def test_a_bus_that_never_rests_reads_its_journals_in_pieces(all_events: Counter[Any]) -> None:
    bus = with_journals(now=0.05, meters=1)
    bus.simulated[0].delay = 0.1  # so that the poll takes 18 s
    bus.run(FAIR_WAIT)
    assert bus.readings() and not told(bus)
    pieces, last = [], bus.time.now

    def watch() -> None:
        nonlocal last
        if bus.time.now - last > 1.0:
            pieces.append((last, bus.time.now - last))
        last = bus.time.now

    bus.run(5 * FAIR_WAIT, each=watch)
    assert told(bus) == {event: 1 for event in all_events if event[0] == "flat-1"}
    (first, long), (second, longer), (third, rest) = pieces
    assert long < PIECE + 0.5 and longer < 2 * PIECE + 0.5
    assert rest < long + longer + 1.0, "what the first pieces brought is remembered"
    assert second - first > long / SHARE and third - second > longer / SHARE


def forgetful(driver: Mercury230) -> None:
    """An archive of one row that takes 4.5 s, and begins anew each time."""

    def day(ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        for _ in range(100):
            ask(ReadSerial())
        yield Reading("day", {"1-0:1.8.0": 1}, at=since)

    driver.capabilities = frozenset({"identify", "now", "day"})
    driver.day = day  # type: ignore[method-assign]


@pytest.mark.slow
def test_an_archive_of_which_nothing_is_remembered_ends_too() -> None:
    bus = FakeBus(1, Poll(now=0.1, network=None), prepare=forgetful)
    bus.run(200)
    assert len(bus.readings(kind="day")) == 1, "the piece that is twice as long is long enough"
    assert len(bus.readings()) > 190 * 5


@pytest.mark.slow
def test_a_question_from_outside_waits_for_one_exchange(all_events: Counter[Any]) -> None:
    bus = with_journals(now=900.0)
    bus.run(29)
    question, asked_at = Question(["flat-3"], "now"), 0.0

    def heard(data: bytes) -> None:
        nonlocal asked_at
        if data[1] == 0x04 and data[2] == 0x20 and not asked_at:
            asked_at = bus.time.now
            bus.worker.ask(question)

    bus.heard = heard
    while not question.answer.done():
        bus.run(0.01)
    assert asked_at and bus.time.now - asked_at < 10 * EXCHANGE, "the exchange, a goodbye, a log-in and the reading"
    bus.run(60)
    assert told(bus) == all_events


def test_a_stop_keeps_the_rows_that_came() -> None:
    def rows(driver: Mercury230) -> None:
        def interval(ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
            for number in range(100):
                ask(ReadSerial())
                if number == 3:
                    bus.worker.ask_to_stop()
                yield Reading("interval", {"1-0:1.29.0": 1}, at=since + timedelta(minutes=number))

        driver.capabilities = frozenset({"identify", "now", "interval"})
        driver.interval = interval  # type: ignore[method-assign]

    bus = FakeBus(1, Poll(now=60.0, network=None), prepare=rows)
    bus.run(31)
    assert len(bus.readings(kind="interval")) == 4
