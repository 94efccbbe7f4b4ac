"""The store against bare sqlite3, on a block device: ``python -m benchmarks.store``.

(c) durable commits a second against bare sqlite3 doing the same inserts with the same syncs; (g) bytes that reach the
block device per poll round of ten meters, and bytes kept per value. Device bytes are those of
``/sys/block/loopN/stat``, field 7 (sectors of 512 bytes written; kernel document block/stat.rst): journal of the file
system, checkpoints and high-water mark included. Mounting a loop device takes root.
"""

import os
import random
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from buffer.record import Record
from buffer.store import Store

CODES = ("1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2", "1-0:1.8.3", "1-0:1.8.4")
START = datetime(2026, 11, 1, tzinfo=UTC)
ROUND = timedelta(minutes=15)
METERS = 10
IMAGE = 256  # MiB

LIMIT_COMMITS = 0.8
LIMIT_DEVICE = 12_000
LIMIT_VALUE = 60


class NotMeasured(Exception):
    """Says why."""


def poll_round(number: int, chance: random.Random) -> list[Record]:
    """Ten meters, five registers each, 100 bytes of raw replies that do not compress better than a meter's do."""
    records = []
    for meter in range(METERS):
        at = START + number * ROUND + timedelta(milliseconds=500 * meter + chance.randrange(100))
        tariffs = [1_000_000 + 350_000 * meter + number * 17 * (tariff + 1) for tariff in range(4)]
        registers = [sum(tariffs), *tariffs]
        records.append(
            Record(
                kind="now",
                point=f"flat-{meter + 1}",
                meter=f"{23456780 + meter}",
                at=at,
                read_at=at + timedelta(milliseconds=180 + chance.randrange(80)),
                meter_offset=chance.randrange(-2, 3),
                values=dict(zip(CODES, registers, strict=True)),
                # Five answers of 20 bytes: an address, 16 bytes of registers, two of checksum.
                frames=b"".join(
                    bytes([meter + 1]) + register.to_bytes(4, "little") + b"\xff" * 4 + chance.randbytes(9) + b"\0\0"
                    for register in registers
                ),
            )
        )
    return records


