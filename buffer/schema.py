"""The tables, and each later change to them in order.

sqlite-utils is imported only when there is something to change.
"""

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGE = 512
"""Bytes of a database page. A commit writes whole pages: small ones spare the card (benchmarks/store.py)."""


def _first(db: "Database") -> None:
    db.table("meta").create({"key": str, "value": str}, pk="key")
    db.table("notes").create({"key": str, "value": str}, pk="key")
    # Point, meter and kind, or clock, flags and OBIS codes, written once and named by number; kept twice, because
    # one lost page of them would make every record unreadable that names them.
    for name in ("words", "words_again"):
        db.table(name).create({"id": int, "text": str, "crc": int}, pk="id")
    db.table("records").create(
        {
            "seq": int,
            "series": int,
            "at": int,  # ms
            "n": int,  # tells events of one moment apart, else 0
            "lag": int,  # read_at - at, ms
            "form": int,
            "offset": str,
            "crc": int,
            "digits": bytes,
            "span": int,  # at - from of an interval, ms
            "rest": str,
            "frames": bytes,  # of this record and those put with it: spares the pages of one more table
        },
        pk="seq",
    )
    # The natural key as one number, led by the time: new keys are appended, and the rowid of a plain table is the one
    # key that SQLite appends without touching the neighbouring pages.
    db.table("moments").create({"moment": int, "seq": int}, pk="moment")
    db.table("ranges").create({"first": int, "last": int, "state": str, "crc": int}, pk="first")
    db.table("refused").create({"seq": int, "code": str, "text": str}, pk="seq")
    db.table("held").create({"seq": int, "boot": str, "monotonic": float}, pk="seq")
    db.table("newest").create({"series": int, "at": int, "seq": int}, pk="series")


STEPS: tuple[Callable[["Database"], None], ...] = (_first,)
VERSION = len(STEPS)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring the tables from this version to the program's, in one transaction, and into the main file."""
    from sqlite_utils import Database

    tables = Database(db, execute_plugins=False)
    with tables.atomic():
        for step in STEPS[version:]:
            step(tables)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def peek(path: Path) -> int | None:
    """The version that a store's files hold, without touching them; None where there is no database header.

    Bytes 60-63 of page 1 (sqlite.org/fileformat2.html §1.3.14); the newest page 1 may still be in the WAL (§4).
    """
    try:
        with path.open("rb") as file:
            page = file.read(100)
    except FileNotFoundError:
        return None
    if len(page) < 100 or not page.startswith(b"SQLite format 3\0"):
        return None
    found = max((_version(head) for head in _first_pages(path)), default=0)
    return max(found, _version(page))


def _version(page: bytes) -> int:
    return int.from_bytes(page[60:64], "big")


def _first_pages(path: Path) -> list[bytes]:
    try:
        with Path(f"{path}-wal").open("rb") as file:
            size = struct.unpack(">8xI20x", header)[0] if len(header := file.read(32)) == 32 else 0
            if not 512 <= size <= 65536:
                return []
            pages = []
            while len(frame := file.read(24 + size)) == 24 + size and frame[8:16] == header[16:24]:
                if frame[:4] == b"\0\0\0\x01" and frame[24:40] == b"SQLite format 3\0":
                    pages.append(frame[24:124])
            return pages
    except FileNotFoundError:
        return []
