"""The table of operations: both doors answer the same fields, malformed arguments change nothing, results fit."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.control.replies import diagnosis, fitted
from agent.delivery.payload import LARGEST, reply
from buffer.record import Record
from tests.support.bus import NOON, FakeBus
from tests.support.requests import Operations

DOORS = ("socket", "mqtt")
PERIOD = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00+03:00"}
POINT = ["flat-1"]
ASKED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "read": ({"points": POINT}, {"stored", "failed"}),
    "fill": ({"points": POINT, "kind": "day", **PERIOD}, {"slots", "failed"}),
    "resend": ({"from_seq": 1, "to_seq": 2}, {"records"}),
    "set-clock": ({"points": POINT}, {"corrected", "right", "failed"}),
    "pause": ({"points": POINT}, {"points", "paused"}),
    "resume": ({}, {"points", "paused"}),
    "diagnose": ({}, {"version", "buses", "meters", "trouble"}),
    "statement": ({}, {"statements"}),
    "statement-action": ({"do": "check"}, {"statements"}),
    "status": ({}, {"schema", "buses", "meters"}),
    "peek": ({"kind": "network", "trace": True}, {"records", "failed", "trace"}),
    "read-new": ({"point": "flat-1", "serial": "20000009"}, {"records", "failed"}),
    "reload": ({}, set()),
}
"""Each operation, arguments that it takes, and the fields of its answer."""
ELSEWHERE = {"enter": "tests/manual", "exchange": "tests/report"}
"""Those that are refused to a house without such points; what they answer is tested there."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Operations]:
    with closing(Operations(tmp_path, FakeBus(2))) as made:
        yield made


def test_every_operation_is_asked_here_or_elsewhere(gateway: Operations) -> None:
    assert set(gateway.operations) == set(ASKED) | set(ELSEWHERE)


@pytest.mark.parametrize("op", ASKED)
def test_both_doors_answer_the_same_fields(gateway: Operations, op: str) -> None:
    args, fields = ASKED[op]
    doors = gateway.operations[op].doors
    answers = {door: gateway.ask(door, op, **args) for door in doors}
    assert [set(answer) for answer in answers.values()] == [fields] * len(doors)
    assert json.dumps(answers)


@pytest.mark.parametrize("op", ["status", "peek", "read-new", "enter", "exchange", "reload", "statement-action"])
def test_what_is_a_technicians_alone_is_unknown_to_the_utility(gateway: Operations, op: str) -> None:
    with pytest.raises(ValueError, match=f"op '{op}' is unknown, known are read, fill, resend, set-clock"):
        gateway.mqtt(op)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        ("read", {"point": ["a"]}, "'point' is unknown, known are points, kind"),
        ("read", {"points": []}, "args.points: a list of 1 to 1000 names"),
        ("read", {"points": "flat-1"}, "args.points: a list"),
        ("read", {"points": ["x" * 65]}, "args.points: names are texts of 1 to 64 characters"),
        ("read", {"points": ["a"] * 1001}, "args.points: a list of 1 to 1000 names"),
        ("read", {"kind": "yearly"}, "args.kind: found 'yearly', expected one of now"),
        ("fill", {"kind": "day"}, "args.from: a time like"),
        ("fill", {"kind": "day", "from": "2026-11-01", "to": "2026-11-02T00:00:00Z"}, "args.from: a time like"),
        ("fill", {"kind": "day", "from": PERIOD["to"], "to": PERIOD["from"]}, "from lies behind to"),
        ("resend", {}, "args.from: a time like"),
        ("resend", {"from_seq": 2, "to_seq": 1}, "from_seq and to_seq are whole numbers"),
        ("resend", {"from_seq": True, "to_seq": 1}, "from_seq and to_seq are whole numbers"),
        ("resend", {"from_seq": 1, "to_seq": 1, "from": PERIOD["from"]}, "'from' is unknown"),
        ("set-clock", {"points": [7]}, "args.points: names are texts"),
        ("pause", {"points": ["flat-1", "flat-9"]}, "no point named 'flat-9'; there are: flat-1, flat-2"),
        ("resume", {"points": {}}, "args.points: a list"),
        ("diagnose", {"deep": True}, "'deep' is unknown, known are none"),
    ],
)
def test_malformed_arguments_get_a_reason_and_change_nothing(
    gateway: Operations, door: str, op: str, args: dict[str, Any], words: str
) -> None:
    gateway.buses.pause(["flat-2"], True)
    with pytest.raises(ValueError) as trouble:
        gateway.ask(door, op, **args)
    assert words in str(trouble.value)
    assert gateway.store.notes("paused:") == {"paused:flat-2": "paused"}
    assert not gateway.records() and not gateway.resent and not any(one.watch.orders for one in gateway.bus.meters)


@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        ("peek", {"from": PERIOD["from"]}, "args.to: a time like"),
        ("peek", {"trace": "yes"}, "args.trace: true or false"),
        ("read-new", {"point": "flat-1"}, "args.serial: a text"),
        ("read-new", {"point": "flat-9", "serial": "1"}, "no point named 'flat-9'"),
        ("statement-action", {"points": POINT}, "args.do: a text"),
        ("statement-action", {"do": "check", "late": 1}, "args.late: true or false"),
        ("statement-action", {"do": "dance"}, "There are: check, confirm, hold, send"),
        ("exchange", {"verb": "make", "day": "yesterday"}, "args.day: a day like 2026-11-21"),
        ("exchange", {"verb": "answer", "data": "xyz"}, "args.data: hex digits"),
        ("exchange", {"verb": "answer"}, "args.data: hex digits"),
        ("enter", {"point": "flat-1", "figures": None}, "args.figures: an object of texts"),
        ("enter", {"point": "flat-1", "figures": {"T1": 1234}}, "args.figures: an object of texts"),
        ("enter", {"point": None, "figures": {}}, "args.point: a text"),
        ("enter", {"point": "flat-1", "figures": {}, "at": 7}, "args.at: a time like"),
        ("enter", {"point": "flat-1", "figures": {}, "at": "2026-11-20T12:00"}, "args.at: a time like"),
        ("enter", {"point": "flat-1", "figures": {}, "by": 7}, "args.by: a text"),
        ("enter", {"point": "flat-1", "figures": {}, "serial": 123}, "args.serial: a text"),
        ("enter", {"point": "flat-1", "figures": {}}, "flat-1 is read by the gateway"),
    ],
)
def test_a_technicians_malformed_arguments_get_a_reason_and_change_nothing(
    gateway: Operations, op: str, args: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError) as trouble:
        gateway.socket(op, **args)
    assert words in str(trouble.value)
    assert not gateway.records() and not gateway.store.notes("")


