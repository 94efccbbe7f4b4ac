"""A household's counters are functions of time that anybody can compute again."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.household import START, Household

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 31)).map(lambda moment: moment.replace(tzinfo=UTC))
HOUSEHOLDS = [Household(7, tariffs=names) for names in (("T1",), ("T1", "T2"), ("T1", "T2", "T3"))]


@pytest.mark.slow
@given(MOMENTS, MOMENTS, st.sampled_from(HOUSEHOLDS))
def test_counters_never_go_back_and_the_total_is_the_sum_of_the_tariffs(
    one: datetime, other: datetime, household: Household
) -> None:
    for count in (household.energy, household.reactive):
        before, after = count(min(one, other)), count(max(one, other))
        assert list(before) == ["total", *household.tariffs]
        assert all(before[name] <= after[name] for name in before)
        assert before["total"] == sum(before[name] for name in household.tariffs)
        assert all(type(value) is int for value in after.values())


@pytest.mark.slow
@given(MOMENTS)
def test_power_is_the_slope_of_the_counters(moment: datetime) -> None:
    household = HOUSEHOLDS[2]
    slot = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    grown = household.energy(slot + timedelta(minutes=15))["total"] - household.energy(slot)["total"]
    assert abs(grown * 4 - household.power(moment)) <= 3 * 4  # each of three tariffs drops less than 1 Wh


@pytest.mark.slow
@given(MOMENTS)
def test_network_values_agree_with_each_other(moment: datetime) -> None:
    network = HOUSEHOLDS[2].network(moment)
    assert network.power == HOUSEHOLDS[2].power(moment.replace(microsecond=0))
    for phase in network.phases:
        assert 220 < phase.voltage < 240
        assert 0 <= phase.power <= phase.apparent
        assert abs(phase.current * phase.voltage - phase.apparent) < 1
        assert 0 < phase.factor <= 1
    assert 49.9 < network.frequency < 50.1


def test_the_order_of_the_questions_does_not_matter() -> None:
    late = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    first, second = Household(1), Household(1)
    before = first.energy(START + timedelta(days=2))
    assert second.energy(late) == first.energy(late)
    assert second.energy(START + timedelta(days=2)) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clock", "growing"),
    [("2026-06-01 06:49", "T2"), ("2026-06-01 07:01", "T3"), ("2026-06-01 10:01", "T1"), ("2026-06-01 17:01", "T3"),
     ("2026-06-01 21:01", "T1"), ("2026-06-01 23:01", "T2")],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["Europe/Moscow", "Asia/Yekaterinburg", "Europe/Berlin"])
def test_tariffs_follow_the_local_clock(clock: str, growing: str, zone: str) -> None:
    begin = datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo(zone))
    household = Household(11, zone)
    before, after = household.energy(begin), household.energy(begin + timedelta(minutes=10))
    assert [name for name in ("T1", "T2", "T3") if after[name] > before[name]] == [growing]


@pytest.mark.slow
@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 8), ("2026-03-29", 7), ("2026-10-24", 8), ("2026-10-25", 9)])
def test_a_night_with_a_clock_change_is_an_hour_shorter_or_longer(day: str, hours: int) -> None:
    # Berlin changes its clock on 29 March and 25 October 2026; the night tariff counts from 23:00 of the eve to 7:00.
    zone = ZoneInfo("Europe/Berlin")
    morning = datetime.fromisoformat(day).replace(hour=7, tzinfo=zone)
    eve = (morning - timedelta(days=1)).replace(hour=23)
    household = Household(2, "Europe/Berlin")
    begin, end = eve.astimezone(UTC), morning.astimezone(UTC)
    before, after = household.energy(begin), household.energy(end)
    assert (end - begin) == timedelta(hours=hours)
    assert after["T1"] == before["T1"]
    assert after["T3"] == before["T3"]
    assert after["T2"] > before["T2"]
    assert household.energy(end + timedelta(hours=16))["T2"] == after["T2"]


def test_before_its_start_the_counters_stand_still() -> None:
    household = Household(4)
    assert household.energy(START - timedelta(days=900)) == household.energy(START)
    assert household.power(START - timedelta(seconds=1)) == 0


@pytest.mark.slow
def test_another_process_says_the_same() -> None:
    moment = datetime(2026, 2, 14, 17, 42, 13, tzinfo=UTC)
    program = (
        "from datetime import *; from simulators.household import Household; "
        f"h = Household(99); m = datetime.fromisoformat({moment.isoformat()!r}); print(h.energy(m), h.network(m))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert said.strip() == f"{Household(99).energy(moment)} {Household(99).network(moment)}"


@pytest.mark.parametrize("tariffs", [(), ("T1", "T1"), ("T1", "T2", "T3", "T4")])
def test_tariffs_that_have_no_times_are_refused(tariffs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="one to three different tariffs"):
        Household(1, tariffs=tariffs)
