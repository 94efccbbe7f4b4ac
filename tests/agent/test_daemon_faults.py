"""A whole daemon in this process, with a real broker and a real intake: what breaks while it polls."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Bus, Config, Gateway, Intake, Meter, Poll
from agent.daemon import Daemon
from agent.host.clock import SystemClock
from buffer.store import Store
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators.intake.service import Intake as Utility
from simulators.mercury230 import Mercury230
from tests.buffer.plant import NoDisk, disk, readings
from tests.support.broker import Broker, free_port, needs_mosquitto
from tests.support.present import present
from tests.support.stores import WatchedStore
from tests.support.waiting import until
from tests.support.wire import QuickPort

pytestmark = [pytest.mark.slow, needs_mosquitto]

HOUR, DAY = 3600.0, 86400.0
METERS = 2


class Hands:
    """The gateway's clock, to be set wrong: ``wall`` is moved alone, ``leap`` moves time itself."""

    def __init__(self, wall: float = 0.0, synced: bool = True, boot: str = "boot-1") -> None:
        self.wall, self.leapt, self.synced, self.boot = wall, 0.0, synced, boot

    def leap(self, seconds: float) -> None:
        self.leapt += seconds

    def clock(self) -> SystemClock:
        return SystemClock(
            wall=lambda: time.time() + self.leapt + self.wall,
            monotonic=lambda: time.monotonic() + self.leapt,
            kernel_synced=lambda: self.synced,
            battery=False,
            boot=self.boot,
        )


