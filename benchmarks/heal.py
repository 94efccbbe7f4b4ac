"""Healing 30 days of half-hours from (m) a Mercury and (n) a SPODES meter at 9600 bit/s, against the time on the wire,
and (o) what filling adds to polls that are due meanwhile.

Fake time with exact octet times: worker, filler, store, Link and drivers are the daemon's own, the port is a script.
The figures are those of a line without the delays of a converter or an operating system, the same on every machine.

What the wire takes at least, each row once: of a Mercury as many questions of the largest size (17 records, or one
where its silences are too short for long answers) as the rows need, with the silence that the maker demands before each
frame; of a SPODES meter one question for the whole span in an open association, its frames and blocks as large as the
meter makes them, with the 20 ms that it takes for each answer.
"""

import logging
import statistics
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.config.values import Meter, Poll
from agent.meters.state import MeterState
from protocols.mercury.timing import system_timeout
from protocols.session import Line
from tests.support import archive_bus, dlms
from tests.support.archive_bus import HALF, House

DAYS = 30
ROWS = DAYS * 48
LINE = Line()
NOW = datetime(2026, 11, 21, 9, 1, tzinfo=UTC)
INSTALLED = date(2026, 10, 22)  # the local midnight before the first of the rows
QUIET = Poll(now=None, network=None, interval=1800.0, day=None, month=None, event=None)
BUSY = Poll(now=60.0, network=None, interval=1800.0, day=None, month=None, event=None)
LEAST = 0.9
QUESTION, SINGLE, LONG, RECORDS = 8, 18, 258, 17  # octets of a Mercury's frames, records of a long answer
METERS = 8
LONG_AGO = date(2026, 6, 15)  # so much is missing that filling goes on all the time
MINUTES = 15  # that polls and filling share the bus


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


class Counting(House):
    """Notes when a frame began or ended on the line, and the octets of both directions."""

    octets = 0
    heard = 0.0  # when the last answer ended

    def _answer(self, request: bytes) -> list[tuple[float, bytes]]:
        said = super()._answer(request)
        self.octets += len(request) + sum(len(piece) for _, piece in said)
        self.heard = self.time.now + len(request) * LINE.character + max((after for after, _ in said), default=0.0)
        return said

    def _calendar(self) -> None:
        """No days and months here."""

    def healed(self, wire: float) -> Healed:
        """From the moment at which the filler knows what is missing to the last answer that it needed."""
        self.start()
        point = self.meters[0].config.point
        self.run(timedelta(hours=1), lambda: bool(self.filler.missing(point).get("interval")))
        begun, octets, missing = self.time.now, self.octets, self.filler.missing(point)["interval"] or 0
        self.run(timedelta(hours=1), self.whole)
        self.flush()
        found = len(self.moments("interval"))
        self.stop()
        if found < missing:
            raise RuntimeError(f"{found} of {missing} intervals came")
        return Healed(missing, self.heard - begun, self.octets - octets, wire * missing / ROWS)


class SpodesHouse(Counting):
    """The same house with a SPODES meter."""

    def _meter(self, number: int, archive: dict[str, Any], meter: dict[str, Any]) -> Any:
        return dlms.station(dlms.spodes(now=lambda: self.now, start=NOW - timedelta(days=60)))

    def _asked(self, request: bytes) -> Any:
        return self.simulated[0]

    def _state(self, number: int) -> MeterState:
        config = Meter("flat-1", "riser", "spodes", "17", "40701", LINE, self.poll, **self.config)
        return MeterState(config, dlms.driver(dlms.plan()), LINE, self.zone)


def mercury(folder: Path, multiplier: int) -> Healed:
    """A meter with this time-out multiplier n in its settings and ours: long answers from 25 ms of silence on."""
    silence = system_timeout(LINE.speed, multiplier)
    answers, size = (ceil(ROWS / RECORDS), LONG) if multiplier >= 5 else (ROWS, SINGLE)
    archive_bus.SETTINGS["multiplier"] = multiplier
    house = Counting(folder, NOW, poll=QUIET, installed=INSTALLED, delay=silence)
    return house.healed(answers * ((QUESTION + size) * LINE.character + 2 * silence))


def spodes(folder: Path) -> Healed:
    there = dlms.station(dlms.spodes(now=lambda: NOW, start=NOW - timedelta(days=60)))
    reads, wire = dlms.opened(dlms.plan(rows=ROWS + 1), there.answer)
    list(reads.interval(wire, NOW - HALF, NOW))
    octets, answers = wire.octets, len(wire.heard)
    last = NOW.replace(minute=0)
    assert len(list(reads.interval(wire, last - (ROWS - 1) * HALF, last))) == ROWS
    seconds = (wire.octets - octets) * LINE.character + (len(wire.heard) - answers) * there.delay
    return SpodesHouse(folder, NOW, poll=QUIET, installed=INSTALLED).healed(seconds)


def lateness(folder: Path, installed: date) -> list[float]:
    """Seconds from the minute to each meter's reading, on a bus of Mercury meters that keep so much."""
    archive_bus.SETTINGS["multiplier"] = 5
    house = Counting(folder, NOW, METERS, poll=BUSY, installed=installed, delay=system_timeout(LINE.speed, 5))
    house.start()
    house.run(timedelta(minutes=2))
    since = house.now
    house.run(timedelta(minutes=MINUTES))
    house.flush()
    found = [record.read_at for n in range(METERS) for record in house.records("now", n + 1) if record.read_at >= since]
    house.stop()
    return [at.second + at.microsecond / 1_000_000 for at in found]


def main() -> int:
    logging.disable(logging.WARNING)
    with TemporaryDirectory(prefix="meterpost-bench-") as name:
        folders = [Path(name) / str(number) for number in range(5)]
        for folder in folders:
            folder.mkdir()
        found = {
            "a Mercury, 17 records an answer": mercury(folders[0], 5),
            "a Mercury, one record an answer": mercury(folders[1], 1),
            "a SPODES meter": spodes(folders[2]),
        }
        filling, idle = lateness(folders[3], LONG_AGO), lateness(folders[4], NOW.date())
    for letter, (what, healed) in zip("mmn", found.items(), strict=True):
        print(
            f"({letter}) {healed.rows} half-hours of {what}: {healed.seconds:.1f} s, {healed.octets} octets; "
            f"the wire takes {healed.wire:.1f} s: {healed.ratio:.2f} (at least {LEAST:.2f})"
        )
    exchange = (QUESTION + LONG) * LINE.character + 2 * system_timeout(LINE.speed, 5)
    worst, mean = max(filling) - max(idle), statistics.mean(filling) - statistics.mean(idle)
    print(
        f"(o) {len(filling)} readings of {METERS} meters polled each minute while their archives are filled: later by "
        f"{mean:.3f} s on average, {worst:.3f} s at worst; an exchange of filling takes {exchange:.3f} s (at most one)"
    )
    sound = all(each.ratio >= LEAST for each in found.values()) and worst <= exchange and len(filling) == len(idle)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
