"""``meterpost doctor``: what is wrong, from the port to the broker, each with what to do."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Bus
from agent.control.doctor import _port, of_meters
from agent.control.unix_socket import ControlServer
from agent.report.days import ExchangeDay, ExchangeDays, ExchangeState
from buffer.record import Record
from buffer.store import Store
from tests.cli.conftest import Done, Run, change
from tests.support.broker import Broker, free_port, needs_mosquitto

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def closed(house: Path) -> Path:
    """The house with a broker where nothing listens."""
    change(house, "mqtts://intake.example.org:8883", f"mqtt://127.0.0.1:{free_port()}")
    return house


def by_what(done: Done) -> dict[str, Any]:
    return {finding["what"]: finding for finding in done.document["findings"]}


def test_everything_is_looked_at_and_each_fault_has_a_remedy(closed: Path, run: Run) -> None:
    (closed.parent / "ttyUSB0").unlink()
    done = run("doctor", "-c", str(closed), "--json")
    found = by_what(done)
    assert done.code == 1 and done.document["ok"] is False
    assert found["daemon"]["text"] == "does not run" and "journalctl" in found["daemon"]["todo"]
    assert "is not there" in found["bus riser-1"]["text"]
    assert "nothing listens there" in found["broker"]["text"]
    assert all(finding["todo"] for finding in found.values() if finding["level"] == "bad")


def test_refused_and_waiting_records_are_named(closed: Path, run: Run) -> None:
    store = Store.open(closed.parent / "state", now=lambda: NOW)
    store.put([Record("now", "flat-12", "1", NOW - timedelta(hours=n), NOW - timedelta(hours=n)) for n in (9, 8)])
    store.refuse([(1, "unknown-point", "no such point")])
    store.close()
    found = by_what(run("doctor", "-c", str(closed), "--json"))
    assert "1 records were refused" in found["refused"]["text"]
    assert "waits for" in found["pending"]["text"]


def test_exchange_files_that_wait_for_a_person_are_named(closed: Path, run: Run) -> None:
    store = Store.open(closed.parent / "state", now=lambda: NOW)
    days = ExchangeDays(store, store.note)
    states: tuple[tuple[int, ExchangeState], ...] = ((1, "refused"), (2, "unclear"), (3, "accepted"))
    for number, state in states:
        days.keep(ExchangeDay(date(2026, 11, number), number, f"80020_{number}.xml", state, NOW))
    store.close()
    found = by_what(run("doctor", "-c", str(closed), "--json"))
    assert found["exchange"]["text"] == "2 files wait for an operator, the newest of 2026-11-02: unclear"


@pytest.mark.parametrize(
    ("state", "todo"),
    [
        ("wrong-serial", "meterpost replace 'flat 13' if it was; else its address is wrong"),
        ("paused", "meterpost resume 'flat 13'"),
        ("silent", "meterpost read 'flat 13' --trace"),
    ],
)
def test_what_to_do_about_a_meter_fits_its_state_and_can_be_typed_as_it_stands(state: str, todo: str) -> None:
    status = {"meters": [{"point": "flat 13", "state": state, "error": "said"}]}
    assert next(of_meters(status)).todo == todo


def test_a_running_daemon_tells_of_its_meters(closed: Path, run: Run) -> None:
    meter = {"point": "flat-12", "state": "silent", "error": "no answer within 0.15 s", "meter_offset": 9.5}
    bus = {"name": "riser-1", "error": None, "counters": {"asked": 100, "answered": 60, "broken": 9}}
    status = {
        "since": "2026-11-21T10:00:00.000Z",  # 13:00 in Moscow
        "clock": "holdover",
        "online": False,
        "delivery": {"broker": "the broker refuses us: Not authorized"},
        "buses": [bus],
        "meters": [meter],
    }
    server = ControlServer(closed.parent / "state", {"status": lambda _: status})
    try:
        done = run("doctor", "-c", str(closed))
    finally:
        server.close()
    said = " ".join(done.out.split())
    for words in (
        "since 2026-11-21 13:00:00",
        "9 of 100 answers broken",
        "holdover",
        "Not authorized",
        "off by +9.5 s",
        "read flat-12 --trace",
    ):
        assert words in said
    assert "0 of 1 answer" in said
    assert max(len(line) for line in done.out.splitlines() if "/" not in line) <= 80  # a path is not broken


METER = {"point": "flat-12", "state": "ok", "error": None}


@pytest.mark.parametrize(
    ("states", "level", "words"),
    [
        (("ok", "ok"), "ok", "2 of 2 answer"),
        (("ok", "paused"), "ok", "1 of 2 answer"),
        (("ok", "waiting"), "look", "1 of 2 answer, 1 not asked yet"),
        (("waiting", "waiting"), "look", "0 of 2 answer, 2 not asked yet"),
        (("ok", "silent"), "look", "1 of 2 answer"),
    ],
)
def test_a_meter_that_was_not_asked_yet_does_not_count_as_one_that_answers(
    states: tuple[str, ...], level: str, words: str
) -> None:
    *_, found = of_meters({"meters": [METER | {"state": state} for state in states]})
    assert (found.level, found.text) == (level, words)


def test_the_remedy_of_a_meter_is_that_of_its_trouble() -> None:
    meter = METER | {"state": "silent", "error": "an answer came 0.7 s after the question", "hint": 'timeout = "2s"'}
    found = next(of_meters({"meters": [meter]}))
    assert found.todo == 'timeout = "2s"' and "0.7 s" in found.text


@pytest.mark.parametrize(
    ("counters", "second", "words"),
    [
        ({}, None, "nothing was asked yet"),
        ({"asked": 1, "answered": 0}, None, "none of 1 questions answered"),
        (
            {"asked": 50, "answered": 49},
            {"addresses": {"47": 3}, "ago": 12, "period": 60.0},
            "address 47 3×, last 12 s",
        ),
    ],
)
def test_a_bus_is_ok_only_where_it_has_brought_an_answer(
    counters: dict[str, int], second: dict[str, Any], words: str
) -> None:
    told = {"name": "riser", "error": None, "counters": counters, "second_master": second}
    found = _port(Bus("riser", "/dev/ttyUSB0"), {"buses": [told]})
    assert found.level == "look" and words in found.text and found.todo
    told = {"name": "riser", "error": None, "counters": {"asked": 3, "answered": 3}}
    assert _port(Bus("riser", "/dev/ttyUSB0"), {"buses": [told]}).level == "ok"


@pytest.mark.slow
@needs_mosquitto
def test_a_broker_that_lets_us_in_is_good(house: Path, tmp_path: Path, run: Run) -> None:
    with Broker(tmp_path) as broker:
        change(house, "mqtts://intake.example.org:8883", broker.url)
        assert by_what(run("doctor", "-c", str(house), "--json"))["broker"]["level"] == "ok"
