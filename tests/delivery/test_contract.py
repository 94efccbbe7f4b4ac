"""The normative documents, and that the program keeps them."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from agent.config.values import Secret
from agent.control.requests import Commands, Operation
from agent.delivery import payload
from agent.delivery.commands import parse_command
from agent.delivery.receipts import parse_receipt
from agent.delivery.topics import Topics
from buffer.body import record_json
from drivers.events import FLAGS
from drivers.reading import KINDS, Identity
from simulators.intake.service import Intake, receipt
from simulators.intake.tables import Outcome
from simulators.intake.validate import SCHEMAS, Validator
from tests.delivery.fakes import House, config, record
from tests.support.broker import Broker, needs_mosquitto
from tests.support.bus import FakeBus
from tests.support.requests import Operations
from tests.support.waiting import until

DOCS = Path(__file__).parents[2] / "docs"
NAMES = (
    "channels",
    "history",
    "state",
    "inventory",
    "records",
    "receipt",
    "command",
    "reply",
    "read",
    "status",
    "events",
    "clock",
    "enter",
    "report",
    "exchange",
    "statements",
)
VALIDATOR = Validator()
NOW = datetime(2026, 11, 21, 10, 15, 4, 250_000, tzinfo=UTC)


def schema(name: str) -> dict[str, Any]:
    return json.loads((DOCS / "schemas" / f"{name}.json").read_text())  # type: ignore[no-any-return]


def examples() -> Iterator[Any]:
    for name in NAMES:
        for number, example in enumerate(schema(name)["examples"]):
            yield pytest.param(name, example, id=f"{name}-{number}")


def test_there_is_one_schema_for_each_name_of_the_contract() -> None:
    assert {file.stem for file in SCHEMAS.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_a_schema_and_has_an_example(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["properties"]["schema"]["const"] == f"meterpost/{name}/1"
    assert schema(name)["examples"]


@pytest.mark.parametrize(("name", "example"), list(examples()))
def test_every_example_keeps_its_schema(name: str, example: Any) -> None:
    assert VALIDATOR.objections(name, json.dumps(example)) == []


@pytest.mark.parametrize(("name", "example"), list(examples()))
def test_an_example_without_one_of_its_required_members_does_not_keep_it(name: str, example: Any) -> None:
    for key in schema(name)["required"]:
        assert VALIDATOR.objections(name, json.dumps({k: v for k, v in example.items() if k != key}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", payload.online_state(since=NOW, version="0.1.0", epoch="e", last_seq=0, pending=0, refused=0,
                                       clock="holdover")),
        ("state", payload.offline_state(reason="stopped", version="0.1.0", epoch="e", since=NOW)),
        ("state", payload.offline_state(reason="lost", version="0.1.0", epoch="e")),
        ("inventory", payload.inventory(config(), {})),
        ("inventory", payload.inventory(config(), {"flat-1": Identity(None, "SDM630")})),
        ("reply", payload.reply("c-1", {"ok": True, "result": {"records": 3}})),
        ("reply", payload.reply("c-1", {"ok": False, "error": "no"})),
        ("records", payload.Envelope("gw-7", "e").batch([(1, record_json(record(1, seq=1)))], NOW).payload),
        ("records", payload.Envelope("gw-7", "e").batch([(2, record_json(record(
            2, seq=2, kind="event", values={}, event={"code": "cover-open", "maker": "8", "text": "т", "n": 1}
        )))], NOW).payload),
        ("records", payload.Envelope("gw-7", "e").batch([(3, record_json(record(
            3, seq=3, kind="interval", start=NOW, flags=("restored", "partial"), clock="restamped", replaces=1
        )))], NOW).payload),
        ("receipt", receipt("e", Outcome((1, 2, 3, 7), ((4, "conflict", "x"),))).encode()),
    ],
)  # fmt: skip
def test_what_the_program_emits_keeps_its_schema(name: str, text: bytes) -> None:
    assert VALIDATOR.objections(name, text.decode()) == []


@pytest.mark.parametrize("example", schema("receipt")["examples"])
def test_the_gateway_takes_every_example_of_a_receipt(example: Any) -> None:
    assert parse_receipt(json.dumps(example).encode(), example["epoch"]).stored


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Mapping[str, Operation]]:
    with closing(Operations(tmp_path, FakeBus(1))) as gateway:
        yield gateway.operations


@pytest.mark.parametrize("example", schema("command")["examples"])
def test_the_gateway_takes_every_example_of_a_command(example: Any, operations: Mapping[str, Operation]) -> None:
    assert parse_command(json.dumps(example).encode(), Commands(operations)).op == example["op"]


def test_kinds_flags_and_ops_are_the_programs_own(operations: Mapping[str, Operation]) -> None:
    properties = schema("records")["$defs"]["record"]["properties"]
    assert tuple(properties["kind"]["enum"]) == KINDS
    assert set(properties["flags"]["items"]["enum"]) == set(FLAGS)
    assert set(schema("command")["properties"]["op"]["enum"]) == {
        op for op, one in operations.items() if "mqtt" in one.doors
    }


def test_asyncapi_names_the_programs_topics_and_the_schemas() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
    assert document["asyncapi"] == "3.0.0"
    topics = Topics("{gateway}")
    addresses = {name: channel["address"] for name, channel in document["channels"].items()}
    assert addresses == {name: getattr(topics, name) for name in
                         ("state", "inventory", "records", "reply", "receipt", "command")}  # fmt: skip
    for reference in re.findall(r'\$ref: "([^"]+)"', (DOCS / "asyncapi.yaml").read_text()):
        if reference.startswith("#/"):
            place = document
            for part in reference[2:].split("/"):
                place = place[part]
        else:
            assert (DOCS / reference).is_file()
    used = {operation["channel"]["$ref"] for operation in document["operations"].values()}
    assert used | {"#/channels/reply"} == {f"#/channels/{name}" for name in addresses}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / "utility.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_json_in_the_guide_keeps_its_schema() -> None:
    found = [json.loads(block) for block in blocks("json")]
    assert {document["schema"] for document in found} == {"meterpost/receipt/1", "meterpost/command/1"}
    for document in found:
        assert VALIDATOR.objections(document["schema"].split("/")[1], json.dumps(document)) == []


@pytest.mark.slow
@needs_mosquitto
def test_the_guides_30_lines_are_an_intake(house: House, broker: Broker, tmp_path: Path) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 34
    (tmp_path / "intake.py").write_text(code)
    arguments = [sys.executable, "intake.py", "127.0.0.1", str(broker.port)]
    house.poll(range(300))
    event = {"code": "cover-open", "maker": "8", "text": "вскрытие", "n": 1}
    house.poll([400], kind="event", values={}, event=event)
    process = subprocess.Popen(arguments, cwd=tmp_path)
    try:
        with house.publishing(config(broker.port, receipt_timeout=1.0)):
            house.all_confirmed()
            house.publisher.resent((1, 50))  # type: ignore[union-attr]
            house.writer.call(lambda store: store.resend(1, 50))
            house.publisher.resent((1, 50))  # type: ignore[union-attr]
            until(lambda: house.pending == 0)
    finally:
        process.terminate()
        process.wait()
    rows = sqlite3.connect(tmp_path / "intake.db").execute("SELECT seq FROM records ORDER BY seq").fetchall()
    assert rows == [(seq,) for seq in range(1, 302)]


@pytest.mark.slow
@needs_mosquitto
def test_the_guides_access_list_lets_a_gateway_and_an_intake_through_and_nobody_else(
    house: House, tmp_path: Path
) -> None:
    (acl,) = blocks("acl")
    (tmp_path / "acl").write_text(acl)
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    for user in ("gw-7", "gw-8", "intake"):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, "pw"], check=True, capture_output=True)
    lines = [f"password_file {passwords}", f"acl_file {tmp_path}/acl"]
    house.poll(range(20))
    with Broker(tmp_path, lines, anonymous=False) as broker:
        intake = Intake(f"mqtt://intake:pw@127.0.0.1:{broker.port}", tmp_path / "intake.db")
        intake.start(10)
        settings = {"password": Secret("pw"), "receipt_timeout": 1.0}
        with house.publishing(config(broker.port, username="gw-8", **settings)) as publisher:
            until(lambda: "refuses" in publisher.status()["broker"])
            assert intake.count() == 0
        with house.publishing(config(broker.port, username="gw-7", **settings)):
            house.all_confirmed()
        assert intake.count() == 20
        intake.stop()
