"""Delivery against a real mosquitto and a real intake, with everything that may go wrong on the way."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from buffer.faults import Damaged
from simulators.intake.service import Behaviour, Intake
from tests.delivery.fakes import GATEWAY, House, Operations, Resending, config, same_as_expected
from tests.support.broker import Broker, needs_mosquitto
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, needs_mosquitto]


@contextmanager
def intake_at(broker: Broker, folder: Path, **more: Any) -> Iterator[Intake]:
    intake = Intake(broker.url, folder / "intake.db", **more)
    intake.start(10)
    try:
        yield intake
    finally:
        intake.stop()


@contextmanager
def bare_client(broker: Broker, heard: Callable[[str, bytes], None] | None = None) -> Iterator[Client]:
    """Someone else at the broker; ``heard`` gets everything that is published."""
    client = Client(CallbackAPIVersion.VERSION2)
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    if heard is not None:
        client.on_message = lambda _client, _data, message: heard(message.topic, bytes(message.payload))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe("meterpost/#", 1)
    assert ready.wait(10)
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_records_reach_the_intake_and_its_receipts_confirm_them(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(500))
    with intake_at(broker, tmp_path) as intake, house.publishing(config(broker.port)) as publisher:
        house.all_confirmed()
        house.poll([1000])  # live
        house.all_confirmed()
        assert same_as_expected(house, intake.rows())
        assert publisher.status()["online"] is True
        assert publisher.status()["confirmed"] == 501
        assert publisher.status()["waiting"] == 0


def test_every_message_of_a_gateway_keeps_its_schema(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(20))
    house.poll([50], kind="event", values={}, event={"code": "power-off", "maker": "1", "text": "нет сети", "n": 1})
    with intake_at(broker, tmp_path, validate=True) as intake:
        with house.publishing(config(broker.port)):
            house.all_confirmed()
            intake.command(GATEWAY, "c-1", "read", {})
            until(lambda: intake.document(GATEWAY, "reply", "c-1"))
        until(lambda: (intake.document(GATEWAY, "state") or {}).get("reason") == "stopped")
        assert intake.counters["against the schema"] == 0
        with bare_client(broker) as client:
            client.publish(f"meterpost/1/{GATEWAY}/up/state", b'{"schema":"meterpost/state/1"}', qos=1)
            until(lambda: intake.counters["against the schema"])


def test_a_broker_that_is_absent_at_the_start_is_found_when_it_comes(house: House, tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    house.poll(range(50))
    with house.publishing(config(broker.port)) as publisher:
        until(lambda: "nothing listens there" in publisher.status()["broker"])
        assert publisher.status()["online"] is False
        with broker, intake_at(broker, tmp_path) as intake:
            house.all_confirmed()
            assert same_as_expected(house, intake.rows())


def test_after_an_outage_fresh_records_overtake_the_backlog_which_keeps_its_rate(house: House, tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    with house.publishing(config(broker.port, backlog_rate=50)) as publisher:
        until(lambda: "nothing listens there" in publisher.status()["broker"])
        house.poll(range(300))  # during the outage
        with broker, intake_at(broker, tmp_path) as intake:
            until(lambda: intake.count() > 0)
            house.poll([1000])
            until(lambda: any(row.seq == 301 for row in intake.rows()))
            assert intake.count() < 200
            house.all_confirmed()
            assert same_as_expected(house, intake.rows())


def test_a_broker_killed_again_and_again_without_memory_loses_and_doubles_nothing(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    with intake_at(broker, tmp_path) as intake, house.publishing(config(broker.port)):
        for turn in range(6):
            house.poll(range(100 * turn, 100 * turn + 40))
            broker.restart()
            house.poll(range(100 * turn + 40, 100 * turn + 60))
        house.all_confirmed(30)
        assert same_as_expected(house, intake.rows())


def test_a_broker_that_hangs_is_noticed_and_after_it_everything_arrives(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    with intake_at(broker, tmp_path) as intake, house.publishing(config(broker.port)) as publisher:
        house.poll(range(20))
        house.all_confirmed()
        broker.freeze()
        house.poll(range(20, 40))
        until(lambda: not publisher.status()["online"])
        alive = publisher.alive
        until(lambda: publisher.alive > alive)
        broker.thaw()
        house.all_confirmed(30)
        assert same_as_expected(house, intake.rows())


def test_a_refused_password_is_told_in_words_and_nothing_is_lost(house: House, tmp_path: Path) -> None:
    house.poll(range(5))
    with Broker(tmp_path, anonymous=False) as broker, house.publishing(config(broker.port)) as publisher:
        until(lambda: "refuses us: Not authorized" in publisher.status()["broker"])
        assert publisher.status()["online"] is False
    assert house.pending == 5


def test_an_intake_that_is_silent_leaves_all_pending_and_gets_it_again(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    house.poll(range(30))
    behaviour = Behaviour(silent=True)
    settings = config(broker.port, receipt_timeout=0.5)
    with intake_at(broker, tmp_path, behaviour=behaviour) as intake, house.publishing(settings) as publisher:
        until(lambda: publisher.status()["sent"] >= 60)
        assert house.pending == 30
        behaviour.silent = False
        house.all_confirmed()
        assert same_as_expected(house, intake.rows())


def test_receipts_that_come_late_or_twice_confirm_once(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(30))
    behaviour = Behaviour(late=0.7, twice=True)
    settings = config(broker.port, receipt_timeout=0.3)
    with intake_at(broker, tmp_path, behaviour=behaviour) as intake, house.publishing(settings) as publisher:
        house.all_confirmed()
        behaviour.late = 0
        house.poll(range(30, 40))
        house.all_confirmed()
        assert same_as_expected(house, intake.rows())
        assert house.store.counts().confirmed == 40
        assert publisher.status()["confirmed"] == 40
        assert publisher.status()["sent"] > 40


def test_a_refused_record_waits_for_a_person_with_its_reason_and_can_be_sent_again(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    house.poll(range(10))
    behaviour = Behaviour(refuse=lambda record: ("unknown-point", "нет такой точки") if record["seq"] == 4 else None)
    settings = config(broker.port, allow=("resend",))
    with (
        intake_at(broker, tmp_path, behaviour=behaviour) as intake,
        house.publishing(settings, operations=Resending(house)),
    ):
        house.all_confirmed()
        until(lambda: [why for _, _, why in house.store.rows("refused")] == ["unknown-point: нет такой точки"])
        assert house.store.counts().refused == 1
        assert intake.count() == 9
        behaviour.refuse = None
        intake.command(GATEWAY, "c-1", "resend", {"from_seq": 4, "to_seq": 4})
        reply = until(lambda: intake.document(GATEWAY, "reply", "c-1"))
        assert reply == {"schema": "meterpost/reply/1", "id": "c-1", "ok": True, "result": {"records": 1}}
        until(lambda: intake.count() == 10)
        house.all_confirmed()
        assert house.store.counts().refused == 0
        assert same_as_expected(house, intake.rows())


def test_a_point_that_the_intake_does_not_know_is_refused(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(10))
    house.poll(range(20, 25), point="flat-2")
    with intake_at(broker, tmp_path, points=["flat-1"]) as intake, house.publishing(config(broker.port)):
        house.all_confirmed()
        assert intake.count() == 10
        assert house.store.counts().refused == 5


def test_a_restarted_gateway_delivers_what_was_pending(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(30))
    behaviour = Behaviour(silent=True)
    with intake_at(broker, tmp_path, behaviour=behaviour) as intake:
        with house.publishing(config(broker.port)) as publisher:
            until(lambda: publisher.status()["sent"] == 30)
        behaviour.silent = False
        with house.publishing(config(broker.port)):
            house.all_confirmed()
        assert same_as_expected(house, intake.rows())


def test_a_receipt_sent_while_the_gateway_was_away_reaches_it(house: House, broker: Broker, tmp_path: Path) -> None:
    house.poll(range(30))
    behaviour = Behaviour(silent=True)
    with intake_at(broker, tmp_path, behaviour=behaviour), house.publishing(config(broker.port)) as publisher:
        until(lambda: publisher.status()["sent"] == 30)
    receipt = {"schema": "meterpost/receipt/1", "epoch": house.store.epoch, "stored": [[1, 30]]}
    with bare_client(broker) as client:
        client.publish(f"meterpost/1/{GATEWAY}/down/receipt", json.dumps(receipt), qos=1).wait_for_publish(5)
    with house.publishing(config(broker.port)):
        house.all_confirmed()


def test_the_retained_state_says_online_and_after_a_clean_stop_stopped(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    with intake_at(broker, tmp_path) as intake:
        with house.publishing(config(broker.port)):
            state = until(lambda: intake.document(GATEWAY, "state"))
            assert state["online"] is True and state["epoch"] == house.store.epoch
            assert until(lambda: intake.document(GATEWAY, "inventory"))["points"][0]["account"] == "230100456789"
        until(lambda: (intake.document(GATEWAY, "state") or {}).get("reason") == "stopped")


def test_a_gateway_that_vanishes_is_told_as_lost(house: House, broker: Broker) -> None:
    heard: list[Any] = []

    def listen(topic: str, payload: bytes) -> None:
        if topic.endswith("up/state"):
            heard.append(json.loads(payload))

    with bare_client(broker, listen), house.publishing(config(broker.port)) as publisher:
        until(lambda: len(heard) == 1)
        line = publisher._broker.line
        assert line is not None
        line.close()
        until(lambda: len(heard) >= 3)
    assert [state.get("reason") for state in heard[:3]] == [None, "lost", None]


def test_a_store_that_begins_a_new_epoch_is_delivered_under_its_new_numbers(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    house.poll(range(10))
    with intake_at(broker, tmp_path) as intake, house.publishing(config(broker.port)) as publisher:
        house.all_confirmed()
        first = house.store.epoch
        house.store.keeper.before_commit = worn
        house.poll(range(10, 30))  # after a repair: another epoch, other numbers, records that the intake knows
        publisher.changed()
        house.all_confirmed()
        readings = [row for row in intake.rows() if row.record["kind"] == "now"]
        assert same_as_expected(house, readings)
        assert {row.epoch for row in readings} == {first, house.store.epoch} and house.store.epoch != first


def worn() -> None:
    raise Damaged("a page holds something else")


def test_a_storm_of_malformed_messages_is_ignored_counted_and_logged_once(
    house: House, broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.poll(range(10))
    with house.publishing(config(broker.port)) as publisher, bare_client(broker) as client:
        until(lambda: publisher.status()["sent"] == 10)
        epoch = house.store.epoch
        storm = [
            b"\x00\xff" * 50,
            b"[" * 5000,
            json.dumps({"schema": "meterpost/receipt/9", "epoch": epoch}).encode(),
            json.dumps({"schema": "meterpost/receipt/1", "epoch": "another", "stored": [[1, 10]]}).encode(),
            json.dumps({"schema": "meterpost/receipt/1", "epoch": epoch, "stored": [[1, 11]]}).encode(),
            b" " * 100_000,
        ]
        for turn in range(30):
            client.publish(f"meterpost/1/{GATEWAY}/down/receipt", storm[turn % len(storm)], qos=1)
        for turn in range(6):
            client.publish(f"meterpost/1/{GATEWAY}/down/command", storm[turn], qos=1)
        until(lambda: sum(publisher.status()["ignored"].values()) == 36)
        ignored = publisher.status()["ignored"]
        assert {"malformed", "schema", "epoch", "never-sent", "too-large"} <= set(ignored)
        assert ignored["never-sent"] == 5 and ignored["epoch"] == 5
        assert house.pending == 10
        assert len([line for line in caplog.messages if line.startswith("ignored message")]) == 1
        good = {"schema": "meterpost/receipt/1", "epoch": epoch, "stored": [[1, 10]]}
        client.publish(f"meterpost/1/{GATEWAY}/down/receipt", json.dumps(good), qos=1)
        house.all_confirmed()


def test_a_receipt_that_names_a_number_never_sent_counts_for_the_others(house: House, broker: Broker) -> None:
    house.poll(range(10))
    with house.publishing(config(broker.port)) as publisher, bare_client(broker) as client:
        until(lambda: publisher.status()["sent"] == 10)
        receipt = {"schema": "meterpost/receipt/1", "epoch": house.store.epoch, "stored": [[1, 9], [500, 500]]}
        client.publish(f"meterpost/1/{GATEWAY}/down/receipt", json.dumps(receipt), qos=1)
        until(lambda: house.pending == 1)
        assert publisher.status()["ignored"] == {"never-sent": 1}


def test_a_held_record_is_neither_sent_nor_confirmed_until_it_is_released(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    house.poll(range(3))
    house.poll([10], clock="unset", boot="b-1", monotonic=5.0)
    with intake_at(broker, tmp_path) as intake, house.publishing(config(broker.port)) as publisher:
        house.poll([11], clock="unset", boot="b-1", monotonic=6.0)
        house.all_confirmed()
        receipt = {"schema": "meterpost/receipt/1", "epoch": house.store.epoch, "stored": [[4, 4], [5, 5]]}
        with bare_client(broker) as client:
            client.publish(f"meterpost/1/{GATEWAY}/down/receipt", json.dumps(receipt), qos=1)
            until(lambda: publisher.status()["receipts"] == 2)
        assert house.store.counts().held == 2 and intake.count() == 3
        assert publisher.status()["ignored"] == {"never-sent": 1}
        house.writer.call(lambda store: store.give_up_holding("b-2"))
        publisher.changed()
        house.all_confirmed()
        assert same_as_expected(house, intake.rows())


def test_the_brokers_word_confirms_where_the_configuration_says_so(house: House, broker: Broker) -> None:
    house.poll(range(300))
    heard: list[str] = []
    settings = config(broker.port, receipts="broker")
    with bare_client(broker, lambda topic, _: heard.append(topic)), house.publishing(settings):
        house.all_confirmed()
        until(lambda: heard.count(f"meterpost/1/{GATEWAY}/up/records") >= 2)


def test_the_brokers_word_does_not_count_where_nobody_listens(house: House, broker: Broker) -> None:
    house.poll(range(20))
    with house.publishing(config(broker.port, receipts="broker", receipt_timeout=0.5)) as publisher:
        until(lambda: "no one to give our records to" in publisher.status()["broker"])
        assert house.pending == 20
        with bare_client(broker, lambda *_: None):
            house.all_confirmed()


def test_commands_are_answered_and_bad_ones_get_their_reason(house: House, broker: Broker, tmp_path: Path) -> None:
    operations = Operations("read", "pause")
    settings = config(broker.port, allow=("read",))
    with intake_at(broker, tmp_path) as intake, house.publishing(settings, operations=operations) as publisher:
        until(lambda: publisher.status()["online"])
        intake.command(GATEWAY, "c-1", "read", {"points": ["flat-1"]})
        intake.command(GATEWAY, "c-1", "read", {"points": ["flat-1"]})  # the same again
        intake.command(GATEWAY, "c-2", "pause", {})
        intake.command(GATEWAY, "c-3", "read", {"wrong": 1})
        intake.command(GATEWAY, "c-4", "explode", {})
        answers = {
            name: until(partial(intake.document, GATEWAY, "reply", name)) for name in ("c-1", "c-2", "c-3", "c-4")
        }
        assert answers["c-1"]["result"] == {"stored": 3}
        assert "not allowed" in answers["c-2"]["error"]
        assert "args.wrong" in answers["c-3"]["error"]
        assert "'explode' is unknown" in answers["c-4"]["error"]
        assert operations.asked == [("read", {"points": ["flat-1"], "parsed": True})]
        until(lambda: publisher.status()["ignored"].get("repeated") == 1)
        assert publisher.status()["commands"] == 1


def test_two_workers_of_one_shared_subscription_store_everything_once(
    house: House, broker: Broker, tmp_path: Path
) -> None:
    house.poll(range(3000))
    with intake_at(broker, tmp_path, group="workers") as one, intake_at(broker, tmp_path, group="workers") as two:
        with house.publishing(config(broker.port)):
            house.all_confirmed()
        assert same_as_expected(house, one.rows())
        assert one.counters["messages"] and two.counters["messages"]


def test_stopping_takes_little_time_whatever_the_broker_does(house: House, broker: Broker) -> None:
    with house.publishing(config(broker.port), keepalive=30) as publisher:
        until(lambda: publisher.status()["online"])
        broker.freeze()
        began = time.monotonic()
        publisher.stop()
        assert time.monotonic() - began < 6
        broker.thaw()