class Site:
    """Two meters polled ten times a second, a broker and an intake. The daemon may be started many times."""

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.state = state or folder / "state"
        self.hands = Hands()
        self.broker = Broker(folder)
        self.meters = [
            Mercury230(address=number, serial=f"{20000000 + number}", registers=registers(1000 * number))
            for number in range(1, METERS + 1)
        ]
        self.intake = Utility(self.broker.url, folder / "intake.db", validate=True)
        self.daemon: Daemon | None = None
        self.stack = ExitStack()

    def __enter__(self) -> "Site":
        self.stack.callback(self.intake.stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self.daemon is not None:
            self.stack.callback(self.end)
        self.stack.callback(self.broker.stop)
        self.stack.close()

    def connect(self) -> None:
        self.broker.start()
        self.intake.start(wait=10)

    def start(self, **more: Any) -> None:
        line = Line()
        poll = Poll(now=0.1, network=None, interval=None, day=None, month=None, event=None)
        config = Config(
            Gateway("gw-1", state_dir=self.state),
            Intake("127.0.0.1", self.broker.port, False, self.broker.url, receipt_timeout=2.0, backlog_rate=0),
            (Bus("riser", "/dev/fake", line),),
            tuple(
                Meter(f"flat-{meter.address}", "riser", "mercury230", str(meter.address), meter.serial, line, poll=poll)
                for meter in self.meters
            ),
        )
        clock = self.hands.clock()
        given: dict[str, Any] = {
            "clock": clock,
            "open_port": lambda url, line: QuickPort(self.answer),
            "open_store": WatchedStore.open,
        }
        self.daemon = Daemon(config, **given, **more)
        self.daemon.start()

    def end(self) -> None:
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            daemon.close()

    def answer(self, request: bytes) -> bytes:
        return b"".join(meter.answer(request) for meter in self.meters)

    @property
    def store(self) -> WatchedStore:
        assert self.daemon is not None and isinstance(self.daemon.store, WatchedStore)
        return self.daemon.store

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """The daemon's housekeeping goes on meanwhile, as ``run`` does it."""
        until(condition, seconds, between=self.tick, told=self.told)

    def tick(self) -> None:
        if self.daemon is not None:
            self.daemon.tick()

    def told(self) -> str:
        status = dict(self.daemon.status()) if self.daemon else "no daemon"
        return f"{status}, intake: {self.intake.counters}"

    def polled(self) -> int:
        assert self.daemon is not None
        return sum(worker.polled for worker in self.daemon.buses.workers)

    def poll_on(self, more: int = 3 * METERS) -> None:
        """Every meter answers some polls more; their records are in the store."""
        wanted = self.polled() + more
        self.until(lambda: self.polled() >= wanted)
        assert self.daemon is not None
        self.daemon.writer.flush()

    def settle(self) -> None:
        """No more polls; all that the store may send is confirmed."""
        assert self.daemon is not None
        for worker in self.daemon.buses.workers:
            worker.stop()
        self.until(self._settled)

    def _settled(self) -> bool:
        """What the housekeeping has to tell is stored first: it would come after the last check otherwise."""
        assert self.daemon is not None
        self.daemon.writer.flush()
        counts = self.store.counts()
        return counts.pending == 0 and counts.held == 0

    def delivered(self) -> list[dict[str, Any]]:
        return [row.record for row in self.intake.rows()]


def registers(value: int) -> dict[int, Energy]:
    return {tariff: Energy(*[value * (3 if tariff == 0 else 1)] * 4) for tariff in range(4)} | {4: Energy(0, 0, 0, 0)}


def natural(record: dict[str, Any]) -> tuple[Any, ...]:
    event = record.get("event") or {}
    return record["point"], record["meter"], record["kind"], record["at"], event.get("code"), event.get("n")


def events(records: list[dict[str, Any]], code: str) -> list[str]:
    return [
        record["event"]["text"] for record in records if record["kind"] == "event" and record["event"]["code"] == code
    ]


def check_intake(site: Site) -> None:
    """Nothing was refused or against the contract, nothing is there twice, and the daemon refused nothing either."""
    records = site.delivered()
    assert len({natural(record) for record in records}) == len(records)
    assert site.intake.counters["against the schema"] == site.intake.counters["bad messages"] == 0
    assert site.store.counts().refused == 0


def check_no_hole(site: Site) -> None:
    assert [row.seq for row in site.intake.rows()] == list(range(1, site.store.last_seq + 1))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


# The clock


def test_a_gateway_that_boots_in_1970_polls_and_sends_when_its_clock_is_set(site: Site) -> None:
    site.connect()
    site.hands = Hands(wall=60.0 - time.time(), synced=False)
    site.start()
    site.poll_on()
    held = {record.seq: record for record, _, _ in site.store.rows("held", limit=1000)}
    assert len(held) == site.store.last_seq and all(record.at.year == 1970 for record in held.values())
    assert site.store.counts().pending == 0 and site.delivered() == []
    site.hands.wall, site.hands.synced = 0.0, True
    assert all(meter.offset is None for worker in present(site.daemon).buses.workers for meter in worker.meters)
    site.hands.leap(11.0)  # the kernel is asked every 10 s
    site.poll_on()
    # The meters' clocks are compared now, not an hour after they could not be.
    site.until(
        lambda: all(
            meter.offset is not None for worker in present(site.daemon).buses.workers for meter in worker.meters
        )
    )
    site.settle()
    check_intake(site)
    check_no_hole(site)
    epoch = time.time() - time.monotonic()  # wall clock at monotonic 0, both moved by the same leap
    for record in (row.record for row in site.intake.rows() if row.seq in held):
        before = held[record["seq"]]
        assert record["clock"] == "restamped" and "clock-unset" not in record["flags"]
        assert before.monotonic is not None
        assert seconds(record["at"]) == pytest.approx(before.monotonic + epoch, abs=0.02)
        assert seconds(record["read_at"]) - seconds(record["at"]) == pytest.approx(0, abs=0.001)
    assert {row.record["clock"] for row in site.intake.rows() if row.seq not in held} <= {"synced", "restamped"}


def test_what_a_boot_without_clock_has_read_is_sent_flagged_by_the_next_boot(site: Site) -> None:
    site.connect()
    site.hands = Hands(wall=60.0 - time.time(), synced=False)
    site.start()
    site.poll_on()
    site.end()
    site.hands = Hands(wall=90.0 - time.time(), synced=False, boot="boot-2")
    site.start()
    earlier = {record.seq for record, _, _ in site.store.rows("all", limit=1000) if record.boot != "boot-2"}
    site.until(lambda: len(site.delivered()) >= len(earlier))
    sent = site.intake.rows()
    assert {row.seq for row in sent} == earlier
    assert all("clock-unset" in row.record["flags"] and row.record["at"].startswith("1970") for row in sent)
    site.hands.wall, site.hands.synced = 0.0, True
    site.hands.leap(11.0)
    site.settle()
    check_intake(site)
    check_no_hole(site)


@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, -DAY], ids=["+1 h", "-1 h", "+1 day", "-1 day"])
def test_a_step_of_the_clock_and_back_stops_no_poll_and_loses_nothing(site: Site, step: float) -> None:
    site.connect()
    site.start()
    site.poll_on()
    site.hands.wall = step
    site.poll_on()
    assert present(site.daemon).clock.stamp().state == ("synced" if step > 0 else "unset")
    site.hands.wall = 0.0
    site.poll_on()
    assert present(site.daemon).clock.stamp().state == ("unset" if step > 0 else "synced")
    if step > 0:  # held until the clock has passed the newest record
        assert site.store.counts().held > 0
        site.hands.leap(step)
    site.poll_on()
    site.settle()
    check_intake(site)
    check_no_hole(site)
    records = site.delivered()
    assert {record["clock"] for record in records} == {"synced", "restamped"}
    assert not any("clock-unset" in record["flags"] for record in records)
    if step < 0:  # what was read with the clock behind has its right time
        assert all(abs(seconds(record["at"]) - time.time()) < 60 for record in records)


