"""All SQL of the hot path, plain sqlite3: one connection that writes, one that reads."""

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from buffer import body, rows, schema, states
from buffer.faults import Damaged
from buffer.record import Record
from buffer.rows import Row, Words
from buffer.states import RecordState, Run, States
from drivers.times import MILLISECOND

WAL_PAGES = 2000  # a checkpoint each this many pages: hot pages reach the main file once, the WAL stays at 1.1 MB
WAL_SIZE = 32 + (WAL_PAGES + 100) * (24 + schema.PAGE)
CACHE = 512  # KiB of database pages in memory, of the writing connection; the reading one has half
FRAMES_TOGETHER = 64  # records whose raw frames are compressed together
NEWEST_EACH = 20_000  # records: after a crash the opening reads no more than these for the newest of each series
PROBES = 64  # places beside its own where a natural key may stand
BUSY = 10.0  # seconds to wait for another program's lock (an operator with the sqlite3 shell)

INSERT = f"INSERT INTO records VALUES ({'?, ' * 11}?)"
NEAR = "SELECT moment, seq FROM moments WHERE moment BETWEEN ? AND ? ORDER BY moment"
CLAIM = "INSERT OR IGNORE INTO moments VALUES (?, ?)"
TAKEN = """SELECT at, series, n, coalesce((SELECT boot FROM held WHERE held.seq = records.seq), '')
FROM records WHERE seq = ?"""
FRAMES = "SELECT seq, frames FROM records WHERE seq BETWEEN ? AND ? AND frames NOT NULL ORDER BY seq LIMIT 1"
COLUMNS = ", ".join(f'"{name}"' for name in Row._fields)


def connect(path: Path, mode: str, cache: int = CACHE) -> sqlite3.Connection:
    """``mode`` of the URI: rwc creates, rw writes, ro reads, and immutable reads a store that no one has open."""
    flags = "immutable=1" if mode == "immutable" else f"mode={mode}"
    db = sqlite3.connect(
        f"file:{quote(str(path))}?{flags}", uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY
    )
    for setting in (
        f"page_size = {schema.PAGE}",
        f"cache_size = -{cache}",
        "mmap_size = 0",
        "temp_store = memory",
        "cell_size_check = on",
        "synchronous = full",
        "secure_delete = off",  # nothing here is secret, and zeros wear a card too
        f"wal_autocheckpoint = {WAL_PAGES}",
    ):
        db.execute(f"PRAGMA {setting}")
    if mode == "rwc":
        db.execute("PRAGMA journal_mode = wal")
    return db


def sealed(text: str) -> str:
    """A text and its checksum."""
    return f"{text} {zlib.crc32(text.encode()):08x}"


def run_crc(run: Run) -> int:
    return rows.signed(zlib.crc32(f"{run.first}-{run.last}:{run.state}".encode()))


def load_ranges(db: sqlite3.Connection) -> States:
    """The runs as the table has them; Damaged where a checksum fails or two overlap: a wrong one would lose records."""
    runs = []
    for *columns, crc in db.execute("SELECT first, last, state, crc FROM ranges ORDER BY first"):
        run = Run(*columns)
        if run_crc(run) != crc:
            raise Damaged(f"the run {run} of the store is damaged")
        runs.append(run)
    if any(one.last >= two.first for one, two in pairwise(runs)):
        raise Damaged("the store's runs overlap")
    return States(runs)


def frames_of(seq: int, found: Iterable[tuple[int, bytes]]) -> bytes:
    """One record's share of the frames that ``FRAMES`` found: they stand in the last row of their batch."""
    for last, packed in found:
        together = rows.unpack_frames(packed)
        if seq > last - len(together):
            return together[seq - last - 1]
    return b""


def _whole(when: datetime) -> datetime:
    """Rounded down to a millisecond, as it will be read back."""
    return body.moment(body.milliseconds(when)) if when.microsecond % 1000 or when.tzinfo is not UTC else when


FIELDS = attrgetter(*[field.name for field in fields(Record) if field.name not in ("at", "read_at", "seq")])


def _numbered(record: Record, seq: int) -> Record:
    """``dataclasses.replace`` asks each field by name: a third of the time that storing a record takes."""
    kind, point, meter, *others = FIELDS(record)
    values: list[Any] = [kind, point, meter, _whole(record.at), _whole(record.read_at), *others, seq]
    return Record(*values)


