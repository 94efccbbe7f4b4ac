"""The intake's tables, on SQLite or PostgreSQL: one row a record, its exact JSON text beside its keys."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from simulators.intake.messages import DECODER, Item, Message

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    gateway TEXT NOT NULL, epoch TEXT NOT NULL, seq BIGINT NOT NULL,
    point TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, meter TEXT NOT NULL,
    code TEXT NOT NULL, n BIGINT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (gateway, epoch, seq),
    UNIQUE (gateway, point, kind, at, meter, code, n)
);
CREATE TABLE IF NOT EXISTS documents (
    gateway TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (gateway, name, id)
);
"""
INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
KNOWN = "SELECT seq, body FROM records WHERE gateway = ? AND epoch = ? AND seq BETWEEN ? AND ?"
NATURAL = (
    "SELECT epoch, seq, body FROM records"
    " WHERE gateway = ? AND point = ? AND kind = ? AND at = ? AND meter = ? AND code = ? AND n = ?"
)
ROWS = "SELECT gateway, epoch, seq, body FROM records ORDER BY gateway, epoch, seq"
KEEP = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (gateway, name, id) DO UPDATE SET body = excluded.body"
DOCUMENT = "SELECT body FROM documents WHERE gateway = ? AND name = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Row:
    """A stored record. ``record`` has exact numbers (int or Decimal)."""

    gateway: str
    epoch: str
    seq: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receipt says: numbers stored, and (seq, code, text) of those refused."""

    stored: tuple[int, ...]
    refused: tuple[tuple[int, str, str], ...]


class Cursor(Protocol):
    """What both databases have in common."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, query: str, arguments: Sequence[Any] = (), /) -> Any: ...
    def executemany(self, query: str, arguments: Iterable[Sequence[Any]], /) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...


class Database(Protocol):
    """One connection. ``sql`` turns our question marks into the database's own."""

    trouble: type[Exception]

    def cursor(self) -> Cursor: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...
    def sql(self, query: str) -> str: ...


class Sqlite:
    """Durable on commit (WAL, synchronous FULL)."""

    trouble: type[Exception] = sqlite3.Error

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {SCHEMA}")

    def cursor(self) -> Cursor:
        return self._db.cursor()

    def commit(self) -> None:
        self._db.commit()

    def rollback(self) -> None:
        self._db.rollback()

    def close(self) -> None:
        self._db.close()

    def sql(self, query: str) -> str:
        return query


class Postgres:
    """The same by URL. Needs psycopg 3 (the extra ``postgres``)."""

    def __init__(self, url: str) -> None:
        import psycopg  # an extra: only who has such a database needs it

        self.trouble: type[Exception] = psycopg.Error
        self._db = psycopg.connect(url)
        with self._db.transaction():
            # Two workers may begin at the same moment; PostgreSQL's IF NOT EXISTS alone lets one of them fail.
            self._db.execute("SELECT pg_advisory_xact_lock(77240119)")
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)

    def cursor(self) -> Cursor:
        return self._db.cursor()

    def commit(self) -> None:
        self._db.commit()

    def rollback(self) -> None:
        self._db.rollback()

    def close(self) -> None:
        self._db.close()

    def sql(self, query: str) -> str:
        return query.replace("?", "%s")


def open_database(where: str | Path) -> Database:
    """``postgresql://…`` or a file's path."""
    text = str(where)
    return Postgres(text) if text.startswith(("postgresql://", "postgres://")) else Sqlite(Path(text))


class Tables:
    """Safe to use from several threads; one transaction at a time."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self.trouble = database.trouble

    def store(self, message: Message, items: Sequence[Item]) -> Outcome:
        """Store these records of the message in one transaction and say what of them stands; the outcome holds only
        after this has returned. The database's own errors (``trouble``) leave nothing stored."""
        if not items:
            return Outcome((), ())
        with self._lock:
            try:
                outcome = self._store(message, items)
                self._db.commit()
            except self.trouble:
                self._db.rollback()
                raise
        return outcome

    def _store(self, message: Message, items: Sequence[Item]) -> Outcome:
        cursor = self._db.cursor()
        numbers = [item.seq for item in items]
        cursor.execute(self._db.sql(KNOWN), (message.gateway, message.epoch, min(numbers), max(numbers)))
        known: dict[int, str] = dict(cursor.fetchall())
        fresh = [item for item in items if item.seq not in known]
        refused = {
            item.seq: "another record has this number"
            for item in items
            if item.seq in known and known[item.seq] != item.text and not _same(known[item.seq], item.record)
        }
        if fresh:
            cursor.executemany(self._db.sql(INSERT), [_row(message, item) for item in fresh])
            if cursor.rowcount != len(fresh):
                refused |= self._clashes(cursor, message, fresh)
        stored = tuple(number for number in numbers if number not in refused)
        return Outcome(stored, tuple((seq, "conflict", text) for seq, text in sorted(refused.items())))

    def _clashes(self, cursor: Cursor, message: Message, fresh: Sequence[Item]) -> dict[int, str]:
        """Some were not inserted, because their natural key is there: harmless with the same values."""
        clashes = {}
        for item in fresh:
            gateway, _, _, *natural, _ = _row(message, item)
            cursor.execute(self._db.sql(NATURAL), (gateway, *natural))
            row = cursor.fetchone()
            if row is None:
                clashes[item.seq] = "another record has this number"
            elif (row[0], row[1]) != (message.epoch, item.seq) and not _same(row[2], item.record):
                clashes[item.seq] = f"seq {row[1]} of epoch {row[0]} has other values for the same moment"
        return clashes

    def keep(self, gateway: str, name: str, identity: str, body: str) -> None:
        """The latest state, inventory, or the reply of this id."""
        with self._lock:
            try:
                self._db.cursor().execute(self._db.sql(KEEP), (gateway, name, identity, body))
                self._db.commit()
            except self.trouble:
                self._db.rollback()
                raise

    def document(self, gateway: str, name: str, identity: str = "") -> dict[str, Any] | None:
        with self._lock:
            cursor = self._db.cursor()
            cursor.execute(self._db.sql(DOCUMENT), (gateway, name, identity))
            row = cursor.fetchone()
            self._db.commit()
        return None if row is None else json.loads(row[0], parse_float=Decimal)

    def rows(self) -> list[Row]:
        """Everything stored, by gateway, epoch and seq."""
        with self._lock:
            cursor = self._db.cursor()
            cursor.execute(ROWS)
            found = cursor.fetchall()
            self._db.commit()
        return [Row(gateway, epoch, seq, DECODER.decode(body)) for gateway, epoch, seq, body in found]

    def count(self) -> int:
        with self._lock:
            cursor = self._db.cursor()
            cursor.execute("SELECT count(*) FROM records")
            count = int(cursor.fetchone()[0])
            self._db.commit()
        return count

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _row(message: Message, item: Item) -> tuple[Any, ...]:
    record, event = item.record, item.record.get("event") or {}
    return (
        message.gateway,
        message.epoch,
        item.seq,
        record["point"],
        record["kind"],
        record["at"],
        record["meter"],
        event.get("code", ""),
        event.get("n", 0),
        item.text,
    )


def _same(stored: str, record: dict[str, Any]) -> bool:
    """Whether both say the same of the same moment; how they came here (seq, reading time, flags) may differ."""
    before = DECODER.decode(stored)
    return all(
        before.get(key) == record.get(key)
        for key in ("point", "meter", "kind", "at", "from", "values", "event", "statement")
    )
