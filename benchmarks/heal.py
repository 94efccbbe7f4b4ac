"""Healing 30 days of half-hours from (r) a Mercury and (s) a SPODES meter at 9600 bit/s, against the time on the wire.

Fake time with exact octet times: Link, dialogues and drivers are the daemon's own, the port is a script. The figures
are those of a line without the delays of a converter or an operating system, and the same on every machine.

What the wire takes at least, each row once: of a Mercury as many questions of the largest size (17 records, or one
where its silences are too short for long answers) as the rows need, with the silence that the maker demands before each
frame; of a SPODES meter one question for the whole span in an open association, its frames and blocks as large as the
meter makes them, with the 20 ms that it takes for each answer.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from agent.config.values import Meter, Poll
from agent.line.dialogue import Dialogue
from agent.line.link import Link
from agent.line.state import MeterState
from drivers.mercury230 import Mercury230
from drivers.reading import MeterPlan
from protocols.mercury.timing import system_timeout
from protocols.session import Line
from simulators import mercury230 as simulated
from simulators.mercury_archive import Archive
from simulators.pair import SimulatedMeter
from tests.drivers.mercury_support import truth
from tests.support import dlms
from tests.support.bus import FakeClock
from tests.support.wire import ScriptedPort, Time

DAYS = 30
HALF = timedelta(minutes=30)
ROWS = DAYS * 48
LINE = Line()
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # as the fake clock has it at its start
LEAST = 0.9
PIECE = 204  # slots that are asked for at once
QUESTION, SINGLE, LONG, RECORDS = 8, 18, 258, 17  # octets of a Mercury's frames, records of a long answer


@dataclass(frozen=True, slots=True)
class Healed:
    """``seconds`` and ``octets`` (both ways) that the rows took; ``wire``: seconds that the line takes at least."""

    rows: int
    seconds: float
    octets: int
    wire: float

    @property
    def ratio(self) -> float:
        return self.wire / self.seconds


class Bench:
    """One meter on a scripted line, with the daemon's dialogues."""

    def __init__(self, meter: SimulatedMeter, time: Time) -> None:
        self.meter, self.time, self.octets = meter, time, 0
        self.port = ScriptedPort(time, self._answer)
        self.link = Link(self.port, monotonic=time, sleep=time.sleep)
        self.dialogue = Dialogue(self.link, FakeClock(time), lambda *_: None)

    def _answer(self, request: bytes) -> list[tuple[float, bytes]]:
        said = self.meter.answer(request)
        self.octets += len(request) + len(said)
        return [(self.meter.delay + len(said) * LINE.character, said)] if said else []

    def heal(self, state: MeterState, wire: float) -> Healed:
        """As the daemon fills: the newest piece first, a dialogue each. What is learned once is learned before."""
        self._read(state, NOW - HALF, NOW)
        begun, octets, found = self.time.now, self.octets, 0
        last = NOW
        oldest = NOW - (ROWS - 1) * HALF
        while last >= oldest:
            first = max(oldest, last - (PIECE - 1) * HALF)
            found += self._read(state, first, last)
            last = first - HALF
        return Healed(found, self.time.now - begun, self.octets - octets, wire)

    def _read(self, state: MeterState, since: datetime, until: datetime) -> int:
        outcome = self.dialogue.run(state, ["interval"], span=(since, until))
        if outcome.failed:
            raise RuntimeError(f"{state.config.point}: {outcome.failed}")
        return len({record.at for record in outcome.records if record.kind == "interval"})


def state(driver: Any, model: str, address: str, serial: str) -> MeterState:
    config = Meter("p", "bench", model, address, serial, LINE, poll=Poll(now=60.0, network=None))
    return MeterState(config, driver, LINE)


def mercury(multiplier: int) -> Healed:
    """A meter with this time-out multiplier n in its settings and ours: long answers from 25 ms of silence on."""
    silence = system_timeout(LINE.speed, multiplier)
    time = Time()
    clock = FakeClock(time)
    now: Callable[[], datetime] = lambda: clock.stamp().utc  # noqa: E731
    archive = Archive(truth, now, "UTC", since=NOW - timedelta(days=60))
    meter = simulated.Mercury230(1, "20000001", now=lambda: now().replace(tzinfo=None), delay=silence, archive=archive)
    driver = Mercury230(MeterPlan("mercury230", "1", "20000001", LINE, settings={"multiplier": multiplier}, zone="UTC"))
    answers, size = (ceil(ROWS / RECORDS), LONG) if multiplier >= 5 else (ROWS, SINGLE)
    wire = answers * ((QUESTION + size) * LINE.character + 2 * silence)
    return Bench(meter, time).heal(state(driver, "mercury230", "1", "20000001"), wire)


def spodes() -> Healed:
    time = Time()
    clock = FakeClock(time)
    given: dict[str, Any] = {"now": lambda: clock.stamp().utc, "start": NOW - timedelta(days=60)}
    wire = one_question(dlms.spodes(**given | {"now": lambda: NOW}))
    meter = dlms.station(dlms.spodes(**given))
    return Bench(meter, time).heal(state(dlms.driver(dlms.plan()), "spodes", "17", "40701"), wire)


def one_question(meter: Any) -> float:
    """Seconds on the wire for all rows with one question."""
    there = dlms.station(meter)
    reads, wire = dlms.opened(dlms.plan(rows=ROWS + 1), there.answer)
    list(reads.interval(wire, NOW - HALF, NOW))
    octets, answers = wire.octets, len(wire.heard)
    rows = list(reads.interval(wire, NOW - (ROWS - 1) * HALF, NOW))
    assert len(rows) == ROWS
    return (wire.octets - octets) * LINE.character + (len(wire.heard) - answers) * there.delay


def told(letter: str, name: str, found: Healed) -> str:
    return (
        f"({letter}) {found.rows} half-hours of {name}: {found.seconds:.1f} s, {found.octets} octets; "
        f"the wire takes {found.wire:.1f} s: {found.ratio:.2f} (at least {LEAST:.2f})"
    )


def main() -> int:
    logging.disable(logging.WARNING)
    found = {
        "a Mercury, 17 records an answer": mercury(5),
        "a Mercury, one record an answer": mercury(1),
        "a SPODES meter": spodes(),
    }
    for letter, (name, healed) in zip("rrs", found.items(), strict=True):
        print(told(letter, name, healed))
    return 0 if all(each.rows == ROWS and each.ratio >= LEAST for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
