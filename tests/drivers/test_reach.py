"""How far back an archive goes, as each driver knows it: what is older need not be asked for."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from drivers.reading import Reach
from protocols.dlms import axdr
from protocols.dlms.apdu import obis
from tests.drivers.iec62056.support import driver as iec
from tests.drivers.mercury.support import bench
from tests.support.dlms import NOW as MARCH
from tests.support.dlms import driver, opened, plan, spodes, station

NOON = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)  # 12:10 in Moscow
HALF = timedelta(minutes=30)
ARRAYS = bytes.fromhex("B4 E3 C2 97 DF 18 0C 00")  # no command 18h
SMALL = bytes.fromhex("B4 E3 C2 17 DF 58 0C 00")  # 64 KiB
LOAD = obis("1.0.99.1.0.255")
DAYS = obis("1.0.98.2.0.255")


def moscow(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC) - timedelta(hours=3)


@pytest.mark.parametrize(("variant", "places"), [(None, 8192), (SMALL, 4096)])
@pytest.mark.parametrize("period", [15, 30, 60])
def test_a_mercury_reaches_as_far_as_its_ring_once_its_period_is_known(
    variant: bytes | None, places: int, period: int
) -> None:
    it = bench(NOON, archive={"period": period, "places": places}, **dict[str, Any](variant=variant) if variant else {})
    assert it.driver.reach("interval", NOON) is None
    it.read("interval", NOON - timedelta(hours=2), NOON)
    step = timedelta(minutes=period)
    newest = NOON.replace(minute=0)
    assert it.driver.reach("interval", NOON) == Reach(newest - (places - 1) * step, step)


def test_a_mercury_s_oldest_interval_is_the_one_that_its_reach_names() -> None:
    it = bench(NOON, variant=SMALL, archive={"places": 4096})
    it.read("interval", NOON - timedelta(hours=1), NOON)
    reach = it.driver.reach("interval", NOON)
    assert reach is not None
    (oldest,) = it.read("interval", NOON - timedelta(days=400), reach.oldest)
    assert oldest.at == reach.oldest


@pytest.mark.parametrize(
    ("variant", "made", "day", "month"),
    [
        (None, date(2020, 1, 1), moscow(2026, 7, 22), moscow(2023, 12, 1)),
        (ARRAYS, date(2020, 1, 1), moscow(2026, 11, 20), moscow(2025, 12, 1)),
        (None, date(2026, 11, 5), moscow(2026, 11, 5), moscow(2026, 11, 1)),
    ],
)
def test_a_mercury_s_days_and_months_reach_by_its_variant_and_never_before_it_was_made(
    variant: bytes | None, made: date, day: datetime, month: datetime
) -> None:
    it = bench(NOON, made=made, **dict[str, Any](variant=variant) if variant else {})
    assert it.driver.reach("day", NOON) == Reach(day)
    if made.year == 2020:
        assert it.driver.reach("month", NOON) == Reach(month)
    assert it.driver.reach("event", NOON) is None


@pytest.mark.parametrize(
    ("made", "oldest"), [(date(2026, 11, 5), moscow(2026, 11, 5)), (date(2027, 1, 1), None), (date(2020, 1, 1), None)]
)
def test_nothing_is_expected_from_before_a_mercury_was_made(made: date, oldest: datetime | None) -> None:
    it = bench(NOON, made=made)
    it.read("interval", NOON - timedelta(hours=1), NOON)
    assert it.driver.reach("interval", NOON) == Reach(oldest or NOON.replace(minute=0) - 8191 * HALF, HALF)
    day = moscow(2026, 7, 22) if oldest is None else oldest
    assert it.driver.reach("day", NOON) == Reach(day)


def test_another_meter_on_the_line_takes_what_was_learned_of_the_first_with_it() -> None:
    it = bench(NOON)
    it.read("interval", NOON - timedelta(hours=1), NOON)
    it.meter.serial = "00000007"
    it.driver.identify(it.ask)
    assert it.driver.reach("interval", NOON) is None


@pytest.mark.parametrize(
    ("model", "day", "month"),
    [
        ("ce308", moscow(2026, 7, 17), moscow(2023, 8, 1)),
        ("ce303", moscow(2026, 10, 9), moscow(2025, 12, 1)),
        ("neva-mt3", moscow(2026, 7, 17), moscow(2025, 12, 1)),
        ("neva", moscow(2026, 11, 21), moscow(2025, 12, 1)),
        ("iec-readout", None, None),
    ],
)
def test_an_iec_meter_reaches_as_far_as_its_table_says(
    model: str, day: datetime | None, month: datetime | None
) -> None:
    reads = iec(model, zone="Europe/Moscow")
    found = [reads.reach(kind, NOON) for kind in ("day", "month", "interval")]
    half_hours = Reach(moscow(2026, 7, 17) + HALF, HALF) if model == "neva-mt3" else None  # a CE303 has to say its own
    assert found == [day and Reach(day), month and Reach(month), half_hours]
    assert iec(model, zone=None).reach("month", NOON) is None


def test_a_spodes_meter_reaches_as_far_as_it_says_its_profiles_keep_rows() -> None:
    meter = spodes()
    reads, wire = opened(plan(timezone="Europe/Moscow"), station(meter).answer)
    step = timedelta(minutes=30)
    newest = MARCH.replace(minute=30, second=0)
    assert reads.reach("interval", MARCH) == Reach(newest - 8763 * step, None), "as the model says, its period unknown"
    profile = meter.server.objects[7, LOAD]
    profile.attributes[8] = axdr.double_long_unsigned(100)
    list(reads.interval(wire, MARCH - HALF, MARCH))
    assert reads.reach("interval", MARCH) == Reach(newest - 99 * step, step)
    assert reads.reach("day", MARCH) == Reach(moscow(2025, 11, 8))
    assert reads.reach("month", MARCH) == Reach(moscow(2023, 1, 1))
    assert reads.reach("event", MARCH) is None


def test_a_dlms_meter_that_does_not_say_how_much_it_keeps_has_the_model_s_depth_or_none() -> None:
    meter = spodes()
    del meter.server.objects[7, LOAD].attributes[8]
    reads, wire = opened(plan(), station(meter).answer)
    list(reads.interval(wire, MARCH - HALF, MARCH))
    found = reads.reach("interval", MARCH)
    assert found is not None and found.step == HALF and found.oldest == MARCH.replace(minute=30, second=0) - 8763 * HALF
    assert driver(plan("dlms")).reach("interval", MARCH) is None
    assert driver(plan()).reach("day", MARCH) is None, "its zone is not known yet"
