"""Archives and journals of a simulated Mercury 23x: nothing is stored, all follows from what the meter has counted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from protocols.mercury.archives import EMPTY, ProfileRecord, encode_stamp
from protocols.mercury.frames import Energy
from simulators.slots import Slot, Slots, reached, shifted

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DAYS, MONTHS = 123, 36  # depth of command 18h

Rows = Mapping[int, Energy]
"""Registers by tariff, 0 the total."""


@dataclass
class Archive:
    """``truth``: the registers at any moment, as if the supply had never failed. ``now``: true time (aware).

    ``off``: spans without supply, in which nothing is counted and no interval recorded, while places in the ring go
    on (``goes_on``) or not. ``since``: when the meter began; ``restarts``: when its profile was cleared, which begins
    again at place 0. ``steps``: when its clock was set, and by how much: an interval in which that happens has all that
    was counted since the one before, and is incomplete. ``places`` of the ring, ``constant`` in imp/kWh, ``period`` in
    minutes.
    """

    truth: Callable[[datetime], Rows]
    now: Callable[[], datetime]
    zone: str = "Europe/Moscow"
    since: datetime = EPOCH
    off: list[tuple[datetime, datetime]] = field(default_factory=list)
    restarts: list[datetime] = field(default_factory=list)
    steps: list[tuple[datetime, timedelta]] = field(default_factory=list)
    goes_on: bool = True
    period: int = 30
    places: int = 8192
    constant: int = 500
    long_answers: bool = True

    def rows(self, at: datetime) -> dict[int, Energy]:
        """The registers at a moment: the truth without what went by while the meter was off."""
        rows = dict(self.truth(at))
        for begin, end in self.off:
            if begin < at:
                before, after = self.truth(begin), self.truth(min(end, at))
                rows = {tariff: _less(row, before[tariff], after[tariff]) for tariff, row in rows.items()}
        return rows

    def wall(self) -> datetime:
        """What the meter's clock shows now, naive, in its own zone."""
        return (self.now() + shifted(self.now(), self.steps)).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def midnight(self, day: date) -> datetime:
        """The true moment at which the meter's clock came to 00:00 of a day, or was set beyond it."""
        shown = datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)
        return reached(shown, self.steps, timedelta())

    def frozen(self, day: date) -> dict[int, Energy] | None:
        """The registers at the start of a day; None where the meter had not begun or the day is yet to come."""
        at = self.midnight(day)
        return self.rows(at) if self.since <= at <= self.now() else None

    def snapshot(self, day: date, month: bool) -> dict[int, Energy] | None:
        """What command 18h has of a date; None beyond its depth."""
        today = self.today
        if month:
            age = today.year * 12 + today.month - day.year * 12 - day.month
            return self.frozen(day.replace(day=1)) if 0 <= age < MONTHS else None
        return self.frozen(day) if 0 <= (today - day).days < DAYS else None

    def array(self, array: int, month: int) -> dict[int, Energy] | None:
        """What the arrays B (months), C and D (today, yesterday) of command 05h have."""
        today = self.today
        match array:
            case 0xB:
                return self.frozen(date(today.year - (month > today.month), month, 1))
            case 0xC:
                return self.frozen(today)
            case 0xD:
                return self.frozen(today - timedelta(days=1))
            case _:
                return None

    @property
    def today(self) -> date:
        return self.wall().date()

    def last(self) -> tuple[int, bytes]:
        """The place of the last record, and that record; place 0 and zeros if there is none."""
        kept = self._kept()
        for number in range(len(kept) - 1, -1, -1):
            if self._written(kept[number]):
                return number % self.places, self._record(kept[number])
        return 0, bytes(6) + bytes((self.period,)) + bytes(8)

    def record(self, place: int) -> bytes:
        """What lies at a place of the ring now: perhaps a record of an older lap, perhaps nothing."""
        kept = self._kept()
        newest = len(kept) - 1 - (len(kept) - 1 - place) % self.places
        laps = (kept[number] for number in range(newest, -1, -self.places))
        return next((self._record(slot) for slot in laps if self._written(slot)), EMPTY)

    def back(self, offset: int) -> bytes:
        """The record that lies so far behind the last one."""
        return self.record((self.last()[0] - offset) % self.places)

    def _kept(self) -> Sequence[Slot]:
        """The slots that got a place, oldest first."""
        slots = Slots(self._begun, self.now(), timedelta(minutes=self.period), self.steps, timedelta())
        return slots if self.goes_on else [slot for slot in slots if self._written(slot)]

    @property
    def _begun(self) -> datetime:
        return max([self.since, *(at for at in self.restarts if at <= self.now())])

    def _written(self, slot: Slot) -> bool:
        return not slot.off(self.off)

    def _record(self, slot: Slot) -> bytes:
        begin, end = slot.begin, slot.end
        incomplete = not slot.whole(timedelta(minutes=self.period), self.off, self.steps)
        local = slot.stamp.astimezone(ZoneInfo(self.zone))
        a, b, c, d = _counts(self.rows(begin)[0], self.rows(end)[0], self.constant)
        return ProfileRecord(local, self.period, (a, b, c, d), incomplete, winter=not local.dst()).to_bytes()


def _less(row: Energy, before: Energy, after: Energy) -> Energy:
    pairs = zip(_values(row), _values(before), _values(after), strict=True)
    return Energy(*(None if now is None else now - ((b or 0) - (a or 0)) for now, a, b in pairs))


def _values(row: Energy) -> tuple[int | None, ...]:
    return row.active_import, row.active_export, row.reactive_import, row.reactive_export


def _counts(begin: Energy, end: Energy, constant: int) -> Iterator[int | None]:
    """Whole impulses of twice the constant per kWh that came within the interval."""
    for before, after in zip(_values(begin), _values(end), strict=True):
        if before is None or after is None:
            yield None
        else:
            yield after * 2 * constant // 1000 - before * 2 * constant // 1000


@dataclass
class Journal:
    """A ring of entries. ``size`` of an entry in octets; an unused place is all zeros."""

    size: int = 12
    length: int = 10
    entries: dict[int, bytes] = field(default_factory=dict)  # by place
    latest: int = 0

    def add(self, data: bytes) -> None:
        self.latest = (self.latest + 1) % self.length if self.entries else 0
        self.entries[self.latest] = data

    def entry(self, place: int) -> bytes | None:
        """Of a place, or with its number the latest (FFh); None for a place that the ring has not."""
        if place == 0xFF:
            return self.entries.get(self.latest, bytes(self.size)) + bytes((self.latest,))
        return self.entries.get(place, bytes(self.size)) if place < self.length else None


def moments(*times: datetime | None) -> bytes:
    """Stamps of a journal entry: ss mm hh dd MM yy each, zeros for one that has not come yet."""
    return b"".join(map(encode_stamp, times))
