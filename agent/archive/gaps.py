"""One archive kind of one meter: which slots are missing, what is asked next, what an answer or a failure means."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from agent.archive.slots import Grid
from buffer.spans import Span, Spans
from drivers.reading import Kind

log = logging.getLogger("meterpost.archive")

SIZES = {"interval": 204, "day": 31, "month": 12}
"""Slots of a piece at most: twelve answers of a meter that gives 17 records at once, five of one that gives 48 rows."""
BRIDGE = 6
"""Slots that are asked once more with their neighbours rather than with a question of their own."""
NARROWING = 60.0  # s until half of a piece that failed is asked
LONGEST_PAUSE = 86400.0  # s between two tries of what fails again and again
GROWTH = 4.0
BUSY_PAUSE, LONGEST_BUSY = 60.0, 3600.0  # s
SHELVED = 3600.0  # s until one slot that failed is tried again
UNPROVEN = 3600.0  # s until slots after the newest that the meter ever gave are asked again
OCCASIONS = 3  # after this many failures of one slot, while others come, the meter counts as not having it


@dataclass(frozen=True, slots=True)
class ArchiveSlice:
    """What one question to a driver covers: the slots first…last of a point's kind, as moments with both ends in it."""

    point: str
    kind: Kind
    first: int
    last: int
    since: datetime
    until: datetime


