"""Records as a plant would bring them, for the tests of the store."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from buffer.record import Record
from buffer.store import Store
from tests.support.stores import WatchedStore

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    """Wall and monotonic time that move only when told."""

    def __init__(self) -> None:
        self.wall = NOON
        self.seconds = 1000.0

    def __call__(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


def reading(number: int, point: str = "flat-1", **changes: object) -> Record:
    """The number-th reading of a point, a minute after the one before."""
    at = NOON + timedelta(minutes=number)
    fields: dict[str, object] = {
        "kind": "now",
        "point": point,
        "meter": "23456789",
        "at": at,
        "read_at": at + timedelta(milliseconds=250),
        "meter_offset": -1,
        "values": {"1-0:1.8.0": 2_000_100 + number, "1-0:1.8.1": 1_000_000 + number, "1-0:32.7.0": Decimal("230.1")},
        "frames": b"\x2d\x00\x05" + number.to_bytes(4, "big", signed=True) * 6,
    }
    return Record(**(fields | changes))  # type: ignore[arg-type]


def readings(first: int, last: int, **changes: Any) -> list[Record]:
    return [reading(number, **changes) for number in range(first, last + 1)]


def opened(directory: Path, now: Callable[[], datetime] | None = None, reserve: int = 0) -> WatchedStore:
    clock = now or Clock()
    return WatchedStore.open(directory, now=clock, reserve=reserve, monotonic=getattr(clock, "monotonic", None))


def everything(store: Store) -> list[tuple[int, str]]:
    return store.bodies(0, 10**12, 10**9)


def crashed(source: Path, target: Path) -> Path:
    """The files as a killed process leaves them."""
    target.mkdir()
    for name in ("store.db", "store.db-wal", "store.mark"):
        if (source / name).exists():
            (target / name).write_bytes((source / name).read_bytes())
    return target


class NoDisk(Exception):
    """Says why there is no loop device here."""


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """A real ext4 of this many MiB on a loop device: where it is mounted."""
    image, mount = folder / "image", folder / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(size << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as trouble:
        raise NoDisk(f"no loop device: {trouble}") from trouble
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)
