"""Simulated buses in a process of their own, so that their work is not counted as ours."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230
from simulators.modbus import ModbusMeter, b23, orno517
from simulators.pair import SimulatedMeter

Build = Callable[[int, int], list[SimulatedMeter]]
"""How many meters, number of the bus."""
MODBUS_SILENCE = 3.5  # characters (Modbus over serial line V1.02 §2.5.1.1)


def serial(bus: int, number: int) -> int:
    return 30000000 + 1000 * bus + number


def mercury_meters(count: int, bus: int = 0) -> list[SimulatedMeter]:
    """Meters 1…count that answer after the silence that the maker demands (5 ms at 9600 bit/s)."""
    return [
        Mercury230(
            address=number,
            serial=str(serial(bus, number)),
            registers={tariff: Energy(*[100_000 * (tariff or 6)] * 4) for tariff in range(4)} | {4: Energy(0, 0, 0, 0)},
        )
        for number in range(1, count + 1)
    ]


def modbus_meters(count: int, bus: int = 0) -> list[SimulatedMeter]:
    """ABB B23 and Orno OR-WE-517 in turn, answering after 3.5 characters at 9600 bit/s."""
    made: list[SimulatedMeter] = []
    for unit in range(1, count + 1):
        meter: ModbusMeter = (b23 if unit % 2 else orno517)(unit, serial(bus, unit))
        meter.set_energy({"total": 600_000, "T1": 100_000, "T2": 200_000, "T3": 300_000, "T4": 0})
        meter.delay = MODBUS_SILENCE * Line().character
        made.append(meter)
    return made


@contextmanager
def buses(*meters: tuple[Build, int], pace: bool = True) -> Iterator[tuple[list[str], Connection]]:
    """Ports of the buses that were asked for, and a pipe that answers "first" with the time of the first request."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with TemporaryDirectory(prefix="meterpost-bench-") as folder:
        process = context.Process(target=_serve, args=(theirs, Path(folder), meters, pace), daemon=True)
        process.start()
        try:
            yield ours.recv(), ours
        finally:
            ours.send("stop")
            process.join(10)


def _serve(pipe: Connection, folder: Path, meters: tuple[tuple[Build, int], ...], pace: bool) -> None:
    seen: dict[str, float] = {}
    lines = []
    for number, (build, count) in enumerate(meters):
        made = build(count, number)
        for meter in made:
            _watch(meter, seen)
        lines.append(PtyLine(made, link=folder / f"bus-{number}", pace=pace))
    for line in lines:
        line.start()
    pipe.send([str(line.path) for line in lines])
    while (asked := pipe.recv()) != "stop":
        pipe.send(seen.pop("first", None) if asked == "first" else None)
    for line in lines:
        line.stop()


def _watch(meter: Any, seen: dict[str, float]) -> None:
    answer = meter.answer

    def noted(request: bytes) -> bytes:
        seen.setdefault("first", time.monotonic())
        return bytes(answer(request))

    meter.answer = noted
