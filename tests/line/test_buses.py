"""All buses of a gateway: which meters there are, what is asked of them from outside, what a clock that moves voids."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from agent.line.buses import Buses, afresh, remind
from agent.line.worker import Question
from agent.meters.clock_state import Correction
from agent.meters.state import MeterState
from buffer.writer import Writer
from protocols.errors import LinkLost, NoReply
from tests.buffer.plant import opened
from tests.support.bus import FakeBus, buses_of, config_of


class Answering:
    """A bus's worker that answers each question by ``answer(meter, question)``, without a line."""

    def __init__(self, bus: FakeBus, answer: Callable[[MeterState, Question], None]) -> None:
        self.bus, self.meters, self._answer = bus.worker.bus, bus.meters, answer
        self.alive = 1.0

    def ask(self, question: Question) -> None:
        (meter,) = (one for one in self.meters if one.config.point in question.points)
        self._answer(meter, question)


class House:
    """Two meters on one bus, which is stepped as it is asked."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.store = FakeBus(2), opened(folder)
        self.writer = Writer(self.store, on_stored=lambda records: None)
        config = config_of(self.bus, folder)
        self.buses: Buses = buses_of(self.bus, config, self.store, self.writer, self.bus.clock, self.bus.submit)

    def answering(self, answer: Callable[[MeterState, Question], None]) -> None:
        self.buses.workers = [Answering(self.bus, answer)]  # type: ignore[list-item]

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path)) as made:
        yield made


def carried_out(meter: MeterState, question: Question) -> None:
    while meter.watch.orders:
        order: Future[Correction] = meter.watch.orders.popleft()
        right = meter.config.point == "flat-1"
        order.set_result(Correction(Decimal("42.5"), Decimal("0.3") if right else None, None if right else "too near"))
    question.answer.set_result(([], {}))


def test_reading_brings_records_and_the_points_that_failed_and_stores_nothing(house: House) -> None:
    house.bus.dead.add(2)
    records, failed = house.buses.read(["flat-1", "flat-2"], "now")
    assert [record.point for record in records] == ["flat-1"]
    assert isinstance(failed["flat-2"], NoReply) and house.bus.records == []


def test_another_meter_is_read_in_place_of_the_configured_one(house: House) -> None:
    records, failed = house.buses.read_in_place("flat-1", replace(house.bus.meters[1].config, point="flat-1"))
    assert (records[0].meter, failed) == ("20000002", {})
    assert house.bus.meters[0].identity is None and house.bus.records == []


def test_a_password_that_was_refused_at_a_point_is_not_tried_with_another_meter_there(house: House) -> None:
    house.bus.meters[0].denied_at = house.bus.clock.monotonic()
    records, failed = house.buses.read_in_place("flat-1", replace(house.bus.meters[1].config, point="flat-1"))
    assert records == [] and "password was refused" in str(failed["flat-1"])


def test_clocks_are_set_at_all_points_and_each_has_its_outcome(house: House) -> None:
    house.answering(carried_out)
    found = house.buses.set_clocks(["flat-1", "flat-2"])
    assert (found["flat-1"].after, found["flat-2"].reason) == (Decimal("0.3"), "too near")


@pytest.mark.parametrize("lost", [True, False])
def test_an_order_that_no_dialogue_took_up_is_withdrawn(house: House, lost: bool) -> None:
    def answer(meter: MeterState, question: Question) -> None:
        if lost:
            question.answer.set_exception(LinkLost("the port is gone"))
        else:
            question.answer.set_result(([], {meter.config.point: NoReply("no answer within 0.50 s")}))

    house.answering(answer)
    assert house.buses.set_clocks(["flat-1"])["flat-1"].reason in ("the port is gone", "no answer within 0.50 s")
    assert not house.bus.meters[0].watch.orders


def test_an_unknown_point_is_answered_by_those_there_are(house: House) -> None:
    with pytest.raises(ValueError, match="no point named 'flat-9'; there are: flat-1, flat-2"):
        house.buses.find("flat-9")


def test_paused_points_are_noted_and_left_alone_at_once(house: House) -> None:
    house.buses.pause(["flat-2"], True)
    assert house.store.notes("paused:") == {"paused:flat-2": "paused"} and house.bus.meters[1].paused
    house.buses.pause(["flat-1", "flat-2"], False)
    assert house.store.notes("paused:") == {} and not house.bus.meters[1].paused


def test_a_correction_that_was_deferred_is_made_though_polls_are_rarer_than_its_moments(house: House) -> None:
    asked: list[str] = []
    house.answering(lambda meter, question: asked.append(meter.config.point))
    now = house.bus.clock.stamp().utc
    house.bus.meters[0].watch.due = now
    house.bus.meters[1].watch.due, house.bus.meters[1].paused = now, True
    remind(house.buses.workers, now)
    remind(house.buses.workers, now)
    assert asked == ["flat-1"] and house.bus.meters[0].offset_at is None


def test_a_clock_that_moved_voids_what_was_measured_against_it(house: House) -> None:
    house.bus.meters[0].offset_at = 5.0
    afresh(house.buses.workers)
    assert house.bus.meters[0].offset_at is None


def test_a_worker_that_waits_for_the_disk_is_not_taken_for_a_stuck_one(house: House) -> None:
    house.answering(carried_out)
    assert house.buses.alive() == {"riser": 1.0}
    house.writer.trouble = "no space"
    assert house.buses.alive() == {}
