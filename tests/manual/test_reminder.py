"""When a typed reading is due, who is told, and that both vanish once it is there."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agent.config.values import Config, Gateway, Intake, Meter
from agent.control import arguments
from agent.manual.entry import Typed, request
from agent.manual.reminder import ManualPoints, Reminder
from buffer.record import Record
from buffer.writer import Writer
from protocols.session import Line
from tests.buffer.plant import opened
from tests.support.bus import FakeClock
from tests.support.wire import Time

CELLAR = Meter("cellar", "", "manual", "", "00123", Line(), tariffs={"T1": "day", "T2": "night"})
BILLED = replace(CELLAR, account="12345", utility="mosenergosbyt")  # 15th to 20th, figures of the 15th
FLAT = Meter("flat-12", "riser-1", "mercury230", "45", "23456789", Line())


def config(*meters: Meter) -> Config:
    return Config(Gateway("gw", timezone="Europe/Moscow"), Intake("h", 1883, False, "mqtt://h"), (), meters)


def moscow(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC) - timedelta(hours=3)


def due(meter: Meter, now: datetime, last: datetime | None) -> bool:
    record = Record("now", meter.point, meter.serial, last, last) if last else None
    return Reminder(config(meter)).due(meter, record, now) is not None


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        (moscow(19, 23), moscow(20, month=10), False),
        (moscow(20, 0), moscow(20, month=10), True),
        (moscow(20, 0), moscow(18), False),  # two days before the window opens it is near enough
        (moscow(20, 0), moscow(16, 23), True),
        (moscow(30), moscow(20), False),
        (moscow(30), None, True),
        (moscow(5, month=12), moscow(20, month=10), True),  # missed: still due
        (moscow(19, 23, month=12), moscow(20), False),
        (moscow(20, 0, month=12), moscow(20), True),
    ],
)
def test_without_a_utility_a_reading_is_due_from_the_20th_on(now: datetime, last: datetime, expected: bool) -> None:
    assert due(CELLAR, now, last) is expected


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        (moscow(14, 23), moscow(15, month=10), False),
        (moscow(15, 0), moscow(15, month=10), True),
        (moscow(15, 0), moscow(12, 0), False),
        (moscow(15, 0), moscow(11, 23), True),
        (moscow(25), moscow(16), False),
    ],
)
def test_a_reading_is_due_when_its_utility_s_window_opens(now: datetime, last: datetime, expected: bool) -> None:
    assert due(BILLED, now, last) is expected


def test_no_reading_is_due_for_a_window_before_the_meter_hung_there() -> None:
    fresh = replace(BILLED, installed=date(2026, 11, 21))
    assert not due(fresh, moscow(25), None)
    assert due(fresh, moscow(15, month=12), None)
    assert due(replace(BILLED, installed=date(2026, 11, 20)), moscow(25), None)


def test_the_region_says_which_window_counts() -> None:
    altai = replace(CELLAR, account="1", utility="regional", region="Алтайский край")  # 21st to 23rd in Barnaul, UTC+7
    before = datetime(2026, 11, 20, 16, 59, tzinfo=UTC)
    assert not due(altai, before, moscow(21, month=10))
    assert due(altai, before + timedelta(minutes=1), moscow(21, month=10))


def test_a_meter_with_a_port_is_never_asked_for() -> None:
    assert not due(FLAT, moscow(20), None)


def test_a_broken_profile_leaves_the_20th(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "own.toml").write_text("name = 1")
    whole = config(BILLED)
    broken = replace(whole, gateway=replace(whole.gateway, utilities_dir=tmp_path))
    reminder = Reminder(broken)
    assert reminder.due(BILLED, None, moscow(25)) is not None
    assert reminder.due(BILLED, Record("now", "cellar", "00123", moscow(18), moscow(18)), moscow(19)) is None
    assert "utility profiles cannot be read" in caplog.text


class House:
    """The room of manual points with a real store, in fake time."""

    def __init__(self, folder: Path, *meters: Meter) -> None:
        self.config = config(*meters)
        self.clock = FakeClock(Time())
        self.store = opened(folder, lambda: self.clock.stamp().utc)
        self.writer = Writer(self.store, on_stored=lambda records: None, group=0.0)
        self.points = self.manual_points()

    def manual_points(self) -> ManualPoints:
        return ManualPoints(self.config, self.store, self.writer, self.clock, self.writer.submit)

    def on(self, moment: datetime) -> None:
        self.clock.step((moment - self.clock.stamp().utc).total_seconds())

    def events(self) -> list[tuple[str, str]]:
        self.writer.flush()
        return [(record.point, record.event["code"]) for record, _, _ in self.store.rows() if record.event]

    def due(self) -> dict[str, bool]:
        return {meter.point: wanted for meter, _, wanted in self.points.readings()}

    def enter(self, figure: str) -> None:
        figures = {"T1": figure, "T2": "00001"}
        assert self.points.enter(arguments.enter(request("cellar", Typed(figures), False)))["stored"]

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, FLAT, BILLED, replace(CELLAR, point="attic", serial="7"))
    yield made
    made.close()


def test_the_reminder_is_one_event_a_month_and_point(house: House) -> None:
    house.on(moscow(14))
    for _ in range(70):
        house.points.remind()
        house.on(house.clock.stamp().utc + timedelta(days=1))
    # From 14 November to 22 January: cellar on the 15th, attic on the 20th of each month.
    told = house.events()
    assert told.count(("attic", "reading-due")) == 4  # October's too: there never was a reading
    assert told.count(("cellar", "reading-due")) == 4
    assert {point for point, _ in told} == {"attic", "cellar"}


def test_the_reminder_survives_a_restart_without_a_second_event(house: House) -> None:
    house.on(moscow(25))
    house.points.remind()
    first = house.events()
    assert len(first) == 2
    house.points = house.manual_points()
    house.points.remind()
    assert house.events() == first


def test_due_stands_in_the_status_until_the_reading_is_there(house: House) -> None:
    house.on(moscow(16))
    assert house.due() == {"cellar": True, "attic": True}
    house.enter("00100")
    assert house.due() == {"cellar": False, "attic": True}
    house.points.remind()
    assert house.events() == [("attic", "reading-due")]
    house.on(moscow(14, month=12))
    assert house.due()["cellar"] is False
    house.on(moscow(15, month=12))
    assert house.due()["cellar"] is True


def test_the_event_says_what_to_do_and_until_when(house: House) -> None:
    house.on(moscow(16))
    house.points.remind()
    house.writer.flush()
    (event,) = [record for record, _, _ in house.store.rows() if record.point == "cellar"]
    assert event.meter == "00123"
    assert event.event is not None
    assert event.event["text"] == "meter 00123: read its display, then meterpost enter cellar, by 2026-11-20"


def test_a_clock_that_is_not_set_reminds_of_nothing(house: House) -> None:
    house.on(moscow(25))
    house.clock.state = "unset"
    house.points.remind()
    assert house.events() == []


def test_a_new_configuration_counts_at_once(house: House) -> None:
    house.on(moscow(16))
    assert house.due()["cellar"] is True
    house.points.use(config(FLAT))
    assert house.due() == {}
    assert house.points.jobs() == []


def test_a_typed_reading_is_judged_on_the_thread_of_whoever_asks(house: House) -> None:
    """A year of records is read for it: the thread that stores all readings has no time for that."""
    house.on(moscow(20))
    house.store.searchers.clear()
    house.enter("12345")
    assert house.store.searchers == {threading.current_thread()}
