"""The one thread that writes: everything read within the last second is one transaction."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from buffer.body import check
from buffer.faults import StoreUnusable
from buffer.record import Record
from buffer.store import Store

log = logging.getLogger("meterpost.store")

T = TypeVar("T")
Spans = Sequence[tuple[int, int]]
Refusals = Sequence[tuple[int, str, str]]
Notes = Mapping[str, str | None]
"""Small facts by key; None forgets one."""


class Change(Protocol):
    """Runs a function on the store that may write, and gives its result once it is on the disk; StoreError."""

    def __call__(self, function: Callable[[Store], T], /) -> T: ...


WAITING = 2000  # records in memory at most, some 4 MB; beyond it ``submit`` blocks
MANY = 1000  # records or receipts' items that are written without waiting for the second to end
RECEIPTS = 60.0  # seconds that receipts wait for records to be written with: forgotten ones cost a delivery, no record
TURN = 1.0  # seconds between two signs of life at most
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the next try while the disk says no


class Writer:
    """Starts with its construction. ``alive``: monotonic time of the last turn, for the watchdog. ``trouble``: what
    the disk says while it says no; records wait in memory meanwhile and are tried again."""

    def __init__(
        self,
        store: Store,
        *,
        on_stored: Callable[[list[Record]], None],
        group: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_stored`` is called on the writer's thread after each commit that brought records; what it raises is
        logged."""
        self._store = store
        self._on_stored = on_stored
        self._group = group
        self._monotonic = monotonic
        self._wake = threading.Condition()
        self._records: list[Record] = []
        self._notes: dict[str, str | None] = {}
        self._confirmed: list[tuple[str, Spans]] = []  # with the epoch that they are of
        self._refused: list[tuple[str, Refusals]] = []
        self._calls: list[tuple[Callable[[Store], Any], Future[Any]]] = []
        self._since: float | None = None  # when the oldest of what waits came
        self._unsaved: float | None = None  # when the oldest receipt came that is known, but not on the disk
        self._not_before = 0.0
        self._failures = 0
        self._closing = False
        self.trouble: str | None = None
        self.alive = monotonic()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record], notes: Notes | None = None) -> None:
        """They are on the disk within a second or so, the notes in the same transaction. Blocks only while 2000 records
        wait already.

        TypeError or ValueError for a record that cannot be stored (:func:`buffer.body.check`): nothing is taken then.
        """
        for record in records:
            check(record)
        with self._wake:
            while len(self._records) >= WAITING:
                self._must_run()
                self._wake.wait(TURN)
            self._must_run()
            self._records += records
            self._notes |= notes or {}
            self._came()

    def confirm(self, ranges: Spans) -> None:
        """A receipt for records of the store's present epoch. It counts at once, and reaches the disk with the next
        records, within a minute where none come."""
        with self._wake:
            self._must_run()
            self._confirmed.append((self._store.epoch, ranges))
            self._came()

    def refuse(self, items: Refusals) -> None:
        """As ``confirm``, written like records: seq, code, text."""
        with self._wake:
            self._must_run()
            self._refused.append((self._store.epoch, items))
            self._came()

    def call(self, function: Callable[[Store], T]) -> T:
        """Its result, or its exception, after all that was submitted before is stored (StoreUnusable if it cannot)."""
        if threading.current_thread() is self._thread:
            return function(self._store)
        future: Future[T] = Future()
        with self._wake:
            self._must_run()
            self._calls.append((function, future))
            self._wake.notify_all()
        while True:
            try:
                return future.result(TURN)
            except TimeoutError:
                if future.done():
                    raise  # the function's own
                self._must_run()

    def flush(self) -> None:
        """All that was submitted is on the disk; StoreUnusable if it cannot be."""
        self.call(Store.apply)

    def close(self) -> None:
        """Flush, and end the thread. StoreUnusable where the disk takes no more; the thread has ended then too."""
        try:
            if self._thread.is_alive():
                self.flush()
        finally:
            with self._wake:
                self._closing = True
                self._wake.notify_all()
            self._thread.join()

    def _must_run(self) -> None:
        if self._closing or not self._thread.is_alive():
            raise RuntimeError("the writer has ended")

    def _came(self) -> None:
        """Wakes the thread only where that changes when it has to write: each needless turn costs both threads."""
        now = self._monotonic()
        first = self._since is None
        if self._since is None:
            self._since = now
        due = self._due()
        if first or (due is not None and due <= now):
            self._wake.notify_all()

    def _run(self) -> None:
        while self._wait():
            with self._wake:
                records, calls = self._records, self._calls
                confirmed, refused, notes = self._confirmed, self._refused, self._notes
                self._records, self._calls, self._confirmed, self._refused, self._notes = [], [], [], [], {}
                self._since = None
            try:
                self._write(records, confirmed, refused, notes)
            except StoreUnusable as trouble:
                self._keep(records, confirmed, refused, notes, trouble)
                for _, future in calls:
                    future.set_exception(trouble)
                continue
            self.trouble = None
            self._failures = 0
            self._not_before = 0.0
            for function, future in calls:
                self._answer(function, future)

    def _wait(self) -> bool:
        """Until there is something to do; False when it is time to end."""
        with self._wake:
            while True:
                now = self.alive = self._monotonic()
                if self._calls:
                    return True
                if self._closing:
                    return False
                due = self._due()
                if due is not None and due <= now:
                    return True
                self._wake.wait(TURN if due is None else min(TURN, due - now))

    def _due(self) -> float | None:
        saving = None if self._unsaved is None else max(self._unsaved + RECEIPTS, self._not_before)
        if self._since is None:
            return saving
        items = sum(len(spans) for _, spans in self._confirmed) + sum(len(items) for _, items in self._refused)
        if len(self._records) >= MANY or items >= MANY:
            return self._not_before
        return max(self._since + self._group, self._not_before)

    def _write(
        self,
        records: list[Record],
        confirmed: list[tuple[str, Spans]],
        refused: list[tuple[str, Refusals]],
        notes: dict[str, str | None],
    ) -> None:
        epoch = self._store.epoch
        spans = [span for of, spans in confirmed if of == epoch for span in spans]
        items = [item for of, items in refused if of == epoch for item in items]
        now = self._monotonic()
        stored: list[Record] = []
        late = self._unsaved is not None and now >= self._unsaved + RECEIPTS
        if records or items or notes or late or len(spans) >= MANY:
            stored = self._store.apply(records, spans, items, notes)
            self._unsaved = None
        elif spans and self._store.confirm_soon(spans) and self._unsaved is None:
            self._unsaved = now
        with self._wake:
            self._wake.notify_all()
        if stored:
            self._tell(stored)

    def _tell(self, stored: list[Record]) -> None:
        try:
            self._on_stored(stored)
        except Exception:  # they are on the disk; without this thread nothing else would ever be
            log.exception("internal error after records were stored")

    def _keep(
        self,
        records: list[Record],
        confirmed: list[tuple[str, Spans]],
        refused: list[tuple[str, Refusals]],
        notes: dict[str, str | None],
        trouble: StoreUnusable,
    ) -> None:
        with self._wake:
            self._records[:0] = records
            self._confirmed[:0] = confirmed
            self._refused[:0] = refused
            self._notes = notes | self._notes
            now = self._monotonic()
            self._since = now
            self._not_before = now + PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            self.trouble = str(trouble)

    def _answer(self, function: Callable[[Store], Any], future: "Future[Any]") -> None:
        try:
            future.set_result(function(self._store))
        except Exception as error:  # the caller's own, handed to the caller
            future.set_exception(error)
