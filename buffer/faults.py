"""What can go wrong with the store, and the words for it."""

import sqlite3
from collections.abc import Mapping
from typing import ClassVar, Literal

StoreEvent = Literal[
    "store-damaged",
    "store-tail-lost",
    "store-mark-lost",
    "store-full",
    "record-damaged",
]

STORE_EVENTS: Mapping[str, str] = {
    "store-damaged": "the store's file was damaged; it was set aside and a new epoch begun",
    "store-tail-lost": "the store held fewer commits than its high-water mark says; a new epoch was begun",
    "store-mark-lost": "the high-water mark was missing or damaged; it was written anew",
    "store-full": "the disk was full; unconfirmed records were deleted, the text says how many",
    "record-damaged": "a record cannot be read (its checksum, a number without bounds); it stays and is never sent",
}
"""Codes of the gateway's own events that the store raises."""


class StoreError(Exception):
    """Anything that keeps the store from being used; the message is for an operator. ``exit``: the documented exit code
    of a command that ends in it."""

    exit: ClassVar[int] = 74


class StoreBusy(StoreError):
    """Another process has the store open. ``pid`` of the holder, None where it has not written it yet."""

    exit = 75

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StoreTooNew(StoreError):
    """A newer program wrote this store; nothing was touched."""

    exit = 78


class StoreUnusable(StoreError):
    """The disk says no: permission, read-only, I/O error, no space even after making some."""


class StoreForbidden(StoreUnusable, PermissionError):
    """The same, because the files belong to someone else or the directory is closed to us."""

    exit = 77


class Damaged(Exception):
    """What the store says of itself is not so: its file cannot be trusted any more. Never leaves the store."""


FULL = "full"
BROKEN = "broken"
UNUSABLE = "unusable"

_KINDS = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: BROKEN,
    sqlite3.SQLITE_NOTADB: BROKEN,
    sqlite3.SQLITE_FORMAT: BROKEN,
    sqlite3.SQLITE_SCHEMA: BROKEN,
    sqlite3.SQLITE_ERROR: BROKEN,  # our statements are right: a table that is not there was lost
    sqlite3.SQLITE_MISMATCH: BROKEN,
}


def kind_of(trouble: sqlite3.Error, disk_full: bool) -> str:
    """What to do about an error of SQLite. Its I/O errors do not say why, so the caller says if the disk is full."""
    code = getattr(trouble, "sqlite_errorcode", None)
    if code is None:
        return BROKEN  # raised by the sqlite3 module itself, about content that it cannot decode
    if code & 0xFF == sqlite3.SQLITE_IOERR and disk_full:
        return FULL
    return _KINDS.get(code & 0xFF, UNUSABLE)
