"""The 48 half hours of a local day from interval records: energy of each, and whether it may be billed.

A meter's profile need not be one of half hours: shorter intervals are summed, and an interval that is longer than its
half hour or lies across two is never split, for how the energy was spread is not known. It counts in the half hour in
which it ends, and every half hour that it touches is doubtful.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from buffer.record import Record
from buffer.store import Store
from drivers.times import MILLISECOND

HALF_HOUR = timedelta(minutes=30)
LONGEST = timedelta(hours=1)  # an interval that ends after midnight may still touch the day
SLOTS = 48
CHANNELS: Mapping[str, str] = {"01": "1-0:1.29.0", "02": "1-0:2.29.0", "03": "1-0:3.29.0", "04": "1-0:4.29.0"}
"""Channel of Макет 80020 → OBIS code of the interval's energy: A+, A−, R+, R−."""
SOUND = frozenset({"restored", "unidentified"})
"""Flags that leave a half hour fit for billing: read later, or of a model that has no serial register."""


@dataclass(frozen=True, slots=True)
class HalfHour:
    """Energy of half an hour in Wh (varh) as the meter counts it, ratio not applied; 0 where nothing is known.
    ``reason`` says why it is doubtful, "" where it is not."""

    energy: Decimal = Decimal(0)
    reason: str = ""


@dataclass(slots=True)
class _Gathering:
    """A half hour while the records come in."""

    start: datetime
    end: datetime
    energy: Decimal = Decimal(0)
    covered: timedelta = timedelta()
    reasons: list[str] = field(default_factory=list)

    def doubt(self, reason: str) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)

    def done(self) -> HalfHour:
        if not self.covered:
            self.doubt("missing")
        elif self.covered < self.end - self.start:
            self.doubt("incomplete")
        return HalfHour(self.energy, ", ".join(self.reasons))


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Midnight and midnight of a local day, aware UTC: 23 to 25 hours apart."""
    start, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return start, end


def of_day(store: Store, point: str, day: date, zone: ZoneInfo) -> dict[str, tuple[HalfHour, ...]]:
    """The 48 half hours of each channel that this point's records of the day have.

    They go by the wall clock, 00:00 first. On the day on which the clock goes forward the half hours that do not
    exist hold 0 and are sound; where an hour comes twice its energy is that of both.
    """
    start, end = bounds(day, zone)
    records = list(store.find(point, ("interval",), start + MILLISECOND, end + LONGEST + MILLISECOND))
    return {
        channel: tuple(_by_wall_clock(_gather(records, code, start, end), zone))
        for channel, code in CHANNELS.items()
        if any(code in record.values and record.at <= end for record in records)
    }


def nothing() -> tuple[HalfHour, ...]:
    """A day of which nothing is known."""
    return (HalfHour(reason="missing"),) * SLOTS


def _gather(records: Iterable[Record], code: str, start: datetime, end: datetime) -> list[_Gathering]:
    slots = [
        _Gathering(at, min(at + HALF_HOUR, end))
        for at in (start + n * HALF_HOUR for n in range((end - start) // HALF_HOUR))
    ]
    reached: dict[str, datetime] = {}
    for record in sorted(records, key=lambda one: (one.meter, one.at)):
        since = record.start
        if since is None or since >= record.at or code not in record.values:
            continue
        touched = [slot for slot in slots if slot.start < record.at and since < slot.end]
        doubts: list[str] = [flag for flag in record.flags if flag not in SOUND]
        if since < reached.get(record.meter, since):
            doubts.append("overlapping")
        elif record.values[code] < 0:
            doubts.append("impossible")
        else:
            reached[record.meter] = record.at
            _count(record.at, since, Decimal(record.values[code]), touched)
        for slot in touched:
            for doubt in doubts:
                slot.doubt(doubt)
    return slots


def _count(at: datetime, since: datetime, energy: Decimal, touched: Sequence[_Gathering]) -> None:
    for slot in touched:
        slot.covered += min(at, slot.end) - max(since, slot.start)
        if since < slot.start or at > slot.end:
            slot.doubt("not split")
        if slot.start < at <= slot.end:
            slot.energy += energy


def _by_wall_clock(slots: Iterable[_Gathering], zone: ZoneInfo) -> Iterator[HalfHour]:
    found: dict[int, list[HalfHour]] = {}
    for slot in slots:
        local = slot.start.astimezone(zone)
        found.setdefault(local.hour * 2 + local.minute // 30, []).append(slot.done())
    for number in range(SLOTS):
        passes = found.get(number, [])
        reasons = dict.fromkeys(one.reason for one in passes if one.reason)
        yield HalfHour(sum((one.energy for one in passes), Decimal(0)), ", ".join(reasons))
