"""A new store with a new epoch, holding every unconfirmed record of the old one whose checksum holds."""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from buffer import pages, rows, states
from buffer.faults import Damaged
from buffer.files import sync_directory
from buffer.record import Record
from buffer.rows import Row, Words
from buffer.states import States
from buffer.tables import COLUMNS, FRAMES, FRAMES_TOGETHER, Tables, connect, frames_of, load_ranges

T = TypeVar("T")

NAME = "store.db"
READY = "store.ready.db"  # the new store is complete and takes the place of the old one, however often it takes
BUILDING = "store.new.db"  # not complete yet: made anew after an interruption
BATCH = 500  # records a transaction
CHUNK = 64  # records asked of the old file at once
KEPT_ASIDE = 3  # damaged files that are kept for an operator to look at

# A confirmed record is not carried over, and neither is one that was deleted or whose checksum failed before.
OPEN = (states.PENDING, states.REFUSED, states.HELD)


class Carried(NamedTuple):
    """How many records were carried over, and how many that had a number and no receipt were not found."""

    records: int
    lost: int


def new_epoch() -> str:
    return secrets.token_hex(8)


def aside(directory: Path) -> list[Path]:
    """The files set aside earlier, oldest first."""
    return sorted(directory.glob("store-*.damaged.db"))


def renew(directory: Path, wal: bytes, marked: int, now: datetime) -> Carried:
    """Set the store aside and put a new one in its place. ``wal`` is the old log as it was found, ``marked`` the
    last number that the mark knows. A power cut at any moment leaves the old store or the new one, whole."""
    building = directory / BUILDING
    remove(building)
    old = _Old(directory / NAME, wal, marked)
    tables = Tables.create(building, new_epoch())
    carried = 0
    with closing(old), closing(tables):
        with tables.transaction():
            tables.write.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", old.notes())
        batch: list[tuple[Record, tuple[str, str] | None]] = []
        for item in old.records():
            batch.append(item)
            if len(batch) == BATCH:
                carried += _carry(tables, batch)
                batch.clear()
        carried += _carry(tables, batch)
    handle = os.open(building, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    building.rename(directory / READY)
    sync_directory(directory)
    finish(directory, now)
    return Carried(carried, max(0, old.wanted - carried))


def finish(directory: Path, now: datetime) -> None:
    """The second half of :func:`renew`: nothing to do where no new store waits."""
    ready, path = directory / READY, directory / NAME
    if not ready.exists():
        return
    stem = f"store-{now:%Y%m%dT%H%M%S}Z.damaged.db"
    target = directory / stem
    for count in range(1, 1000):
        if not target.exists():
            break
        target = directory / stem.replace("Z.", f"Z-{count}.")
    # The old log first: it must never lie beside the new file.
    for suffix in ("-wal", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{target}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    sync_directory(directory)
    ready.rename(path)
    sync_directory(directory)
    for old in aside(directory)[:-KEPT_ASIDE]:
        remove(old)


def remove(path: Path) -> None:
    """A database file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _carry(tables: Tables, batch: list[tuple[Record, tuple[str, str] | None]]) -> int:
    with tables.transaction():
        count = 0
        for record, reason in batch:
            for stored in tables.store([record]):
                count += 1
                if reason:
                    tables.refuse(stored.seq, *reason)
        return count


class _Old:
    """What can still be read of a store. Every answer of the damaged file is taken with doubt."""

    def __init__(self, path: Path, wal: bytes, marked: int) -> None:
        self._path = path
        self._wal = wal
        self._db: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            self._db = connect(path, "rw")
        self._words = self._read_words()
        try:
            states = self._with(load_ranges)
        except Damaged:
            states = None
        self._states = states or States()  # unknown: what was confirmed is sent once more, the intake knows it
        newest = map(Row._make, self._ask(f"SELECT {COLUMNS} FROM records ORDER BY seq DESC LIMIT 20"))
        sound = (row.seq for row in newest if rows.sound_text(row, self._words))
        self._last = max(marked, self._states.last, next(sound, 0))
        self._runs = self._states.runs(1, self._last, OPEN)
        self.wanted = sum(run.last - run.first + 1 for run in self._runs)
        self._found = States()

    def close(self) -> None:
        if self._db:
            with suppress(sqlite3.Error):
                self._db.close()

    def notes(self) -> list[tuple[str, str]]:
        return self._ask("SELECT key, value FROM notes")

    def records(self) -> Iterator[tuple[Record, tuple[str, str] | None]]:
        """Each record once, with its refusal if it has one; what the tables give first, in order."""
        for run in self._runs:
            for first in range(run.first, run.last + 1, CHUNK):
                last = min(run.last, first + CHUNK - 1)
                for row in self._ask(
                    f"SELECT {COLUMNS} FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", first, last
                ):
                    yield from self._sound(Row(*row))
        if self._found.counts(self._found.last)[states.CONFIRMED] < self.wanted and self._path.exists():
            for seq, columns in pages.leaves(self._path, self._wal, self._missing):
                if len(columns) >= len(Row._fields):
                    yield from self._sound(Row._make([seq, *columns[1 : len(Row._fields)]]))

    def _missing(self, seq: int) -> bool:
        return seq > 0 and self._states.state(seq) in OPEN and self._found.state(seq) == states.PENDING

    def _sound(self, row: Row) -> Iterator[tuple[Record, tuple[str, str] | None]]:
        if not self._missing(row.seq) or not rows.sound_text(row, self._words):
            return
        self._found.put(row.seq, row.seq, states.CONFIRMED)
        record = rows.unpack(
            row, self._words, frames_of(row.seq, self._ask(FRAMES, row.seq, row.seq + FRAMES_TOGETHER))
        )
        held = self._ask("SELECT boot, monotonic FROM held WHERE seq = ?", row.seq)
        if held:
            record = replace(record, boot=held[0][0], monotonic=held[0][1])
        elif record.clock == "unset" and "clock-unset" not in record.flags:
            record = replace(record, flags=(*record.flags, "clock-unset"))
        refused = self._ask("SELECT code, text FROM refused WHERE seq = ?", row.seq)
        yield record, refused[0] if refused else None

    def _read_words(self) -> Words:
        one = self._ask("SELECT id, text, crc FROM words ORDER BY id")
        two = self._ask("SELECT id, text, crc FROM words_again ORDER BY id")
        found = one + two
        if (not found or one != two) and self._path.exists():
            lines = pages.leaves(self._path, self._wal, lambda rowid: 0 < rowid < 1 << 20)
            found += [(rowid, *columns[1:]) for rowid, columns in lines if len(columns) == 3]
        words = Words()
        for number, text, crc in found:
            if isinstance(text, str) and rows.word_crc(number, text) == crc:
                words.learn(number, text)
        return words

    def _ask(self, sql: str, *parameters: int) -> list[Any]:
        """What the tables say, nothing where they are broken: the pages are looked at afterwards."""
        return self._with(lambda db: db.execute(sql, parameters).fetchall()) or []

    def _with(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._db is None:
            return None
        try:
            return question(self._db)
        except sqlite3.Error:
            return None
