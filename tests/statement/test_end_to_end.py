"""The whole way with real parts: a daemon, mosquitto, an intake that refuses; and a process that is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Poll
from agent.control.unix_socket import ask_daemon
from buffer.record import Record
from buffer.store import Store
from simulators.mercury230 import Mercury230
from tests.agent.test_daemon_faults import registers
from tests.statement.month import END
from tests.statement.plant import utc
from tests.support.broker import needs_mosquitto
from tests.support.site import OneMeter

pytestmark = pytest.mark.slow
FALSE = ("false-readings", "ложные показания")
ROOT = Path(__file__).parents[2]


class Site(OneMeter):
    """One meter, polled every second; the gateway's clock says three in the morning of the only day of its window."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        now = datetime.now(UTC)
        here = now.replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.ahead = (here - now).total_seconds()
        (folder / "utilities").mkdir()
        own = f'name = "own"\nextends = "regional"\nzone = "UTC"\nfrom = {here.day}\nto = {here.day}\n'
        (folder / "utilities" / "own.toml").write_text(own)
        self.meter = Mercury230(address=1, serial="20000001", registers=registers(1000), now=self.now)
        poll = Poll(now=1.0, network=None, interval=None, day=None, month=None, event=None)
        more: dict[str, Any] = {"account": "230100456789", "utility": "own", "initial": {"T1": 0}}
        more["installed"] = date(2025, 1, 1)
        self.start(folder, stack, poll, ("statement",), more=more, utilities_dir=folder / "utilities")

    def tick(self) -> None:
        super().tick()
        self.daemon.statements.workflow().tick()

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        asked = {"do": do, "points": ["flat-1"], "by": "ivanov", **more}
        (found,) = ask_daemon(self.daemon.in_force.values.gateway.state_dir, "statement-action", **asked)["statements"]
        return dict(found)

    def stored(self) -> list[dict[str, Any]]:
        """What the utility has stored of statements."""
        return [row.record for row in self.utility.rows() if row.record["kind"] == "statement"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


@needs_mosquitto
def test_the_intake_refuses_a_statement_and_takes_the_corrected_one(site: Site) -> None:
    site.utility.behaviour.refuse = lambda record: FALSE if record["kind"] == "statement" else None
    site.until(lambda: site.daemon.store.counts().refused)
    site.until(lambda: site.ask("check")["state"] == "refused")
    assert site.ask("check")["last"]["reason"] == ": ".join(FALSE)
    assert site.stored() == []
    site.utility.behaviour.refuse = None
    before = newest(site).at
    site.until(lambda: newest(site).at > before)
    done = site.ask("check", correct=True)
    assert done["state"] == "sent"
    site.until(lambda: site.ask("check")["state"] == "accepted")
    (record,) = site.stored()
    assert record["statement"]["attempt"] == 2
    assert record["replaces"] < record["seq"]
    held = [row.record["event"] for row in site.utility.rows() if row.record["kind"] == "event"]
    assert [event["code"] for event in held if event["code"].startswith("statement")] == ["statement-held"]
    assert site.utility.counters["against the schema"] == 0


def newest(site: Site) -> Record:
    record = site.daemon.store.last("flat-1", "now")
    assert record is not None
    return record


@needs_mosquitto
def test_the_utility_asks_for_a_statement_and_gets_reply_and_record(site: Site) -> None:
    site.until(lambda: site.daemon.store.last("flat-1", "now"))
    site.utility.command("gw-1", "c-1", "statement", {"points": ["flat-1"]}, ttl=2 * 86400)
    reply = site.until(lambda: site.utility.document("gw-1", "reply", "c-1"))
    assert reply["ok"]
    (told,) = reply["result"]["statements"]
    assert told["point"] == "flat-1"
    assert told["state"] in ("sent", "accepted")
    (record,) = site.until(site.stored)
    assert record["statement"]["figures"] == told["figures"]


def test_a_month_without_mqtt_under_kill_9_sends_no_sms_twice(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    kills = 0
    while not (tmp_path / "done").exists():
        command = [sys.executable, "-m", "tests.statement.month", str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        if kills < 6:
            time.sleep(chance.uniform(0.0, 0.4))
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait(60)
        process.stdout.close()
    sms = (tmp_path / "sms").read_text().splitlines() if (tmp_path / "sms").exists() else []
    with closing(Store.open(tmp_path / "state", now=lambda: utc(END), reserve=0)) as store:
        kinds = [(record.kind, (record.event or {}).get("code")) for record, _, _ in store.rows(limit=1000)]
    assert kinds.count(("statement", None)) == 1
    assert kills > 0
    if ("event", "statement-held") in kinds:  # killed while the message was leaving
        assert len(sms) <= 1
    else:
        assert sms == ["230100456789#23456789#2000#1000"]