@contextmanager
def block_device(blocks: int = 4096) -> Iterator[tuple[Path, Callable[[], int]]]:
    """A fresh ext4 on a loop device: where it is mounted, and the bytes written to it so far."""
    with tempfile.TemporaryDirectory() as space:
        image, mount = Path(space, "image"), Path(space, "mount")
        mount.mkdir()
        with image.open("wb") as file:
            file.truncate(IMAGE << 20)
        try:
            subprocess.run(
                ["mkfs.ext4", "-q", "-b", str(blocks), "-E", "lazy_itable_init=0,lazy_journal_init=0", image],
                check=True,
            )
            subprocess.run(["mount", "-o", "loop", image, mount], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as trouble:
            raise NotMeasured(f"no loop device: {trouble}") from trouble
        try:
            device = subprocess.run(["findmnt", "-no", "SOURCE", mount], check=True, capture_output=True, text=True)
            stat = Path("/sys/block", Path(device.stdout.strip()).name, "stat")

            def written() -> int:
                os.sync()
                return int(stat.read_text().split()[6]) * 512

            yield mount, written
        finally:
            subprocess.run(["umount", mount], check=True)


def device_bytes(rounds: int = 2000, apart: bool = False, alone: bool = False) -> float:
    """Bytes on the device per round: put and the receipt for the round before in one transaction.

    ``apart``: the receipt is a transaction of its own. ``alone``: every round is written back before the next one, as
    when rounds are minutes apart.
    """
    chance = random.Random(1)
    with block_device() as (mount, written):
        store = Store.open(mount / "state", now=lambda: START)
        before = written()
        for number in range(rounds):
            last = store.last_seq
            if apart:
                store.put(poll_round(number, chance))
                store.confirm([(1, last + METERS)])
            else:
                store.apply(poll_round(number, chance), confirmed=[(1, last)])
            if alone:
                os.sync()
        size = written() - before
        store.close()
    return size / rounds


def bytes_per_value(rounds: int = 2000) -> float:
    """Bytes of the database after this many rounds, all of it: index, checksums, raw frames."""
    chance = random.Random(2)
    with tempfile.TemporaryDirectory() as space:
        store = Store.open(Path(space), now=lambda: START, reserve=0)
        for number in range(0, rounds, 50):
            store.put([record for one in range(number, number + 50) for record in poll_round(one, chance)])
        store.close()
        return Path(space, "store.db").stat().st_size / (rounds * METERS * len(CODES))


def commits_ratio(runs: int = 5, commits: int = 150, size: int = METERS, space: Path | None = None) -> float:
    """Transactions of ten records a second: the store's, divided by those of bare sqlite3 with the same records.

    The two take turns, commit by commit, so that a busy machine hinders both alike. The store's time holds everything
    from the record to the high-water mark; bare sqlite3 is given its columns ready made. ``room``: where the files
    are, a fresh block device where it is not given.
    """
    if space is None:
        with block_device() as (mount, _):
            return commits_ratio(runs, commits, size, mount)
    return statistics.median(_turns(random.Random(run), commits, size, space) for run in range(runs))


def _turns(chance: random.Random, commits: int, size: int, where: Path) -> float:
    with tempfile.TemporaryDirectory(dir=where) as space:
        store = Store.open(Path(space, "ours"), now=lambda: START)
        bare = _bare(Path(space, "bare.db"))
        ours = theirs = 0.0
        for number in range(commits):
            records = poll_round(number, chance)[:size]
            columns = [_columns(record) for record in records]
            start = time.perf_counter()
            store.put(records)
            between = time.perf_counter()
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(f"INSERT INTO records VALUES (NULL{', ?' * 13})", columns)
            bare.execute("COMMIT")
            ours += between - start
            theirs += time.perf_counter() - between
        bare.close()
        store.close()
    return theirs / ours


def _bare(path: Path) -> sqlite3.Connection:
    """WAL and FULL as the store has them, a unique index on the natural key, all else SQLite's own."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("PRAGMA synchronous = full")
    db.execute(
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, kind TEXT, point TEXT, meter TEXT, at TEXT, read_at TEXT, "
        "clock TEXT, meter_offset INTEGER, v0 INTEGER, v1 INTEGER, v2 INTEGER, v3 INTEGER, v4 INTEGER, frames BLOB)"
    )
    db.execute("CREATE UNIQUE INDEX moments ON records (at, point, meter, kind)")
    return db


def _columns(record: Record) -> tuple[object, ...]:
    return (
        *(record.kind, record.point, record.meter, record.at.isoformat(), record.read_at.isoformat()),
        *(record.clock, record.meter_offset, *record.values.values(), record.frames),
    )


def main() -> None:
    lines: list[tuple[str, Callable[[], float], str]] = [
        ("durable commits of ten records, store : bare sqlite3", commits_ratio, f"at least {LIMIT_COMMITS}"),
        ("  … of one record", lambda: commits_ratio(size=1), "for comparison"),
        (
            "  … of ten records on this machine's own disk",
            lambda: commits_ratio(space=Path(tempfile.gettempdir())),
            "for comparison: the faster a sync, the more the time to pack a record weighs",
        ),
        ("bytes kept per value", bytes_per_value, f"at most {LIMIT_VALUE}"),
        (
            "bytes on the device per round of ten meters",
            lambda: statistics.median(device_bytes() for _ in range(3)),
            f"at most {LIMIT_DEVICE}",
        ),
        ("  … the receipt in a transaction of its own", lambda: device_bytes(apart=True), "for comparison"),
        ("  … each round written back alone", lambda: device_bytes(100, alone=True), "for comparison"),
    ]
    for name, measure, limit in lines:
        try:
            print(f"{name}: {measure():.2f} ({limit})", flush=True)
        except NotMeasured as why:
            print(f"{name}: not measured: {why}", flush=True)


if __name__ == "__main__":
    main()
