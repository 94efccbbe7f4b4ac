"""How well a bus is used: (a) wire time against elapsed time, (b) CPU per Modbus transaction, (e) one dead of five."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from agent.config.values import Bus, Meter, Poll
from agent.host.clock import SystemClock
from agent.line.dialogue import Dialogue
from agent.line.link import Link
from agent.line.port import Port
from agent.line.trace import TraceMessage
from agent.line.worker import Worker
from agent.meters.state import MeterState
from benchmarks.plants import MODBUS_SILENCE, Build, buses, mercury_meters, modbus_meters
from drivers import registry
from drivers.reading import MeterPlan
from protocols.modbus.questions import ReadHolding
from protocols.modbus.session import Session
from protocols.session import Line

METERS = 16
ROUNDS = 5
TRANSACTIONS = 200
MERCURY_SILENCE = 0.005  # s at 9600 bit/s (command description 05.2023, §1.5)


def meter_state(driver: str, number: int, poll: Poll | None = None) -> MeterState:
    serial = str(30000000 + number)
    config = Meter(f"p{number}", "bench", driver, str(number), serial, Line(), poll=poll or Poll(network=None))
    plan = MeterPlan(model=driver, address=str(number), serial=serial, line=Line())
    return MeterState(config, registry.find(driver).build(plan), Line())


def mercury_states(count: int, poll: Poll | None = None) -> list[MeterState]:
    return [meter_state("mercury230", number, poll) for number in range(1, count + 1)]


def modbus_states(count: int) -> list[MeterState]:
    return [meter_state("b23" if number % 2 else "orno517", number) for number in range(1, count + 1)]


def use_of_line(build: Build, states: Callable[[int], list[MeterState]], silence: float) -> float:
    """Wire time and mandatory silences of a round, divided by what it took from its first to its last octet."""
    with buses((build, METERS)) as (ports, _):
        port = Port(ports[0], Line())
        link = Link(port)
        dialogue = Dialogue(link, SystemClock(trust=True), lambda *_: None)
        meters = states(METERS)
        _round(dialogue, meters)  # the first one learns firmware, ratio and clock of each meter
        ratios = [_ratio_of_round(link, dialogue, meters, silence) for _ in range(ROUNDS)]
        port.close()
    return statistics.median(ratios)


def _round(dialogue: Dialogue, meters: Sequence[MeterState]) -> None:
    for meter in meters:
        outcome = dialogue.run(meter, ["now"])
        if outcome.failed or not outcome.records:
            raise RuntimeError(f"{meter.config.point}: {outcome.failed}")


def _ratio_of_round(link: Link, dialogue: Dialogue, meters: Sequence[MeterState], silence: float) -> float:
    octets, questions, begun, ended = 0, 0, 0.0, 0.0

    def trace(message: TraceMessage) -> None:
        nonlocal octets, questions, begun, ended
        octets += message.size
        ended = time.monotonic()
        if message.direction == ">>":
            questions += 1
            begun = begun or ended

    link.trace = trace
    _round(dialogue, meters)
    link.trace = None
    # A silence before each answer and one before each question but the first.
    wire = octets * Line().character + (2 * questions - 1) * silence
    return wire / (ended - begun)


def cpu_per_transaction() -> tuple[float, float, float]:
    """Seconds of CPU that this process spends on one read of 20 registers: ours, pymodbus sync, pymodbus async."""
    with buses((modbus_meters, 1)) as (ports, _):
        samples = [(_ours(ports[0]), _sync(ports[0]), _async(ports[0])) for _ in range(3)]
    return tuple(statistics.median(column) for column in zip(*samples, strict=True))  # type: ignore[return-value]


def _ours(path: str) -> float:
    port = Port(path, Line())
    link, session, question = Link(port), Session(1, Line()), ReadHolding(0x5000, 20)
    link.begin(Line())
    link.ask(session, question)
    begun = time.process_time()
    for _ in range(TRANSACTIONS):
        link.ask(session, question)
        link.frames.clear()
    spent = time.process_time() - begun
    port.close()
    return spent / TRANSACTIONS


def _sync(path: str) -> float:
    from pymodbus.client import ModbusSerialClient

    client: Any = ModbusSerialClient(path, baudrate=9600)
    client.connect()
    client.read_holding_registers(0x5000, count=20, device_id=1)
    begun = time.process_time()
    for _ in range(TRANSACTIONS):
        assert not client.read_holding_registers(0x5000, count=20, device_id=1).isError()
    spent = time.process_time() - begun
    client.close()
    return spent / TRANSACTIONS


def _async(path: str) -> float:
    from pymodbus.client import AsyncModbusSerialClient

    async def run() -> float:
        client: Any = AsyncModbusSerialClient(path, baudrate=9600)
        await client.connect()
        await client.read_holding_registers(0x5000, count=20, device_id=1)
        begun = time.process_time()
        for _ in range(TRANSACTIONS):
            answer = await client.read_holding_registers(0x5000, count=20, device_id=1)
            assert not answer.isError()
        spent = time.process_time() - begun
        client.close()
        return spent

    return asyncio.run(run()) / TRANSACTIONS


def stretch_by_a_dead_meter(seconds: float = 60.0) -> float:
    """A healthy meter's round with one dead of five on the bus, against the round of the four healthy ones alone."""
    return _mean_round(5, seconds) / _mean_round(4, seconds / 3)


def _mean_round(configured: int, seconds: float) -> float:
    """Seconds between two readings of a healthy meter on a bus that is always busy; four meters are there."""
    times: list[float] = []
    with buses((mercury_meters, 4)) as (ports, _):
        worker = Worker(
            Bus("bench", ports[0]),
            mercury_states(configured, Poll(now=0.1, network=None)),
            clock=SystemClock(trust=True),
            submit=lambda records: times.extend(time.monotonic() for record in records if record.point == "p1"),
            before=lambda *_: None,
            denied=lambda *_: None,
        )
        worker.start()
        while configured == 5 and worker.state(worker.meters[4]) != "silent":
            time.sleep(0.2)
        time.sleep(8)  # until it counts as silent, and the first rounds have learned what they ask only once
        times.clear()
        time.sleep(seconds)
        spans = list(times)
        worker.stop()
    return (spans[-1] - spans[0]) / (len(spans) - 1)


def main() -> None:
    character = Line().character
    print(f"(a) use of the line, {METERS} meters at 9600 bit/s, wire time and silences / elapsed (limit ≥ 0.95)")
    print(f"    Modbus  {use_of_line(modbus_meters, modbus_states, MODBUS_SILENCE * character):.3f}")
    print(f"    Mercury {use_of_line(mercury_meters, mercury_states, MERCURY_SILENCE):.3f}")
    ours, sync, asynchronous = cpu_per_transaction()
    better = min(sync, asynchronous)
    print("(b) CPU per Modbus transaction of 20 registers, same pty (limit ≤ 0.50 of the better pymodbus client)")
    print(
        f"    ours {ours * 1e6:.0f} µs, pymodbus sync {sync * 1e6:.0f} µs, async {asynchronous * 1e6:.0f} µs:", end=" "
    )
    print(f"ratio {ours / better:.2f}")
    print("(e) healthy round with one dead of five / healthy ones alone (limit ≤ 1.05)")
    print(f"    {stretch_by_a_dead_meter():.3f}")


if __name__ == "__main__":
    main()