@dataclass(slots=True)
class Shelved:
    """One slot that failed by itself. Times are monotonic seconds."""

    since: float
    until: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Gaps:
    """``open``: slots that no one has, as far as the store was scanned; ``absent``: what the meter has not
    either; ``urgent``: what someone wants first. All times are monotonic seconds."""

    point: str
    serial: str
    grid: Grid
    open: Spans = field(default_factory=Spans)
    absent: Spans = field(default_factory=Spans)
    urgent: Spans = field(default_factory=Spans)
    compared: Spans = field(default_factory=Spans)  # units in which the store was scanned
    window: Span = (0, -1)  # the slots that should be there by now, as last planned
    size: int = 0
    pause_until: float = 0.0
    failures: int = 0
    busy: int = 0
    sound_at: float = float("-inf")
    shelf: dict[int, Shelved] = field(default_factory=dict)
    newest: int | None = None  # the newest slot that is known of this meter
    held_until: float = 0.0  # what comes after it is not asked before
    held_for: float = UNPROVEN
    changed: bool = False  # ``absent`` is not yet as it is noted

    def __post_init__(self) -> None:
        self.size = SIZES[self.grid.kind]

    def missing(self, first: int, last: int) -> int:
        """How many slots of first…last no one has."""
        return self.open.among(first, last)

    def next(self, now: float) -> tuple[ArchiveSlice, bool] | None:
        """What to ask of the window, the newest first, and whether it is urgent; None where nothing is to be asked
        now."""
        if now < self.pause_until:
            return None
        window = self.window
        if now < self.held_until:
            window = window[0], window[0] - 1 if self.newest is None else min(window[1], self.newest)
        for low, high in self.urgent.falling(*window):
            piece = self._newest((low, high), now)
            if piece is not None:
                return piece, True
        piece = self._newest(window, now)
        return None if piece is None else (piece, False)

    def _newest(self, window: Span, now: float) -> ArchiveSlice | None:
        for low, high in self.open.falling(*window):
            for last in range(high, low - 1, -1):
                if last not in self.shelf:
                    return self._piece(self._reaching_down(window[0], low, last), last)
                if self.shelf[last].until <= now:
                    return self._piece(last, last)
        return None

    def _reaching_down(self, oldest: int, low: int, last: int) -> int:
        """The first slot of a piece that ends with ``last``: small gaps are bridged, shelved slots are not touched."""
        most = max(oldest, last - self.size + 1)
        first = max(low, most)
        for lower, upper in self.open.falling(most, low - 1):
            if first - upper - 1 > BRIDGE:
                break
            first = lower
        return max([first, *(number + 1 for number in self.shelf if number < last)])

    def _piece(self, first: int, last: int) -> ArchiveSlice:
        return ArchiveSlice(self.point, self.grid.kind, first, last, self.grid.at(first), self.grid.at(last))

    def stored(self, moments: Iterable[datetime]) -> int:
        """Records with these stamps are there: how many missing slots that fills."""
        filled = 0
        for at in moments:
            number = self.grid.number(at)
            if number is None:
                continue
            if self.newest is None or number > self.newest:
                self.newest, self.held_until, self.held_for = number, 0.0, UNPROVEN
            if number in self.open:
                self.open.remove(number, number)
                filled += 1
            if number in self.absent:
                self.absent.remove(number, number)
                self.changed = True
            self.shelf.pop(number, None)
        return filled

    def finished(self, piece: ArchiveSlice, now: float) -> int:
        """The meter answered soundly: what it did not bring of this piece it has not. How many slots that are.

        What lies after the newest slot that it ever gave may be still to come: our clock may have gone ahead of the
        world, or the meter's be behind.
        """
        proven = piece.first - 1 if self.newest is None else min(piece.last, self.newest)
        lost = self.open.within(piece.first, proven)
        for low, high in lost:
            self._gone(low, high)
        if self.open.among(max(piece.first, proven + 1), piece.last):
            self.held_until, self.held_for = now + self.held_for, min(LONGEST_PAUSE, self.held_for * GROWTH)
        self.urgent.remove(piece.first, piece.last)
        self.failures = self.busy = 0
        self.sound_at = now
        self.size = min(SIZES[self.grid.kind], self.size * 2)
        return sum(high - low + 1 for low, high in lost)

    def doubtful(self, now: float) -> None:
        """The meter answered, and its clock is off by more than a slot: what did not come may be elsewhere."""
        self.pause_until = now + LONGEST_PAUSE

    def interrupted(self, piece: ArchiveSlice, filled: int) -> None:
        """The line was wanted. Where nothing came at all, less is asked next time, so that something comes."""
        if not filled:
            self.size = max(1, (piece.last - piece.first + 1) // 2)

    def later(self, now: float) -> None:
        """The meter said: not now."""
        self.pause_until = now + min(LONGEST_BUSY, BUSY_PAUSE * 2**self.busy)
        self.busy = min(self.busy + 1, 10)

    def failed(self, piece: ArchiveSlice, now: float) -> int:
        """No sound answer, or a refusal. How many slots are given up for that (0 or 1)."""
        if piece.first != piece.last:
            self.size = max(1, (piece.last - piece.first + 1) // 2)
            self.pause_until = now + NARROWING
            return 0
        self.pause_until = now + min(LONGEST_PAUSE, NARROWING * GROWTH**self.failures)
        self.failures = min(self.failures + 1, 10)
        shelved = self.shelf.setdefault(piece.first, Shelved(now))
        shelved.count += 1
        shelved.until = now + min(LONGEST_PAUSE, SHELVED * GROWTH ** min(shelved.count, 10))
        if shelved.count < OCCASIONS or self.sound_at <= shelved.since or piece.first not in self.open:
            return 0
        log.warning("%s: %s of %s failed %d times and is given up", self.point, piece.kind, piece.until, shelved.count)
        self._gone(piece.first, piece.first)
        return 1

    def again(self, first: int, last: int) -> None:
        """Someone wants these slots: what counted as absent is asked once more, before everything else."""
        for low, high in self.absent.within(first, last):
            self.open.add(low, high)
            self.changed = True
        self.absent.remove(first, last)
        self.urgent.add(first, last)
        self.pause_until = self.held_until = 0.0
        for number in [number for number in self.shelf if first <= number <= last]:
            del self.shelf[number]

    def forget(self, before: int) -> None:
        """What lies before this slot is out of everybody's reach."""
        oldest = min((next(iter(runs))[0] for runs in (self.open, self.absent) if len(runs)), default=before)
        if oldest < before:
            self.changed = self.changed or self.absent.among(oldest, before - 1) > 0
            for runs in (self.open, self.absent, self.urgent):
                runs.remove(oldest, before - 1)

    def _gone(self, first: int, last: int) -> None:
        self.open.remove(first, last)
        self.absent.add(first, last)
        self.changed = True
        for number in [number for number in self.shelf if first <= number <= last]:
            del self.shelf[number]
