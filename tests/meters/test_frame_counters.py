"""Frame counters: a number that was given once is never given again, whatever ends the program."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.config.load import load
from agent.config.values import Bus, Config, Gateway, Intake, Meter, Secret
from agent.control import offline
from agent.daemon import Daemon
from agent.meters.build import build
from agent.meters.frame_counters import BLOCK, DurableCounter, FrameCounters
from agent.meters.state import MeterState
from buffer.faults import StoreUnusable
from buffer.record import Record
from buffer.store import Store
from drivers.dlms.driver import DlmsMeter
from protocols.dlms.security import Keys
from protocols.errors import Busy, LinkLost, MeterError
from protocols.session import Line
from simulators.dlms import HdlcMeter
from tests.support.dlms import Answers, Wire, spodes
from tests.support.wire import ScriptedPort, Time

T = TypeVar("T")

KEY, OTHER = "000102030405060708090a0b0c0d0e0f", "f" * 32
ADDRESSES = {"a": 17, "b": 18}

TAKE = """\
import sys
from functools import partial
from pathlib import Path
from agent.meters.frame_counters import DurableCounter
from agent.control.offline import change
counter = DurableCounter("k", partial(change, Path(sys.argv[1])))
while True:
    print(counter.next(), flush=True)
"""


HOUSE = """\
[gateway]
id = "gw"
state_dir = "state"
[intake]
url = "mqtt://127.0.0.1:9"
[[bus]]
name = "riser"
port = "/dev/none"
""" + "".join(
    f"""
