"""The small files beside the database: the lock, the high-water mark, the reserve; and how files are put there."""

import fcntl
import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from buffer.faults import StoreBusy

MARK_SYNC = 60.0  # seconds between two syncs of the mark: a card has few writes to give


def sync_directory(path: Path) -> None:
    """Names made or removed in this directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(path: Path, content: bytes) -> None:
    """The file whole or not at all, for its owner only, on the disk when this returns. OSError.

    A command that root gives writes into a folder of the service's: what is found there under our names is replaced,
    never written through.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hand_over(fresh)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def hand_over(path: Path) -> None:
    """What root has made belongs to the folder's owner, or the service could not use it. A link itself, not what it
    points to."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        with suppress(FileNotFoundError):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def free(directory: Path) -> int:
    """Bytes that this disk has left."""
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


class Lock:
    """The store's one owner. The kernel lets go of it however the process ends."""

    def __init__(self, path: Path) -> None:
        """StoreBusy where another process has it."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(self._file, 20, 0).strip()
            os.close(self._file)
            pid = int(text) if text.isdigit() else None
            raise StoreBusy(f"the store {path.parent} is in use by process {pid or 'unknown'}", pid) from None
        self._write(b"%d" % os.getpid())

    def release(self) -> None:
        self._write(b"")
        os.close(self._file)

    def _write(self, pid: bytes) -> None:
        """Always of one length: a file that never shrinks needs no space when the disk is full."""
        os.pwrite(self._file, pid.ljust(20) + b"\n", 0)


class Mark:
    """The last ``seq`` of an epoch, kept outside the database: what SQLite forgets silently is noticed by it.

    One line, rewritten in place after each commit and synced once a minute. A line whose checksum fails is not a mark.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._monotonic = monotonic
        self._synced = float("-inf")  # the first write is synced
        if new:
            sync_directory(path.parent)

    def read(self) -> tuple[str, int] | None:
        line = os.pread(self._file, 80, 0)
        fields = line.split()
        if len(fields) != 3 or b"%08x" % zlib.crc32(b" ".join(fields[:2])) != fields[2]:
            return None
        return fields[0].decode("ascii", "replace"), int(fields[1])

    def write(self, epoch: str, last_seq: int) -> None:
        text = b"%s %020d" % (epoch.encode(), last_seq)
        os.pwrite(self._file, b"%s %08x\n" % (text, zlib.crc32(text)), 0)
        if self._monotonic() - self._synced >= MARK_SYNC:
            self.sync()

    def sync(self) -> None:
        os.fdatasync(self._file)
        self._synced = self._monotonic()

    def close(self) -> None:
        self.sync()
        os.close(self._file)


class Reserve:
    """Room on the disk that is given up when it is full, so that there is some to delete records with."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size

    def take(self) -> bool:
        """hold the space if the disk has it, and as much again. False: there is no reserve now."""
        if self._path.exists() or not self.size:
            return True
        if free(self._path.parent) < 2 * self.size:
            return False
        try:
            self._fill()
        except OSError:
            self.give_up()  # the space went in the meantime
            return False
        return True

    def give_up(self) -> bool:
        """Free the space; False where there was none."""
        with suppress(FileNotFoundError):
            self._path.unlink()
            return True
        return False

    def _fill(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(handle, 0, self.size)
        finally:
            os.close(handle)


def lengthen_wal(path: Path, size: int) -> None:
    """Fill the WAL with zeros up to this size, before it is used: appending to a file costs a card its journal too.

    Zeros end the log wherever they begin, for SQLite as for us (a frame of page 0 is none).
    """
    with path.open("ab") as file:
        missing = size - file.tell()
        if missing > 0:
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())
