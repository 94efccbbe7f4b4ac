"""The bus over hours, in fake time: dead meters, foreign meters, lost ports, wrong passwords, clock steps."""

from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from agent.config.values import Poll
from agent.line.port import PortHeld
from agent.line.worker import Question
from drivers.mercury.driver import Mercury230
from drivers.reading import Ask, Kind, MeterPlan, Reading, Topic
from protocols.errors import LinkLost
from protocols.mercury.frames import Energy
from protocols.session import Line
from tests.support.bus import NOON, FakeBus, offset_of
from tests.support.present import present


def test_every_meter_is_read_at_the_start_and_then_at_every_full_minute() -> None:
    bus = FakeBus(3)
    bus.run(200)
    first, *later = bus.readings("flat-2")
    assert first.values["1-0:1.8.0"] == 6000 and first.values["1-0:1.8.3"] == 2000
    assert first.meter == "20000002" and first.flags == () and first.frames
    assert [(record.at - NOON).total_seconds() // 60 for record in later] == [1, 2, 3]
    assert all(record.at.second < 3 for record in later)


def test_a_meter_waits_for_its_first_poll_and_is_ok_only_then() -> None:
    bus = FakeBus(2)
    assert [bus.worker.state(meter) for meter in bus.worker.meters] == ["waiting", "waiting"]
    bus.dead.add(2)
    bus.run(20)
    assert [bus.worker.state(meter) for meter in bus.worker.meters] == ["ok", "silent"]
    assert bus.meters[1].error and bus.meters[1].hint and "wires" in bus.meters[1].hint


def test_what_the_meter_says_is_stored_with_the_time_of_the_reading_not_of_its_slot() -> None:
    bus = FakeBus(1)
    bus.run(61)
    assert all(record.at == record.read_at and record.at.microsecond % 1000 == 0 for record in bus.records)
    assert bus.records[-1].at > NOON + timedelta(seconds=60)


def test_a_dead_meter_counts_as_silent_with_one_event_and_the_others_go_on() -> None:
    bus = FakeBus(5)
    bus.dead.add(3)
    bus.run(610)
    assert bus.worker.state(bus.worker.meters[2]) == "silent" and bus.worker.state(bus.worker.meters[1]) == "ok"
    assert bus.events() == ["meter-silent"]
    assert not bus.readings("flat-3")
    assert len(bus.readings("flat-5")) == 11


def test_the_first_answer_makes_a_silent_meter_normal_again() -> None:
    bus = FakeBus(2)
    bus.dead.add(1)
    bus.run(300)
    bus.dead.clear()
    bus.run(305)
    assert bus.worker.state(bus.worker.meters[0]) == "ok"
    assert bus.readings("flat-1")
    assert bus.readings("flat-1")[0].at - NOON < timedelta(seconds=605)


@pytest.mark.slow
def test_healthy_rounds_stretch_by_at_most_five_percent_with_one_dead_of_five() -> None:
    """The bus is always busy: a period that no round can keep."""

    def rounds(dead: bool) -> float:
        bus = FakeBus(5, Poll(now=0.1, network=None))
        if dead:
            bus.dead.add(5)
            bus.run(60)
        else:
            bus.meters[4].paused = True
        before = len(bus.readings())
        bus.run(600)
        return (len(bus.readings()) - before) / 4

    assert rounds(dead=False) / rounds(dead=True) <= 1.05


@pytest.mark.slow
def test_a_silent_meter_is_found_again_on_a_bus_that_is_always_busy() -> None:
    bus = FakeBus(3, Poll(now=0.1, network=None))
    bus.dead.add(2)
    bus.run(60)
    bus.dead.clear()
    bus.run(60)
    assert bus.readings("flat-2")


def test_a_foreign_meter_gives_no_reading_and_one_event() -> None:
    bus = FakeBus(2)
    bus.simulated[0].serial = "99999999"
    bus.run(400)
    assert not bus.readings("flat-1") and len(bus.readings("flat-2")) == 7
    (event,) = [record for record in bus.records if record.event]
    assert (
        present(event.event)["code"] == "wrong-serial"
        and event.meter == "99999999"
        and event.flags == ("wrong-serial",)
    )
    assert bus.worker.state(bus.worker.meters[0]) == "wrong-serial"
    bus.simulated[0].serial = "20000001"
    bus.run(60)
    assert bus.worker.state(bus.worker.meters[0]) == "ok" and bus.readings("flat-1")


def start_anew(bus: FakeBus, **changed: Any) -> None:
    """Another process on the same store, with another configuration of the first meter where something is given."""
    for meter in bus.meters:
        meter.foreign, meter.identity = None, None
    bus.meters[0].config = replace(bus.meters[0].config, **changed)
    bus.restart()
    bus.run(70)


def test_a_foreign_meter_is_told_once_and_not_with_each_start() -> None:
    bus = FakeBus(1)
    bus.simulated[0].serial = "99999999"
    for _ in range(3):
        start_anew(bus)
        assert bus.worker.state(bus.worker.meters[0]) == "wrong-serial" and not bus.readings()
    assert bus.events() == ["wrong-serial"]
    bus.simulated[0].serial = "88888888"
    bus.run(70)
    bus.simulated[0].serial = "99999999"
    start_anew(bus)
    assert [record.meter for record in bus.records if record.event] == ["99999999", "88888888"]


def test_a_foreign_meter_is_news_again_after_the_right_one_or_another_configuration() -> None:
    bus = FakeBus(1)
    bus.simulated[0].serial = "99999999"
    bus.run(70)
    bus.simulated[0].serial = "20000001"
    start_anew(bus)
    assert bus.worker.state(bus.worker.meters[0]) == "ok" and not bus.notes
    bus.simulated[0].serial = "99999999"
    bus.run(70)
    assert bus.events() == ["wrong-serial"] * 2
    start_anew(bus, serial="20000002")
    start_anew(bus)
    assert bus.events() == ["wrong-serial"] * 3
    start_anew(bus, serial="20000001")
    assert bus.events() == ["wrong-serial"] * 4, "each change of the configuration is a new question"


def test_a_damaged_note_tells_of_a_foreign_meter_once_more() -> None:
    bus = FakeBus(1)
    bus.simulated[0].serial = "99999999"
    bus.run(70)
    bus.notes = {key: note.replace("9", "8") for key, note in bus.notes.items()}
    start_anew(bus)
    start_anew(bus)
    assert bus.events() == ["wrong-serial"] * 2


def test_a_refused_password_is_tried_once_an_hour() -> None:
    bus = FakeBus(2)
    bus.simulated[0].passwords[1] = b"secret"
    tries: list[float] = []

    def counting(request: bytes) -> None:
        if request[:2] == b"\x01\x01":
            tries.append(bus.time.now)

    bus.heard = counting
    bus.run(2 * 3600 + 130)
    assert len(tries) == 3
    assert bus.denied == [("flat-1", True)] * 3 and bus.worker.state(bus.worker.meters[0]) == "refused"
    assert len(bus.readings("flat-2")) == 123


def test_a_password_refused_before_the_restart_still_waits_for_its_hour() -> None:
    bus = FakeBus(1)
    bus.meters[0].denied_at = bus.time.now - 1800
    bus.run(1700)
    assert not bus.readings()
    assert "refused" in (bus.meters[0].error or "")


def test_a_lost_port_is_opened_again_for_ever_and_says_so_once() -> None:
    bus = FakeBus(1)
    bus.run(70)
    bus.lost = True
    bus.run(3600)
    assert bus.events() == ["port-lost"] and bus.worker.port_error is not None
    bus.lost = False
    bus.run(95)
    assert bus.events() == ["port-lost", "port-back"]
    assert (bus.worker.port_error, bus.worker.state(bus.worker.meters[0])) == (None, "ok")


def test_a_question_while_the_port_is_gone_is_answered_at_once() -> None:
    bus = FakeBus(1)
    bus.lost = True
    bus.run(5)
    question = Question(["flat-1"], "now")
    bus.worker.ask(question)
    with pytest.raises(LinkLost, match="no such port"):
        question.answer.result(0)


def test_a_question_while_another_program_has_the_port_is_told_so() -> None:
    bus = FakeBus(1)

    def held(*_: str | Line) -> None:
        raise PortHeld("another program has this port")

    bus.worker._open_port = held
    bus.run(5)
    question = Question(["flat-1"], "now")
    bus.worker.ask(question)
    with pytest.raises(PortHeld, match="another program"):
        question.answer.result(0)


def test_a_technicians_question_goes_first_and_stores_nothing() -> None:
    bus = FakeBus(4)
    question = Question(["flat-4"], "network")
    bus.worker.ask(question)
    bus.worker.step()
    assert isinstance(question.answer, Future) and question.answer.done()
    records, failed = question.answer.result()
    assert records[0].values["1-0:32.7.0"] == Decimal(230) and not failed and not bus.records


def test_a_question_can_be_traced_octet_by_octet_and_in_words() -> None:
    bus, seen = FakeBus(1), []
    question = Question(["flat-1"], "now", trace=lambda point, message: seen.append((point, message)))
    bus.worker.ask(question)
    bus.worker.step()
    assert {point for point, _ in seen} == {"flat-1"}
    said = [message for _, message in seen]
    assert [message.direction for message in said[:4]] == [">>", "<<", ">>", "<<"]
    assert said[1].octets == "01 00 00 20" and said[1].words() == ["answer of meter 1: done (status 00h)"]
    assert said[2].octets == "01 08 00 27 c0" and said[2].words() == ["request to meter 1: serial number"]


@pytest.mark.parametrize("step", [-86400, -3600, 3600, 86400])
def test_a_step_of_the_clock_neither_stops_nor_floods_the_polls(step: int) -> None:
    bus = FakeBus(1)
    bus.run(600)
    bus.clock.step(step)
    before = len(bus.readings())
    bus.run(600)
    assert 10 <= len(bus.readings()) - before <= 11


def test_what_is_read_with_an_unset_clock_keeps_boot_and_monotonic_time() -> None:
    bus = FakeBus(1, state="unset")
    bus.run(1)
    (record,) = bus.readings()
    assert record.clock == "unset" and record.boot == "boot-1" and 1000 < present(record.monotonic) < 1002
    assert record.meter_offset is None


def test_a_register_that_ran_backwards_travels_flagged_and_unchanged() -> None:
    bus = FakeBus(1)
    bus.run(1)
    bus.simulated[0].registers[0] = Energy(2999, 0, 0, 0)
    bus.simulated[0].registers[1] = Energy(999, 0, 0, 0)
    bus.run(60)
    assert "backwards" in bus.readings()[-1].flags and bus.readings()[-1].values["1-0:1.8.0"] == 2999


def test_a_meter_clock_that_is_off_is_measured_and_flagged() -> None:
    bus = FakeBus(1)
    bus.simulated[0].now = lambda: (bus.clock.stamp().utc + timedelta(seconds=42)).replace(tzinfo=None)
    bus.run(1)
    (record,) = bus.readings()
    assert 41 <= offset_of(record) <= 42.5 and record.flags == ("meter-clock-off",)


def test_a_meter_that_forgot_us_is_logged_in_again_in_the_same_poll() -> None:
    bus = FakeBus(1)
    answered: list[int] = []

    def forgetful(request: bytes) -> None:
        answered.append(request[1])
        if answered.count(5) == 1 and request[1] == 5:
            bus.simulated[0].level = 0

    bus.heard = forgetful
    bus.run(1)
    assert len(bus.readings()) == 1 and answered.count(1) == 2


def test_a_paused_meter_is_left_alone() -> None:
    bus = FakeBus(2)
    bus.meters[0].paused = True
    bus.run(120)
    assert not bus.readings("flat-1") and bus.readings("flat-2") and bus.worker.state(bus.worker.meters[0]) == "paused"


class Mistaken(Mercury230):
    """A driver with a mistake of ours in what it does with these questions."""

    def __init__(self, *wrong: Kind) -> None:
        super().__init__(MeterPlan("mercury230", "1", "20000001", Line(), zone="UTC"))
        self.wrong = wrong

    def now(self, ask: Ask) -> Reading:
        if "now" in self.wrong:
            raise ZeroDivisionError
        return super().now(ask)

    def network(self, ask: Ask) -> Reading:
        if "network" in self.wrong:
            raise ZeroDivisionError
        return super().network(ask)


def test_a_mistake_of_ours_with_one_meter_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bus = FakeBus(2)
    bus.meters[0].driver = Mistaken("now")
    bus.run(130)
    assert len(bus.readings("flat-2")) == 3
    assert "internal error" in caplog.text


def test_log_in_serves_all_kinds_that_are_due() -> None:
    bus = FakeBus(1, Poll(now=60.0, network=60.0))
    logins: list[int] = []
    bus.heard = lambda request: logins.append(request[1])
    bus.run(1)
    assert logins.count(1) == 1 and {record.kind for record in bus.records} == {"now", "network"}


@pytest.mark.parametrize("kind", ["day", "identify", "set_clock", "statement", "nonsense"])
def test_a_question_for_a_kind_that_the_driver_cannot_read_is_refused_in_words(kind: Topic) -> None:
    bus = FakeBus(1)
    bus.meters[0].driver.capabilities = frozenset({"identify", "now", "set_clock"})
    question = Question(["flat-1"], kind, span=(NOON, NOON))
    bus.worker.ask(question)
    bus.run(61)
    _, failed = question.answer.result(0)
    assert f"reads no {kind!r}" in str(failed["flat-1"]) and len(bus.readings()) == 2


def test_a_question_that_hits_a_mistake_of_ours_is_answered_and_the_bus_goes_on() -> None:
    bus = FakeBus(1)
    bus.meters[0].driver = Mistaken("network")
    question = Question(["flat-1"], "network")
    bus.worker.ask(question)
    bus.run(61)
    _, failed = question.answer.result(0)
    assert "internal error" in str(failed["flat-1"]) and len(bus.readings()) == 2


def test_the_offset_of_a_clock_whose_zone_nobody_has_said_is_not_known() -> None:
    bus = FakeBus(1)
    bus.meters[0].zone = None
    bus.run(1)
    assert bus.readings()[0].meter_offset is None and bus.readings()[0].flags == ()


def test_a_question_to_a_worker_that_ends_is_refused_at_once() -> None:
    """After a reload: whoever holds the worker of before must not wait ten minutes for no one."""
    bus = FakeBus(1)
    bus.worker.ask_to_stop()
    question = Question(["flat-1"], "now")
    bus.worker.ask(question)
    with pytest.raises(LinkLost, match="stopping"):
        question.answer.result(0)
