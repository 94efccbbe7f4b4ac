"""What the meter keeps itself (days, months, intervals, journals) is polled too, and never at the cost of energy."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agent.config.values import Poll
from agent.line.exchanger import Exchanger, PreemptibleExchanger
from agent.line.worker import Question
from drivers.mercury.driver import Mercury230
from drivers.reading import Kind, Reading
from protocols.errors import NoReply, Refused
from tests.support.bus import NOON, FakeBus
from tests.support.present import present

HOUR = timedelta(hours=1)


class Archive:
    """Gives a meter an archive with a row an hour, and remembers what it was asked for."""

    def __init__(self, kind: Kind, trouble: Exception | None = None) -> None:
        self.kind, self.trouble = kind, trouble
        self.asked: list[tuple[datetime, datetime]] = []

    def __call__(self, driver: Mercury230) -> None:
        driver.capabilities = frozenset({"identify", "now", self.kind})
        setattr(driver, self.kind, self.read)

    def read(self, ask: Exchanger | PreemptibleExchanger, since: datetime, until: datetime) -> Iterator[Reading]:
        self.asked.append((since, until))
        if self.trouble:
            raise self.trouble
        at = since.replace(minute=0, second=0, microsecond=0)
        while at <= until:
            if at >= since:
                event = {"code": "power-off", "maker": "1", "text": "", "n": 1} if self.kind == "event" else None
                yield Reading(self.kind, {} if event else {"1-0:1.29.0": 500}, at=at, start=at - HOUR, event=event)
            at += HOUR


def bus_with(archive: Archive, **poll: Any) -> FakeBus:
    return FakeBus(1, Poll(**{"now": 60.0, "network": None} | poll), prepare=archive)


def test_the_first_readings_come_before_any_archive() -> None:
    archive = Archive("interval")
    bus = bus_with(archive)
    bus.run(29)
    assert bus.readings() and not archive.asked
    bus.run(5)
    assert len(bus.readings(kind="interval")) == 3


@pytest.mark.slow
def test_a_poll_asks_from_the_newest_record_on() -> None:
    archive = Archive("interval")
    bus = bus_with(archive, interval=1800.0)
    bus.run(3 * 3600 - 60)
    first, *later = archive.asked
    assert first[0] == first[1] - 3 * HOUR, "what is older is filled, not polled"
    assert len(later) == 5 and all(until - since <= HOUR + timedelta(seconds=60) for since, until in later)
    assert {record.at for record in bus.readings(kind="interval")} >= {NOON + HOUR, NOON + 2 * HOUR}
    assert bus.readings(kind="interval")[0].start == bus.readings(kind="interval")[0].at - HOUR


def test_journals_are_looked_into_from_the_last_look_on_with_an_hour_to_spare() -> None:
    archive = Archive("event")
    bus = bus_with(archive, event=3600.0)
    bus.run(2 * 3600 + 60)
    (first_since, first_until), (second_since, _), *_ = archive.asked
    assert first_until - first_since == timedelta(days=62) and second_since == first_until - HOUR


@pytest.mark.parametrize(
    ("slow", "hours"),
    [(-7200, 0), (0.3, 0), (1700, 0), (1900, 1), (3 * 3600, 3), (14 * 3600, 14), (86400 * 365 * 26, 26)],
)
def test_journals_of_a_slow_clock_are_looked_into_by_so_much_further_back(slow: float, hours: int) -> None:
    """What the meter notes now it stamps hours ago: from the last check on it would never be seen."""
    archive = Archive("event")
    bus = bus_with(archive, event=3600.0)
    bus.meters[0].offset = Decimal(str(-slow))
    bus.run(3600 + 60)
    (_, first), (second, _), *_ = archive.asked
    assert second == first - HOUR - hours * HOUR and (
        hours == 26 or first - second - timedelta(seconds=slow) >= HOUR / 2
    )


def test_a_technicians_look_into_the_journals_is_not_the_daemons() -> None:
    """What `meterpost read --kind event` shows is stored by no one: the next poll brings it."""
    archive = Archive("event")
    bus = bus_with(archive, event=3600.0)
    bus.run(40)
    question = Question(["flat-1"], "event")
    bus.run(1800)
    bus.worker.ask(question)
    bus.run(10)
    assert question.answer.result(0)[0]
    bus.run(1900)
    polled, asked, again = archive.asked
    assert asked[1] - polled[1] > timedelta(minutes=25) and again[0] == polled[1] - HOUR


@pytest.mark.parametrize("kind", ["interval", "day", "month"])
def test_rows_that_were_not_asked_for_are_not_stored(kind: Kind) -> None:
    archive = Archive(kind)
    bus = bus_with(archive, **{kind: 1800.0 if kind == "interval" else time(0, 10)})
    honest = archive.read

    def astray(ask: PreemptibleExchanger, since: datetime, until: datetime) -> Iterator[Reading]:
        yield from honest(ask, since, until)
        yield Reading(kind, {"1-0:1.29.0": 1}, at=until + timedelta(days=365))
        yield Reading(kind, {"1-0:1.29.0": 1}, at=since - timedelta(days=365))

    setattr(bus.meters[0].driver, kind, astray)
    bus.run(60)
    found = bus.readings(kind=kind)
    assert found and all(abs(record.at - NOON) < timedelta(days=32) for record in found)


@pytest.mark.parametrize("kind", ["day", "month"])
def test_calendar_kinds_are_read_at_the_start_and_at_their_time(kind: Kind) -> None:
    archive = Archive(kind)
    bus = bus_with(archive, **{kind: time(0, 10)})
    bus.run(120)
    assert len(archive.asked) == 1
    bus.worker.start_kind(kind, time(6, 0))
    bus.run(10)
    assert len(archive.asked) == 1, "the time of another meter"
    bus.worker.start_kind(kind, time(0, 10))
    bus.run(10)
    assert len(archive.asked) == 2


@pytest.mark.parametrize("trouble", [Refused("no such array"), NoReply("old firmware says nothing")])
def test_an_archive_that_fails_costs_no_reading_and_is_asked_again_in_an_hour(trouble: NoReply | Refused) -> None:
    archive = Archive("interval", trouble)
    bus = bus_with(archive, interval=60.0)
    bus.run(3700)
    assert len(archive.asked) == 2
    assert len(bus.readings()) == 62 and bus.worker.state(bus.worker.meters[0]) == "ok"


def test_without_a_set_clock_nobody_knows_for_which_time_to_ask() -> None:
    archive = Archive("interval")
    bus = FakeBus(1, Poll(now=60.0, network=None), state="unset", prepare=archive)
    bus.run(125)
    assert not archive.asked and len(bus.readings()) == 3
    assert len(present(bus.port).written) < 30, "it does not log in again and again for what cannot be asked"
    bus.clock.state = "synced"
    bus.run(60)
    assert len(archive.asked) == 1


def test_an_archive_is_stamped_by_the_meter_and_read_by_the_gateway() -> None:
    bus = bus_with(Archive("interval"))
    bus.run(60)
    record = bus.readings(kind="interval")[0]
    assert record.at.tzinfo is UTC and record.read_at > record.at and record.meter == "20000001"