def seconds(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


# The broker


def test_a_broker_that_hangs_for_longer_than_the_keepalive_costs_nothing(site: Site) -> None:
    site.connect()
    site.start(keepalive=1)
    site.poll_on()
    site.until(lambda: present(site.daemon).delivery.status()["online"])
    site.broker.freeze()
    site.until(lambda: not present(site.daemon).delivery.status()["online"])
    site.poll_on(20 * METERS)
    assert site.store.counts().pending >= 20 * METERS
    site.broker.thaw()
    site.settle()
    check_intake(site)
    check_no_hole(site)


# The disk


def test_a_store_damaged_between_two_runs_loses_only_what_the_damage_hit(site: Site) -> None:
    preload(site.state, 2000)
    spoil(site.state / "store.db")
    site.start()
    site.poll_on()
    site.connect()
    site.settle()
    check_carried(site, 2000)


def test_a_store_damaged_while_the_daemon_runs_loses_only_what_the_damage_hit(site: Site) -> None:
    preload(site.state, 2000)
    site.start()
    epoch = site.store.epoch
    site.poll_on()
    spoil(site.state / "store.db")
    site.connect()
    site.until(lambda: site.store.epoch != epoch)
    site.poll_on()
    site.settle()
    check_carried(site, 2000)


def test_a_disk_that_says_no_for_a_while_stops_nothing(site: Site) -> None:
    site.hands = Hands(wall=60.0 - time.time(), synced=False)
    site.start()
    site.poll_on()
    site.store.keeper.trouble = "the disk says no"
    site.hands.wall, site.hands.synced = 0.0, True
    site.hands.leap(11.0)  # what was held is to be released now, and cannot be
    before = site.polled()
    site.until(lambda: site.polled() >= before + 10 * METERS)
    present(site.daemon).buses._denied("flat-1", True)
    assert present(site.daemon).writer.trouble == "the disk says no"
    site.store.keeper.trouble = None
    site.connect()
    site.settle()
    check_intake(site)
    check_no_hole(site)
    assert sum(record["kind"] == "now" for record in site.delivered()) == site.polled()


def preload(state: Path, count: int) -> None:
    """Pending records of an earlier run, and some that are confirmed."""
    store = Store.open(state, now=lambda: datetime.now(UTC))
    for first in range(-4000, count - 4000, 500):
        store.put(readings(first, first + 499))
    store.confirm([(1, 100)])
    store.close()


def spoil(file: Path) -> None:
    """A worn card: pages in the middle of the file hold something else."""
    size = file.stat().st_size
    with file.open("r+b") as out:
        for place in (size // 3, size // 2, 2 * size // 3):
            out.seek(place - place % 512)
            out.write(random.Random(place).randbytes(1024))


def check_carried(site: Site, count: int) -> None:
    """Each reading is at the intake once, except for those that an event has counted."""
    check_intake(site)
    rows = site.intake.rows()
    records = [row.record for row in rows]
    told = events(records, "store-damaged")
    assert len(told) == 1
    carried, missing = map(int, re.findall(r"(\d+) (?:records carried|could not)", told[0]))
    old = {record["at"] for record in records if record["meter"] == "23456789"}
    # Confirmed ones may come once more, where the damage hit the list of what is confirmed.
    assert count - 100 - missing <= len(old) <= count
    assert 0 < missing < 60 and carried + missing >= count - 100
    assert site.store.epoch in {row.epoch for row in rows}
    assert list(site.state.glob("store-*.damaged.db"))
    polled = [record for record in records if record["meter"] != "23456789" and record["kind"] == "now"]
    assert len(polled) == site.polled()


def test_a_full_disk_stops_no_poll_counts_what_it_costs_and_heals_with_space(tmp_path: Path) -> None:
    try:
        with disk(tmp_path, 32) as mount, Site(tmp_path, mount / "state") as site:
            preload(site.state, 3000)
            filler = mount / "filler"
            fill(filler)
            assert (site.state / "store.reserve").exists()
            site.start()
            for _ in range(100):
                site.poll_on()
                fill(filler)
                if lost(site):
                    break
            assert 0 < lost(site) < 1000
            site.poll_on(20 * METERS)
            filler.unlink()
            site.poll_on()
            site.connect()
            site.settle()
            check_intake(site)
            rows = site.intake.rows()
            told = sum(int(text.split()[0]) for text in events([row.record for row in rows], "store-full"))
            assert told > 0
            assert {row.seq for row in rows} | gone(site) | set(range(1, 101)) == set(range(1, site.store.last_seq + 1))
            assert not {row.seq for row in rows} & gone(site)
            assert told == len(gone(site) - set(range(1, 101)))
    except NoDisk as why:
        pytest.skip(str(why))


def meterpost(folder: Path, state: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """``meterpost run`` as a process of its own, which has to end by itself."""
    config = folder / "meterpost.toml"
    config.write_text(
        f'[gateway]\nid = "gw-1"\nstate_dir = "{state}"\n[intake]\nurl = "mqtt://127.0.0.1:{free_port()}"\n'
        '[[bus]]\nname = "riser"\nport = "/dev/null"\n'
        '[[meter]]\npoint = "flat-1"\nbus = "riser"\ndriver = "mercury230"\naddress = 1\nserial = "20000001"\n'
    )
    command = [*before, sys.executable, "-m", "agent", "run", "-c", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=Path(__file__).parents[2])


def test_an_older_program_leaves_a_newer_store_alone_and_ends_with_78(tmp_path: Path) -> None:
    state = tmp_path / "state"
    preload(state, 100)
    with closing(sqlite3.connect(state / "store.db")) as db:
        db.execute("PRAGMA user_version = 99")
    before = {file.name: file.read_bytes() for file in state.iterdir()}
    done = meterpost(tmp_path, state)
    assert done.returncode == 78
    assert "newer meterpost" in done.stderr and "Traceback" not in done.stderr
    assert {file.name: file.read_bytes() for file in state.iterdir()} == before


def test_a_read_only_disk_is_refused_in_words_with_74(tmp_path: Path) -> None:
    try:
        with disk(tmp_path, 12) as mount:
            preload(mount / "state", 100)
            subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
            done = meterpost(tmp_path, mount / "state")
    except NoDisk as why:
        pytest.skip(str(why))
    assert done.returncode == 74
    assert "Read-only file system" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root may give files away")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["closed directory", "someone else's files"])
def test_a_state_dir_of_somebody_else_is_refused_in_words_with_77(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    preload(state, 100)
    for path in (state, *state.iterdir()):
        os.chown(path, 65534, 65534)
    state.chmod(mode)
    done = meterpost(tmp_path, state, "setpriv", "--bounding-set=-dac_override,-dac_read_search")
    assert done.returncode == 77, done.stderr
    assert str(state) in done.stderr and "Permission denied" in done.stderr and "Traceback" not in done.stderr


def fill(file: Path) -> None:
    with file.open("ab", buffering=0) as out:
        for size in (1 << 20, 4096, 512):
            while True:
                try:
                    out.write(bytes(size))
                except OSError:
                    break


def gone(site: Site) -> set[int]:
    last = site.store.last_seq
    return set(range(1, last + 1)) - {record.seq for record, _, _ in site.store.rows("all", limit=10**6)}


def lost(site: Site) -> int:
    return len(gone(site) - set(range(1, 101)))