def test_what_the_utility_has_read_is_stored_and_what_a_technician_looks_at_is_not(gateway: Operations) -> None:
    shown = gateway.socket("peek")
    assert len(shown["records"]) == 2 and gateway.records() == []
    assert gateway.mqtt("read", points=POINT) == {"stored": 1, "failed": []}
    assert [(record.kind, record.point) for record in gateway.records()] == [("now", "flat-1")]


def test_a_failure_shown_to_a_command_carries_the_exit_code_it_stands_for(gateway: Operations) -> None:
    gateway.bus.dead.add(2)
    (failed,) = gateway.socket("peek")["failed"]
    assert (failed["point"], failed["exit"]) == ("flat-2", 3) and failed["error"].startswith("silent: ")
    gateway.bus.lost = True
    assert {one["exit"] for one in gateway.socket("peek")["failed"]} == {74}


@pytest.mark.parametrize("door", DOORS)
def test_records_are_sent_again_by_number_or_time_and_delivery_knows_which(gateway: Operations, door: str) -> None:
    moments = [NOON + timedelta(seconds=second) for second in range(5)]
    gateway.submit([Record("now", "flat-1", "1", at, at) for at in moments])
    gateway.store.confirm([(1, 5)])
    assert gateway.ask(door, "resend", from_seq=2, to_seq=3) == {"records": 2}
    span = {"from": moments[3].isoformat(), "to": (moments[4] + timedelta(seconds=1)).isoformat()}
    assert gateway.ask(door, "resend", **span) == {"records": 2}
    assert gateway.resent == [(2, 3), None] and gateway.store.counts().pending == 4


def test_a_reload_is_only_asked_for(gateway: Operations) -> None:
    assert gateway.socket("reload") == {} and gateway.reloads == 1


def test_a_result_that_no_cut_makes_fit_is_refused_by_its_size(gateway: Operations) -> None:
    gateway.status |= {"disk": "x" * 70_000}
    with pytest.raises(ValueError, match=r"the answer takes 70[0-9]+ bytes, at most 61440 are sent"):
        gateway.mqtt("diagnose")
    assert gateway.socket("status")["disk"] == gateway.status["disk"], "the socket has no such limit"


def status(meters: int, error: str | None = None, buses: int = 2) -> dict[str, Any]:
    return {
        "schema": "meterpost/status/1",
        "gateway": "gw-1",
        "online": True,
        "delivery": {"online": True, "sent": 3},
        "buses": [{"name": f"riser-{n}", "state": "open", "counters": {"asked": 5}} for n in range(buses)],
        "meters": [
            {
                "point": f"flat-{number}",
                "state": "silent" if error else "ok",
                "error": error,
                "meter_offset": 0.3,
                "flags": [],
                "values": {"1-0:1.8.0": 1},
            }
            for number in range(meters)
        ],
    }


def test_a_diagnosis_counts_the_meters_and_names_those_with_trouble() -> None:
    document = status(3)
    document["meters"][1] |= {"state": "silent", "error": "no answer within 0.50 s"}
    document["meters"][2] |= {"flags": ["meter-clock-off"], "meter_offset": 42.5}
    found = diagnosis(document)
    assert found["meters"] == {"ok": 2, "silent": 1}
    assert [meter["point"] for meter in found["trouble"]] == ["flat-1", "flat-2"]
    assert found["trouble"][1]["meter_offset"] == 42.5
    assert found["buses"] == document["buses"] and found["delivery"]["sent"] == 3 and "left_off" not in found


@pytest.mark.slow
@pytest.mark.parametrize(("meters", "buses"), [(100, 4), (1000, 4), (3000, 900)])
def test_a_diagnosis_fits_one_message_however_large_the_house(meters: int, buses: int) -> None:
    found = fitted(diagnosis(status(meters, "ё" * 500, buses)))
    payload = reply("c" * 64, {"ok": True, "result": found})
    assert len(payload) <= LARGEST and json.loads(payload)["ok"]
    assert found["meters"] == {"silent": meters}
    assert len(found["trouble"]) + found.get("left_off", {}).get("trouble", 0) == meters
    assert len(found["trouble"]) >= 50


def test_what_fits_is_left_as_it_is_and_a_long_list_of_failures_keeps_its_beginning() -> None:
    small = {"stored": 3, "failed": [{"point": "flat-1", "error": "no answer"}]}
    assert fitted(small) == small
    large: dict[str, Any] = {
        "stored": 3,
        "failed": [{"point": f"flat-{n}", "error": "no answer within 0.50 s" * 4} for n in range(900)],
    }
    found = fitted(large)
    assert found["failed"] == large["failed"][: len(found["failed"])] and found["stored"] == 3
    assert found["left_off"] == {"failed": 900 - len(found["failed"])}
