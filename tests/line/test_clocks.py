"""A meter's clock in fake time: measured, told once, corrected once a day and never across an interval's end."""

from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.values import Poll
from agent.line.buses import remind
from agent.line.clocks import ClockWatch
from agent.line.correction import as_text, safe_window
from agent.line.worker import Question
from agent.meters.clock_state import ClockFacts, Correction
from agent.meters.state import MeterState
from buffer.faults import StoreUnusable
from buffer.record import ClockQuality
from drivers.reading import Traits
from protocols.errors import AccessDenied, NoReply, Refused
from protocols.session import Line
from tests.support.bus import NOON, FakeBus, offset_of
from tests.support.dlms import opened, plan, spodes, station

CORRECT = b"\x03\x0d"  # the meter's command: correct the clock
AT_TEN_PAST = datetime(2026, 11, 21, 12, 10)


class Notes:
    """A note that survives everything but ``broken``."""

    def __init__(self, bus: "ClockBus") -> None:
        self.facts, self.broken, self.kept = ClockFacts(), False, 0
        self._bus = bus

    def keep(self, facts: ClockFacts, events: Any = ()) -> None:
        if self.broken:
            raise StoreUnusable("the disk is full")
        self.facts, self.kept = facts, self.kept + 1
        self._bus.submit(events)


class ClockBus(FakeBus):
    """One meter whose clock is ``wrong`` seconds off; polled every five minutes."""

    def __init__(
        self, wrong: float, *, set_clock: bool = False, state: ClockQuality = "synced", every: float = 300.0
    ) -> None:
        super().__init__(1, Poll(now=every, network=None, interval=None, day=None, month=None, event=None), state)
        self.wrong = wrong
        self.meter, self.device = self.meters[0], self.simulated[0]
        self.device.now = lambda: (self.clock.stamp().utc + timedelta(seconds=self.wrong)).replace(tzinfo=None)
        self.meter.config = replace(self.meter.config, set_clock=set_clock)
        self.clock_notes = Notes(self)
        self.meter.watch.notes = self.clock_notes

    def told(self) -> list[dict[str, Any]]:
        return [dict(record.event or {}) for record in self.records if record.kind == "event"]

    def order(self) -> Correction:
        """A correction that someone has ordered, made now."""
        answer: Future[Correction] = Future()
        self.meter.watch.orders.append(answer)
        self.worker.ask(Question(["flat-1"], "clock"))
        self.run(3)
        return answer.result(0)


@pytest.mark.parametrize("wrong", [0.0, 0.4, -2.3, 17.0, -400.0])
def test_the_offset_is_right_to_the_half_second_that_a_display_leaves_open(wrong: float) -> None:
    bus = ClockBus(wrong)
    bus.run(1)
    offset = bus.readings()[0].meter_offset
    assert offset is not None and abs(float(offset) - wrong) <= 0.6


def test_the_time_on_the_wire_is_taken_out() -> None:
    """What the meter shows was so while its answer was on its way: half of eight seconds ago."""
    bus = ClockBus(0.0)
    answer = bus.device.answer

    def late(request: bytes) -> bytes:
        if request[1:3] != b"\x04\x00":
            return answer(request)
        bus.time.sleep(4)
        reply = answer(request)
        bus.time.sleep(4)
        return reply

    bus.device.answer = late  # type: ignore[method-assign]
    bus.run(30)
    assert abs(offset_of(bus.readings()[0])) <= Decimal("0.7")


def test_a_look_is_taken_once_an_hour_and_every_record_carries_the_newest() -> None:
    bus = ClockBus(2.0)
    bus.run(1)
    bus.wrong = 4.0
    bus.run(3500)
    assert {round(float(offset_of(record))) for record in bus.readings()} == {2}
    bus.run(400)
    assert round(float(offset_of(bus.readings()[-1]))) == 4


