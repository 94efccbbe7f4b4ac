"""The whole way, with real processes: ptys, the daemon, mosquitto, an intake; and what dies on the way."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.cli.demo_house import configuration, differences, write_passwords
from agent.control.unix_socket import NoAnswer, NotRunning, RequestRefused, ask_daemon
from buffer.faults import StoreError
from buffer.record import Record
from buffer.states import RecordState
from buffer.store import Store
from simulators.intake.service import Intake
from simulators.plant import Plant, load
from tests.support.broker import Broker, needs_mosquitto
from tests.support.present import present
from tests.support.waiting import until

PLANTS = Path(__file__).parent / "plants"
KILLS = 50
pytestmark = [pytest.mark.slow, needs_mosquitto]


class Site:
    """A house with everything in it; the daemon and the broker may be killed and started again."""

    def __init__(self, folder: Path, plant: str = "flats.toml", *, pace: bool = False) -> None:
        self.folder, self.state = folder, folder / "state"
        self.plant: Plant = load(PLANTS / plant, folder, pace=pace)
        self.broker = Broker(folder)
        self.config = folder / "meterpost.toml"
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.last: Exception | None = None  # why the daemon did not answer lately
        self.stack = ExitStack()

    def __enter__(self) -> "Site":
        self.broker.start()
        self.stack.callback(self.broker.kill)
        self.stack.enter_context(self.plant)
        self.intake = Intake(self.broker.url, self.folder / "intake.db")
        self.intake.start(wait=10)
        self.stack.callback(self.intake.stop)
        self.config.write_text(
            configuration(self.plant, self.broker.url, self.state, period="1s", intake='receipt_timeout = "2s"\n')
        )
        write_passwords(self.plant, self.folder)
        self.stack.callback(self.kill)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "agent", "run", "-c", str(self.config)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def ask(self, op: str, **args: object) -> dict[str, Any]:
        told: dict[str, Any] = ask_daemon(self.state, op, **args)
        return told

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """What the daemon refuses or does not answer while it starts is asked again."""

        def answered() -> object:
            try:
                return condition()
            except (NotRunning, NoAnswer, RequestRefused) as trouble:
                self.last = trouble
                return None

        until(answered, seconds, told=lambda: f"({self.last!r}); {self.log.read_text()[-2000:]}", every=0.1)

    def settle(self) -> None:
        """No more polls, those under way have ended; what is stored is confirmed."""
        self.until(lambda: self.ask("pause"))
        self.until(lambda: not any(bus["asking"] for bus in self.ask("status")["buses"]))
        time.sleep(1.5)  # a transaction holds what was read within a second
        self.until(lambda: self.ask("status")["pending"] == 0)

    def last_seq(self) -> int:
        try:
            store = Store.open(self.state, now=lambda: datetime.now(UTC), read_only=True)
        except (OSError, StoreError):
            return 0  # it is just being made
        try:
            return store.last_seq
        finally:
            store.close()

    def grown(self, seen: int) -> int:
        self.until(lambda: self.last_seq() > seen)
        return self.last_seq()

    def stored(self) -> list[tuple[Record, RecordState, str | None]]:
        store = Store.open(self.state, now=lambda: datetime.now(UTC), read_only=True)
        rows: list[tuple[Record, RecordState, str | None]] = []
        first = 1
        while page := store.rows("all", first, 500):
            rows += page
            first = page[-1][0].seq + 1
        store.close()
        return rows


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


def check_truth(site: Site) -> None:
    """The intake's table, the store and the meters' truth are the same: nothing lost, doubled or invented."""
    rows = site.intake.rows()
    stored = site.stored()
    assert [row.seq for row in rows] == [record.seq for record, _, _ in stored] == list(range(1, len(rows) + 1))
    assert len({row.epoch for row in rows}) == 1
    assert {state for _, state, _ in stored} == {"confirmed"}
    readings = [row.record for row in rows if row.record["kind"] == "now"]
    assert len({(record["meter"], record["at"]) for record in readings}) == len(readings)
    assert [wrong for record in readings for wrong in differences(site.plant, record)] == []
    assert {record["meter"] for record in readings} == {meter.plan.serial for meter in site.plant.meters}


def test_fifty_kills_of_daemon_and_broker_lose_double_and_invent_nothing(site: Site) -> None:
    chance = random.Random(2026)
    site.start()
    seen = progress = 0
    for _ in range(KILLS):
        if chance.random() < 0.3:  # on a busy machine a daemon may need longer than it has to live
            seen, progress = site.grown(seen), progress + 1
        time.sleep(chance.uniform(0.2, 1.2))
        if chance.random() < 0.6:
            site.kill()
            time.sleep(chance.uniform(0, 0.2))
            site.start()
        else:
            site.broker.kill()
            time.sleep(chance.uniform(0, 0.5))
            site.broker.start()
    site.until(lambda: site.ask("status")["online"], 60)
    site.until(lambda: all(meter["state"] == "ok" and meter["last"] for meter in site.ask("status")["meters"]))
    site.settle()
    assert site.end() == 0
    check_truth(site)
    assert len(site.intake.rows()) >= progress >= KILLS // 5


def test_meters_of_every_family_are_read_at_the_speed_of_their_lines(tmp_path: Path) -> None:
    with Site(tmp_path, "families.toml", pace=True) as site:
        site.start()
        serials = {meter.plan.serial for meter in site.plant.meters}
        site.until(lambda: {row.record["meter"] for row in site.intake.rows()} >= serials)
        site.settle()
        assert site.end() == 0
        check_truth(site)
        readings = [row.record for row in site.intake.rows() if row.record["kind"] == "now"]
        assert all({f"1-0:1.8.{n}" for n in range(4)} <= record["values"].keys() for record in readings)
        assert [record for record in readings if record["flags"]] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_daemon_says_goodbye_and_ends_with_zero(site: Site, number: signal.Signals) -> None:
    site.start()
    site.until(lambda: site.ask("status")["confirmed"] >= 5)
    assert site.end(number) == 0
    site.until(lambda: (site.intake.document("gw-demo", "state") or {}).get("reason") == "stopped")


def test_a_killed_daemon_is_reported_lost_by_its_will(site: Site) -> None:
    site.start()
    site.until(lambda: (site.intake.document("gw-demo", "state") or {}).get("online") is True)
    site.kill()
    site.until(lambda: (site.intake.document("gw-demo", "state") or {}).get("reason") == "lost")


def test_a_second_instance_ends_with_75_and_names_the_first(site: Site) -> None:
    site.start()
    site.until(lambda: site.ask("status"))
    done = subprocess.run(
        [sys.executable, "-m", "agent", "run", "-c", str(site.config)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 75
    assert str(present(site.process).pid) in done.stderr


def test_a_port_that_vanishes_and_comes_back_is_read_again(site: Site) -> None:
    site.start()
    site.until(lambda: site.ask("status")["confirmed"] >= 5)
    line = site.plant.lines["riser-1"]
    line.hang_up()
    site.until(lambda: site.ask("status")["buses"][0]["state"] == "lost")
    assert site.ask("status")["buses"][1]["state"] == "open"
    line.plug_in()
    site.until(lambda: site.ask("status")["buses"][0]["state"] == "open")
    site.settle()
    assert site.end() == 0
    check_truth(site)


def test_sighup_takes_a_new_file_and_a_broken_one_leaves_the_old_running(site: Site) -> None:
    site.start()
    site.until(lambda: len(site.ask("status")["meters"]) == 5)
    whole = site.config.read_text()
    site.config.write_text(whole.replace('driver = "b23"', 'driver = "b32"'))
    present(site.process).send_signal(signal.SIGHUP)
    site.until(lambda: 'found "b32"' in site.log.read_text())
    assert len(site.ask("status")["meters"]) == 5
    site.config.write_text(whole[: whole.rindex("[[meter]]")])
    present(site.process).send_signal(signal.SIGHUP)
    site.until(lambda: len(site.ask("status")["meters"]) == 4)
    site.settle()
    assert site.end() == 0


def test_a_foreign_meter_gives_an_event_and_no_reading(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.config.write_text(site.config.read_text().replace('"23456746"', '"99999999"'))
        site.start()
        site.until(lambda: site.ask("status")["meters"][1]["state"] == "wrong-serial")
        site.until(lambda: site.ask("status")["confirmed"] >= 8)
        site.settle()
        records = [row.record for row in site.intake.rows()]
        assert not [record for record in records if record["point"] == "flat-2" and record["kind"] == "now"]
        (event,) = [record for record in records if record["kind"] == "event" and record["point"] == "flat-2"]
        assert event["event"]["code"] == "wrong-serial" and event["meter"] == "23456746"


def test_read_and_status_go_through_the_running_daemon_and_without_it_to_the_port(site: Site) -> None:
    import json

    def meterpost(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", *args, "-c", str(site.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    site.start()
    site.until(lambda: site.ask("status")["confirmed"] >= 5)
    through = meterpost("read", "--json")
    assert through.returncode == 0, through.stderr
    document = json.loads(through.stdout)
    assert document["schema"] == "meterpost/read/1" and len(document["records"]) == 5 and document["failed"] == []
    assert json.loads(meterpost("status", "--json").stdout)["online"] is True
    assert site.end() == 0
    alone = json.loads(meterpost("read", "flat-1", "--json").stdout)
    assert alone["records"][0]["meter"] == "23456745"
    assert json.loads(meterpost("status", "--json").stdout)["online"] is False
    listed = json.loads(meterpost("records", "list", "--json", "--limit", "3").stdout)
    assert [record["seq"] for record in listed["records"]] == [1, 2, 3] and listed["next"] == 4