class Tables:
    """One database file, and in memory what is needed to know each number's state.

    Methods that write belong inside ``transaction``; a failed one leaves tables and memory as they were. The reading
    connection sees what is committed and may be used from any thread.
    """

    def __init__(self, path: Path, writing: Any = None, *, read_only: bool = False) -> None:
        self.path = path
        self.writing = writing or threading.RLock()  # whoever writes holds it
        self._reading = threading.Lock()
        self.words = Words()
        self.ranges = States()
        self._unsaved: dict[int, Run | None] = {}  # by first: what ``ranges`` has to become
        self.newest: dict[int, tuple[int, int]] = {}  # series → at, seq
        self.revisions: dict[tuple[str, str], int] = {}  # point, kind → transactions of this run that touched it
        self._touched: set[tuple[str, str]] = set()  # by the transaction under way
        self.epoch = ""
        self.last_seq = 0
        self._staged = 0  # what last_seq becomes with the commit
        if read_only:
            self.write = self.read = connect(path, "ro" if Path(f"{path}-wal").exists() else "immutable")
        else:
            self.write = connect(path, "rw")
            self.read = connect(path, "ro", CACHE // 2)

    @classmethod
    def create(cls, path: Path, epoch: str) -> "Tables":
        """A new, empty store in a file that does not exist yet."""
        db = connect(path, "rwc")
        schema.migrate(db, 0)
        db.execute("INSERT INTO meta VALUES ('epoch', ?)", (sealed(epoch),))
        db.close()
        tables = cls(path)
        tables.load()
        return tables

    def load(self) -> None:
        """Memory as the tables say; Damaged where they contradict themselves."""
        meta = dict(self.write.execute("SELECT key, value FROM meta"))
        epoch = str(meta.get("epoch", "")).partition(" ")[0]
        if meta.get("epoch") != sealed(epoch):
            raise Damaged("the store's epoch is damaged")
        self.words = self._words()
        self._unsaved.clear()
        self.ranges = load_ranges(self.write)
        newest = self.write.execute(f"SELECT {COLUMNS} FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        if newest and not rows.is_whole(Row(*newest), self.words):
            raise Damaged("the store's last record is damaged, and with it the last number")
        self.last_seq = self._staged = max(newest[0] if newest else 0, self.ranges.last)
        self.epoch = epoch
        self.newest = {}
        known = 0
        for series, at, seq in self.write.execute("SELECT series, at, seq FROM newest"):
            if not isinstance(at, int) or not isinstance(seq, int):
                raise Damaged("the store's list of newest records is damaged")
            self.newest[series] = at, seq
            known = max(known, seq)
        later = "SELECT series, max(at), seq FROM records WHERE seq > ? GROUP BY series"
        for series, at, seq in self.write.execute(later, (known,)):
            self._note_newest(series, at, seq)

    def _words(self) -> Words:
        one = self.write.execute("SELECT id, text, crc FROM words ORDER BY id").fetchall()
        if one != self.write.execute("SELECT id, text, crc FROM words_again ORDER BY id").fetchall():
            raise Damaged("the store's two lists of words differ")
        words = Words()
        for place, (number, text, crc) in enumerate(one, start=1):
            if number != place or rows.word_crc(number, text) != crc:
                raise Damaged(f"word {place} of the store is damaged")
            words.learn(number, text)
        return words

    def close(self) -> None:
        with self._reading:
            self.read.close()
        self.write.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on the disk when it ends."""
        self.write.execute("BEGIN IMMEDIATE")
        try:
            self._save_states()
            yield
            self.write.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.OperationalError):  # SQLite may have rolled back itself
                self.write.execute("ROLLBACK")
            self._touched.clear()
            self.load()
            raise
        self.last_seq = self._staged
        for touched in self._touched:  # after the commit: whoever has seen the number sees the records, too
            self.revisions[touched] = self.revisions.get(touched, 0) + 1
        self._touched.clear()

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Committed rows, from any thread."""
        with self._reading:
            return self.read.execute(sql, parameters).fetchall()

    # What is written

    def store(self, records: Iterable[Record]) -> list[Record]:
        """Give each record its number and keep it; a record whose natural key is there already is left out."""
        records = list(records)
        stored, fresh = self._claim_all(records) or self._claim_each(records)
        for row in fresh.values():
            self._note_newest(row.series, row.at, row.seq)
        self._touched.update((record.point, record.kind) for record in stored)
        self._staged += len(stored)
        self._write_words()
        for start in range(0, len(stored), FRAMES_TOGETHER):
            together = stored[start : start + FRAMES_TOGETHER]
            # All frames stand in the last row: appended, they cost no page in the middle of the table.
            frames = rows.pack_frames([record.frames for record in together])
            lines = [(*fresh[record.seq], None) for record in together[:-1]]
            self.write.executemany(INSERT, [*lines, (*fresh[together[-1].seq], frames)])
        for record in stored:
            if record.clock == "unset" and record.boot is not None:
                self.write.execute("INSERT INTO held VALUES (?, ?, ?)", (record.seq, record.boot, record.monotonic))
                self.set_state(record.seq, record.seq, states.HELD)
        if stored and stored[0].seq // NEWEST_EACH != (self._staged + 1) // NEWEST_EACH:
            self.save_newest()
        return stored

    def _claim_all(self, records: list[Record]) -> tuple[list[Record], dict[int, Row]] | None:
        """All of them at once, as they nearly always are new; None, and nothing entered, where a place is taken."""
        numbered = [_numbered(record, seq) for seq, record in enumerate(records, self._staged + 1)]
        fresh = {record.seq: rows.pack(record, self.words) for record in numbered}
        places = [(rows.moment_key(row.at, row.series, row.n), row.seq) for row in fresh.values()]
        if places and self.write.executemany(CLAIM, places).rowcount != len(places):
            self.write.executemany("DELETE FROM moments WHERE moment = ? AND seq = ?", places)
            return None
        return numbered, fresh

    def _claim_each(self, records: list[Record]) -> tuple[list[Record], dict[int, Row]]:
        stored: list[Record] = []
        fresh: dict[int, Row] = {}
        keys: dict[int, tuple[Any, ...]] = {}
        for record in records:
            numbered = _numbered(record, self._staged + len(stored) + 1)
            row = rows.pack(numbered, self.words)
            if self._claim(row, numbered, keys):
                fresh[row.seq] = row
                keys[row.seq] = (row.at, row.series, row.n, rows.held_boot(numbered))
                stored.append(numbered)
        return stored, fresh

    def _claim(self, row: Row, record: Record, fresh: Mapping[int, tuple[Any, ...]]) -> bool:
        """Enter the natural key of a record and its row; False where another one has it, of the table or of the fresh
        keys (by number). What is held has its boot in the key, as long as its time is not known."""
        place = rows.moment_key(row.at, row.series, row.n)
        boot = rows.held_boot(record)
        by_meter = rows.stamped_by_meter(record)
        for key in range(place, min(place + PROBES, (1 << 63) - 1)):
            if self.write.execute(CLAIM, (key, row.seq)).rowcount:
                return True
            # Taken. A damaged table must not make a record vanish: the row that it names decides.
            (seq,) = self.write.execute("SELECT seq FROM moments WHERE moment = ?", (key,)).fetchone()
            there = fresh.get(seq) or self.write.execute(TAKEN, (seq,)).fetchone()
            if there is None:
                raise Damaged(f"moment {key} names record {seq}, which is not there")
            if there[:3] == (row.at, row.series, row.n) and (by_meter or there[3] == boot):
                return False
        raise Damaged(f"too many records of one moment: {row.at}")

    def _unclaim(self, at: int, series: int, n: int, seq: int) -> None:
        """Leave the natural key; those that had to stand beside their own place for it move up, so that each is found
        from its own place on without a gap."""
        place = rows.moment_key(at, series, n)
        near = self.write.execute(NEAR, (place, place + 2 * PROBES)).fetchall()
        hole = next((key for key, number in near if number == seq), None)
        if hole is None:
            return
        self.write.execute("DELETE FROM moments WHERE moment = ?", (hole,))
        end = hole
        for key, number in near:
            if key <= hole:
                continue
            if key != end + 1:
                return
            end = key
            own = self.write.execute("SELECT at, series, n FROM records WHERE seq = ?", (number,)).fetchone()
            if own is not None and rows.moment_key(*own) <= hole:
                self.write.execute("UPDATE moments SET moment = ? WHERE moment = ?", (hole, key))
                hole = key

    def rewrite(self, record: Record) -> None:
        """The same number with another content (a corrected time, a flag). Moments are unique: one more ms if taken."""
        old = self.write.execute("SELECT at, series, n FROM records WHERE seq = ?", (record.seq,)).fetchone()
        self._unclaim(old[0], old[1], old[2], record.seq)
        while not self._claim(row := rows.pack(record, self.words), record, {}):
            record = replace(record, at=record.at + MILLISECOND)
        columns = ", ".join(f'"{name}" = ?' for name in Row._fields)
        self.write.execute(f"UPDATE records SET {columns} WHERE seq = ?", (*row, row.seq))
        self._write_words()
        self._touched.add((record.point, record.kind))
        if self.newest.get(row.series, (row.at, row.seq))[1] == row.seq:
            self.newest[row.series] = row.at, row.seq
        self._note_newest(row.series, row.at, row.seq)

    def set_state(self, first: int, last: int, state: RecordState) -> None:
        self.state_soon(first, last, state)
        self._save_states()

    def state_soon(self, first: int, last: int, state: RecordState) -> None:
        """In memory now, in the tables with the next transaction; outside of one too. Forgotten by a failed one."""
        change = self.ranges.put(first, last, state)
        for dropped in change.dropped:
            self._unsaved[dropped] = None
        for run in change.written:
            self._unsaved[run.first] = run

    def _save_states(self) -> None:
        for first, run in self._unsaved.items():
            if run is None:
                self.write.execute("DELETE FROM ranges WHERE first = ?", (first,))
            else:
                self.write.execute("INSERT OR REPLACE INTO ranges VALUES (?, ?, ?, ?)", (*run, run_crc(run)))
        self._unsaved.clear()

    def refuse(self, seq: int, code: str, text: str) -> None:
        self.write.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", (seq, code, text))
        self.set_state(seq, seq, states.REFUSED)

    def delete(self, first: int, last: int) -> None:
        """The rows go, the numbers stay used."""
        moments = "SELECT at, series, n, seq FROM records WHERE seq BETWEEN ? AND ?"
        for moment in self.write.execute(moments, (first, last)).fetchall():
            self._unclaim(*moment)
        for table in ("records", "refused", "held"):
            self.write.execute(f"DELETE FROM {table} WHERE seq BETWEEN ? AND ?", (first, last))
        self.set_state(first, last, states.GONE)

    def delete_older(self, first: int, last: int, limit: int) -> int:
        """Delete those of these numbers that were read before the limit (ms): how many."""
        old = "SELECT seq FROM records WHERE seq BETWEEN ? AND ? AND at + lag < ? ORDER BY seq"
        found = [seq for (seq,) in self.write.execute(old, (first, last, limit))]
        for span in states.grouped(found):
            self.delete(*span)
        return len(found)

    def delete_frames(self, limit: int, most: int) -> int:
        """Forget raw frames that were read before the limit (ms), of this many records after those of the last time:
        how many records were looked at, 0 at the end or at the first that is younger."""
        (done,) = self.write.execute("SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'frames'").fetchone()
        select = "SELECT seq, at + lag < ? FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
        found = self.write.execute(select, (limit, done or 0, most)).fetchall()
        old = [seq for seq, is_old in found if is_old]
        if old:
            forget = (
                "UPDATE records SET frames = NULL WHERE seq BETWEEN ? AND ? AND frames IS NOT NULL AND at + lag < ?"
            )
            self.write.execute(forget, (old[0], old[-1], limit))
            if len(old) == len(found):
                self.write.execute("INSERT OR REPLACE INTO meta VALUES ('frames', ?)", (str(old[-1]),))
        return len(old) if len(old) == len(found) else 0

    def save_newest(self) -> None:
        """So that the next opening need only look at later records."""
        self.write.executemany(
            "INSERT OR REPLACE INTO newest VALUES (?, ?, ?)",
            [(series, at, seq) for series, (at, seq) in self.newest.items()],
        )

    def _write_words(self) -> None:
        for table in ("words", "words_again") if self.words.fresh else ():
            self.write.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", self.words.fresh)
        self.words.fresh.clear()

    def _note_newest(self, series: int, at: int, seq: int) -> None:
        if series not in self.newest or self.newest[series][0] <= at:
            self.newest[series] = at, seq

    # What is read

    def rows(self, first: int, last: int) -> list[Row]:
        """The rows of these numbers, ascending; what was deleted is missing."""
        select = f"SELECT {COLUMNS} FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq"
        return list(map(Row._make, self.fetch(select, (first, last))))

    def record(self, row: Row) -> Record | None:
        """The record of a row with its raw frames, None where its checksum fails."""
        if rows.sound_text(row, self.words) is None:
            return None
        return rows.unpack(row, self.words, self.frames(row.seq))

    def frames(self, seq: int) -> bytes:
        """The raw replies of one record, empty where they were pruned."""
        return frames_of(seq, self.fetch(FRAMES, (seq, seq + FRAMES_TOGETHER)))
