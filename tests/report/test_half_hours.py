"""Half hours of a local day from whatever intervals a meter keeps."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent.report.half_hours import of_day
from buffer.store import Store
from tests.report.plant import BERLIN, HALF_HOUR, MOSCOW, interval, midnight, opened, profile
from tests.support.present import present

DAY = date(2026, 10, 5)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_store = opened(tmp_path)
    yield with_store
    with_store.close()


def test_a_whole_day_is_48_sound_half_hours(store: Store) -> None:
    store.put(
        profile(DAY - timedelta(days=1), [7] * 48)
        + profile(DAY, list(range(48)))
        + profile(DAY + timedelta(days=1), [9] * 48)
    )
    found = of_day(store, "shop", DAY, MOSCOW)
    assert list(found) == ["01"]
    assert [slot.energy for slot in found["01"]] == list(range(48))
    assert not any(slot.reason for slot in found["01"])


def test_each_channel_that_the_meter_tells_is_there(store: Store) -> None:
    values = {f"1-0:{code}.29.0": code for code in range(1, 5)}
    store.put([replace(record, values=values) for record in profile(DAY, [0] * 48)])
    found = of_day(store, "shop", DAY, MOSCOW)
    assert {name: slots[0].energy for name, slots in found.items()} == {"01": 1, "02": 2, "03": 3, "04": 4}


def test_a_missing_half_hour_is_said_and_its_neighbours_are_sound(store: Store) -> None:
    records = profile(DAY, [100] * 48)
    store.put(records[:10] + records[12:])
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert [number for number, slot in enumerate(slots) if slot.reason] == [10, 11]
    assert {slot.reason for slot in slots[10:12]} == {"missing"}


@pytest.mark.parametrize("minutes", [1, 5, 10, 15])
def test_shorter_intervals_are_summed_and_a_hole_among_them_is_incomplete(store: Store, minutes: int) -> None:
    step = timedelta(minutes=minutes)
    count = HALF_HOUR // step
    start = midnight(DAY)
    records = [interval(start + step * (number + 1), 2, step) for number in range(2 * count)]
    store.put(records[:-1])
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert (slots[0].energy, slots[0].reason) == (2 * count, "")
    assert slots[1].energy == 2 * (count - 1)
    assert slots[1].reason == ("incomplete")


def test_an_hour_is_not_split_its_energy_stands_where_it_ends_and_both_halves_are_doubtful(store: Store) -> None:
    start = midnight(DAY)
    store.put([interval(start + HOUR * (number + 1), 1500, HOUR) for number in range(24)])
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert [slot.energy for slot in slots] == [0, 1500] * 24
    assert {slot.reason for slot in slots} == {"not split"}


def test_an_interval_across_midnight_counts_in_the_day_in_which_it_ends(store: Store) -> None:
    late = midnight(DAY + timedelta(days=1)) + timedelta(minutes=15)
    store.put([interval(late, 800)])
    today = of_day(store, "shop", DAY, MOSCOW)
    tomorrow = of_day(store, "shop", DAY + timedelta(days=1), MOSCOW)["01"]
    assert not today or all(slot.energy == 0 for slot in today["01"])
    assert tomorrow[0].energy == 800 and "not split" in tomorrow[0].reason


@pytest.mark.parametrize("flag", ["partial", "clock-unset", "meter-clock-off", "step-too-large"])
def test_what_a_flag_makes_doubtful_is_not_commercial_and_keeps_its_energy(store: Store, flag: str) -> None:
    store.put(profile(DAY, [100] * 48, flags=(flag,)))
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert {(slot.energy, slot.reason) for slot in slots} == {(Decimal(100), flag)}


def test_what_was_read_later_from_the_archive_is_sound(store: Store) -> None:
    store.put(profile(DAY, [100] * 48, flags=("restored", "unidentified")))
    assert not any(slot.reason for slot in of_day(store, "shop", DAY, MOSCOW)["01"])


def test_rows_that_overlap_or_cannot_be_are_not_counted(store: Store) -> None:
    records = profile(DAY, [100] * 48)
    over = interval(records[4].at + timedelta(minutes=15), 70)
    store.put([*records[:6], over, *records[7:9], interval(records[9].at, -5), *records[10:]])
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert sum(slot.energy for slot in slots) == 46 * 100
    assert "overlapping" in slots[5].reason and "impossible" in slots[9].reason


def test_a_meter_that_is_replaced_within_a_half_hour_shares_it_with_the_new_one(store: Store) -> None:
    records = profile(DAY, [100] * 48)
    gone = interval(present(records[20].start) + timedelta(minutes=10), 30, timedelta(minutes=10), flags=("partial",))
    came = interval(records[20].at, 45, timedelta(minutes=15), flags=("partial",), meter="777")
    store.put([*records[:20], gone, came, *(replace(record, meter="777") for record in records[21:])])
    slots = of_day(store, "shop", DAY, MOSCOW)["01"]
    assert slots[20].energy == 75
    assert [number for number, slot in enumerate(slots) if slot.reason] == [20]


@pytest.mark.parametrize(("day", "count", "doubled"), [(date(2026, 3, 29), 46, []), (date(2026, 10, 25), 50, [4, 5])])
def test_a_day_of_23_or_25_hours_keeps_its_energy_in_48_half_hours(
    store: Store, day: date, count: int, doubled: list[int]
) -> None:
    store.put(profile(day, [10] * count, BERLIN))
    slots = of_day(store, "shop", day, BERLIN)["01"]
    assert len(slots) == 48
    assert sum(slot.energy for slot in slots) == 10 * count
    assert not any(slot.reason for slot in slots)
    assert [number for number, slot in enumerate(slots) if slot.energy == 20] == doubled
    assert [number for number, slot in enumerate(slots) if slot.energy == 0] == ([] if doubled else [4, 5])
