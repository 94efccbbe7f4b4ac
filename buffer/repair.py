"""The keeper of the store's files: opens them, and mends what a fault has broken. docs/store.md has the table."""

import errno
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from buffer import faults, salvage, schema, states
from buffer.faults import Damaged, StoreError, StoreEvent, StoreForbidden, StoreTooNew, StoreUnusable
from buffer.files import Lock, Mark, Reserve, free, lengthen_wal
from buffer.record import Record
from buffer.tables import WAL_SIZE, Tables, connect

T = TypeVar("T")
Now = Callable[[], datetime]
Monotonic = Callable[[], float]

RESERVE = 8 << 20
ATTEMPTS = 100  # how often one write may make space or begin anew before it is given up
UNCONFIRMED = (states.PENDING, states.REFUSED, states.HELD, states.DAMAGED)
CHUNK = 500  # records deleted in one transaction: its log fits into the WAL that is there
FEW = 100  # the same of unconfirmed ones: not more than has to be
SPARE_PAGES = 100  # free pages inside the file that a write finds enough beside its records
RECORD = 400  # bytes of a record at most, except for its raw frames
NEARLY_FULL = 256 << 10  # bytes free: an I/O error of SQLite with no more than this is a full disk


class Keeper:
    """Owns lock, mark, reserve and tables. ``change`` writes, ``ask`` reads; both mend and try again.

    ``tables`` is another object after a new epoch has begun: hold on to it for one question only.
    """

    CHECKED: ClassVar[int] = 16 << 20
    """Bytes: a store up to this size is checked whole when it is opened; beyond, damage shows on use."""

    def __init__(self, directory: Path, now: Now, monotonic: Monotonic, reserve: int, read_only: bool = False) -> None:
        self.directory = directory
        self.path = directory / salvage.NAME
        self.now = now
        self.monotonic = monotonic
        self.events: list[Record] = []
        self.latest: Record | None = None  # whose clock state the store's own events share
        self._raised: deque[Record] = deque()
        self._writing = threading.RLock()
        self._reserve = Reserve(directory / "store.reserve", reserve)
        self._read_only = read_only
        self._lock: Lock | None = None
        self._mark: Mark | None = None
        self._low = False  # the disk is nearly full: the reserve is given up
        self._opened = False
        self._failed: str | None = None
        self.tables: Tables

    @classmethod
    def open(cls, directory: Path, *, now: Now, reserve: int, read_only: bool, monotonic: Monotonic | None) -> Self:
        keeper = cls(directory, now, monotonic or time.monotonic, reserve, read_only)
        try:
            if (schema.peek(keeper.path) or 0) > schema.VERSION:
                raise StoreTooNew(f"{keeper.path} was written by a newer meterpost; this one leaves it alone")
            if read_only:
                keeper._look()
            else:
                keeper._open()
        except FileNotFoundError:
            if read_only:
                raise
            raise StoreUnusable(f"{directory} cannot be made") from None
        except OSError as trouble:
            kind = StoreForbidden if isinstance(trouble, PermissionError) else StoreUnusable
            raise kind(f"{trouble.filename or directory}: {trouble.strerror}") from trouble
        except (sqlite3.Error, Damaged) as trouble:
            raise StoreUnusable(f"{keeper.path}: {trouble}") from trouble
        return keeper

    # Opening

    def _look(self) -> None:
        if not self.path.exists():
            raise FileNotFoundError(errno.ENOENT, "no store here", str(self.path))
        self.tables = Tables(self.path, self._writing, read_only=True)
        self.tables.write.execute("BEGIN")
        self.tables.load()

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.directory / "store.lock")
        try:
            salvage.finish(self.directory, self.now())
            self._mark = Mark(self.directory / "store.mark", self.monotonic)
            try:
                self._attach(self._mark)
            except (OSError, sqlite3.Error) as trouble:
                if not self._is_full(trouble) or not self._reserve.give_up():
                    raise
                self._attach(self._mark)
            self._mark.write(self.tables.epoch, self.tables.last_seq)
            self._low = not self._reserve.take()
            self._opened = True
        except BaseException:
            self._lock.release()
            raise

    def _attach(self, mark: Mark) -> None:
        known = mark.read()
        wal = self._wal()
        marked = known[1] if known else 0
        if not self.path.exists():
            self._renew(wal, marked, "the store's file is gone" if marked else None)
            return
        try:
            self._connect()
        except (sqlite3.Error, Damaged) as trouble:
            if isinstance(trouble, sqlite3.Error) and faults.kind_of(trouble, self._full()) != faults.BROKEN:
                raise
            self._shut()
            self._renew(wal, marked, str(trouble))
            return
        if known and known[0] == self.tables.epoch and self.tables.last_seq < marked:
            self._shut()
            text = f"the store ends at number {self.tables.last_seq}, {marked} had been given"
            self._renew(wal, marked, text, "store-tail-lost")
        elif not known and self.tables.last_seq:
            self.events.append(self._event("store-mark-lost", "the high-water mark was missing or damaged"))

    def _connect(self) -> None:
        with suppress(OSError):  # no space for a long log: it grows as it needs
            lengthen_wal(Path(f"{self.path}-wal"), WAL_SIZE)
        db = connect(self.path, "rw")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > schema.VERSION:
                raise StoreTooNew(f"{self.path} was written by a newer meterpost; this one leaves it alone")
            if 0 < version < schema.VERSION:
                schema.migrate(db, version)
            if self.path.stat().st_size <= self.CHECKED:
                (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise Damaged(str(verdict))
            self.tables = Tables(self.path, self._writing)
            self.tables.load()
        finally:
            db.close()

    def _wal(self) -> bytes:
        try:
            return Path(f"{self.path}-wal").read_bytes()
        except FileNotFoundError:
            return b""

    def _shut(self) -> None:
        if hasattr(self, "tables"):
            with suppress(sqlite3.Error):  # nothing of a damaged file is worth an error any more
                self.tables.close()

    # Using

    def ask(self, question: Callable[[Tables], T]) -> T:
        """The answer of what is committed. Damage that shows is mended first."""
        for _ in range(ATTEMPTS):
            tables = self._usable()
            try:
                return question(tables)
            except (sqlite3.Error, Damaged) as trouble:
                with self._writing:
                    if tables is self.tables:
                        self._mend(trouble)
        raise StoreUnusable(f"{self.path}: damaged again and again")

    def change(self, work: Callable[[Tables], T], records: Sequence[Record] = ()) -> T:
        """One transaction, on the disk when it returns. Runs ``work`` again after a fault was mended. ``records`` are
        those that it brings: a full disk makes space for them first."""
        with self._writing:
            self._stay_clear(records)
            for _ in range(ATTEMPTS):
                tables = self._usable()
                before = tables.last_seq
                try:
                    with tables.transaction():
                        result = work(tables)
                except (sqlite3.Error, Damaged) as trouble:
                    self._mend(trouble)
                    continue
                if tables.last_seq != before:
                    self._write_mark()
                return result
        raise StoreUnusable(f"{self.path}: {ATTEMPTS} attempts to make space or to begin anew did not help")

    def soon(self, work: Callable[[Tables], T]) -> T:
        """Change memory only, between two transactions."""
        with self._writing:
            return work(self._usable())

    def set_aside(self, numbers: Sequence[int]) -> None:
        """These cannot be read (a checksum fails, a number has no bounds): they stay, are never sent, and an event says
        so."""
        epoch = self.tables.epoch

        def work(tables: Tables) -> None:
            still = [seq for seq in numbers if tables.ranges.state(seq) == states.PENDING]
            if tables.epoch == epoch and still:
                for seq in still:
                    tables.set_state(seq, seq, states.DAMAGED)
                listed = ", ".join(map(str, still[:20])) + (" …" if len(still) > 20 else "")
                self._put_event(tables, "record-damaged", f"{len(still)} records cannot be read: {listed}")

        self.change(work)

    def raised(self) -> list[Record]:
        """Events that faults have put into the store since the last question."""
        return [self._raised.popleft() for _ in range(len(self._raised))]

    def prune(self, keep_from: int, frames_from: int) -> int:
        """Limits in ms since 1970, compared with ``read_at``."""
        count = 0
        first = 1
        while runs := self.tables.ranges.runs(first, self.tables.last_seq, (states.CONFIRMED,), enough=1):
            last = min(runs[0].last, runs[0].first + CHUNK - 1)
            deleted = self.change(partial(Tables.delete_older, first=runs[0].first, last=last, limit=keep_from))
            if not deleted:  # numbers are given in the order of reading: what follows is younger still
                break
            count += deleted
            first = last + 1
        while self.change(lambda tables: tables.delete_frames(frames_from, CHUNK)):
            pass
        self.change(Tables.save_newest)
        self._low = not self._reserve.take()
        return count

    def close(self) -> None:
        with self._writing:
            if self._failed:
                return
            self._failed = "the store is closed"
            if not self._read_only:
                with suppress(sqlite3.Error, Damaged), self.tables.transaction():
                    self.tables.save_newest()  # only spares the next opening some work
            self._shut()
            if self._mark:
                self._mark.close()
            if self._lock:
                self._lock.release()

    def _usable(self) -> Tables:
        if self._failed:
            raise StoreUnusable(self._failed)
        return self.tables

    def _write_mark(self) -> None:
        if self._mark:
            try:
                self._mark.write(self.tables.epoch, self.tables.last_seq)
            except OSError as trouble:
                raise StoreUnusable(f"store.mark: {trouble.strerror}") from trouble

    # Mending

    def _mend(self, trouble: sqlite3.Error | Damaged) -> None:
        """After it the same work may succeed; StoreUnusable where nothing can be done."""
        if isinstance(trouble, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise trouble  # our own mistake
        kind = faults.BROKEN if isinstance(trouble, Damaged) else faults.kind_of(trouble, self._full())
        if self._read_only or kind == faults.UNUSABLE:
            raise StoreUnusable(f"{self.path}: {trouble}") from trouble
        try:
            if kind == faults.FULL:
                self._make_room()
            else:
                marked = self.tables.last_seq
                wal = self._wal()
                self._shut()
                self._renew(wal, marked, str(trouble))
        except StoreError:
            raise
        except (OSError, sqlite3.Error, Damaged) as second:
            if kind != faults.FULL:
                self._failed = f"{self.path}: {trouble}; mending it failed: {second}"
            raise StoreUnusable(f"{self.path}: {trouble}; mending it failed: {second}") from second

    def _renew(self, wal: bytes, marked: int, reason: str | None, code: StoreEvent = "store-damaged") -> None:
        """A new epoch. ``reason`` is None where there was no store before. The old tables are closed already."""
        carried = salvage.renew(self.directory, wal, marked, self.now())
        self._connect()
        if reason is None:
            return
        text = f"{reason}; {carried.records} records carried over, {carried.lost} could not be saved"
        if self._opened:
            with self.tables.transaction():
                self._put_event(self.tables, code, text)
            self._write_mark()
        else:
            self.events.append(self._event(code, text))

    def _make_room(self) -> None:
        """The reserve first, so that deleting has space for its log; then what is worth least."""
        reserve = self._reserve.give_up()
        self._low = True
        with suppress(sqlite3.Error):  # may not be possible either: deleting is tried nevertheless
            self.tables.write.execute("PRAGMA wal_checkpoint(PASSIVE)")
        aside = salvage.aside(self.directory)
        if aside:
            salvage.remove(aside[0])
        elif not self._delete_oldest((states.CONFIRMED,)) and not reserve and not self._delete_oldest(UNCONFIRMED):
            raise StoreUnusable(f"{self.directory}: no space on the disk, and nothing left to delete")

    def _stay_clear(self, records: Sequence[Record]) -> None:
        """Once the reserve is given up: delete before the disk is full again, for a log that cannot be written back
        (the main file cannot grow) could not take the deletion either."""
        if not self._low or self._failed or free(self.directory) >= self._reserve.size // 2:
            return
        wanted = SPARE_PAGES + sum(RECORD + len(record.frames) for record in records) // schema.PAGE
        try:
            while self._spare() < wanted:
                if not self._delete_oldest((states.CONFIRMED,)) and not self._delete_oldest(UNCONFIRMED):
                    return
        except (sqlite3.Error, Damaged) as trouble:
            self._mend(trouble)

    def _spare(self) -> int:
        (pages,) = self.tables.write.execute("PRAGMA freelist_count").fetchone()
        return int(pages)

    def _delete_oldest(self, states: tuple[str, ...]) -> bool:
        """One chunk of these; False if there is none."""
        counted = states == UNCONFIRMED
        most = FEW if counted else CHUNK
        runs = self.tables.ranges.runs(1, self.tables.last_seq, states, enough=most)
        if runs:
            self._delete(runs, most, counted)
        return bool(runs)

    def _delete(self, runs: list[states.Run], most: int, counted: bool) -> None:
        left = most
        with self.tables.transaction():
            for run in runs:
                last = min(run.last, run.first + left - 1)
                self.tables.delete(run.first, last)
                left -= last - run.first + 1
            if counted:
                text = f"{most - left} unconfirmed records from number {runs[0].first} on were deleted"
                self._put_event(self.tables, "store-full", f"{text}: the disk is full")
        self._write_mark()

    def _put_event(self, tables: Tables, code: StoreEvent, text: str) -> None:
        for n in range(1, 10000):
            stored = tables.store([self._event(code, text, n)])
            if stored:
                self._raised.extend(stored)
                return

    def _event(self, code: StoreEvent, text: str, n: int = 1) -> Record:
        now, like = self.now(), self.latest
        return Record(
            kind="event",
            point="",
            meter="",
            at=now,
            read_at=now,
            clock=like.clock if like else "holdover",
            event={"code": code, "maker": "", "text": text, "n": n},
            boot=like.boot if like else None,
            monotonic=self.monotonic() if like and like.boot else None,
        )

    def _is_full(self, trouble: OSError | sqlite3.Error) -> bool:
        if isinstance(trouble, OSError):
            return trouble.errno == errno.ENOSPC
        return faults.kind_of(trouble, self._full()) == faults.FULL

    def _full(self) -> bool:
        return free(self.directory) <= NEARLY_FULL
