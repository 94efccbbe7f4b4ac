"""The same healing for other families that keep archives: SPODES with intervals, Energomera with days and months."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.config.values import Meter
from agent.history.installations import TOTAL
from agent.meters.state import MeterState
from drivers.iec62056 import driver as iec62056
from drivers.reading import MeterPlan
from protocols.dlms.hdlc import Limits
from protocols.session import Line
from simulators import iec62056 as iec
from simulators.dlms import HdlcMeter
from simulators.household import Household
from simulators.spodes import Spodes
from tests.support import dlms
from tests.support.archive_bus import DAY, HALF, House, intervals, midnights
from tests.support.healing import HOUR, NOW, heal, local_midnight
from tests.support.present import present

BEGUN = datetime(2026, 8, 1, tzinfo=UTC)
LONG = timedelta(minutes=30)


class SpodesHouse(House):
    """SPODES meters at HDLC addresses 17, 18, …"""

    def _meter(self, number: int, archive: dict[str, Any], meter: dict[str, Any]) -> Any:
        self.home = Household(number, "Europe/Moscow", BEGUN, tariffs=("T1", "T2"))
        made = Spodes(f"4070{number}", self.home, lambda: self.now, BEGUN, **archive)
        return HdlcMeter(made.server, lower=16 + number, limits=Limits(1024, 239, 1, 1))

    def _asked(self, request: bytes) -> Any:
        return self.simulated[0]

    def _state(self, number: int) -> MeterState:
        config = Meter(
            f"flat-{number}", "riser", "spodes", str(16 + number), f"4070{number}", Line(), self.poll, **self.config
        )
        return MeterState(config, dlms.driver(dlms.plan(timezone="Europe/Moscow")), Line(), self.zone)


class StatedHouse(SpodesHouse):
    """No one has written the meters' zone: they say it themselves. ``written``: the gateway's."""

    written: ZoneInfo | None = None

    def _meter(self, number: int, archive: dict[str, Any], meter: dict[str, Any]) -> Any:
        return super()._meter(number, {"zone": self.zone.key}, meter)

    def _state(self, number: int) -> MeterState:
        state = super()._state(number)
        state.driver, state.zone = dlms.driver(dlms.plan()), self.written
        return state


class EnergomeraHouse(House):
    """A CE308 that keeps days and months and no load profile."""

    def _meter(self, number: int, archive: dict[str, Any], meter: dict[str, Any]) -> Any:
        self.home = Household(number, "Europe/Moscow", BEGUN, tariffs=("T1", "T2"))
        wall = lambda: self.now.astimezone(self.zone).replace(tzinfo=None)  # noqa: E731
        return iec.BUILDERS["ce308"](serial="1234", now=wall, clock=lambda: self.time.now, **archive)

    def _asked(self, request: bytes) -> Any:
        meter = self.simulated[0]
        iec.move(meter, self.home, self.now)
        return meter

    def _state(self, number: int) -> MeterState:
        config = Meter("flat-1", "riser", "ce308", "", "1234", Line(), self.poll, **self.config)
        family = next(one for one in iec62056.families() if "ce308" in one.models)
        plan = MeterPlan("ce308", "", "1234", Line(), settings={"timezone": "Europe/Moscow"})
        return MeterState(config, family.build(plan), Line(), self.zone)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def outages(house: House) -> None:
    house.start()
    house.run(timedelta(seconds=75))
    house.cut()
    house.pass_by(2 * DAY)
    house.start()
    house.run(timedelta(seconds=100))
    house.stop()
    house.pass_by(DAY / 2)
    house.start()
    heal(house, LONG)


def registers_are_true(house: Any, kind: str, since: datetime) -> None:
    wanted = [
        at
        for at in midnights(house.zone, since, house.now - 4 * HOUR)
        if kind == "day" or at.astimezone(house.zone).day == 1
    ]
    rows = house.records(kind)
    assert [row.at for row in rows] == sorted({row.at for row in rows}) and wanted
    assert set(wanted) <= {row.at for row in rows}, sorted(set(wanted) - {row.at for row in rows})
    for row in rows:
        truth = house.home.energy(row.at)
        # Meters of this family show whole 10 Wh.
        assert abs(row.values[TOTAL] - truth["total"]) < 10 and abs(row.values["1-0:1.8.2"] - truth["T2"]) < 10


@pytest.mark.slow
def test_a_spodes_meters_history_is_whole_after_outages_and_its_energies_agree(folder: Path) -> None:
    house = SpodesHouse(folder, NOW, installed=(NOW - 60 * DAY).date())
    outages(house)
    since = local_midnight(house, NOW - 60 * DAY) + HALF
    found = {record.at: record for record in house.records("interval")}
    assert set(intervals(since, house.now - HOUR)) <= set(found)
    for record in found.values():
        assert (
            record.values["1-0:1.29.0"]
            == house.home.energy(record.at)["total"] - house.home.energy(present(record.start))["total"]
        )
    registers_are_true(house, "day", since)
    registers_are_true(house, "month", since)
    days = {record.at: record.values for record in house.records("day")}
    for a, b in pairwise(sorted(days)):
        if a >= since:
            assert sum(found[at].values["1-0:1.29.0"] for at in intervals(a, b)) == days[b][TOTAL] - days[a][TOTAL]
    house.stop()


@pytest.mark.slow
@pytest.mark.parametrize("written", [None, "Europe/Moscow", "Asia/Yekaterinburg"])
def test_days_and_months_of_a_meter_that_says_its_zone_itself_are_whole(folder: Path, written: str | None) -> None:
    """Also where the gateway stands in another one: its own midnight is not the meter's."""
    house = StatedHouse(folder, NOW, zone="Asia/Yekaterinburg", installed=(NOW - 60 * DAY).date())
    house.written = ZoneInfo(written) if written else None
    outages(house)
    since = local_midnight(house, NOW - 60 * DAY) + HALF
    registers_are_true(house, "day", since)
    registers_are_true(house, "month", since)
    assert not [runs for gaps in house.filler._known.values() for runs in gaps.absent if gaps.grid.kind != "interval"]
    house.run(2 * DAY)
    fresh = [record for record in house.records("day") if record.at > NOW + 3 * DAY]
    assert len(fresh) == 2 and not [record for record in fresh if "restored" in record.flags]
    house.stop()


@pytest.mark.slow
def test_rows_that_a_spodes_meter_never_captured_are_asked_once(folder: Path) -> None:
    off = (NOW - 5 * DAY, NOW - 4 * DAY)
    house = SpodesHouse(folder, NOW, installed=(NOW - 10 * DAY).date(), archive={"off": [off]})
    house.start()
    heal(house, LONG)
    assert not [at for at in house.moments("interval") if off[0] + HALF < at < off[1]]
    house.stop()
    house.start()
    before = len(house.exchanges)
    heal(house, LONG)
    assert len(house.exchanges) - before < 120, "log-ins and polls, no profile of days"
    house.stop()


@pytest.mark.slow
def test_an_energomeras_days_and_months_are_whole_after_outages(folder: Path) -> None:
    house = EnergomeraHouse(folder, NOW, installed=(NOW - 100 * DAY).date())
    outages(house)
    assert house.filler.missing("flat-1") == {"month": 0, "day": 0}
    since = local_midnight(house, NOW - 99 * DAY)
    registers_are_true(house, "day", since)
    registers_are_true(house, "month", since)
    house.stop()
