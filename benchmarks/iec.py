"""IEC 62056-21: (h) parse of a 60-line readout against the PyPI package iec62056-21; (i) line use of a CE303 read.

``python -m benchmarks.iec`` prints one line a figure. The package (BSD-3-Clause) is a peer of this benchmark only.
"""

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from agent.line.link import Link
from agent.line.port import Port
from drivers.iec62056.driver import families
from drivers.iec62056.obis import energies, network
from drivers.reading import MeterPlan
from protocols.iec62056.block import Block, parse
from protocols.iec62056.frames import answer, rules_kept
from protocols.session import Line
from simulators.iec62056 import ce303
from simulators.line import PtyLine
from simulators.pair import Station

LINES = 60
ROUNDS = 7
REPEATS = 200
LINE = Line(9600, "7E1")
REACTION = 0.2  # s: t_r, IEC 62056-21:2002 §6.4.3, owed by both ends


def telegram() -> bytes:
    """A readout of 60 lines as a three-phase meter sends it, with its check character."""
    lines = ["F.F(00000000)", "0.0.0(06213678)", "C.1.0(06213678)", "0.9.1(211156)", "0.9.2(260130)"]
    lines += [f"{c}.8.{e}(00{c}{e}4836.{e}{c}7*{'kWh' if c < 3 else 'kvarh'})" for c in range(1, 5) for e in range(5)]
    lines += [f"1-0:{p}{c}.7.0*255({230 + c}.{p}*{u})" for p in (3, 5, 7) for c, u in ((2, "V"), (1, "A"))]
    lines += [f"1.8.0*{n:02}(00{n}836.{n:03}*kWh)" for n in range(1, LINES - len(lines) + 1)]
    return answer("".join(f"{line}\r\n" for line in lines).encode() + b"!\r\n", "xor")


def data_sets(frame: bytes) -> Block:
    """Check character and data sets: what the package does too."""
    assert "xor" in rules_kept(frame)
    return parse(frame[1:-2])


def registers(frame: bytes) -> int:
    """The same and the registers in our units, as a poll does: their number."""
    block = data_sets(frame)
    return len(energies(block.sets).values) + len(network(block.sets).values)


def peer() -> Callable[[bytes], object] | None:
    """The package's own way from bytes to data sets; None where it is not installed."""
    try:
        messages = importlib.import_module("iec62056_21.messages")
    except ImportError:
        return None
    read: Callable[[bytes], object] = messages.ReadoutDataMessage.from_bytes
    return read


def seconds(work: Callable[[bytes], object], frame: bytes) -> float:
    """CPU seconds of one parse, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(REPEATS):
            work(frame)
        rounds.append((time.process_time() - begin) / REPEATS)
    return statistics.median(rounds)


def parse_times() -> tuple[float, float, float | None]:
    """CPU seconds for a telegram: to data sets, to registers, and the package's to data sets."""
    frame, other = telegram(), peer()
    return seconds(data_sets, frame), seconds(registers, frame), seconds(other, frame) if other else None


def use_of_line() -> tuple[float, float]:
    """Octets and mandatory reaction times of one CE303 dialogue (sign-on, serial number, all tariffs, break) divided
    by the time from its first octet to its last; and that time in seconds."""
    meter = ce303("41", energy={"total": 10_879_927, "T1": 8_032_516, "T2": 2_847_411})
    family = next(family for family in families() if family.name == "ce303")
    driver = family.build(MeterPlan("ce303", "41", meter.serial, LINE))
    ratios, times = [], []
    with PtyLine([Station(meter, LINE)], line=LINE, stamps=True) as line:
        port = Port(str(line.path), LINE)
        for _ in range(ROUNDS):
            done = len(line.traffic.transactions)
            link = Link(port)
            link.begin(LINE)
            ask = partial(link.ask, driver.session())
            driver.open(ask)
            driver.identify(ask)
            assert len(driver.now(ask).values) == 6
            driver.close(ask)
            time.sleep(0.1)  # the break leaves the line
            steps = line.traffic.transactions[done:]
            octets = sum(step.octets + step.answer_octets for step in steps)
            turns = 2 * len(steps) - 2  # each question but the last is answered, each but the first follows an answer
            times.append(steps[-1].end - steps[0].begin)
            ratios.append((octets * LINE.character + turns * REACTION) / times[-1])
        port.close()
    return statistics.median(ratios), statistics.median(times)


def main() -> int:
    own, whole, other = parse_times()
    against = f"{other / own:.2f} x the speed of iec62056-21" if other else "iec62056-21 is not installed"
    print(f"(h) parse of a {LINES}-line readout: {own * 1e6:.0f} µs, {against} (promise: at least 1.0)")
    print(f"    with its registers in our units: {whole * 1e6:.0f} µs")
    use, took = use_of_line()
    print(f"(i) line use of a CE303 read at 9600 bit/s: {use:.3f}, {took:.2f} s (promise: at least 0.9)")
    return 0 if use >= 0.9 and (other is None or other >= own) else 1


if __name__ == "__main__":
    sys.exit(main())
