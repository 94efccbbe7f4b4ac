"""A store and a configuration of 0.1.0 work unchanged: nothing is lost, sent twice or forgotten by an upgrade."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.config.load import load
from agent.config.values import Config
from agent.daemon import Daemon
from agent.host.clock import Stamp, SystemClock
from agent.judge.identity import WrongSerial
from agent.meters import build, passwords
from agent.meters.clock_notes import read
from agent.meters.clock_state import ClockFacts
from agent.meters.foreign import UnexpectedMeters
from agent.meters.frame_counters import FrameCounters
from agent.meters.journal_cursors import JournalCursors
from agent.meters.state import MeterState
from agent.report.days import ExchangeDays
from agent.statement import log
from buffer.body import record_json
from buffer.notes import COMMAND, METER_CLOCK, NOTES, PAUSED, SECOND_MASTER, UNEXPECTED
from buffer.store import Store
from simulators.intake.service import Intake
from tests.delivery.fakes import House
from tests.delivery.fakes import config as config_of
from tests.support.broker import Broker, needs_mosquitto
from tests.support.waiting import until
from tests.support.wire import QuickPort

T = TypeVar("T")

DATA = Path(__file__).parent / "data" / "store-0.1.0"
NOON = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
WRITTEN: dict[str, Any] = json.loads((DATA / "records.json").read_text("utf-8"), parse_float=Decimal)
LATER = (SECOND_MASTER,)  # notes that 0.1.0 did not have


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    for name in ("store.db", "store.mark"):
        shutil.copy(DATA / name, folder / name)
    shutil.copy(DATA / "meterpost.toml", tmp_path)
    return folder


@pytest.fixture
def store(state: Path) -> Iterator[Store]:
    opened = Store.open(state, now=lambda: NOON + timedelta(days=1), reserve=0)
    yield opened
    opened.close()


@pytest.fixture
def config(state: Path) -> Config:
    return load(state.parent / "meterpost.toml")


def no_change(work: Callable[[Store], T], /) -> T:
    raise AssertionError("a meter without ciphering writes no counter")


@pytest.fixture
def flat(config: Config) -> MeterState:
    groups = build.build(config, FrameCounters(no_change).of)
    return groups["riser-1"][0]


def test_the_store_goes_on_with_its_epoch_and_every_record_in_its_state(store: Store) -> None:
    assert (store.epoch, store.events) == (WRITTEN["epoch"], [])
    found = [
        {"state": state, "reason": reason, "record": json.loads(record_json(record), parse_float=Decimal)}
        for record, state, reason in store.rows(limit=100)
    ]
    assert found == WRITTEN["records"]
    assert {one["state"] for one in found} == {"confirmed", "refused", "pending", "held"}
    assert {one["record"]["kind"] for one in found} >= {
        "now",
        "network",
        "interval",
        "day",
        "month",
        "event",
        "statement",
    }


def test_what_was_pending_is_what_is_delivered(store: Store) -> None:
    bodies = store.bodies(0, store.last_seq, 100)
    pending = [one["record"]["seq"] for one in WRITTEN["records"] if one["state"] == "pending"]
    assert [seq for seq, _ in bodies] == pending
    assert store.counts().pending == len(pending)


@pytest.mark.slow
@needs_mosquitto
def test_the_intake_gets_what_was_pending_and_nothing_else(state: Path, tmp_path: Path) -> None:
    pending = [one["record"] for one in WRITTEN["records"] if one["state"] == "pending"]
    with Broker(tmp_path) as broker:
        intake = Intake(broker.url, tmp_path / "intake.db")
        intake.start(10)
        house = House(state)
        with house.publishing(config_of(broker.port)):
            house.all_confirmed()
        assert [row.record for row in intake.rows()] == pending
        house.close()
        intake.stop()


def test_the_next_record_takes_the_next_number(store: Store) -> None:
    record = store.rows(from_seq=1, limit=1)[0][0]
    (stored,) = store.put([type(record)(**_fields(record) | {"at": NOON + timedelta(days=1), "seq": None})])
    assert stored.seq == len(WRITTEN["records"]) + 1


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_there_is_a_note_of_each_kind_and_all_are_kept(store: Store) -> None:
    assert store.notes("") == WRITTEN["notes"]
    keys = {key.partition(":")[0] + ":" if ":" in key else key for key in WRITTEN["notes"]}
    assert keys == {note.key for note in NOTES if note not in LATER}


def test_what_was_known_of_the_meters_is_still_known(store: Store, config: Config, flat: MeterState) -> None:
    now = NOON + timedelta(minutes=10)
    stamp = Stamp(now, "synced", "boot-2", 5000.0)
    assert passwords.since(store, "flat-12", stamp) == 5000.0 - 600
    assert list(store.notes(PAUSED.key)) == ["paused:lift"]
    JournalCursors(lambda work: work(store)).restore([flat], store)
    assert flat.journals_until == NOON
    assert read(store.noted(METER_CLOCK.of("flat-12"))) == ClockFacts(
        "23456789", True, date(2026, 11, 20), Decimal("-7.5"), date(2026, 11, 19)
    )


def test_no_frame_counter_is_given_twice(store: Store) -> None:
    counter = FrameCounters(lambda work: work(store)).of("0a1b2c3d")
    assert counter.next() == 5000


def test_an_unexpected_meter_that_was_reported_is_not_reported_again(store: Store, config: Config) -> None:
    raised: list[Any] = []
    meters = UnexpectedMeters(lambda records, notes: raised.extend(records), store.notes(UNEXPECTED.key))
    meters.use(config.meters)
    stamp = Stamp(NOON, "synced", "boot-2", 5000.0)
    meters.seen(config.meters[0], WrongSerial("23456789", "99999999"), stamp)
    assert raised == []
    meters.seen(config.meters[0], WrongSerial("23456789", "88888888"), stamp)
    assert len(raised) == 1


def test_statements_and_exchange_files_keep_their_steps(store: Store) -> None:
    (statement,) = log.of_point(store, "flat-12")
    assert [(step.state, step.what, step.by) for step in statement.steps] == [
        ("due", "opened", "meterpost"),
        ("checked", "confirmed", "Иванова"),
    ]
    (day,) = ExchangeDays(store, store.note).all()
    assert (day.day, day.number, day.state, day.earlier) == (date(2026, 11, 20), 7, "sent", (5,))


def test_a_command_that_was_executed_stays_known(store: Store) -> None:
    assert store.noted(COMMAND.of("c-17")) == (NOON + timedelta(days=1)).isoformat()


@pytest.mark.slow
@needs_mosquitto
def test_a_whole_daemon_goes_on_with_the_store_and_the_configuration(state: Path, tmp_path: Path) -> None:
    pending = [one["record"] for one in WRITTEN["records"] if one["state"] == "pending"]
    with Broker(tmp_path) as broker, ExitStack() as ending:
        intake = Intake(broker.url, tmp_path / "intake.db")
        intake.start(10)
        ending.callback(intake.stop)
        written = load(tmp_path / "meterpost.toml")
        reached = replace(written.intake, host="127.0.0.1", port=broker.port, tls=False, url=broker.url)
        clock = SystemClock(kernel_synced=lambda: True, battery=False)
        daemon = Daemon(replace(written, intake=reached), clock=clock, open_port=lambda *_: QuickPort(lambda _: b""))
        daemon.start()
        ending.callback(daemon.close)

        def earlier() -> list[dict[str, Any]]:
            return [row.record for row in intake.rows() if row.record["seq"] <= len(WRITTEN["records"])]

        until(lambda: len(earlier()) == len(pending))
        assert earlier() == pending
        meters = {one["point"]: one["state"] for one in daemon.status()["meters"]}
        assert meters.keys() == {"flat-12", "lift", "квартира 13", "cellar"} and meters["lift"] == "paused"
        assert daemon.store.epoch == WRITTEN["epoch"]
