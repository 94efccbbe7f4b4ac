"""A meter is swapped while the daemon polls it: an event at once, no foreign reading, one consumption at the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.config.load import load
from agent.daemon import Daemon
from agent.history.series import series
from agent.host.clock import SystemClock
from agent.line.buses import Buses
from agent.line.worker import Worker
from buffer.record import Record
from buffer.store import Store
from drivers.reading import Kind
from protocols.mercury.frames import Energy
from simulators.mercury230 import Mercury230
from tests.cli.conftest import Run, run
from tests.support.bus import FakeBus
from tests.support.waiting import until
from tests.support.wire import QuickPort

__all__ = ["run"]

FLAT = """\
[gateway]
id = "gw-1"
timezone = "Europe/Moscow"
state_dir = "state"
clock = "trust"

[intake]
url = "mqtt://127.0.0.1:1"

[poll]
now = "1s"
network = "off"
interval = "off"
day = "off"
month = "off"
event = "off"

[[bus]]
name = "riser"
port = "{port}"

[[meter]]
point = "flat-1"
bus = "riser"
driver = "mercury230"
address = 1
serial = "20000001"
tariffs = {{ T1 = "day", T2 = "night" }}
"""


def registers(first: int, second: int) -> dict[int, Energy]:
    """Wh of T1 and T2, with their total."""
    return {number: Energy(value, 0, 0, 0) for number, value in enumerate((first + second, first, second, 0, 0))}


def test_a_foreign_serial_is_an_event_at_once_and_no_reading_until_the_right_meter_answers() -> None:
    bus = FakeBus(2)
    bus.run(130)
    known = len(bus.readings("flat-1"))
    old, bus.simulated[0].serial = bus.simulated[0].serial, "30000001"
    bus.run(61)
    assert bus.events() == ["wrong-serial"], "within one round"
    bus.run(600)
    assert bus.events() == ["wrong-serial"], "told once"
    assert len(bus.readings("flat-1")) == known
    (event,) = [record for record in bus.records if record.event]
    assert (event.point, event.meter) == ("flat-1", "30000001")
    assert len(bus.readings("flat-2")) >= 10, "its neighbour is read on"
    bus.simulated[0].serial = old
    bus.run(61)
    assert len(bus.readings("flat-1")) > known


class Flat:
    """A daemon of one flat in this process, and the meter on its bus, whichever that is at the moment."""

    def __init__(self, folder: Path, serial: str = "20000001") -> None:
        port = folder / "ttyUSB0"
        port.touch()
        (folder / "state").mkdir(exist_ok=True)
        self.file = folder / "meterpost.toml"
        self.file.write_text(FLAT.format(port=port))
        self.meter = Mercury230(address=1, serial=serial, registers=registers(5_000_000, 2_000_000))
        quick = QuickPort(lambda request: self.meter.answer(request))
        self.daemon = Daemon(
            load(self.file), self.file, clock=SystemClock(trust=True), open_port=lambda url, line: quick
        )
        self.thread = threading.Thread(target=self.daemon.run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.daemon.stop()
        self.thread.join(20)

    def records(self, kind: Kind) -> list[Record]:
        now = datetime.now(UTC)
        return list(self.daemon.store.find("flat-1", (kind,), now - timedelta(hours=1), now + timedelta(hours=1)))

    def codes(self) -> list[str]:
        return [str(record.event["code"]) for record in self.records("event") if record.event]

    def until(self, condition: Callable[[], bool]) -> None:
        until(condition, told=lambda: (self.codes(), self.records("now")[-2:]))


def _others(buses: Buses, workers: list[Worker]) -> bool:
    return buses.workers not in ([], workers)


@pytest.mark.slow
def test_the_daemon_tells_of_a_foreign_meter_once_over_restarts_and_reloads(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Flat(tmp_path, "30000001")) as flat:
            buses = flat.daemon.buses

            def found(buses: Buses = buses) -> bool:
                return [worker.state(meter) for worker in buses.workers for meter in worker.meters] == ["wrong-serial"]

            flat.until(found)
            workers = buses.workers
            flat.daemon.ask_reload()
            flat.until(partial(_others, buses, workers))
            flat.until(found)
            flat.daemon.writer.flush()
            assert flat.codes() == ["wrong-serial"]


@pytest.fixture
def flat(tmp_path: Path) -> Iterator[Flat]:
    with closing(Flat(tmp_path)) as found:
        yield found


def used(store: Store, flat: Flat) -> dict[str, int]:
    """What went through the point in the running month."""
    now = datetime.now(UTC)
    meter, zone = load(flat.file).meters[0], ZoneInfo("Europe/Moscow")
    (row,) = series(store, meter, "month", now - timedelta(milliseconds=1), now, zone, now)
    return {name: int(value) for name, value in row.tariffs.items()}


@pytest.mark.slow
def test_a_meter_swapped_mid_run_is_replaced_and_its_consumption_goes_on(flat: Flat, run: Run) -> None:
    flat.until(lambda: len(flat.records("now")) >= 1)
    flat.meter.registers = registers(5_100_000, 2_030_000)
    flat.until(lambda: flat.records("now")[-1].values["1-0:1.8.1"] == 5_100_000)
    # The fitter notes 5100.4 and 2030.1 kWh and hangs a new meter there.
    flat.meter = Mercury230(address=1, serial="30000001", registers=registers(400, 0))
    flat.until(lambda: "wrong-serial" in flat.codes())
    assert {record.meter for record in flat.records("now")} == {"20000001"}

    act = ("replace", "flat-1", "--serial", "30000001", "--final", "T1=5100.4,T2=2030.1", "-c", str(flat.file))
    shown = run(*act)
    assert (shown.code, shown.err) == (0, "")
    assert "+initial = { T1 = 0.4, T2 = 0 }" in shown.out, "read from the new meter through the daemon"
    assert {record.meter for record in flat.records("now")} == {"20000001"}, "and not stored"
    done = run(*act, "--yes")
    assert (done.code, done.err) == (0, "")
    assert "the daemon has it: flat-1 is meter 30000001" in done.out
    flat.until(lambda: "meter-replaced" in flat.codes())

    flat.meter.registers = registers(7_400, 1_000)
    flat.until(lambda: flat.records("now")[-1].values["1-0:1.8.1"] == 7_400)
    assert flat.records("now")[-1].meter == "30000001"
    assert used(flat.daemon.store, flat) == {"T1": 100_400 + 7_000, "T2": 30_100 + 1_000}
    assert [flat.codes().count(code) for code in ("wrong-serial", "meter-replaced")] == [1, 1]


@pytest.mark.slow
def test_where_the_new_meter_does_not_answer_nothing_is_guessed(flat: Flat, run: Run) -> None:
    flat.until(lambda: len(flat.records("now")) >= 1)
    done = run("replace", "flat-1", "--serial", "30000001", "--yes", "-c", str(flat.file))
    assert done.code == 2
    assert "meter 20000001 answers, 30000001 is configured" in " ".join(done.err.split())
    assert "30000001" not in flat.file.read_text() and "meter-replaced" not in flat.codes()


@pytest.mark.slow
def test_an_act_written_by_hand_is_an_event_too_with_the_reload(flat: Flat, run: Run) -> None:
    flat.until(lambda: len(flat.records("now")) >= 1)
    text = flat.file.read_text().replace('serial = "20000001"', 'serial = "30000001"')
    flat.file.write_text(
        text + '[[meter.before]]\nserial = "20000001"\nremoved = 2026-01-02\nfinal = { T1 = 5000, T2 = 2000 }\n'
    )
    flat.daemon.ask_reload()
    flat.until(lambda: "meter-replaced" in flat.codes())
    (event,) = [record for record in flat.records("event") if record.event and record.event["code"] == "meter-replaced"]
    assert event.event is not None
    assert event.event["text"] == (
        "20000001 was removed on 2026-01-02 with T1 5000, T2 2000 kWh; 30000001 begins with readings that no act has"
    )


@pytest.mark.slow
def test_the_daemon_watches_the_plan_of_a_point(flat: Flat) -> None:
    flat.until(lambda: len(flat.records("now")) >= 2)
    flat.meter.registers = registers(5_002_000, 2_000_000)
    known = len(flat.records("now"))
    flat.until(lambda: len(flat.records("now")) >= known + 2)
    (flat.file.parent / "plan.csv").write_text(f"{datetime.now(ZoneInfo('Europe/Moscow')):%Y-%m},1\n")
    flat.file.write_text(flat.file.read_text() + 'plan = "plan.csv"\n')
    flat.daemon.ask_reload()
    flat.until(lambda: "plan-exceeded" in flat.codes())
    (event,) = [record for record in flat.records("event") if record.event and record.event["code"] == "plan-exceeded"]
    assert event.event is not None and "2 kWh used, planned 1, with 10 % more 1.1" in event.event["text"]
