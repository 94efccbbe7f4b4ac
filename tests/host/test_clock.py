"""The gateway's clock and how far it can be believed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.host import clock as clock_module
from agent.host.clock import BUILT, SystemClock

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def clock_at(moment: datetime, **more: Any) -> SystemClock:
    settings: dict[str, Any] = {"kernel_synced": lambda: False, "battery": False, "boot": "boot-1"} | more
    return SystemClock(wall=lambda: moment.timestamp(), monotonic=lambda: 5.0, **settings)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"kernel_synced": lambda: True}, "synced"),
        ({"battery": True}, "holdover"),
        ({}, "unset"),
        ({"trust": True}, "synced"),
    ],
)
def test_the_state_says_how_far_the_clock_can_be_believed(more: dict[str, Any], state: str) -> None:
    assert clock_at(NOON, **more).stamp().state == state


def test_a_clock_before_the_programs_build_is_unset_whatever_anybody_says() -> None:
    early = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    assert early < BUILT
    assert clock_at(early, kernel_synced=lambda: True, battery=True, trust=True).stamp().state == "unset"


def test_a_clock_behind_the_newest_record_is_unset() -> None:
    clock = clock_at(NOON, kernel_synced=lambda: True)
    clock.seen(datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC))
    assert clock.stamp().state == "synced"
    clock.seen(datetime(2026, 11, 21, 13, 0, tzinfo=UTC))
    assert clock.stamp().state == "unset"


def test_once_synchronised_it_holds_over() -> None:
    answers, ticks = [True, False], iter(range(0, 1000, 20))
    clock = SystemClock(
        wall=lambda: NOON.timestamp(),
        monotonic=lambda: float(next(ticks)),
        kernel_synced=lambda: answers.pop(0),
        battery=False,
    )
    assert [clock.stamp().state, clock.stamp().state] == ["synced", "holdover"]


def test_a_stamp_has_whole_milliseconds_in_utc() -> None:
    stamp = SystemClock(wall=lambda: 1795262400.123456, monotonic=lambda: 1.0, boot="b").stamp()
    assert stamp.utc.microsecond == 123000 and stamp.utc.tzinfo is UTC


@pytest.mark.parametrize(
    ("set_by", "shows", "believed"),
    [
        ("1", NOON.timestamp(), True),
        ("0", NOON.timestamp(), False),
        ("1", 75.0, False),  # the battery is empty: 1970
        ("1", 946684800.0, False),  # … or 2000, as other chips begin
    ],
)
def test_a_battery_clock_counts_if_it_set_the_time_and_had_one(
    tmp_path: Path, set_by: str, shows: float, believed: bool
) -> None:
    (tmp_path / "rtc0").mkdir()
    (tmp_path / "rtc0" / "hctosys").write_text(f"{set_by}\n")
    (tmp_path / "rtc0" / "since_epoch").write_text(f"{shows:.0f}\n")
    assert clock_module._battery_clock(tmp_path) is believed


def test_a_machine_without_a_battery_clock_or_one_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert not clock_module._battery_clock(tmp_path)
    (tmp_path / "rtc0").mkdir()
    assert not clock_module._battery_clock(tmp_path)
