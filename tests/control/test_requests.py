"""What the utility may order: a diagnosis fits its message, an order for a clock ends with an outcome, bad input
changes nothing."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.control.replies import diagnosis, fitted
from agent.control.requests import Questions, Rooms
from agent.delivery.payload import LARGEST, reply
from agent.events import gateway_event
from agent.line.buses import remind
from agent.line.worker import Question
from agent.meters import clock_notes
from agent.meters.clock_state import ClockFacts, Correction
from agent.meters.state import MeterState
from buffer.writer import Writer
from protocols.errors import LinkLost, NoReply
from tests.buffer.plant import crashed, opened
from tests.support.bus import FakeBus, buses_of


def status(meters: int, error: str | None = None, buses: int = 2) -> dict[str, Any]:
    return {
        "schema": "meterpost/status/1",
        "gateway": "gw-1",
        "online": True,
        "delivery": {"online": True, "sent": 3},
        "buses": [{"name": f"riser-{n}", "state": "open", "counters": {"asked": 5}} for n in range(buses)],
        "meters": [
            {
                "point": f"flat-{number}",
                "state": "silent" if error else "ok",
                "error": error,
                "meter_offset": 0.3,
                "flags": [],
                "values": {"1-0:1.8.0": 1},
            }
            for number in range(meters)
        ],
    }


def test_a_diagnosis_counts_the_meters_and_names_those_with_trouble() -> None:
    document = status(3)
    document["meters"][1] |= {"state": "silent", "error": "no answer within 0.50 s"}
    document["meters"][2] |= {"flags": ["meter-clock-off"], "meter_offset": 42.5}
    found = diagnosis(document)
    assert found["meters"] == {"ok": 2, "silent": 1}
    assert [meter["point"] for meter in found["trouble"]] == ["flat-1", "flat-2"]
    assert found["trouble"][1]["meter_offset"] == 42.5
    assert found["buses"] == document["buses"] and found["delivery"]["sent"] == 3 and "left_off" not in found


@pytest.mark.slow
@pytest.mark.parametrize(("meters", "buses"), [(100, 4), (1000, 4), (3000, 900)])
def test_a_diagnosis_fits_one_message_however_large_the_house(meters: int, buses: int) -> None:
    found = fitted(diagnosis(status(meters, "ё" * 500, buses)))
    payload = reply("c" * 64, {"ok": True, "result": found})
    assert len(payload) <= LARGEST and json.loads(payload)["ok"]
    assert found["meters"] == {"silent": meters}
    assert len(found["trouble"]) + found.get("left_off", {}).get("trouble", 0) == meters
    assert len(found["trouble"]) >= 50


def test_what_fits_is_left_as_it_is_and_a_long_list_of_failures_keeps_its_beginning() -> None:
    small = {"stored": 3, "failed": [{"point": "flat-1", "error": "no answer"}]}
    assert fitted(small) == small
    large = {
        "stored": 3,
        "failed": [{"point": f"flat-{n}", "error": "no answer within 0.50 s" * 4} for n in range(900)],
    }
    found = fitted(large)
    assert found["failed"] == large["failed"][: len(found["failed"])] and found["stored"] == 3
    assert found["left_off"] == {"failed": 900 - len(found["failed"])}


class Answering:
    """A bus's worker that answers each question by ``answer(meter, question)``, without a line."""

    def __init__(self, bus: FakeBus, answer: Callable[[MeterState, Question], None]) -> None:
        self.bus, self.meters, self._answer = bus.worker.bus, bus.meters, answer

    def ask(self, question: Question) -> None:
        (meter,) = (one for one in self.meters if one.config.point in question.points)
        self._answer(meter, question)


class Site:
    """Requests to a gateway with two meters on one bus."""

    def __init__(self, folder: Path) -> None:
        self.bus = FakeBus(2)
        self.store = opened(folder)
        self.writer = Writer(self.store, on_stored=lambda records: None)
        self.buses = buses_of(self.bus, self.store, self.writer)
        rooms = Rooms(
            self.buses, self.writer, self.bus.submit, lambda: None, lambda: status(2), lambda points: {"statements": []}
        )
        self.questions = Questions(rooms)

    def answering(self, answer: Callable[[MeterState, Question], None]) -> None:
        self.buses.workers = [Answering(self.bus, answer)]  # type: ignore[list-item]

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as made:
        yield made


