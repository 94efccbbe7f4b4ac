"""Months of a whole bus in fake time: what grows that should not.

The gateway polls, fills, loses its power and comes back, its records are confirmed and pruned; memory, descriptors and
the store's size are looked at once a simulated day. Simulated meters and the gateway share this process, so the truth
of all months is counted before the first look.
"""

import gc
import os
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.support.archive_bus import DAY, POLL, House

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
KEEP = 30  # days that confirmed records stay
NAP = 3600.0  # s; what is idle is not looked at more often
SETTLED = 40  # days until the store has all that it will ever keep
OUTAGES = 10  # days from one to the next, on average
MOST_MEMORY = 8.0  # MB by which the process may grow after it has settled
MOST_STORE = 1.15  # times its size


@dataclass(frozen=True, slots=True)
class Look:
    """At the end of a simulated day. ``memory`` and ``store`` in MB."""

    day: int
    memory: float
    descriptors: int
    store: float


@dataclass(slots=True)
class Soak:
    """``missing``: archive values that are missing at the end; ``stored``: records in all; ``seconds`` it took."""

    looks: list[Look] = field(default_factory=list)
    missing: int = 0
    stored: int = 0
    outages: int = 0
    seconds: float = 0.0


def soak(folder: Path, days: int, meters: int, seed: int = 1, every: float = 21600.0, keep: int = KEEP) -> Soak:
    """``every``: seconds between two polls of each kind; what happens between them is filling, or nothing."""
    began, dice, done = time.monotonic(), Random(seed), Soak()
    poll = replace(POLL, now=every, interval=every)
    house = House(folder, NOW, meters, poll=poll, keep_days=keep, installed=NOW.date() - 5 * DAY)
    for truth in house.truth:
        truth(NOW + (days + 2) * DAY)
    house.start()
    for day in range(days):
        house.run(DAY * dice.uniform(0.2, 0.8), nap=NAP)
        if dice.random() < 1 / OUTAGES:
            done.outages += 1
            house.stop()
            house.pass_by(DAY * dice.uniform(0.1, 3))
            house.start()
        house.run(max(timedelta(hours=1), NOW + (day + 1) * DAY - house.now), nap=NAP)
        house.flush()
        house.store.confirm([(1, house.store.last_seq)])
        house.store.prune(keep * DAY, keep / 3 * DAY)
        house.exchanges.clear()
        done.looks.append(tick(day, house.folder))
    house.run(timedelta(hours=6), house.whole)
    done.missing, done.stored = house.filler.progress("riser")["missing"], house.store.last_seq
    house.stop()
    done.seconds = time.monotonic() - began
    return done


def tick(day: int, folder: Path) -> Look:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    store = sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith("store.db"))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Look(day, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, descriptors, store / 1e6)


def main() -> int:
    days, meters = 90, 32
    with TemporaryDirectory(prefix="meterpost-soak-") as folder:
        done = soak(Path(folder), days, meters)
    settled, last = done.looks[SETTLED], done.looks[-1]
    print(
        f"{days} simulated days, {meters} meters, {done.outages} outages: {done.stored} records in {done.seconds:.0f} s"
    )
    print("  day   memory MB   descriptors   store MB")
    for one in done.looks[9::10]:
        print(f"  {one.day + 1:3}  {one.memory:10.1f}  {one.descriptors:12}  {one.store:9.1f}")
    checks = {
        f"memory grows by at most {MOST_MEMORY} MB": last.memory - settled.memory <= MOST_MEMORY,
        "descriptors do not grow": last.descriptors <= settled.descriptors,
        f"the store grows to at most {MOST_STORE} times": last.store <= settled.store * MOST_STORE,
        "nothing is missing at the end": done.missing == 0,
    }
    for words, kept in checks.items():
        print(f"  {'kept' if kept else 'BROKEN'}: {words}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
