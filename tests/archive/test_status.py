"""What is missing and when it will be there, as ``status`` tells it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.cli.status import _filling, screen
from agent.control import status as told
from tests.support.archive_bus import DAY, House
from tests.support.healing import MINUTE, NOW

HOUR = timedelta(hours=1)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/status.json").read_text())


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "state").mkdir()
    return House(tmp_path / "state", NOW, 2, installed=(NOW - 90 * DAY).date())


def parts(house: House) -> dict[str, Any]:
    """The bus and the meters of the document, as the daemon would make them."""
    worker: Any = house.worker
    return {
        "buses": [told.of_bus(worker, house.filler)],
        "meters": [told.of_meter(worker, meter, house.filler) for meter in worker.meters],
    }


@pytest.mark.slow
def test_it_counts_by_meter_and_kind_and_says_when_the_bus_will_be_done(house: House) -> None:
    house.start()
    house.run(timedelta(seconds=40))
    assert parts(house)["meters"][0]["missing"] == {"month": None, "day": None, "interval": None}, "not known yet"
    house.run(MINUTE)
    document = parts(house)
    (bus,), meters = document["buses"], document["meters"]
    counts = [meter["missing"] for meter in meters]
    assert bus["filling"]["missing"] == sum(sum(each.values()) for each in counts) > 1000
    assert bus["filling"]["rate"] > 0 and datetime.fromisoformat(bus["filling"]["done_at"]) > house.now
    house.run(DAY, house.whole)
    document = parts(house)
    assert document["meters"][1]["missing"] == {"month": 0, "day": 0, "interval": 0}
    assert document["buses"][0]["filling"] | {"rate": 0} == {"point": None, "missing": 0, "rate": 0, "done_at": None}
    house.stop()


@pytest.mark.slow
def test_the_forecast_is_near_what_it_takes(house: House) -> None:
    house.start()
    house.run(3 * MINUTE)
    forecast = datetime.fromisoformat(parts(house)["buses"][0]["filling"]["done_at"])
    began = house.now
    house.run(DAY, house.whole)
    assert 0.5 < (forecast - began) / (house.now - began) < 2
    house.stop()


@pytest.mark.slow
def test_the_forecast_leaves_out_a_meter_that_cannot_be_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.dead.add(2)
    house.start()
    house.run(DAY, lambda: not sum(filter(None, house.filler.missing("flat-1").values())) and house.now - NOW > HOUR)
    document = parts(house)
    (bus,), (_, dead) = document["buses"], document["meters"]
    assert dead["state"] == "silent" and bus["filling"]["missing"] == sum(filter(None, dead["missing"].values()))
    assert bus["filling"]["done_at"] is None
    house.stop()
    monkeypatch.setenv("COLUMNS", "80")
    dead = {"point": "flat-2", "bus": "riser", "state": "silent", "missing": {"day": 30, "interval": None}}
    well = {"point": "flat-1", "bus": "riser", "state": "ok", "missing": {"day": 9}}
    assert _filling({"name": "riser", "filling": {"missing": 39}}, [dead, well]).endswith("missing; 30 wait for flat-2")
    other = dead | {"point": "flat-3"}
    assert "60 wait for 2 meters" in _filling({"name": "riser", "filling": {"missing": 69}}, [dead, other, well])


@pytest.mark.slow
def test_the_document_is_what_the_schema_says(house: House) -> None:
    house.start()
    house.run(2 * MINUTE)
    for name in ("buses", "meters"):
        of_one = Draft202012Validator(SCHEMA["properties"][name]["items"])
        for one in parts(house)[name]:
            assert not [error.message for error in of_one.iter_errors(json.loads(json.dumps(one)))]
    house.stop()


@pytest.mark.parametrize(
    ("filling", "lines"),
    [
        (None, []),
        ({"point": None, "missing": 0, "rate": None, "done_at": None}, []),
        ({"point": None, "missing": 48210, "rate": None, "done_at": None}, ["riser-1: 48210 archive values missing"]),
        (
            {"point": "flat-12", "missing": 48210, "rate": 6000, "done_at": "soon"},
            ["riser-1: 48210 archive values missing,", "  there in 8h"],
        ),
    ],
)
def test_a_screen_of_forty_columns_says_it_only_while_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, filling: dict[str, Any] | None, lines: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    if filling and filling["done_at"]:
        filling = filling | {"done_at": (datetime.now(UTC) + timedelta(hours=8, minutes=5)).isoformat()}
    head = {"gateway": "gw-1", "online": True, "clock": "synced", "last_seq": 1, "pending": 0, "refused": 0}
    document = head | {"confirmed": 1, "buses": [{"name": "riser-1", "filling": filling}], "meters": []}
    shown = [line for text in screen(document, True)[2:-1] for line in text.splitlines()]
    assert shown == lines and all(len(line) <= 40 for line in shown)


def test_without_a_daemon_nobody_knows_what_is_missing() -> None:
    bus = SimpleNamespace(name="riser-1", port="/dev/x")
    assert told._closed(bus)["filling"] is None  # type: ignore[arg-type]
