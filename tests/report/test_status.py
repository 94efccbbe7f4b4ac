"""How the exchange files stand, as ``status`` tells a technician."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.cli.status import screen
from agent.config.values import Config
from agent.control.status import without_daemon
from agent.daemon import Daemon
from agent.host.clock import SystemClock
from agent.report.days import CATCH_UP, ExchangeDay, ExchangeDays, ExchangeState
from buffer.store import Store
from tests.report.plant import configured, metered, opened

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/status.json").read_text())
NOW = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = date(2026, 11, 15)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path)) as made:
        yield made


def keep(store: Store, *states: ExchangeState, trouble: str = "", reason: str = "") -> None:
    """A day for each state from 15 November on; the trouble and the reason are the last one's."""
    days = ExchangeDays(store, store.note)
    for number, state in enumerate(states, 1):
        days.keep(ExchangeDay(FIRST + timedelta(days=number - 1), number, f"{number}.xml", state, NOW))
    last = days.all()[-1]
    days.keep(replace(last, trouble=trouble, reason=reason))


def shown(monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any]) -> list[str]:
    """The lines of the exchange on a phone of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")
    lines = [line for text in screen(whole, True) for line in text.splitlines()]
    assert all(len(line) <= 40 for line in lines)
    start = next((place for place, line in enumerate(lines) if line.startswith("exchange")), len(lines))
    return [line for line in lines[start:] if not line.startswith(("point", "shop"))]


def told(config: Config, store: Store) -> dict[str, Any]:
    whole = without_daemon(config, store)
    faults = Draft202012Validator(SCHEMA).iter_errors(json.loads(json.dumps(whole)))
    assert not [fault.message for fault in faults]
    return whole


def test_the_last_day_that_left_what_waits_and_the_newest_trouble(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "accepted", "refused", "sent", "sent", "made", "made", trouble="mail.example.org: no route to host")
    whole = told(configured(tmp_path, metered()), store)
    assert whole["exchange"] == {
        "last_made": "2026-11-20",
        "last_sent": "2026-11-18",
        "waiting": 2,
        "unanswered": 2,
        "held": 1,
        "error": {"day": "2026-11-20", "state": "made", "text": "mail.example.org: no route to host"},
    }
    assert shown(monkeypatch, whole) == [
        "exchange: sent to 2026-11-18, made to",
        "  2026-11-20, waiting 2, unanswered 2,",
        "  held 1",
        "exchange 2026-11-20 made:",
        "  mail.example.org: no route to host",
    ]


def test_while_all_is_well_it_is_one_line(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, "accepted", "accepted")
    whole = told(configured(tmp_path, metered()), store)
    assert shown(monkeypatch, whole) == ["exchange: sent to 2026-11-16"]
    assert whole["exchange"]["error"] is None


def test_files_that_nobody_sends_do_not_wait(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, "made", "made")
    whole = told(configured(tmp_path, metered(), to=()), store)
    assert shown(monkeypatch, whole) == ["exchange: made to 2026-11-16"]


def test_before_the_first_file_and_without_an_exchange(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path, metered())
    assert shown(monkeypatch, told(config, store)) == ["exchange: no file yet"]
    assert without_daemon(config, None)["exchange"]["last_made"] is None
    whole = told(replace(config, exchange=None), store)
    assert whole["exchange"] is None and shown(monkeypatch, whole) == []


def test_a_damaged_note_is_held_and_days_long_ago_are_left_alone(tmp_path: Path, store: Store) -> None:
    refused: list[ExchangeState] = ["refused"] * 3
    accepted: list[ExchangeState] = ["accepted"] * CATCH_UP
    keep(store, *refused, *accepted)
    store.note("exchange:2026-12-20", "00000000 {}")
    found = told(configured(tmp_path, metered()), store)["exchange"]
    assert (found["held"], found["error"]["day"], found["error"]["state"]) == (1, "2026-12-20", "unknown")


def test_a_running_daemon_tells_it_too_whatever_its_store_can_still_say(tmp_path: Path) -> None:
    daemon = Daemon(configured(tmp_path, metered()), clock=SystemClock(trust=True), open_port=lambda url, line: None)
    try:
        keep(daemon.store, "sent")
        assert daemon.status()["exchange"]["last_sent"] == "2026-11-15"
        daemon.writer.close()
        daemon.store.close()
        found = daemon.status()["exchange"]
    finally:
        daemon.store.close()
    assert found["last_sent"] is None and "the store is closed" in found["error"]["text"]
