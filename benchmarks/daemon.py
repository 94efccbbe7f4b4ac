"""(f) The daemon as the gateway runs it: memory, CPU per poll, start to first poll. 100 meters on four ports."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.control.unix_socket import NoAnswer, NotRunning, RequestRefused, ask_daemon
from benchmarks.plants import buses, mercury_meters, modbus_meters, serial
from buffer.record import Record
from buffer.store import Store
from simulators.broker import BrokerProcess
from simulators.intake.service import Intake

PER_BUS = 25
OUTAGE = 300_000
TICKS = os.sysconf("SC_CLK_TCK")


def configuration(ports: list[str], broker: str, state: Path, period: str) -> str:
    parts = [
        f'[gateway]\nid = "bench"\ntimezone = "UTC"\nstate_dir = "{state}"\nclock = "trust"\n',
        f'[intake]\nurl = "{broker}"\n[poll]\nnow = "{period}"\nnetwork = "off"\n'
        'interval = "off"\nday = "off"\nmonth = "off"\nevent = "off"\n',
    ]
    for bus, port in enumerate(ports):
        parts.append(f'[[bus]]\nname = "bus-{bus}"\nport = "{port}"\n')
        for number in range(1, PER_BUS + 1):
            # Five registers each: total and T1 to T4 of A+.
            mercury = 'driver = "mercury230"\ndirections = "A+"' if bus < 2 else ""
            driver = mercury or f'driver = "{"b23" if number % 2 else "orno517"}"'
            parts.append(
                f'[[meter]]\npoint = "p{bus}-{number}"\nbus = "bus-{bus}"\n{driver}\n'
                f'address = {number}\nserial = "{serial(bus, number)}"\n'
            )
    return "\n".join(parts)


class Running:
    """A daemon process over four simulated buses."""

    def __init__(self, folder: Path, ports: list[str], broker: str, period: str, intake: Intake | None) -> None:
        self.state, self.intake = folder / "state", intake
        config = folder / "meterpost.toml"
        config.write_text(configuration(ports, broker, self.state, period))
        self.began = time.monotonic()
        self.log = folder / "daemon.log"
        log = self.log.open("wb")
        command = [sys.executable, "-m", "agent", "run", "-c", str(config)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def records(self) -> int:
        """How many are stored, at the intake where there is one: asking the daemon costs it what two polls cost."""
        if self.intake is not None:
            return self.intake.counters["stored"]
        with contextlib.suppress(NotRunning, RequestRefused, NoAnswer, OSError):
            answer: dict[str, int] = ask_daemon(self.state, "status")
            return answer["last_seq"]
        return 0

    def resident(self) -> float:
        """MiB"""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the daemon is gone")

    def cpu(self) -> float:
        """Seconds of user and system time."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def until(self, stored: int) -> None:
        end = time.monotonic() + 180
        while self.records() < stored:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"the daemon does not get to {stored} records: {self.log.read_text()[-600:]}")
            time.sleep(5)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@contextlib.contextmanager
def running(outage: int = 0, period: str = "20s") -> Iterator[tuple[Running, Connection]]:
    """With ``outage`` records waiting in the store and no broker; else with a broker and an intake."""
    kinds = ((mercury_meters, PER_BUS), (mercury_meters, PER_BUS), (modbus_meters, PER_BUS), (modbus_meters, PER_BUS))
    with TemporaryDirectory(prefix="meterpost-bench-") as name, buses(*kinds) as (ports, pipe):
        folder = Path(name)
        with contextlib.ExitStack() as stack:
            broker, intake = "mqtt://127.0.0.1:9", None
            if outage:
                fill(folder / "state", outage)
            else:
                broker = stack.enter_context(BrokerProcess(folder)).url
                intake = Intake(broker, folder / "intake.db")
                intake.start(wait=10)
                stack.callback(intake.stop)
            daemon = Running(folder, ports, broker, period, intake)
            stack.callback(daemon.end)
            yield daemon, pipe


def fill(state: Path, count: int) -> None:
    """A store with this many pending records of five registers."""
    state.mkdir(parents=True)
    store = Store.open(state, now=lambda: datetime.now(UTC))
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    for first in range(0, count, 1000):
        store.put([_record(begin, number) for number in range(first, first + 1000)])
    store.close()


def _record(begin: datetime, number: int) -> Record:
    at = begin + timedelta(seconds=number // 100, milliseconds=number % 100)
    values = {"1-0:1.8.0": 4 * number, **{f"1-0:1.8.{tariff}": number for tariff in range(1, 5)}}
    return Record("now", f"p0-{number % 100}", str(30000000 + number % 100), at, at, values=values, frames=bytes(90))


def start_to_first_poll() -> float:
    """Seconds from starting the process to the first request on a line."""
    samples = []
    for _ in range(3):
        with running() as (daemon, pipe):
            pipe.send("first")
            pipe.recv()
            end = time.monotonic() + 20
            first = None
            while first is None and time.monotonic() < end:
                time.sleep(0.05)
                pipe.send("first")
                first = pipe.recv()
            if first is None:
                raise RuntimeError("nothing was polled")
            samples.append(first - daemon.began)
    return statistics.median(samples)


def memory_and_cpu() -> tuple[float, float]:
    """MiB resident with 100 meters, seconds of CPU per poll with store and delivery."""
    with running() as (daemon, _):
        daemon.until(200)
        polls, spent = daemon.records(), daemon.cpu()
        daemon.until(polls + 500)
        now = daemon.records()
        return daemon.resident(), (daemon.cpu() - spent) / (now - polls)


def memory_in_an_outage() -> float:
    """MiB resident with 300,000 records waiting and no broker."""
    with running(outage=OUTAGE) as (daemon, _):
        daemon.until(OUTAGE + 200)
        return daemon.resident()


def main() -> None:
    resident, cpu = memory_and_cpu()
    outage = memory_in_an_outage()
    first = start_to_first_poll()
    print("(f) the daemon, 100 meters on 4 ports at 9600 bit/s")
    print(f"    resident memory {resident:.1f} MiB (limit ≤ 48)")
    print(f"    in an outage of {OUTAGE} records {outage:.1f} MiB (limit ≤ 48), {outage - resident:+.1f} against none")
    print(f"    CPU per poll of five registers, stored and delivered {cpu * 1000:.2f} ms (limit ≤ 2)")
    print(f"    start to first poll {first:.2f} s (limit ≤ 0.7)")


if __name__ == "__main__":
    main()
