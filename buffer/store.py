"""The gateway's store: durable before it is clever. docs/store.md says what each fault does to it."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from buffer import body, look, rows, states
from buffer.record import Record
from buffer.repair import RESERVE, Keeper, Monotonic, Now
from buffer.states import RecordState, grouped
from buffer.tables import Tables
from drivers.reading import Kind
from drivers.times import MILLISECOND

DAY = 86_400_000  # ms
CHUNK = 500  # records a transaction or a question, where there may be very many
STATES = (states.PENDING, states.HELD, states.CONFIRMED, states.REFUSED)


@dataclass(frozen=True, slots=True)
class Counts:
    """Records that the store has now; of the confirmed those not pruned yet. ``oldest_pending``: when it was read."""

    pending: int
    held: int
    refused: int
    confirmed: int
    oldest_pending: datetime | None
    last_seq: int


class Store:
    """Records with their numbers and states. Every method may be called from any thread; one writes at a time.

    What a writing method has answered is on the disk. StoreUnusable where the disk says no. Damage that is found on
    use begins a new epoch by itself: ``epoch`` changes, and receipts for the old one are void.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._oldest: tuple[str, int, datetime | None] = ("", 0, None)
        self._releasing = threading.Lock()  # taken before the keeper's own lock

    @classmethod
    def open(
        cls,
        state_dir: Path,
        *,
        now: Now,
        reserve: int = RESERVE,
        read_only: bool = False,
        monotonic: Monotonic | None = None,
    ) -> "Store":
        """The store of this directory, made if there is none; StoreBusy, StoreTooNew or StoreUnusable.

        ``reserve``: bytes kept free for the day when the disk is full. ``read_only`` is for commands that look while
        a daemon may run: what is committed at this moment, no lock, nothing written, FileNotFoundError where there is
        no store. ``monotonic`` is the clock of ``Record.monotonic``, the system's where it is not given.
        """
        return cls(Keeper.open(state_dir, now=now, reserve=reserve, read_only=read_only, monotonic=monotonic))

    @property
    def epoch(self) -> str:
        """A random id made with the store; epoch and seq are the delivery key."""
        return self._keeper.tables.epoch

    @property
    def last_seq(self) -> int:
        return self._keeper.tables.last_seq

    @property
    def events(self) -> list[Record]:
        """What opening had to repair, as the gateway's own events; no one has put them yet."""
        return self._keeper.events

    # What comes in

    def put(self, records: Sequence[Record]) -> list[Record]:
        """Keep them in one transaction, numbered without holes; those whose natural key is there are left out.

        The answer may hold one record more: the event that counts what a full disk has cost. TypeError or ValueError
        (a binary float, NaN, a time without a zone): none of them is kept.
        """
        return self.apply(records)

    def apply(
        self,
        records: Sequence[Record] = (),
        confirmed: Sequence[tuple[int, int]] = (),
        refused: Sequence[tuple[int, str, str]] = (),
        notes: Mapping[str, str | None] | None = None,
    ) -> list[Record]:
        """``put``, ``confirm``, ``refuse`` and ``note`` in one transaction: fewer bytes for the card, and no power
        cut between a record and the note that it was raised. Answers as ``put``."""
        epoch = self.epoch

        def work(tables: Tables) -> list[Record]:
            if tables.epoch == epoch:
                _confirm(tables, confirmed)
                _refuse(tables, refused)
            _note_all(tables, notes or {})
            return tables.store(records)

        stored = self._keeper.change(work, records)
        if stored:
            self._keeper.latest = stored[-1]
        return stored + self._keeper.raised()

    def confirm(self, spans: Sequence[tuple[int, int]]) -> int:
        """The intake has them: how many were pending or refused until now. Unknown numbers are ignored."""
        epoch = self.epoch
        return self._keeper.change(lambda tables: _confirm(tables, spans) if tables.epoch == epoch else 0)

    def confirm_soon(self, spans: Sequence[tuple[int, int]]) -> int:
        """As ``confirm``, on the disk with the next transaction only: a receipt that a power cut makes us forget
        costs one delivery more, and no write of its own."""
        return self._keeper.soon(partial(_confirm, spans=spans, soon=True))

    def refuse(self, items: Sequence[tuple[int, str, str]]) -> int:
        """The intake says no, with code and text: how many were pending until now. Others are ignored."""
        epoch = self.epoch
        return self._keeper.change(lambda tables: _refuse(tables, items) if tables.epoch == epoch else 0)

    def resend(self, from_seq: int, to_seq: int) -> int:
        """Confirmed and refused ones that are still kept become pending again, unchanged: how many."""
        epoch = self.epoch
        return self._keeper.change(lambda tables: _resend(tables, [(from_seq, to_seq)]) if tables.epoch == epoch else 0)

    def resend_time(self, since: datetime, until: datetime) -> int:
        """As ``resend``, for records whose ``at`` is in since ≤ at < until."""
        place = rows.moment_key(body.milliseconds(since), 0, 0)
        end = rows.moment_key(body.milliseconds(until), 0, 0)
        select = "SELECT moment, seq FROM moments WHERE moment >= ? AND moment < ? ORDER BY moment LIMIT ?"
        count = 0
        while found := self._keeper.ask(partial(Tables.fetch, sql=select, parameters=(place, end, CHUNK))):
            place = found[-1][0] + 1
            count += self._keeper.change(partial(_resend, spans=grouped(sorted(seq for _, seq in found))))
        return count

    # What goes out

    def bodies(self, after: int, until: int, limit: int) -> list[tuple[int, str]]:
        """Pending records that are not held, ascending seq in (after, until], as the contract's JSON objects.

        Fewer than ``limit`` only where there are no more. A record whose checksum fails is not among them: it is set
        aside with an event.
        """
        found: list[tuple[int, str]] = []
        while len(found) < limit:
            part = partial(look.bodies, after=after, until=until, limit=limit - len(found))
            # A held record is pending in memory before its correction is on the disk: it must not go out without it.
            with self._releasing:
                sound, spoiled, last = self._keeper.ask(part)
            found += sound
            if spoiled:
                self._keeper.set_aside(spoiled)
            if last is None:
                break
            after = last
        return found

    def counts(self) -> Counts:
        """Cheap: nothing is scanned."""
        tables = self._keeper.tables
        runs, last = tables.ranges, tables.last_seq
        numbers = runs.counts(last)
        return Counts(
            pending=last - sum(numbers.values()),
            held=numbers[states.HELD],
            refused=numbers[states.REFUSED],
            confirmed=numbers[states.CONFIRMED],
            oldest_pending=self._oldest_pending(runs.runs(1, last, (states.PENDING,), enough=1)),
            last_seq=last,
        )

    def _oldest_pending(self, runs: list[states.Run]) -> datetime | None:
        if not runs:
            return None
        if self._oldest[:2] != (self.epoch, runs[0].first):
            found = self._keeper.ask(lambda tables: tables.rows(runs[0].first, runs[0].first))
            sound = found and rows.sound_text(found[0], self._keeper.tables.words)
            when = body.moment(found[0].at + found[0].lag) if sound else None
            self._oldest = (self.epoch, runs[0].first, when)
        return self._oldest[2]

    def pending_ranges(self) -> list[tuple[int, int]]:
        tables = self._keeper.tables
        return [(run.first, run.last) for run in tables.ranges.runs(1, tables.last_seq, (states.PENDING,))]

    def rows(
        self, state: str = "all", from_seq: int = 1, limit: int = 100
    ) -> list[tuple[Record, RecordState, str | None]]:
        """Record, state (pending, held, confirmed, refused) and reason ("code: text") from this number on."""
        if state != "all" and state not in STATES:
            raise ValueError(f"state: found {state!r}, expected all or one of {', '.join(STATES)}")
        wanted = STATES if state == "all" else (state,)
        return self._keeper.ask(lambda tables: list(look.lines(tables, wanted, max(1, from_seq), limit)))

    def last(self, point: str, kind: Kind, meter: str | None = None) -> Record | None:
        """The record of this point and kind whose ``at`` is the newest, of one meter or of all it had; cheap."""

        def rows_of_it(tables: Tables) -> list[rows.Row] | None:
            wanted = tables.words.matching(point, kind, meter)
            known = [tables.newest[series] for series in wanted if series in tables.newest]
            if not known:
                return None
            _, seq = max(known)
            return tables.rows(seq, seq)

        def question(tables: Tables) -> Record | None:
            found = rows_of_it(tables)
            if found == []:  # known a moment before it is on the disk: then the writer is waited for
                with tables.writing:
                    found = rows_of_it(tables)
            return next((look.whole(tables, row) for row in found or ()), None)

        return self._keeper.ask(question)

    def revision(self, point: str, kinds: tuple[Kind, ...]) -> tuple[str, ...]:
        """Another one than before once a record of this point and these kinds has come or was corrected; of this run
        only. Ask for it before ``find``: what comes between the two is then not overlooked."""
        tables = self._keeper.tables
        return tables.epoch, *(str(tables.revisions.get((point, kind), 0)) for kind in kinds)

    def find(
        self,
        point: str | None,
        kinds: tuple[Kind, ...],
        since: datetime,
        until: datetime,
        meter: str | None = None,
    ) -> Iterator[Record]:
        """Records of this point (None: of all, the gateway's own too) and these kinds with since ≤ ``at`` < until, by
        ``at``, without their frames.

        Asked for a day at a time, so that neither memory nor a reading daemon's lock is held for long. Those whose
        checksum fails are left out.
        """
        for moments in self._days(since, until):
            part = partial(look.found, wanted=(point, tuple(kinds), meter), moments=moments)
            yield from self._keeper.ask(part)

    def present(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[str, str, datetime]]:
        """Point, meter and ``at`` of each record of an archive kind (not events) with since ≤ ``at`` < until, by
        ``at``: what is there, without reading it."""
        for moments in self._days(since, until):
            yield from self._keeper.ask(partial(look.present, kind=kind, moments=moments))

    def _days(self, since: datetime, until: datetime) -> Iterator[tuple[int, int]]:
        """Bounds of ``moments`` in pieces of a day."""
        start, end = (body.milliseconds(when) for when in (since, until))
        for at in range(start, end, DAY):
            yield rows.moment_key(at, 0, 0), rows.moment_key(min(at + DAY, end), 0, 0)

    # Records read while the clock was not set

    def restamp(self, boot: str, utc: datetime, monotonic: float) -> int:
        """The clock is set now: it is ``utc`` at ``monotonic`` seconds of this boot. How many held records of this
        boot got their right ``at`` and ``read_at`` by the monotonic time at which they were read (an unset clock may
        have stepped in between), ``clock`` "restamped", and are pending. ``at`` of archives and of a meter's journal
        is the meter's own and stays; ``meter_offset`` follows. Where two moments would become one, the later record
        is moved by a millisecond."""

        def right(record: Record, read: float) -> Record:
            return rows.moved(record, utc - timedelta(milliseconds=round((monotonic - read) * 1000)) - record.read_at)

        return self._release("boot = ? AND monotonic IS NOT NULL", (boot,), right)

    def give_up_holding(self, boot: str, oldest: float | None = None) -> int:
        """Held records that no one can correct any more become pending with the flag ``clock-unset``: how many.

        Those of other boots than ``boot``, and with ``oldest`` those of this boot that were read before this
        monotonic time.
        """
        condition = "boot <> ?"
        values: list[str | float] = [boot]
        if oldest is not None:
            condition += " OR monotonic IS NULL OR monotonic < ?"
            values.append(oldest)
        return self._release(condition, tuple(values), lambda record, _: _flagged(record))

    def _release(
        self, condition: str, values: tuple[str | float, ...], change: Callable[[Record, float], Record]
    ) -> int:
        def work(tables: Tables) -> int:
            select = f"SELECT seq, monotonic FROM held WHERE {condition} ORDER BY seq LIMIT {CHUNK}"
            found = [(seq, monotonic) for seq, monotonic in tables.write.execute(select, values)]
            for seq, monotonic in found:
                for row in tables.rows(seq, seq):
                    if rows.sound_text(row, tables.words) is not None:
                        tables.rewrite(change(rows.unpack(row, tables.words), monotonic))
                tables.write.execute("DELETE FROM held WHERE seq = ?", (seq,))
            for first, last in grouped([seq for seq, _ in found]):
                tables.set_state(first, last, states.PENDING)
            return len(found)

        total = 0
        while True:
            with self._releasing:
                count = self._keeper.change(work)
            if not count:
                return total
            total += count

    # Small durable facts, and the end of things

    def note(self, key: str, value: str | None) -> None:
        """Keep a small fact across restarts and new epochs; None forgets it. Keys: :mod:`buffer.notes`."""
        self.note_all({key: value})

    def note_all(self, notes: Mapping[str, str | None]) -> None:
        """As :meth:`note` for each of them, in one transaction."""
        self._keeper.change(partial(_note_all, notes=notes))

    def noted(self, key: str) -> str | None:
        select = "SELECT value FROM notes WHERE key = ?"
        return next((str(row[0]) for row in self._keeper.ask(lambda tables: tables.fetch(select, (key,)))), None)

    def notes(self, prefix: str = "") -> dict[str, str]:
        """All facts whose key begins so."""
        select = "SELECT key, value FROM notes WHERE key >= ? AND key < ? ORDER BY key"
        return dict(self._keeper.ask(lambda tables: tables.fetch(select, (prefix, prefix + "\U0010ffff"))))

    def prune(self, keep: timedelta, keep_frames: timedelta) -> int:
        """Delete confirmed records read longer than ``keep`` ago, and raw frames of any record longer than
        ``keep_frames`` ago: how many records went. Their numbers are never used again."""
        now = body.milliseconds(self._keeper.now())
        return self._keeper.prune(now - keep // MILLISECOND, now - keep_frames // MILLISECOND)

    def close(self) -> None:
        """Everything is on the disk, the lock is free. Twice is harmless."""
        self._keeper.close()


def _confirm(tables: Tables, spans: Sequence[tuple[int, int]], soon: bool = False) -> int:
    count = 0
    for low, high in spans:
        for run in tables.ranges.runs(max(1, low), min(high, tables.last_seq), (states.PENDING, states.REFUSED)):
            # The reason of a refusal that was taken back stays until the row is deleted: no one asks for it.
            if soon:
                tables.state_soon(run.first, run.last, states.CONFIRMED)
            else:
                tables.set_state(run.first, run.last, states.CONFIRMED)
            count += run.last - run.first + 1
    return count


def _refuse(tables: Tables, items: Sequence[tuple[int, str, str]]) -> int:
    count = 0
    for seq, code, text in items:
        if 0 < seq <= tables.last_seq and tables.ranges.state(seq) == states.PENDING:
            tables.refuse(seq, code, text)
            count += 1
    return count


def _resend(tables: Tables, spans: Sequence[tuple[int, int]]) -> int:
    count = 0
    for low, high in spans:
        for run in tables.ranges.runs(max(1, low), min(high, tables.last_seq), (states.CONFIRMED, states.REFUSED)):
            tables.set_state(run.first, run.last, states.PENDING)
            count += run.last - run.first + 1
    return count


def _note_all(tables: Tables, notes: Mapping[str, str | None]) -> None:
    for key, value in notes.items():
        _note(tables, key, value)


def _note(tables: Tables, key: str, value: str | None) -> None:
    if value is None:
        tables.write.execute("DELETE FROM notes WHERE key = ?", (key,))
    else:
        tables.write.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))


def _flagged(record: Record) -> Record:
    return record if "clock-unset" in record.flags else replace(record, flags=(*record.flags, "clock-unset"))
