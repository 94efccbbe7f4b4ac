"""``meterpost clock``: offsets now and day by day, with and without a daemon; setting a clock."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.cli.clock import ClockDay, by_day
from agent.cli.status import screen
from simulators.intake.validate import Validator
from tests.buffer.plant import opened, reading
from tests.cli.conftest import Run, serving

MOSCOW = ZoneInfo("Europe/Moscow")


def store(house: Path, *offsets: tuple[timedelta, str | None]) -> None:
    """Readings of so long ago with these offsets."""
    now = datetime.now(UTC).replace(microsecond=0)
    records = []
    for number, (ago, offset) in enumerate(offsets):
        meter_offset = None if offset is None else Decimal(offset)
        more = {"at": now - ago, "read_at": now - ago, "meter_offset": meter_offset}
        records.append(reading(number, point="flat-12", **more))
    with closing(opened(house.parent / "state")) as opening:
        opening.put(records)


def test_the_series_is_the_least_last_and_largest_offset_of_each_local_day() -> None:
    def at(day: int, hour: int, offset: str | None) -> Any:
        moment = datetime(2026, 11, day, hour, tzinfo=UTC)
        return reading(0, at=moment, read_at=moment, meter_offset=None if offset is None else Decimal(offset))

    records = [at(20, 20, "2.5"), at(20, 10, "-1"), at(20, 15, "4"), at(20, 22, "7"), at(21, 5, None)]
    assert by_day(records, MOSCOW) == [
        ClockDay(date(2026, 11, 20), Decimal(-1), Decimal("2.5"), Decimal(4)),
        ClockDay(date(2026, 11, 21), Decimal(7), Decimal(7), Decimal(7)),
    ]


def test_a_points_series_is_shown_with_its_signs(run: Run, house: Path) -> None:
    store(house, (timedelta(days=40), "9"), (timedelta(days=2), "-1.5"), (timedelta(seconds=5), "42.3"))
    lines = run("clock", "show", "flat-12", "-c", str(house)).out.splitlines()
    assert lines[0].split() == ["day", "min", "last", "max"]
    assert [line.split()[1:] for line in lines[1:]] == [["-1.5"] * 3, ["+42.3"] * 3]
    done = run("clock", "show", "flat-12", "--days", "60", "-c", str(house), "--json")
    assert [day["last"] for day in done.document["days"]] == [9, -1.5, 42.3]
    assert Validator().objections("clock", done.out) == []


def test_without_a_daemon_the_newest_offset_that_is_stored_counts(run: Run, house: Path) -> None:
    store(house, (timedelta(days=1), "3"), (timedelta(seconds=5), "125"))
    done = run("clock", "show", "-c", str(house))
    assert "2 min 5 s fast" in done.out and "no daemon runs" in done.err
    done = run("clock", "show", "-c", str(house), "--json")
    (meter,) = done.document["meters"]
    assert (meter["point"], meter["meter_offset"], meter["set_clock"]) == ("flat-12", 125, False)
    assert Validator().objections("clock", done.out) == []


def test_with_a_daemon_its_own_offsets_are_shown(run: Run, house: Path) -> None:
    meters = [
        {"point": "flat-12", "meter_offset": -42.3, "last": "2026-11-21T10:15:00.412Z"},
        {"point": "lift", "meter_offset": None, "last": None},
    ]
    with serving(house, status=lambda _: {"meters": meters}):
        lines = run("clock", "show", "-c", str(house)).out.splitlines()
        document = run("clock", "show", "-c", str(house), "--json")
    assert lines[1].split() == ["flat-12", "42.3", "s", "slow", "11-21", "13:15"]
    assert lines[2].split() == ["lift", "not", "known", "never"]
    assert Validator().objections("clock", document.out) == []


def test_setting_a_clock_tells_before_and_after_and_ends_with_3_where_one_could_not(run: Run, house: Path) -> None:
    asked = []
    answer: dict[str, Any] = {
        "corrected": [{"point": "flat-12", "before": 42.3, "after": -0.2}],
        "right": [],
        "failed": [],
    }

    def set_clock(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["points"])
        return answer

    with serving(house, set_clock=set_clock):
        done = run("clock", "set", "flat-12", "-c", str(house))
        assert (done.code, done.out) == (0, "flat-12: 42.3 s fast before, 0.2 s slow after\n")
        answer |= {"corrected": [], "right": [{"point": "flat-12", "offset": 0.2}]}
        done = run("clock", "set", "flat-12", "-c", str(house))
        assert (done.code, done.out) == (0, "flat-12: right already, 0.2 s fast\n")
        answer |= {"right": [], "failed": [{"point": "flat-12", "error": "once a day is enough", "before": 42}]}
        done = run("clock", "set", "flat-12", "-c", str(house))
        assert (done.code, done.err) == (3, "flat-12: once a day is enough\n")
        assert run("clock", "set", "flat-12", "-c", str(house), "--json").document == answer
    assert asked == [["flat-12"]] * 4


def test_setting_a_clock_needs_the_daemon_and_a_known_point(run: Run, house: Path) -> None:
    done = run("clock", "set", "flat-12", "-c", str(house))
    assert done.code == 1 and "no daemon runs" in done.err and "systemctl start" in done.err
    assert run("clock", "set", "flat-99", "-c", str(house)).code == 2
    assert run("clock", "set", "-c", str(house)).code == 2


@pytest.mark.parametrize("command", [("clock", "show"), ("clock", "show", "flat-12")])
def test_without_store_and_daemon_there_is_nothing_to_show(run: Run, house: Path, command: tuple[str, ...]) -> None:
    done = run(*command, "-c", str(house))
    assert done.code == 1 and "no store in" in done.err


def test_status_names_a_clock_that_is_more_than_five_seconds_off() -> None:
    meters = [
        {"point": "flat-12", "state": "ok", "last": None, "meter_offset": 5.1},
        {"point": "flat-13", "state": "ok", "last": None, "meter_offset": -5},
        {"point": "lift", "state": "ok", "last": None, "meter_offset": None},
    ]
    document = {"gateway": "gw", "online": True, "clock": "synced", "last_seq": 0, "confirmed": 0, "pending": 0}
    lines = screen(document | {"refused": 0, "buses": [], "meters": meters}, running=True)
    assert [line for line in lines if "clock" in line][1:] == ["flat-12: the meter's clock is 5.1 s fast"]
