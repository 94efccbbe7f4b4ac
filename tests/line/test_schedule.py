"""What is due when: priorities, clock-aligned slots, and no flood when the clock steps."""

import itertools
import math
from typing import cast

import pytest

from agent.line.schedule import Schedule
from drivers.reading import Kind
from tests.support.present import present


def plan(**periods: float) -> Schedule[int]:
    return Schedule({(0, cast(Kind, kind)): period for kind, period in periods.items()}, now=100.0)


def test_everything_is_read_once_at_the_start() -> None:
    schedule = plan(now=900.0, network=300.0)
    assert schedule.of_meter(0, 100.0) == ["now", "network"]


@pytest.mark.parametrize(("wall", "wait"), [(0.0, 900.0), (1.0, 899.0), (899.0, 1.0), (1_000_000.0, 800.0)])
def test_polls_are_aligned_to_the_clock(wall: float, wait: float) -> None:
    schedule = plan(now=900.0)
    schedule.done(0, "now", now=100.0, wall=wall)
    assert schedule.next_due() == pytest.approx(100.0 + wait)


@pytest.mark.parametrize("step", [-86400.0, -3600.0, 3600.0, 86400.0, -1.7e9])
def test_a_clock_step_neither_stops_nor_floods_the_polls(step: float) -> None:
    schedule, now, wall, polls = plan(now=900.0), 100.0, 1_795_000_000.0, []
    for turn in range(40):
        due = schedule.next_due()
        assert due - now <= 900.0
        wall += due - now
        now = due
        if turn == 20:
            wall += step
        assert present(schedule.due(now)).kind == "now"
        polls.append(now)
        schedule.done(0, "now", now, wall)
    gaps = [later - earlier for earlier, later in itertools.pairwise(polls)]
    assert sum(1 for gap in gaps if gap < 899.9) <= 2


def test_energy_goes_before_network_and_the_earliest_deadline_first() -> None:
    schedule = Schedule({(0, "network"): 60.0, (1, "now"): 60.0, (2, "now"): 60.0}, now=0.0)
    schedule.later(2, "now", -5.0)
    order = []
    while (job := schedule.due(0.0)) is not None:
        order.append((job.meter, job.kind))
        schedule.later(job.meter, job.kind, math.inf)
    assert order == [(2, "now"), (1, "now"), (0, "network")]


def test_a_bus_slower_than_its_period_skips_slots_instead_of_piling_them_up() -> None:
    schedule = plan(now=1.0)
    schedule.done(0, "now", now=107.3, wall=7.3)
    assert schedule.next_due() == pytest.approx(108.0)


def test_calendar_kinds_wait_for_their_day() -> None:
    schedule = Schedule({(0, "month"): None}, now=0.0)
    assert schedule.due(1e9) is None
    schedule.later(0, "month", 5.0)
    assert present(schedule.due(5.0)).kind == "month"
    schedule.done(0, "month", 6.0, 6.0)
    assert schedule.due(1e9) is None


def test_silent_meters_are_left_out() -> None:
    schedule = Schedule({(0, "now"): 1.0, (1, "now"): 1.0}, now=0.0)
    assert present(schedule.due(0.0, skip=[0])).meter == 1
    assert schedule.next_due(skip=[0, 1]) == math.inf