[[meter]]
point = "{point}"
bus = "riser"
driver = "spodes"
address = {address}
serial = "{address}"
client = 48
mechanism = "hls5"
security = "both"
block_key_file = "block.key"
auth_key_file = "auth.key"
"""
    for point, address in ADDRESSES.items()
)


def opened(folder: Path) -> Store:
    return Store.open(folder, now=lambda: datetime(2026, 11, 21, tzinfo=UTC), reserve=0)


def counting(store: Store, name: str = "k") -> DurableCounter:
    return DurableCounter(name, lambda work: work(store))


def meter(point: str, key: str = KEY, **settings: Any) -> Meter:
    ciphered: dict[str, Any] = {"security": "both", "mechanism": "hls5", "client": 48}
    secrets = {"block_key_file": Secret(key), "auth_key_file": Secret(OTHER)}
    return Meter(
        point, "riser", "spodes", str(ADDRESSES[point]), "40701", Line(), settings=ciphered | secrets | settings
    )


def house(folder: Path, *meters: Meter, port: str = "/dev/none") -> Config:
    intake = Intake("h", 1883, False, "mqtt://h")
    return Config(Gateway("gw", state_dir=folder), intake, (Bus("riser", port),), meters)


def counters_of(config: Config, counters: FrameCounters) -> list[Any]:
    states: list[MeterState] = build(config, counters.of)["riser"]
    return [state.driver.counter for state in states]  # type: ignore[attr-defined]


def test_numbers_are_given_in_order_and_begin_behind_what_was_reserved_after_a_crash(tmp_path: Path) -> None:
    store = opened(tmp_path)
    before = [counting(store).next()]
    counter = counting(store)
    before += [counter.next() for _ in range(2 * BLOCK + 5)]
    assert before == [0, *range(BLOCK, 3 * BLOCK + 5)]
    crashed = counting(store)  # the one before it was never closed: a crash leaves the same
    assert crashed.next() == 4 * BLOCK
    store.close()
    again = opened(tmp_path)
    assert counting(again).next() == 5 * BLOCK
    again.close()


def test_a_number_is_on_the_disk_before_it_is_given() -> None:
    told: list[str] = []

    class Noting:
        def noted(self, key: str) -> str | None:
            return told[-1] if told else None

        def note(self, key: str, value: str) -> None:
            assert key == "counter:k"
            told.append(value)

    counter = DurableCounter("k", lambda work: work(Noting()))
    for _ in range(3 * BLOCK):
        assert counter.next() < int(told[-1])
    assert len(told) == 3


def test_one_write_of_the_store_serves_a_thousand_frames(tmp_path: Path) -> None:
    store = opened(tmp_path)
    counter = counting(store)
    counter.next()
    written = (tmp_path / "store.db-wal").stat().st_mtime_ns
    for _ in range(BLOCK - 1):
        counter.next()
    assert (tmp_path / "store.db-wal").stat().st_mtime_ns == written
    store.close()


@pytest.mark.parametrize("value", [0, 3, BLOCK - 1, BLOCK, 70_000, 0xFFFF_FFFF])
def test_a_counter_skips_forward_and_never_back(tmp_path: Path, value: int) -> None:
    store = opened(tmp_path)
    counter = counting(store)
    first = [counter.next() for _ in range(5)]
    counter.skip_to(value)
    number = counter.next()
    assert number == max(value, 5) and number not in first
    counter.skip_to(2)
    assert counter.next() == number + 1
    assert counting(store).next() > number + 1
    store.close()


def test_a_store_that_lost_its_notes_does_not_lead_a_running_counter_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    counter = counting(store)
    last = [counter.next() for _ in range(BLOCK)][-1]
    store.note("counter:k", None)
    assert counter.next() == last + 1
    store.close()


def test_a_store_that_cannot_write_gives_no_number(tmp_path: Path) -> None:
    store = opened(tmp_path)
    counter = counting(store)
    numbers = [counter.next() for _ in range(BLOCK)]
    store.close()
    with pytest.raises(Busy, match="nothing can be ciphered"):
        counter.next()
    assert numbers == list(range(BLOCK))


def test_threads_that_share_a_counter_never_get_the_same_number(tmp_path: Path) -> None:
    store = opened(tmp_path)
    counter = counting(store)
    taken: list[list[int]] = [[] for _ in range(4)]

    def take(mine: list[int]) -> None:
        mine.extend(counter.next() for _ in range(BLOCK))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for mine in taken for number in mine) == list(range(4 * BLOCK))
    store.close()


@pytest.mark.slow
def test_killed_at_any_moment_no_number_is_given_twice(tmp_path: Path) -> None:
    given: list[int] = []
    for wanted in (1, BLOCK - 1, BLOCK + 1):
        child = subprocess.Popen([sys.executable, "-c", TAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        numbers = [int(child.stdout.readline()) for _ in range(wanted)]
        child.send_signal(signal.SIGKILL)
        numbers += [int(line) for line in child.stdout if line.endswith("\n")]
        child.wait()
        child.stdout.close()
        assert numbers[0] > max(given, default=-1) and numbers == sorted(set(numbers))
        given += numbers
    assert len(given) == len(set(given))


def test_two_meters_of_one_key_share_a_counter_and_others_do_not(tmp_path: Path) -> None:
    store = opened(tmp_path)
    counters = FrameCounters(lambda work: work(store))
    shared = counters_of(house(tmp_path, meter("a"), meter("b")), counters)
    assert shared[0] is shared[1] and [shared[0].next(), shared[1].next()] == [0, 1]
    mine, other = counters_of(house(tmp_path, meter("a"), meter("b", OTHER)), counters)
    assert mine is shared[0] and other is not mine and other.next() == 0
    (titled,) = counters_of(house(tmp_path, meter("a", system_title="4d50540000000002")), counters)
    assert titled is not mine
    assert all(key not in name for name in store.notes("counter:") for key in (KEY, OTHER))
    store.close()


def test_a_meter_without_ciphering_gets_no_counter(tmp_path: Path) -> None:
    store = opened(tmp_path)
    plain = meter("a", security="none", mechanism="none")
    mercury = Meter("m", "riser", "mercury230", "1", "1", Line())
    asked: list[str] = []

    def counter(name: str) -> DurableCounter:
        asked.append(name)
        return counting(store, name)

    build(house(tmp_path, plain, mercury), counter)
    assert asked == [] and store.notes("counter:") == {}
    store.close()


def secure_station(numbers: list[int]) -> Callable[[bytes], bytes]:
    """A meter that notes every frame counter that it sees."""
    there = spodes(configurator=5, keys=Keys(bytes.fromhex(KEY), bytes.fromhex(OTHER)))
    meter = HdlcMeter(there.server, lower=17)

    def answer(request: bytes) -> bytes:
        said = meter.answer(request)
        for mark in (b"\xc8", b"\xcb", b"\xd3", b"\xd0", b"\x21"):  # glo-get, glo-action, glo-initiate
            at = request.find(mark)
            while at >= 0:
                if request[at + 2 : at + 3] == b"\x30":
                    numbers.append(int.from_bytes(request[at + 3 : at + 7], "big"))
                at = request.find(mark, at + 1)
        return said

    return answer


def test_ciphered_dialogues_of_two_runs_use_no_number_twice(tmp_path: Path) -> None:
    numbers: list[int] = []
    for _ in range(3):
        answer = secure_station(numbers)
        store = opened(tmp_path)
        counters = FrameCounters(lambda work, store=store: work(store))
        state = build(house(tmp_path, meter("a", counter_from_meter=False)), counters.of)["riser"][0]
        reads = state.driver
        assert isinstance(reads, DlmsMeter)
        wire = Wire(reads.session(), answer)
        reads.open(wire)
        reads.identify(wire)
        reads.close(wire)
        store.close()
    assert len(numbers) >= 6 and len(numbers) == len(set(numbers)) and numbers == sorted(numbers)
    assert max(numbers) >= 2 * BLOCK


def test_a_question_that_cannot_be_ciphered_is_not_sent(tmp_path: Path) -> None:
    def full(work: Callable[[Store], T], /) -> T:
        raise StoreUnusable("no space on the disk")

    state = build(house(tmp_path, meter("a", counter_from_meter=False)), FrameCounters(full).of)["riser"][0]
    assert isinstance(state.driver, DlmsMeter)
    wire = Wire(state.driver.session(), secure_station([]))
    with pytest.raises(Busy, match="no space on the disk"):
        state.driver.open(wire)
    sent = len(wire.sent)
    state.driver.close(wire)
    assert all(b"\x60" not in data[8:12] for data in wire.sent) and len(wire.sent) == sent + 1


def test_a_read_without_a_daemon_reserves_in_the_store_that_the_daemon_opens_later(tmp_path: Path) -> None:
    counter = DurableCounter("k", partial(offline.change, tmp_path))
    assert [counter.next(), counter.next()] == [0, 1]
    store = opened(tmp_path)  # the daemon starts
    assert counting(store).next() == BLOCK
    assert counter.next() == 2  # reserved, so no one else has it
    store.close()


def test_a_read_beside_a_daemon_that_has_just_started_is_told_who_has_the_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(MeterError, match=str(os.getpid())):
        DurableCounter("k", partial(offline.change, tmp_path)).next()
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_a_store_that_root_made_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    DurableCounter("k", partial(offline.change, tmp_path)).next()
    assert {file.stat().st_uid for file in tmp_path.iterdir()} == {12345}


def test_reads_without_a_daemon_use_no_number_twice(tmp_path: Path) -> None:
    def at_once(answer: Answers) -> Callable[[bytes], list[tuple[float, bytes]]]:
        return lambda request: [(0.0, answer(request))]

    numbers: list[int] = []
    for _ in range(2):
        answer = secure_station(numbers)
        port = ScriptedPort(Time(), at_once(answer))
        config = house(tmp_path, meter("a", counter_from_meter=False))
        records, failed = offline.read(config, ["a"], "now", open_port=lambda url, line, port=port: port)
        assert records and not failed
    assert len(numbers) >= 6 and len(numbers) == len(set(numbers)) and max(numbers) >= BLOCK


def test_what_opening_the_store_had_to_mend_is_told_to_the_utility_all_the_same(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put([Record("now", "a", "1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))])
    store.close()
    (tmp_path / "store.mark").unlink()
    DurableCounter("k", partial(offline.change, tmp_path)).next()
    store = opened(tmp_path)
    assert [record.event["code"] for record, _, _ in store.rows() if record.event] == ["store-mark-lost"]
    store.close()


@pytest.mark.slow
def test_the_daemon_keeps_its_counters_over_a_reload_and_a_restart(tmp_path: Path) -> None:
    for name, key in (("block.key", KEY), ("auth.key", OTHER)):
        (tmp_path / name).write_text(key)
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "meterpost.toml"
    file.write_text(HOUSE)

    def no_port(url: str, line: Line) -> Any:
        raise LinkLost(f"{url}: not there")

    numbers: list[int] = []
    for _ in range(2):
        daemon = Daemon(load(file), file, open_port=no_port)
        daemon.start()
        try:
            for _ in range(2):
                drivers = [state.driver for state in daemon.buses.workers[0].meters]
                a, b = [driver.counter for driver in drivers if isinstance(driver, DlmsMeter)]
                assert a is b
                numbers += [a.next(), b.next()]
                daemon.in_force.reload()
        finally:
            daemon.close()
    assert numbers == [0, 1, 2, 3, BLOCK, BLOCK + 1, BLOCK + 2, BLOCK + 3]
