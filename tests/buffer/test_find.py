"""What the store can be asked about its past: records of a point, and which archive rows are there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from buffer.record import Record
from buffer.store import Store
from drivers.reading import Kind
from tests.support.present import present

START = datetime(2026, 10, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def records(point: str, kind: Kind, count: int, step: timedelta = HALF_HOUR) -> list[Record]:
    return [
        Record(kind, point, "1", START + number * step, START + timedelta(days=40), values={"1-0:1.29.0": number})
        for number in range(count)
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path, now=lambda: START + timedelta(days=40))
    store.put(records("flat-1", "interval", 200))
    store.put(records("flat-2", "interval", 10) + records("flat-1", "now", 20))
    yield store
    store.close()


def test_records_are_found_by_point_kind_and_time(store: Store) -> None:
    found = list(store.find("flat-1", ("interval",), START + HALF_HOUR, START + 100 * HALF_HOUR))
    assert [record.values["1-0:1.29.0"] for record in found] == list(range(1, 100))
    both = list(store.find("flat-1", ("interval", "now"), START, START + HALF_HOUR))
    assert sorted(record.kind for record in both) == ["interval", "now"]
    assert not list(store.find("flat-1", ("interval",), START, START + HALF_HOUR, meter="2"))
    assert len(list(store.find(None, ("interval",), START, START + HALF_HOUR))) == 2
    assert not list(store.find("flat-3", ("interval",), START, START + HALF_HOUR))


def test_what_is_present_is_known_without_reading_it(store: Store) -> None:
    there = list(store.present("interval", START + 5 * HALF_HOUR, START + 8 * HALF_HOUR))
    assert there == [(point, "1", START + number * HALF_HOUR) for number in (5, 6, 7) for point in ("flat-1", "flat-2")]
    assert not list(store.present("day", START, START + timedelta(days=9)))


def test_events_of_one_second_are_all_found(store: Store) -> None:
    event = {"code": "power-off", "maker": "1", "text": "", "n": 1}
    one = Record("event", "flat-1", "1", START, START, event=event)
    store.put([one, replace(one, event=event | {"n": 2}), replace(one, event=event | {"code": "power-on"})])
    found = [record.event for record in store.find("flat-1", ("event",), START, START + HALF_HOUR)]
    assert sorted((present(each)["code"], present(each)["n"]) for each in found) == [
        ("power-off", 1),
        ("power-off", 2),
        ("power-on", 1),
    ]


@pytest.mark.slow
def test_events_are_found_among_more_series_than_their_keys_tell_apart(store: Store) -> None:
    """An event's key is its series' number and a step for ``n``; beyond some four thousand series they mix."""
    store.put([Record("now", f"point-{number}", "1", START, START) for number in range(4200)])
    event = {"code": "power-off", "maker": "1", "text": ""}
    put = [
        Record("event", f"point-{number}", "1", START, START, event=event | {"n": n})
        for number in (1, 4100)
        for n in (0, 1, 2, 700)
    ]
    store.put(put)
    found = list(store.find(None, ("event",), START, START + HALF_HOUR))
    assert sorted((record.point, present(record.event)["n"]) for record in found) == sorted(
        (record.point, present(record.event)["n"]) for record in put
    )
