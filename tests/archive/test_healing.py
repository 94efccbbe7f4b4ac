"""After any outage the history is the meter's own again: real driver, simulated meter, real store, fake time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from agent.history.installations import TOTAL
from tests.support.archive_bus import BEGIN, DAY, HALF, House, intervals, midnights
from tests.support.healing import HOUR, MINUTE, NOW, assert_whole, heal, local_midnight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.mark.slow
def test_a_new_gateway_reads_all_that_the_meter_kept_since_it_was_installed(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 40 * DAY).date())
    house.start()
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 40 * DAY) + HALF)
    assert min(house.moments("interval")) == local_midnight(house, NOW - 40 * DAY) + HALF
    house.stop()


@pytest.mark.slow
def test_what_was_read_later_says_so_and_what_its_own_poll_brought_does_not(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 3 * DAY).date())
    house.start()
    heal(house)
    house.run(4 * HOUR)
    house.flush()
    fresh = {record.at for record in house.records("interval") if "restored" not in record.flags}
    assert fresh == set(intervals(NOW - 3 * HOUR, house.now - HOUR)) | (fresh & set(intervals(NOW, house.now)))
    days = {record.at: record.flags for record in house.records("day")}
    assert [flags == () for flags in days.values()] == [False] * (len(days) - 1) + [True]
    house.stop()


@pytest.mark.slow
def test_a_month_that_its_poll_brings_weeks_later_says_so_and_one_that_it_brings_in_time_does_not(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 100 * DAY).date())
    house.start()
    house.run(2 * MINUTE)
    (late, *_) = sorted(house.records("month"), key=lambda record: record.read_at)
    assert late.at == local_midnight(house, NOW.replace(day=1)) and late.flags == ("restored",)
    heal(house)
    house.stop()
    house.pass_by(local_midnight(house, datetime(2026, 12, 1, 12, tzinfo=UTC)) - HOUR - house.now)
    house.start()
    house.run(5 * HOUR)
    fresh = house.records("month")[-1]
    assert fresh.at == local_midnight(house, datetime(2026, 12, 1, 12, tzinfo=UTC)) and fresh.flags == ()
    house.stop()


@pytest.mark.slow
def test_an_outage_of_thirty_days_with_thirty_two_meters_heals_without_help(folder: Path) -> None:
    house = House(folder, NOW, 32, installed=(NOW - 30 * DAY).date())
    house.start()
    house.run(2 * MINUTE)
    progress = house.filler.progress("riser")
    assert progress["missing"] > 32 * 29 * 48 and progress["done_at"] > house.now
    heal(house, 2 * HOUR)
    for number in (1, 17, 32):
        assert_whole(house, local_midnight(house, NOW - 30 * DAY) + HALF, number)
    assert house.filler.progress("riser") | {"rate": 0} == {"missing": 0, "rate": 0, "done_at": None}
    house.stop()


@pytest.mark.slow
def test_all_meters_of_a_bus_come_back_together(folder: Path) -> None:
    house = House(folder, NOW, 4, installed=(NOW - 100 * DAY).date())
    house.start()
    house.run(6 * MINUTE)
    house.flush()
    counts = [len(house.moments("interval", number)) for number in (1, 2, 3, 4)]
    assert not house.whole() and min(counts) > 0.5 * max(counts), counts
    house.stop()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, *range(2, 14)))])
def test_an_outage_at_a_random_place_and_length_with_restarts_and_power_cuts_ends_in_the_meters_truth(
    folder: Path, seed: int
) -> None:
    dice = Random(f"outage {seed}")
    house = House(folder, NOW + dice.randrange(86400) * timedelta(seconds=1), installed=NOW.date() - 10 * DAY)
    for _ in range(dice.randint(2, 6)):
        house.start()
        house.run(timedelta(seconds=dice.choice([20, 47, 70, 90, 120, 600, 7200]) * (0.5 + dice.random())))
        (house.cut if dice.random() < 0.6 else house.stop)()
        house.pass_by(timedelta(seconds=dice.choice([5, 3600, 86400, 10 * 86400]) * (0.2 + dice.random())))
    house.start()
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 10 * DAY) + HALF)
    house.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_energies_agree_interval_by_day_by_month_and_tariff_by_total(folder: Path, seed: int) -> None:
    """Sum of intervals = difference of day registers = difference of month registers; tariffs sum to the total."""
    house = House(folder, datetime(2026, 11, 2 + seed, 9, 0, tzinfo=UTC), installed=datetime(2026, 7, 15).date())
    house.start()
    heal(house)
    energy = {record.at: record.values["1-0:1.29.0"] for record in house.records("interval")}
    days = {record.at: record.values for record in house.records("day")}
    month = house.records("month")
    assert len(month) == 4 and len(days) > 105
    for one, other in pairwise(month):
        assert sum(energy[at] for at in intervals(one.at, other.at)) == other.values[TOTAL] - one.values[TOTAL]
        for code in (TOTAL, "1-0:1.8.1", "1-0:1.8.2"):
            at = midnights(house.zone, one.at, other.at)
            assert sum(days[b][code] - days[a][code] for a, b in pairwise(at)) == other.values[code] - one.values[code]
            assert days[at[0]][code] == one.values[code]
        assert other.values[TOTAL] == other.values["1-0:1.8.1"] + other.values["1-0:1.8.2"]
    for a, b in pairwise(sorted(days)):
        assert sum(energy[at] for at in intervals(a, b)) == days[b][TOTAL] - days[a][TOTAL]
    house.stop()


@pytest.mark.slow
def test_what_the_meter_does_not_have_is_asked_once_and_then_never_again(folder: Path) -> None:
    """The supply failed for two days: the meter wrote nothing meanwhile."""
    off = (NOW - 5 * DAY, NOW - 3 * DAY)
    house = House(folder, NOW, installed=(NOW - 10 * DAY).date(), archive={"off": [off]})
    house.start()
    heal(house)
    house.flush()
    have = house.moments("interval")
    assert not [at for at in have if off[0] + HALF < at < off[1]]
    assert have[0] < off[0] < off[1] < have[-1]
    house.run(2 * MINUTE)  # it is noted
    house.cut()
    house.start()
    before = len(house.exchanges)
    heal(house)
    profile = [request for _, _, request in house.exchanges[before:] if request[1] == 0x06]
    assert len(profile) <= 3, "the newest are polled, and that is all"
    house.stop()


@pytest.mark.slow
def test_absences_of_one_meter_are_not_those_of_the_next_at_this_point(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 4 * DAY).date(), archive={"off": [(NOW - 3 * DAY, NOW - 2 * DAY)]})
    house.start()
    heal(house)
    house.stop()
    assert house.simulated[0].archive is not None
    house.simulated[0].serial, house.simulated[0].archive.off = "77777777", []
    house.start()
    heal(house)
    have = [at for _, serial, at in house.store.present("interval", BEGIN, NOW) if serial == "77777777"]
    assert set(intervals(NOW - 3 * DAY, NOW - 2 * DAY)) <= set(have)
    house.stop()


@pytest.mark.slow
def test_the_memory_of_the_meter_bounds_what_is_missing(folder: Path) -> None:
    """A ring of 170 days: what is older is lost, and no one waits for it."""
    house = House(folder, NOW, installed=(NOW - 400 * DAY).date(), keep_days=1000)
    house.start()
    heal(house)
    oldest = min(house.moments("interval"))
    assert timedelta(days=170) < NOW - oldest < timedelta(days=171)
    house.stop()


@pytest.mark.slow
def test_days_of_forty_six_and_fifty_half_hours_are_whole(folder: Path) -> None:
    house = House(
        folder, datetime(2026, 10, 27, 9, 0, tzinfo=UTC), zone="Europe/Berlin", installed=datetime(2026, 10, 22)
    )
    house.start()
    heal(house)
    assert_whole(house, datetime(2026, 10, 22, 22, 30, tzinfo=UTC))
    at = house.moments("interval")
    assert (
        len([one for one in at if one.astimezone(house.zone) - HALF < one and one.astimezone(house.zone).day == 25])
        == 50
    )
    house.stop()


@pytest.mark.slow
def test_rows_of_another_gateway_or_a_restored_store_are_not_asked_again(folder: Path) -> None:
    """The same point was read before: what the store holds is what counts."""
    house = House(folder, NOW, installed=(NOW - 6 * DAY).date())
    house.start()
    heal(house)
    records = house.records("interval") + house.records("day") + house.records("month")
    house.stop()
    other = folder.with_name("other")
    other.mkdir()
    house.folder = other
    house.start()
    house.store.put([record for record in records if record.at < NOW - 2 * DAY])
    before = len(house.exchanges)
    heal(house)
    profile = [request for _, _, request in house.exchanges[before:] if request[1] == 0x06]
    assert len(profile) <= 12, "of the eighteen that six days take"
    house.store.put(records)
    assert_whole(house, local_midnight(house, NOW - 6 * DAY) + HALF)
    house.stop()