def carried_out(meter: MeterState, question: Question) -> None:
    while meter.watch.orders:
        order: Future[Correction] = meter.watch.orders.popleft()
        right = meter.config.point == "flat-1"
        order.set_result(Correction(Decimal("42.5"), Decimal("0.3") if right else None, None if right else "too near"))
    question.answer.set_result(([], {}))


def test_set_clock_tells_the_outcome_of_each_point(site: Site) -> None:
    site.answering(carried_out)
    assert site.questions.command("set-clock", {"points": None}) == {
        "corrected": [{"point": "flat-1", "before": 42.5, "after": 0.3}],
        "right": [],
        "failed": [{"point": "flat-2", "error": "too near", "before": 42.5}],
    }


@pytest.mark.parametrize("lost", [True, False])
def test_an_order_that_no_dialogue_took_up_is_withdrawn(site: Site, lost: bool) -> None:

    def answer(meter: MeterState, question: Question) -> None:
        if lost:
            question.answer.set_exception(LinkLost("the port is gone"))
        else:
            question.answer.set_result(([], {meter.config.point: NoReply("no answer within 0.50 s")}))

    site.answering(answer)
    found = site.questions.command("set-clock", {"points": ("flat-1",)})
    assert found["corrected"] == [] and found["failed"][0]["error"] in ("the port is gone", "no answer within 0.50 s")
    assert not site.bus.meters[0].watch.orders


@pytest.mark.parametrize("op", ["pause", "resume", "set-clock", "read"])
def test_an_unknown_point_among_known_ones_changes_nothing(site: Site, op: str) -> None:
    site.questions.command("pause", {"points": ("flat-1",)})
    with pytest.raises(ValueError, match="no point named 'flat-9'; there are: flat-1, flat-2"):
        site.questions.command(op, {"points": ("flat-1", "flat-9")})
    assert site.store.notes("paused:") == {"paused:flat-1": "paused"} and not site.bus.records
    assert not any(meter.watch.orders for meter in site.bus.meters)


def test_pause_and_resume_are_noted_and_work_at_once(site: Site) -> None:
    assert site.questions.command("pause", {"points": ("flat-2",)}) == {"points": ["flat-2"], "paused": True}
    assert site.store.notes("paused:") == {"paused:flat-2": "paused"} and site.bus.meters[1].paused
    site.questions.command("resume", {"points": None})
    assert site.store.notes("paused:") == {} and not site.bus.meters[1].paused


def test_an_op_that_nobody_carries_out_is_answered_so(site: Site) -> None:
    with pytest.raises(ValueError, match="not supported by this version"):
        site.questions.command("dance", {})


def test_a_technicians_correction_names_its_points(site: Site) -> None:
    with pytest.raises(ValueError, match="at least one point"):
        site.questions.handlers()["set-clock"]({"op": "set-clock"})


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


def test_a_correction_that_was_put_off_is_made_though_polls_are_rarer_than_its_moments() -> None:
    bus = FakeBus(2)
    bus.meters[0].watch.due = bus.clock.stamp().utc
    bus.meters[1].watch.due, bus.meters[1].paused = bus.clock.stamp().utc, True
    asked: list[str] = []
    worker: Any = Answering(bus, lambda meter, question: asked.append(meter.config.point))
    remind([worker], bus.clock.stamp().utc)
    remind([worker], bus.clock.stamp().utc)
    assert asked == ["flat-1"] and bus.meters[0].offset_at is None


def test_what_was_told_and_tried_is_on_the_disk_when_it_was_told_and_known_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    writer = Writer(store, on_stored=lambda records: None)
    meter = FakeBus(1).meters[0]
    clock_notes.give([meter], store, writer, writer.submit)
    assert meter.watch.book is not None and meter.watch.book.facts == ClockFacts()
    facts = ClockFacts("20000001", off=True, tried=date(2026, 11, 21), before=Decimal("42.3"))
    told = gateway_event("meter-clock-off", "42.3 s fast", FakeBus(1).clock.stamp(), point="flat-1", serial="20000001")
    meter.watch.book.keep(facts, [told])
    crashed_store = opened(crashed(tmp_path, tmp_path / "after"))  # kill -9 at this moment
    again = FakeBus(1).meters[0]
    clock_notes.give([again], crashed_store, writer, writer.submit)
    assert again.watch.book is not None and again.watch.book.facts == facts
    assert [record.event for record, _, _ in crashed_store.rows()] == [told.event]
    writer.close()
    store.close()
    crashed_store.close()
