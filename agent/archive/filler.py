"""Keeps the archives whole: knows what is missing at every point, says what to ask next, remembers what is absent.

Threads: the daemon's loop calls ``tick`` once a second, which compares a piece of the store with the slots that
should be there; each bus's worker asks ``next`` for a slice to read and reports how it ended; the writer's thread
hands on what was stored. A slot is not compared yet, open (missing, will be asked), in a slice (being asked), or
absent (the meter does not have it; kept as a note). Newest first; one lock guards the gaps, another the comparison,
which may take long.

For others: :meth:`Filler.again` asks once more for a span that someone wants (the utility's ``fill``),
:meth:`Filler.missing` and :meth:`Filler.progress` are what ``status`` shows.
"""

import logging
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from agent.archive import windows
from agent.archive.gaps import ArchiveSlice, Gaps
from agent.host.clock import Clock, Stamp
from agent.judge.identity import same
from agent.meters.sealed import checksummed, verified
from agent.meters.state import MeterState
from buffer.body import milliseconds, moment
from buffer.faults import StoreError
from buffer.notes import ABSENT
from buffer.record import Record
from buffer.spans import Span, Spans
from buffer.store import Store
from buffer.writer import Change
from drivers.reading import Kind
from protocols.errors import Busy, MeterError

log = logging.getLogger("meterpost.archive")

AFTER = 45.0  # s after a start until the store is scanned: the first readings come before
TICK_EVERY = 30.0  # s between two checks where there is nothing to look through
PLAN_EVERY = 300.0  # s until the newest slots of all archives are counted in
TICK_COST = 0.05  # s of looking at once; the host has other things to do
NOTE_EVERY = 60.0  # s; what was found absent and not noted is asked once more after a power cut, no harm
RATE_OVER = 3600.0  # s over which the rate of filling is told

Key = tuple[str, str]


