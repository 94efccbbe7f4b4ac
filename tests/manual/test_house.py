"""A house of two flats, one meter with a port and one without: one list of statements, one history, one delivery."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.config.utility import profile_file
from agent.config.values import Bus, Config, Gateway, Intake, Meter
from agent.control import arguments
from agent.delivery.payload import inventory
from agent.history.series import series
from agent.manual.entry import Typed, request
from agent.manual.reminder import ManualPoints
from agent.meters.build import build
from agent.statement import log as books
from agent.statement.actions import StatementActions
from agent.statement.workflow import StatementWorkflow
from buffer.record import Record
from buffer.writer import Writer
from protocols.session import Line
from tests.buffer.plant import opened
from tests.support.bus import FakeClock
from tests.support.wire import Time

MOSCOW = ZoneInfo("Europe/Moscow")
BILLED = {"utility": "regional", "tariffs": {"T1": "single"}, "initial": {"T1": Decimal("900.25")}}
FLAT = Meter("flat-1", "riser", "mercury230", "1", "20000001", Line(), account="1001", **BILLED)  # type: ignore[arg-type]
TYPED = Meter("flat-2", "", "manual", "", "0777", Line(), account="1002", digits=5, **BILLED)  # type: ignore[arg-type]
MONTHS = (10, 11, 12)
KWH = {10: "1000,7", 11: "1100,2", 12: "1250,9"}  # on the first of each month, of both meters
FIGURES = {"2026-10": 1000, "2026-11": 1100, "2026-12": 1250}


def first(month: int, hour: int = 0) -> datetime:
    """In the morning of the 1st."""
    return datetime(2026 + month // 13, (month - 1) % 12 + 1, 1, hour, tzinfo=MOSCOW).astimezone(UTC)


class House:
    """The rooms of a daemon that statements and typed readings need, over a real store, in fake time."""

    def __init__(self, folder: Path) -> None:
        gateway = Gateway("gw", timezone="Europe/Moscow")
        self.config = Config(gateway, Intake("h", 1883, False, "mqtt://h"), (Bus("riser", "/dev/fake"),), (FLAT, TYPED))
        self.clock = FakeClock(Time())
        self.store = opened(folder, lambda: self.clock.stamp().utc)
        self.writer = Writer(self.store, on_stored=lambda records: None, group=0.0)
        self.points = ManualPoints(self.config, self.store, self.writer, self.clock, self.writer.submit)
        profiles = profile_file.load()
        call, submit = self.writer.call, self.writer.submit
        self.workflow = StatementWorkflow(
            self.config, profiles, self.store, change=call, submit=submit, clock=self.clock, channels={}
        )

    def on(self, moment: datetime) -> None:
        self.clock.step((moment - self.clock.stamp().utc).total_seconds())

    def month(self, month: int) -> None:
        """The 1st of a month: the meter's snapshot at midnight, an operator at nine; the intake takes what leaves."""
        self.on(first(month))
        wh = int(Decimal(KWH[month].replace(",", ".")) * 1000)
        values = {"1-0:1.8.0": wh, "1-0:1.8.1": wh}
        self.writer.submit([Record("month", "flat-1", "20000001", first(month), first(month), values=values)])
        self.writer.flush()
        self.on(first(month, 9))
        assert self.enter(Typed({"T1": f"0{KWH[month]}"}))["doubts"] == []
        for hours in (1, 20, 40):
            self.on(first(month, 9) + timedelta(hours=hours))
            self.workflow.tick()
            self.writer.flush()
            self.store.confirm([(1, self.store.last_seq)])

    def enter(self, typed: Typed) -> dict[str, Any]:
        """An operator types it in."""
        return self.points.enter(arguments.enter(request("flat-2", typed, False)))

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.on(first(9))
    made.workflow.tick()
    for month in MONTHS:
        made.month(month)
    yield made
    made.close()


@pytest.mark.parametrize("point", ["flat-1", "flat-2"])
def test_a_typed_reading_is_billed_like_a_read_one(house: House, point: str) -> None:
    found = {book.month: book for book in books.of_point(house.store, point)}
    for month, figure in FIGURES.items():
        assert found[month].state == "accepted", (month, found[month].steps)
        attempt = found[month].attempt
        assert attempt is not None
        assert attempt.figures == {"T1": figure}
    records = house.store.find(point, ("statement",), first(10), first(13))
    assert [dict(record.statement or {})["source"] for record in records] == [
        "manual" if point == "flat-2" else "month"
    ] * len(MONTHS)


def test_a_typed_reading_stands_in_the_same_history(house: House) -> None:
    for meter in house.config.meters:
        rows = series(house.store, meter, "month", first(10), first(12), MOSCOW, house.clock.stamp().utc)
        assert [row.total for row in rows] == [99_500, 150_700], meter.point
        assert [row.quality for row in rows] == ["complete", "complete"]


def test_typed_readings_are_delivered_like_any_other(house: House) -> None:
    typed = list(house.store.find("flat-2", ("now",), first(10), first(13)))
    assert [(record.meter, record.flags) for record in typed] == [("0777", ("manual",))] * len(MONTHS)
    assert house.store.counts().pending == 0


def test_the_inventory_names_the_point_without_a_bus(house: House) -> None:
    points = {point["point"]: point for point in json.loads(inventory(house.config, {}))["points"]}
    assert (points["flat-2"]["bus"], points["flat-2"]["address"], points["flat-2"]["serial"]) == ("", "", "0777")
    assert points["flat-2"]["driver"] == "manual"


def test_no_bus_has_the_point(house: House) -> None:
    assert {bus: [meter.config.point for meter in meters] for bus, meters in build(house.config).items()} == {
        "riser": ["flat-1"]
    }


@pytest.mark.slow
def test_a_figure_that_was_corrected_is_neither_billed_nor_in_the_history(house: House) -> None:
    """Both before the next check at the statements: the wrong one is nearer to the reporting moment."""
    month = first(13)
    house.on(month + timedelta(hours=9))
    for typed in (Typed({"T1": "01530,0"}), Typed({"T1": "01350,0"}, corrects=True)):
        assert house.enter(typed)["doubts"] == []
        house.clock.step(60)
    house.workflow.tick()
    house.writer.flush()
    attempt = {book.month: book for book in books.of_point(house.store, "flat-2")}["2027-01"].attempt
    assert attempt is not None
    assert (attempt.figures, attempt.statement["verdict"]) == ({"T1": 1350}, "plausible")
    (row,) = series(house.store, TYPED, "month", first(12), month, MOSCOW, house.clock.stamp().utc)
    assert row.total == 99_100


@pytest.mark.slow
def test_a_figure_that_left_is_corrected_by_a_second_statement_that_a_person_confirms(house: House) -> None:
    house.on(first(13, 9))
    house.enter(Typed({"T1": "01530,0"}))
    house.workflow.tick()
    house.writer.flush()
    house.clock.step(60)
    house.enter(Typed({"T1": "01350,0"}, corrects=True))
    actions, asked = StatementActions(house.workflow), {"points": ["flat-2"], "by": "ivanov"}
    (held,) = actions.ask({"do": "check", "correct": True, **asked})["statements"]
    assert (held["state"], held["figures"], held["reasons"]) == ("held", {"T1": 1350}, [])
    (sent,) = actions.ask({"do": "confirm", **asked})["statements"]
    assert sent["state"] == "sent"
    house.writer.flush()
    last = list(house.store.find("flat-2", ("statement",), first(13), first(13, 23)))[-1]
    assert last.replaces is not None
