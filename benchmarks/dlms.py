"""DLMS against gurux-dlms (GPL, development only), side by side: decoding a load profile, octets and CPU of reading.

``python -m benchmarks.dlms`` prints one line a figure. Both clients talk to the same simulated meter in this process;
the meter's own CPU time is measured and taken off. Medians of several rounds.
"""

import contextlib
import importlib.util
import io
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from drivers.dlms.driver import DlmsMeter
from drivers.dlms.profile import values
from protocols.dlms.hdlc import Limits
from simulators.dlms import HdlcMeter
from tests.support.dlms import NOW, Wire, driver, plan, spodes, station

ROUNDS = 9
DAY = timedelta(days=1)
LOWER = 4583  # a four-octet address, as on a bus
LIMITS = Limits(1024, 1024, 1, 1)
ENERGIES = [f"1.0.{group}.8.{number}.255" for group in (1, 2, 3, 4) for number in range(5)]
LOAD = "1.0.99.1.0.255"


class Meter:
    """A simulated meter that knows what CPU time it took itself and how many octets crossed the line."""

    def __init__(self) -> None:
        self._there: HdlcMeter = station(spodes(), lower=LOWER, limits=LIMITS)
        self.seconds = 0.0
        self.octets = 0

    def answer(self, request: bytes) -> bytes:
        begin = time.process_time()
        said = self._there.answer(request)
        self.seconds += time.process_time() - begin
        self.octets += len(request) + len(said)
        return said

    def measured(self, work: Callable[[], Any]) -> tuple[float, int, Any]:
        """CPU seconds of the client alone, octets both ways, and what came of it."""
        own, octets, begin = self.seconds, self.octets, time.process_time()
        found = work()
        return time.process_time() - begin - (self.seconds - own), self.octets - octets, found


def ours(meter: Meter) -> tuple[DlmsMeter, Wire]:
    reads = driver(plan(address=str(LOWER)))
    wire = Wire(reads.session(), meter.answer)
    reads.open(wire)
    reads.identify(wire)
    reads.now(wire)  # scales and columns are learned once for a meter and firmware
    list(reads.interval(wire, NOW - timedelta(hours=1), NOW))
    return reads, wire


def theirs(meter: Meter) -> Any:
    from gurux_dlms import GXDLMSClient

    from tests.support.gurux import Gurux

    waiting: list[bytes] = []
    peer = Gurux(
        lambda data: waiting.append(meter.answer(data)),
        waiting.pop,
        address=GXDLMSClient.getServerAddress(1, LOWER, 4),
    )
    peer.client.hdlcSettings.maxInfoTX = peer.client.hdlcSettings.maxInfoRX = LIMITS.receive
    peer.open()
    return peer


def gurux_energies(peer: Any, at_once: bool) -> list[int]:
    """Raw values: each by a GET of its own, as its ``read`` does, or with its ``readList``."""
    from gurux_dlms.objects import GXDLMSRegister

    items = [GXDLMSRegister(code) for code in ENERGIES]
    with contextlib.redirect_stdout(io.StringIO()):
        if at_once:
            found: list[Any] = []
            for request in peer.client.readList([(item, 2) for item in items]):
                found += peer.exchange(request).value
            peer.client.updateValues([(item, 2) for item in items], found)
            return [int(item.value) for item in items]
        return [peer.exchange(peer.client.read(item, 2)).value for item in items]


def gurux_profile(peer: Any) -> Any:
    from gurux_dlms.objects import GXDLMSProfileGeneric

    item = GXDLMSProfileGeneric(LOAD)
    with contextlib.redirect_stdout(io.StringIO()):
        peer.client.updateValue(item, 3, peer.exchange(peer.client.read(item, 3)).value)
    return item


def exact_rows(reads: DlmsMeter, wire: Wire) -> list[Any]:
    """Exact values with their UTC stamps, not yet made readings: what gurux-dlms' buffer is the nearest to."""
    return [(row.at, values(row, shape)) for shape, row in reads._rows(wire, "interval", NOW - DAY, NOW)]


def figures() -> dict[str, float]:
    """Medians: CPU seconds of each client and octets on the line, for energies and for a day of the load profile."""
    from datetime import datetime

    meters = Meter(), Meter()
    reads, wire = ours(meters[0])
    peer = theirs(meters[1])
    item = gurux_profile(peer)
    samples: dict[str, list[float]] = {}

    def note(name: str, meter: Meter, work: Callable[[], Any]) -> Any:
        cpu, octets, found = meter.measured(work)
        samples.setdefault(f"{name} cpu", []).append(cpu)
        samples.setdefault(f"{name} octets", []).append(octets)
        return found

    since, until = (datetime(each.year, each.month, each.day, each.hour, each.minute) for each in (NOW - DAY, NOW))
    for _ in range(ROUNDS):
        reading = note("our energies", meters[0], lambda: reads.now(wire))
        rows = note("our day", meters[0], lambda: list(reads.interval(wire, NOW - DAY, NOW)))
        note("our rows", meters[0], lambda: exact_rows(reads, wire))
        single = note("their energies", meters[1], lambda: gurux_energies(peer, False))
        listed = note("their list", meters[1], lambda: gurux_energies(peer, True))
        table = note("their day", meters[1], lambda: peer.rows(item, since, until))
    assert [value * 1000 for value in reading.values.values()] == single == listed
    assert [row.values["1-0:1.29.0"] * 1000 for row in rows] == [row[1] for row in table][-len(rows) :]
    assert len(rows) == len(table) == 48
    return {name: statistics.median(each) for name, each in samples.items()}


def main() -> None:
    if importlib.util.find_spec("gurux_dlms") is None:
        print("(j) (k) (l) DLMS: gurux-dlms is not installed, nothing to compare with")
        return
    found = figures()
    day = found["their day cpu"] / found["our rows cpu"]
    octets = found["our energies octets"] / found["their energies octets"]
    both = [found[f"{who} energies cpu"] + found[f"{who} day cpu"] for who in ("our", "their")]
    print(
        f"(j) 48 rows of a load profile, frames to exact values: {found['our rows cpu'] * 1000:.2f} ms, "
        f"gurux-dlms {found['their day cpu'] * 1000:.2f} ms: {day:.1f} times faster (at least 5)"
    )
    print(
        f"(k) octets for 20 energies: {found['our energies octets']:.0f}, "
        f"gurux-dlms {found['their energies octets']:.0f} (its list: {found['their list octets']:.0f}): "
        f"{octets:.2f} (at most 0.50)"
    )
    print(
        f"(l) CPU for 20 energies and a day of profile: {both[0] * 1000:.2f} ms, gurux-dlms {both[1] * 1000:.2f} ms: "
        f"{both[0] / both[1]:.2f} (at most 0.33)"
    )


if __name__ == "__main__":
    main()