class Filler:
    """Any thread may call any method. ``call`` runs a function with the store where it may write (``Writer.call``)."""

    def __init__(self, store: Store, call: Change, clock: Clock) -> None:
        self._store, self._call, self._clock = store, call, clock
        self._lock = RLock()  # never held while the store is asked: its writer reports here
        self._comparing = RLock()
        self._meters: dict[str, MeterState] = {}
        self._bus_of: dict[str, str] = {}
        self._known: dict[Key, Gaps] = {}
        self._keep = timedelta(days=400)
        self._epoch = store.epoch
        self._next_tick = self._next_note = self._next_plan = 0.0
        self._nothing: set[str] = set()  # buses at which there was nothing to ask
        self._fresh: list[Record] | None = None  # stored while the store is being scanned
        self._settled: dict[str, deque[tuple[float, int]]] = {}
        self._began: dict[str, float] = {}

    def use(self, buses: Mapping[str, Sequence[MeterState]], keep_days: int) -> None:
        """The meters of a start or of a new configuration."""
        now = self._clock.monotonic()
        self._note_absences()
        with self._lock:
            self._meters = {meter.config.point: meter for meters in buses.values() for meter in meters}
            self._bus_of = {meter.config.point: bus for bus, meters in buses.items() for meter in meters}
            self._known = {}
            self._keep = timedelta(days=keep_days)
            self._next_tick, self._next_note, self._next_plan = now + AFTER, now + NOTE_EVERY, now
            self._settled = {bus: deque() for bus in buses}
            self._began = {}
            self._nothing.clear()

    # ── what is missing ──────────────────────────────────────────────────

    def tick(self) -> None:
        """Once a second or so: look through a piece of the store, note what was found absent. Never waits for long."""
        stamp = self._clock.stamp()
        if stamp.monotonic < self._next_tick or stamp.state == "unset":
            return
        self._next_tick = stamp.monotonic + TICK_EVERY
        try:
            if self._store.epoch != self._epoch:  # another store: what it holds is another matter
                with self._lock:
                    self._epoch, self._known = self._store.epoch, {}
            self._plan(stamp)
            self._nothing.clear()
            while (wanted := self._uncompared()) is not None:
                self._compare_unit(*wanted)
                if self._clock.monotonic() - stamp.monotonic > TICK_COST:
                    self._next_tick = stamp.monotonic
                    break
        except StoreError as trouble:
            log.error("the archives cannot be compared with the store: %s", trouble)
        if stamp.monotonic >= self._next_note:
            self._next_note = stamp.monotonic + NOTE_EVERY
            self._note_absences()

    def stored(self, records: Iterable[Record]) -> None:
        """These are on the disk now, wherever they came from."""
        with self._lock:
            for record in records:
                if record.kind in windows.KINDS:
                    if self._fresh is not None:
                        self._fresh.append(record)
                    gaps = self._known.get((record.point, record.kind))
                    if gaps is not None and same(gaps.serial, record.meter):
                        gaps.stored([record.at])

    def close(self) -> None:
        """Note what was found absent; before the store's writer ends."""
        self._note_absences()

    def _plan(self, stamp: Stamp) -> None:
        """The gaps of each archive whose slots are known by now, and now and then the window that counts. The slots may
        have another length than before: then they are counted anew."""
        again = stamp.monotonic >= self._next_plan
        if again:
            self._next_plan = stamp.monotonic + PLAN_EVERY
        for point, meter in list(self._meters.items()):
            for kind in windows.filled(meter):
                if not again and (point, kind) in self._known:
                    continue
                told = windows.reach(meter, kind, stamp.utc)
                if told is None:
                    continue
                gaps = self._known.get((point, kind))
                newest = None
                if kind == "interval" and told.step is None and gaps is None:
                    newest = self._store.last(point, kind, meter.config.serial)
                slots = windows.grid(meter, kind, told, newest, stamp.utc) or (gaps.grid if gaps is not None else None)
                if slots is None:
                    continue
                if gaps is None or gaps.grid != slots:
                    gaps = Gaps(point, meter.config.serial, slots)
                    self._remember(gaps)
                with self._lock:
                    if self._meters.get(point) is meter:
                        self._known[point, kind] = gaps
                        gaps.window = windows.window(meter, slots, told, self._keep, stamp.utc)
                        gaps.forget(gaps.window[0])

    def _remember(self, gaps: Gaps) -> None:
        for first, last in verified(self._store.noted(_note(gaps))) or []:
            since, until = moment(first), moment(last)
            gaps.absent.add(gaps.grid.after(since), gaps.grid.before(until))

    def _uncompared(self) -> tuple[windows.Unit, list[Gaps]] | None:
        """The newest unit that was not scanned, snapshots before intervals, and the archives that need it."""
        found: dict[windows.Unit, list[Gaps]] = {}
        with self._lock:
            for gaps in self._known.values():
                unread = _uncompared(gaps)
                if unread:
                    found.setdefault(windows.unit(gaps.grid, unread[-1][1]), []).append(gaps)
        if not found:
            return None
        wanted = min(found, key=lambda unit: (windows.KINDS.index(unit.kind), -unit.number))
        return wanted, found[wanted]

    def _compare_unit(self, unit: windows.Unit, all_gaps: Collection[Gaps]) -> None:
        """What the store has of a unit; records that are written meanwhile count too."""
        with self._comparing:
            self._compare(unit, all_gaps)

    def _compare(self, unit: windows.Unit, all_gaps: Collection[Gaps]) -> None:
        with self._lock:
            self._fresh = []
        since, until = windows.bounds(next(iter(all_gaps)).grid, unit.number)
        moments: dict[str, list[tuple[str, datetime]]] = {}
        for point, serial, at in self._store.present(unit.kind, since, until):
            moments.setdefault(point, []).append((serial, at))
        with self._lock:
            for record in self._fresh or ():
                if record.kind == unit.kind:
                    moments.setdefault(record.point, []).append((record.meter, record.at))
            self._fresh = None
            for gaps in all_gaps:
                first, last = windows.slots_of(gaps.grid, unit.number)
                for low, high in gaps.absent.gaps(first, last):
                    gaps.open.add(low, high)
                gaps.compared.add(unit.number, unit.number)
                gaps.stored([at for serial, at in moments.get(gaps.point, ()) if same(serial, gaps.serial)])

    # ── what to ask ──────────────────────────────────────────────────────

    def next(self, points: Collection[str], prefer: str | None = None) -> ArchiveSlice | None:
        """What to ask of one of these points; None where nothing is missing or may be asked now.

        What someone wants goes first, then months and days, newest first over all points, then intervals: the point
        that is behind least, so that all come back together. ``prefer``: the point whose session is open; it goes on
        while no other has anything more important.
        """
        stamp = self._clock.stamp()
        if stamp.state == "unset":
            return None
        best: tuple[tuple[int, bool, float], ArchiveSlice] | None = None
        with self._lock:
            buses = {self._bus_of[point] for point in points}
            if buses <= self._nothing:
                return None
            for gaps in [
                self._known[key] for point in points for kind in windows.KINDS if (key := (point, kind)) in self._known
            ]:
                found = gaps.next(stamp.monotonic)
                if found is None:
                    continue
                piece, urgent = found
                rank = 0 if urgent else 1 if piece.kind != "interval" else 2
                urgency = (rank, piece.point != prefer, -piece.until.timestamp())
                if best is None or urgency < best[0]:
                    best = urgency, piece
            if best is None:
                self._nothing |= buses  # until the next check: idle buses ask often
        return best[1] if best is not None else None

    def finished(self, piece: ArchiveSlice, moments: Collection[datetime]) -> None:
        """The meter has answered all of it with records of these moments. What is not among them it does not have,
        unless its clock is off by more than a slot."""
        now = self._clock.monotonic()
        with self._lock:
            gaps = self._known.get((piece.point, piece.kind))
            if gaps is None:
                return
            count = gaps.stored(moments)
            offset = self._meters[piece.point].offset
            if offset is not None and abs(offset) > gaps.grid.length.total_seconds():
                log.warning("%s: its clock is off by %s s; what is missing may be elsewhere", piece.point, offset)
                gaps.doubtful(now)
            else:
                count += gaps.finished(piece, now)
            self._count(piece.point, count, now)

    def interrupted(self, piece: ArchiveSlice, moments: Collection[datetime]) -> None:
        """The line was wanted by others, or lost; what came until then came."""
        with self._lock:
            gaps = self._known.get((piece.point, piece.kind))
            if gaps is not None:
                count = gaps.stored(moments)
                gaps.interrupted(piece, count)
                self._count(piece.point, count, self._clock.monotonic())

    def failed(self, piece: ArchiveSlice, moments: Collection[datetime], trouble: MeterError) -> None:
        """It ended in this; what came until then came. Busy is not a failure."""
        now = self._clock.monotonic()
        with self._lock:
            gaps = self._known.get((piece.point, piece.kind))
            if gaps is None:
                return
            count = gaps.stored(moments)
            if isinstance(trouble, Busy):
                gaps.later(now)
            else:
                log.info("%s: %s until %s: %s", piece.point, piece.kind, piece.until, trouble)
                count += gaps.failed(piece, now)
            self._count(piece.point, count, now)

    def again(self, point: str, kind: Kind, since: datetime, until: datetime) -> int:
        """Ask for this span (aware, both ends in it) before everything else, also for what counted as absent. How
        many slots are missing there and will be asked. KeyError for an unknown point, ValueError with the reason where
        nothing can be asked: also of a time that its archive, as it is kept here, does not reach."""
        stamp = self._clock.stamp()
        meter = self._meters[point]
        if kind not in windows.filled(meter):
            raise ValueError(f"{point}: {kind!r} is not kept; there are: {', '.join(windows.filled(meter)) or 'none'}")
        if stamp.state != "unset":
            self._plan(stamp)
        gaps = self._known.get((point, kind))
        if gaps is None:
            raise ValueError(f"{point}: the meter has not told yet how far its {kind!r} archive goes back; try later")
        span = max(gaps.window[0], gaps.grid.after(since)), min(gaps.window[1], gaps.grid.before(until))
        if span[0] > span[1]:
            raise ValueError(f"{point}: {_reach_as_text(gaps)}")
        for low, high in gaps.compared.gaps(*windows.units(gaps.grid, span)):
            for number in range(high, low - 1, -1):
                self._compare_unit(windows.unit(gaps.grid, number), [gaps])
        with self._lock:
            gaps.again(*span)
            self._nothing.clear()
            return gaps.missing(*span)

    # ── what is shown ────────────────────────────────────────────────────

    def missing(self, point: str) -> dict[str, int | None]:
        """Missing slots by kind; None while it is not known: the meter has not told its depth, or the store is still
        being scanned."""
        with self._lock:
            meter = self._meters.get(point)
            return {kind: self._missing(point, kind) for kind in windows.filled(meter)} if meter else {}

    def _missing(self, point: str, kind: Kind) -> int | None:
        gaps = self._known.get((point, kind))
        return None if gaps is None or _uncompared(gaps) else gaps.missing(*gaps.window)

    def progress(self, bus: str) -> dict[str, Any]:
        """``missing`` slots of a bus, ``rate`` an hour as it went within the last hour, ``done_at`` (aware UTC) of the
        meters that can be asked now: both None where no one can say."""
        stamp = self._clock.stamp()
        with self._lock:
            points = [point for point, of in self._bus_of.items() if of == bus]
            counts = {point: sum(count or 0 for count in self.missing(point).values()) for point in points}
            total, due = sum(counts.values()), sum(counts[point] for point in points if self._meters[point].sound)
            rate = self._rate(bus, stamp.monotonic)
        done = stamp.utc + timedelta(hours=due / rate) if due and rate else None
        return {"missing": total, "rate": round(rate) if rate else None, "done_at": done}

    def _count(self, point: str, count: int, now: float) -> None:
        bus = self._bus_of[point]
        settled = self._settled[bus]
        if not settled or now - settled[-1][0] > RATE_OVER:
            self._began[bus] = now  # a new piece of work
            settled.clear()
        settled.append((now, count))
        while settled[0][0] < now - RATE_OVER:
            settled.popleft()

    def _rate(self, bus: str, now: float) -> float | None:
        settled = [(at, count) for at, count in self._settled.get(bus, ()) if at >= now - RATE_OVER]
        begin = max(self._began.get(bus, now), now - RATE_OVER)
        return sum(count for _, count in settled) * 3600 / (now - begin) if settled and now > begin else None

    # ── what is remembered ───────────────────────────────────────────────

    def _note_absences(self) -> None:
        """Sealed notes of what is absent: runs of moments in ms, written where they changed."""
        with self._lock:
            texts = {_note(gaps): _moments(gaps) for gaps in self._known.values() if gaps.changed}
            changed = [gaps for gaps in self._known.values() if gaps.changed]
            for gaps in changed:
                gaps.changed = False
        if not texts:
            return

        notes = {key: checksummed(runs) if runs else None for key, runs in texts.items()}
        try:
            self._call(lambda store: store.note_all(notes))
        except StoreError as trouble:
            log.error("what is absent is not noted: %s", trouble)
            with self._lock:
                for gaps in changed:
                    gaps.changed = True


def _uncompared(gaps: Gaps) -> list[Span]:
    """The units of its window in which the store was not scanned."""
    first, last = gaps.window
    return gaps.compared.gaps(*windows.units(gaps.grid, gaps.window)) if first <= last else []


def _reach_as_text(gaps: Gaps) -> str:
    """What can be asked for of this archive; the newest slots are brought by their own polls."""
    first, last = gaps.window
    if first > last:
        return f"its {gaps.grid.kind!r} archive has nothing yet that its polls would not bring"
    since, until = (f"{gaps.grid.at(slot).astimezone(gaps.grid.zone):%Y-%m-%d %H:%M}" for slot in (first, last))
    return f"its {gaps.grid.kind!r} archive can be asked from {since} to {until}; nothing of that time lies in it"


def _note(gaps: Gaps) -> str:
    return ABSENT.of(gaps.point, gaps.serial, gaps.grid.kind)


def _moments(gaps: Gaps) -> list[list[int]]:
    """The absent slots as runs of their moments, ms since 1970."""
    runs: Spans = gaps.absent
    return [[milliseconds(gaps.grid.at(number)) for number in run] for run in runs]