def test_a_deviation_that_cannot_be_is_told_once_and_again_after_it_was_right() -> None:
    bus = ClockBus(2.0)
    doubtful, sound = Traits(zone_doubt=True), Traits()
    bus.meter.driver.traits = doubtful
    bus.run(3 * 3600)
    assert bus.events() == ["meter-zone-doubtful"]
    bus.meter.driver.traits = sound
    bus.run(2 * 3600)
    bus.meter.driver.traits = doubtful
    bus.run(2 * 3600)
    assert bus.events() == ["meter-zone-doubtful"] * 2


def test_a_clock_that_is_off_is_told_once_and_taken_back_below_three_seconds() -> None:
    bus = ClockBus(42.0)
    bus.run(3 * 3600)
    assert bus.events() == ["meter-clock-off"]
    (event,) = bus.told()
    assert 41 < event["offset"] < 43 and event["text"].endswith("s fast")
    bus.wrong = 4.2
    bus.run(2 * 3600)
    assert bus.events() == ["meter-clock-off"]
    bus.wrong = 1.0
    bus.run(3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-right"]


def test_a_restart_repeats_nothing_and_another_meter_begins_anew() -> None:
    first = ClockBus(42.0)
    first.run(10)
    again = ClockBus(42.0)
    again.clock_notes.facts = first.clock_notes.facts
    again.run(10)
    assert first.events() == ["meter-clock-off"] and again.events() == []
    other = ClockBus(42.0)
    other.clock_notes.facts = ClockFacts("4711", off=True, tried=NOON.date())
    other.run(10)
    assert other.events() == ["meter-clock-off"]


def test_without_set_clock_nothing_is_ever_corrected() -> None:
    bus = ClockBus(42.0)
    bus.run(5 * 3600)
    assert bus.device.corrected is None and "meter-clock-corrected" not in bus.events()


def test_a_clock_that_may_be_set_is_set_in_the_middle_of_a_slot_and_told_with_before_and_after() -> None:
    bus = ClockBus(42.0, set_clock=True)
    sent: list[datetime] = []
    bus.heard = lambda request: sent.append(bus.clock.stamp().utc) if request[1:3] == CORRECT else None
    bus.run(2 * 3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-corrected", "meter-clock-right"]
    event = bus.told()[1]
    assert 41 < event["before"] < 43 and abs(event["after"]) <= 1
    assert "42." in event["text"] and "before" in event["text"] and "after" in event["text"]
    (moment,) = sent
    assert 5 <= moment.minute % 30 <= 25
    assert bus.readings()[-1].flags == () and abs(offset_of(bus.readings()[-1])) <= 1


def test_a_correction_is_noted_before_it_is_sent() -> None:
    bus = ClockBus(42.0, set_clock=True)
    noted: list[ClockFacts] = []
    bus.heard = lambda request: noted.append(bus.clock_notes.facts) if request[1:3] == CORRECT else None
    bus.run(3600)
    assert [facts.tried for facts in noted] == [NOON.date()]
    assert noted[0].before is not None and bus.clock_notes.facts.before is None


def test_where_the_disk_takes_no_note_nothing_is_sent_and_polling_goes_on() -> None:
    bus = ClockBus(42.0, set_clock=True)
    bus.clock_notes.broken = True
    bus.run(3600)
    assert bus.device.corrected is None and len(bus.readings()) >= 12


def test_once_a_day_is_enough() -> None:
    bus = ClockBus(42.0, set_clock=True)
    bus.run(3600)
    bus.wrong += 60.0
    bus.device.corrected = None  # this meter would take another one at once: the limit is ours
    bus.run(3 * 3600)
    assert bus.device.corrected is None and bus.events().count("meter-clock-corrected") == 1
    bus.run(12 * 3600)
    assert bus.events().count("meter-clock-corrected") == 2


def test_a_meter_that_was_corrected_today_by_somebody_else_says_so_once() -> None:
    bus = ClockBus(42.0, set_clock=True)
    bus.device.corrected = NOON.date()
    bus.run(6 * 3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-not-corrected"]
    assert "corrected today already" in bus.told()[1]["text"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "state", "words"),
    [
        (300.0, "synced", "4 minutes at most"),  # the meter's limit
        (-4000.0, "synced", "more than 15 minutes"),  # another zone
        (42.0, "holdover", "not synchronised"),
    ],
)
def test_what_may_not_be_corrected_is_told_once_a_day_with_its_reason(
    wrong: float, state: ClockQuality, words: str
) -> None:
    bus = ClockBus(wrong, set_clock=True, state=state)
    bus.run(6 * 3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-not-corrected"]
    assert words in bus.told()[1]["text"] and bus.device.corrected is None
    bus.run(24 * 3600)
    assert bus.events().count("meter-clock-not-corrected") == 2


def test_a_clock_is_not_judged_while_the_gateways_own_is_not_set() -> None:
    bus = ClockBus(42.0, set_clock=True, state="unset")
    bus.run(2 * 3600)
    assert bus.events() == [] and bus.readings()[0].meter_offset is None


@pytest.mark.parametrize("heard", [True, False])
def test_a_correction_without_an_answer_is_not_sent_again_and_what_the_meter_shows_decides(heard: bool) -> None:
    bus = ClockBus(42.0, set_clock=True)
    asked = []

    def silent(request: bytes) -> bytes:
        if request[1:3] == b"\x03\x0d":
            asked.append(request)
            if heard:
                answer(request)
            return b""
        return answer(request)

    answer = bus.device.answer
    bus.device.answer = silent  # type: ignore[method-assign]
    bus.run(6 * 3600)
    assert len(asked) == 1
    expected = "meter-clock-corrected" if heard else "meter-clock-not-corrected"
    assert bus.events()[1] == expected
    assert bus.readings()[-1].at - NOON > timedelta(hours=5)


def test_a_correction_whose_end_a_power_cut_hid_is_told_at_the_next_look() -> None:
    bus = ClockBus(0.0, set_clock=True)
    bus.clock_notes.facts = ClockFacts("20000001", off=True, tried=NOON.date(), before=Decimal("42.3"))
    bus.run(10)
    assert bus.events() == ["meter-clock-corrected", "meter-clock-right"]
    assert bus.told()[0]["before"] == Decimal("42.3") and bus.clock_notes.facts.before is None
    lost = ClockBus(42.0, set_clock=True)
    lost.clock_notes.facts = ClockFacts("20000001", off=True, tried=NOON.date(), before=Decimal("42.3"))
    lost.run(3600)
    assert lost.events() == ["meter-clock-not-corrected"] and lost.device.corrected is None


def test_a_refused_password_of_a_correction_does_not_cost_the_readings() -> None:
    bus = ClockBus(42.0, set_clock=True)

    def refuses(ask: Any, wanted: datetime) -> None:
        raise AccessDenied("the password was refused")

    bus.meter.driver.set_clock = refuses  # type: ignore[attr-defined]
    bus.run(3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-not-corrected"]
    assert len(bus.readings()) >= 12 and bus.denied == []


def test_an_order_is_carried_out_without_set_clock_within_the_same_limits() -> None:
    bus = ClockBus(2.0)
    bus.run(600)
    made = bus.order()
    assert made.reason is None and made.before is not None and 1 < made.before < 3
    assert made.after is not None and abs(made.after) <= 1
    again = bus.order()
    assert (again.reason, again.needed) == (None, False)
    bus.wrong += 60
    assert "once a day" in str(bus.order().reason)
    assert bus.events().count("meter-clock-corrected") == 1


@pytest.mark.parametrize(
    ("wrong", "minutes", "words"),
    [(42.0, 0, "possible from 12:05"), (4000.0, 10, "15 min")],
)
def test_an_order_that_cannot_be_carried_out_says_why(wrong: float, minutes: int, words: str) -> None:
    bus = ClockBus(wrong)
    bus.run(60 * minutes + 1)
    assert words in str(bus.order().reason) and bus.device.corrected is None


def test_an_order_for_a_meter_that_does_not_answer_stays_with_who_ordered_it() -> None:
    bus = ClockBus(42.0)
    bus.dead.add(1)
    question = Question(["flat-1"], "clock")
    bus.worker.ask(question)
    bus.run(10)
    assert isinstance(question.answer.result(0)[1]["flat-1"], NoReply)


def test_a_command_that_reads_by_itself_sees_the_offset_and_corrects_nothing() -> None:
    bus = ClockBus(42.0, set_clock=True)
    bus.meter.watch.notes = None
    bus.run(3600)
    assert bus.events() == [] and bus.device.corrected is None
    assert round(float(offset_of(bus.readings()[0]))) == 42


def test_so_slow_an_answer_that_it_cannot_tell_is_no_offset() -> None:
    bus = ClockBus(2.0)
    answer = bus.device.answer

    def late(request: bytes) -> bytes:
        if request[1:3] == b"\x04\x00":
            bus.time.sleep(8)
        return answer(request)

    bus.device.answer = late  # type: ignore[method-assign]
    bus.run(30)
    assert bus.readings()[0].meter_offset is None and bus.events() == []


def test_the_hour_that_comes_twice_does_not_make_a_clock_an_hour_wrong() -> None:
    bus = ClockBus(0.0)
    zone = ZoneInfo("Europe/Berlin")
    bus.meter.zone = zone
    bus.clock.step((datetime(2026, 10, 25, 1, 30, tzinfo=UTC) - NOON).total_seconds())  # 02:30 for the second time
    bus.device.now = lambda: bus.clock.stamp().utc.astimezone(zone).replace(tzinfo=None)
    bus.run(1)
    assert abs(offset_of(bus.readings()[0])) < 1


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.integers(-1200, 1200),
    st.sampled_from([None, 5, 10, 15, 20, 30, 60]),
)
def test_no_move_crosses_the_end_of_an_interval_or_a_day_or_comes_near_one(
    shown: datetime, seconds: int, minutes: int | None
) -> None:
    step = timedelta(minutes=minutes) if minutes else None
    move = timedelta(seconds=seconds)
    start = safe_window(shown, shown + move, step)
    slot = min(step or timedelta(minutes=30), timedelta(minutes=30))
    edge = min(timedelta(minutes=5), slot / 4)
    if start is None:
        assert abs(move) > slot - 2 * edge or abs(move) > timedelta(minutes=9)
        return
    assert shown <= start < shown + 2 * slot
    midnight = datetime.combine(start, datetime.min.time())
    for moment in (start, start + move):
        assert edge <= (moment - midnight) % slot <= slot - edge
        assert (moment - midnight) // slot == (start - midnight) // slot


def test_now_is_the_answer_where_now_is_right() -> None:
    assert safe_window(AT_TEN_PAST, AT_TEN_PAST + timedelta(seconds=30), None) == AT_TEN_PAST
    quarter = AT_TEN_PAST.replace(minute=14, second=30)
    assert safe_window(quarter, quarter + timedelta(minutes=1), None) == AT_TEN_PAST.replace(minute=16)
    late = AT_TEN_PAST.replace(minute=20)
    assert safe_window(late, late + timedelta(minutes=12), None) == AT_TEN_PAST.replace(minute=35)


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        ("12.3", "12.3 s fast"),
        ("-0.4", "0.4 s slow"),
        ("-125.0", "2 min 5 s slow"),
        ("10920.5", "3 h 2 min fast"),
        ("-864000.0", "10 days slow"),
    ],
)
def test_an_offset_in_words(offset: str, words: str) -> None:
    assert as_text(Decimal(offset)) == words


def test_a_day_is_that_of_the_meters_own_calendar() -> None:
    bus = ClockBus(42.0, set_clock=True)
    bus.meter.zone = ZoneInfo("Asia/Kamchatka")  # 12 hours ahead: it is tomorrow there
    bus.device.now = lambda: (bus.clock.stamp().utc + timedelta(hours=12, seconds=42)).replace(tzinfo=None)
    bus.run(3600)
    assert bus.clock_notes.facts.tried == date(2026, 11, 22)


@pytest.mark.parametrize("set_clock", [True, False])
def test_a_driver_that_cannot_set_a_clock_says_so_to_an_order_and_where_it_is_to_do_so(set_clock: bool) -> None:
    bus = ClockBus(42.0, set_clock=set_clock)
    bus.meter.driver.capabilities = bus.meter.driver.capabilities - {"set_clock"}
    bus.run(601)
    assert bus.events().count("meter-clock-not-corrected") == set_clock
    assert "cannot set a clock" in str(bus.order().reason)


def test_a_meter_that_refuses_its_clock_has_no_offset() -> None:
    bus = ClockBus(42.0)

    def refuses(ask: Any) -> datetime:
        raise Refused("no")

    bus.meter.driver.clock = refuses  # type: ignore[attr-defined]
    bus.run(1)
    assert bus.readings()[0].meter_offset is None
    assert "does not give its clock" in str(bus.order().reason)


@pytest.mark.parametrize("zone", [None, ZoneInfo("Europe/Moscow")])
@pytest.mark.parametrize("wrong", [42.0, -600.0])
def test_a_meter_that_states_its_zone_is_corrected_though_nobody_else_said_it(
    zone: ZoneInfo | None, wrong: float
) -> None:
    """A SPODES meter for its configurator, who may write the clock."""
    bus = ClockBus(0.0)
    bus.clock.step(600)
    meter = spodes(now=lambda: bus.clock.stamp().utc, shift=wrong)
    driver, wire = opened(plan(client=48, password=b"0" * 16), station(meter).answer)
    config = replace(bus.meter.config, driver="spodes", serial="40701", set_clock=True)
    state = MeterState(config, driver, Line(), zone)
    state.watch.notes = bus.clock_notes
    watch = ClockWatch(bus.clock)
    while "meter-clock-corrected" not in bus.events():
        watch.look(state, wire, "40701")
        bus.time.sleep(60)
        assert bus.time.now < 5000
    assert abs(meter.time() - bus.clock.stamp().utc) <= timedelta(seconds=1)
    assert bus.events() == ["meter-clock-off", "meter-clock-corrected", "meter-clock-right"]
    assert bus.records[0].meter == "40701" and state.offset is not None and abs(state.offset) <= 1


def test_a_meter_for_its_reader_alone_cannot_be_corrected_and_says_so_once() -> None:
    bus = ClockBus(0.0)
    meter = spodes(now=lambda: bus.clock.stamp().utc, shift=42.0)
    driver, wire = opened(plan(), station(meter).answer)
    state = MeterState(replace(bus.meter.config, driver="spodes", set_clock=True), driver, Line())
    state.watch.notes = bus.clock_notes
    for _ in range(5):
        ClockWatch(bus.clock).look(state, wire, "40701")
        bus.time.sleep(3600)
    assert bus.events() == ["meter-clock-off", "meter-clock-not-corrected"] and not meter.steps


def test_a_meter_that_is_polled_at_full_hours_only_is_corrected_between_them() -> None:
    bus = ClockBus(42.0, set_clock=True, every=3600.0)
    for _ in range(900):
        bus.run(2)
        remind([bus.worker], bus.clock.stamp().utc)
    assert bus.events() == ["meter-clock-off", "meter-clock-corrected", "meter-clock-right"]
    corrected = next(record for record in bus.records if record.event and "before" in record.event)
    assert corrected.at - NOON < timedelta(minutes=6) and len(bus.readings()) == 1
