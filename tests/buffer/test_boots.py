"""A gateway without a battery clock begins at the same moment with each boot: nothing of any boot is lost by that."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from buffer.record import Record
from buffer.store import Store
from tests.buffer.plant import NOON, crashed, everything, opened, reading

START = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path)) as store:
        yield store


def early(boot: str, number: int = 0, **changes: Any) -> Record:
    """The number-th reading of a boot, a second after the one before; each boot has other values."""
    at = START + timedelta(seconds=number)
    more: dict[str, Any] = {"at": at, "read_at": at, "clock": "unset", "boot": boot, "monotonic": float(60 + number)}
    return reading(number, **(more | changes))


def moments(store: Store) -> list[datetime]:
    return [record.at for record, _, _ in store.rows(limit=1000)]


def test_what_two_boots_read_at_one_millisecond_is_kept_twice_and_a_repetition_once(store: Store) -> None:
    assert len(store.put([early("one")])) == 1
    assert len(store.put([early("two")])) == 1
    assert len(store.put([early("three"), early("four"), early("three")])) == 2
    assert store.put([early("one"), early("two")]) == []
    assert store.counts().held == 4
    assert [record.boot for record, _, _ in store.rows("held")] == ["one", "two", "three", "four"]


def test_giving_up_keeps_the_boots_apart(store: Store) -> None:
    for boot in ("one", "two", "three"):
        store.put([early(boot, number) for number in range(3)])
    assert store.give_up_holding("three") == 6
    assert store.give_up_holding("four") == 3
    assert len(everything(store)) == 9
    assert len(set(moments(store))) == 9
    assert {record.flags for record, _, _ in store.rows()} == {("clock-unset",)}
    assert len(store.put([early("four")])) == 1, "what was given up before has no boot any more, and is another record"
    assert store.give_up_holding("five") == 1
    assert len(set(moments(store))) == 10


def test_the_right_time_keeps_the_boots_apart(store: Store) -> None:
    store.put([early("one"), early("one", 1)])
    store.put([early("two"), early("two", 1)])
    assert store.restamp("two", NOON, 60.0) == 2
    assert store.give_up_holding("two") == 2
    assert moments(store) == [START, START + timedelta(seconds=1), NOON, NOON + timedelta(seconds=1)]


def test_a_reading_with_the_right_time_is_not_dropped_for_one_that_is_held_at_that_moment(store: Store) -> None:
    wrong = reading(5, clock="unset", boot="one", monotonic=1.0)
    store.put([wrong])
    assert len(store.put([reading(5)])) == 1
    assert store.put([reading(5)]) == []
    assert store.give_up_holding("two") == 1
    assert moments(store) == [wrong.at + timedelta(milliseconds=1), wrong.at]
    assert store.put([reading(5)]) == [], "it is still known after the other one has left its place"


def test_an_archive_value_is_one_record_in_whatever_boot_it_was_read(store: Store) -> None:
    day = replace(early("one"), kind="day", at=NOON)
    entry = replace(
        early("one"), kind="event", at=NOON, values={}, event={"code": "magnet", "maker": "", "text": "", "n": 1}
    )
    assert len(store.put([day, entry])) == 2
    assert store.put([replace(day, boot="two"), replace(entry, boot="two")]) == []
    assert store.put([replace(one, clock="synced", boot=None, monotonic=None) for one in (day, entry)]) == []


def test_events_of_the_gateway_itself_are_told_apart_by_boot(store: Store) -> None:
    event = {"code": "port-lost", "maker": "", "text": "", "n": 0}
    for boot in ("one", "two"):
        assert len(store.put([early(boot, kind="event", values={}, event=event, meter_offset=None)])) == 1


def test_many_meters_of_two_boots_are_kept_through_a_crash_and_a_damaged_store(tmp_path: Path) -> None:
    points = [f"flat-{number}" for number in range(1, 30)]
    with closing(opened(tmp_path / "one")) as store:
        for boot in ("one", "two"):
            store.put([early(boot, point=point) for point in points])
        state = crashed(tmp_path / "one", tmp_path / "two")
    (state / "store.mark").write_text("")
    data = bytearray((state / "store.db").read_bytes())
    data[100:120] = bytes(20)  # the root of the tables
    (state / "store.db").write_bytes(data)
    with closing(opened(state)) as store:
        assert store.counts().held >= 2 * len(points)
        store.give_up_holding("three")
        found = [(record.point, record.at) for record, _, _ in store.rows(limit=1000) if record.kind == "now"]
        assert len(found) == len(set(found)) == 2 * len(points)
