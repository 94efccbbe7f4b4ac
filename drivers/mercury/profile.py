"""The load profile of a Mercury 23x: energy of each interval from the meter's ring of records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from drivers.mercury.learned import Learned
from drivers.mercury.meter_time import MeterTime
from drivers.reading import Ask, Number, Reach, Reading
from drivers.times import EPOCH
from protocols.errors import BadFrame, Busy, NoReply, Refused
from protocols.mercury.archives import LONG, LastRecord, ProfileRecord, ReadBack, ReadLastRecord, ReadRecords, Records
from protocols.mercury.identity import Details

STEP = 16  # octets from one record to the next
WORTH_LONG = 6  # records wanted from which on a long answer of 17 takes less time than single ones
PERIODS = frozenset({1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60})  # minutes; others do not part an hour


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What to read of one meter. ``codes``: OBIS groups C of the counts wanted; ``long``: its time-outs bear answers
    of 255 octets; ``stamped_at_start``: what a record's stamp means."""

    learned: Learned
    time: MeterTime
    codes: tuple[int, ...]
    long: bool
    stamped_at_start: bool = False

    def read(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        """Intervals that end within the span, both ends included, oldest first.

        Where a record lies is computed from the last one: places go on while the meter is off. Where they do not, or
        its clock was set, the records themselves say how far away to look. A record counts only with the very stamp
        and period of its slot: what is left of an older lap, of a profile before its restart or of a time without
        supply is none. Refused for a meter without a profile or of unknown constant.
        """
        details = self.learned.built(ask)
        if (constant := details.constant) is None:
            raise Refused(f"the meter's constant is not known: variant {details.variant.hex(' ').upper()}")
        last: LastRecord | None = self.learned.unless_refused(ask, ReadLastRecord())
        if last is None:
            raise Refused("the meter keeps no load profile")
        if last.initialising:
            raise Busy("the load profile is just being cleared")
        if last.at is None:
            return
        ring = _Ring(self.time, details, last)
        self.learned.period = last.period
        ages = ring.ages(since, until, self.stamped_at_start)
        for age, record in self._records(ask, ring, last, ages):
            stamp = ring.slot(age)
            if record is not None and record.at == self.time.wall(stamp) and record.period == last.period:
                end = stamp + ring.period if self.stamped_at_start else stamp
                yield self._reading(record, constant, end - ring.period, end)

    def _reading(self, record: ProfileRecord, constant: int, start: datetime, end: datetime) -> Reading:
        values = {
            f"1-0:{code}.29.0": energy(count, constant)
            for code in self.codes
            if (count := record.counts[code - 1]) is not None
        }
        whole = not record.incomplete and bool(values)
        return self.learned.reading("interval", values, set(), whole=whole, at=end, start=start)

    def _records(
        self, ask: Ask, ring: "_Ring", last: LastRecord, ages: range
    ) -> Iterator[tuple[int, ProfileRecord | None]]:
        """Records by their age in slots, in the order of ``ages`` (falling); as many in one answer as is sensible.

        Where two neighbours say that the clock or the ring made a jump, what lies behind it is looked for as far away.
        """
        todo, aimed = ages, None
        while todo:
            age = todo[0]
            found = self._from(ask, ring, age, len(todo))
            if found is None:
                yield from self._back(ask, last, todo)
                return
            todo = range(age - len(found), todo.stop, -1)
            for number, record in enumerate(found):
                jump = ring.jump(record, age - number)
                if jump and age - number != aimed:
                    beside = found[number + 1 :] or self._from(ask, ring, age - number - 1, 1) or (None,)
                    if ring.jump(beside[0], age - number - 1) == jump:
                        aimed = age - number
                        ring.shift += jump
                        todo = range(aimed, ages.stop, -1)
                        break
                if age - number > ages.stop:
                    yield age - number, record

    def _from(self, ask: Ask, ring: "_Ring", age: int, count: int) -> Records | None:
        """The record of this age and those after it, ``count`` at most being of use; None where the meter refuses."""
        address = ring.address(age)
        if address is None:
            return (None,)
        space = ring.space(address)
        if min(count, space) >= WORTH_LONG and self._may_be_long:
            return self._long(ask, address, max(0, LONG - space))
        found: Records | None = self.learned.unless_refused(ask, ReadRecords(address), "records by address")
        return found

    @property
    def _may_be_long(self) -> bool:
        return self.long and self.learned.long_records is not False

    def _long(self, ask: Ask, address: int, ahead: int) -> Records | None:
        """17 records with ``ahead`` of them before the address (none may lie beyond the ring's end), or one where the
        meter turns out to give no more at once."""
        try:
            found: Records = ask(ReadRecords(address - ahead * STEP, long=True))
        except (Refused, NoReply, BadFrame) as trouble:
            if self.learned.long_records and not isinstance(trouble, Refused):
                raise
            single: Records | None = self.learned.unless_refused(ask, ReadRecords(address), "records by address")
            self.learned.long_records = False
            return single
        self.learned.long_records = True
        return found[ahead:]

    def _back(self, ask: Ask, last: LastRecord, ages: range) -> Iterator[tuple[int, ProfileRecord | None]]:
        """By their distance from the last record, where the meter refuses addresses. Busy if a new one came meanwhile:
        then the distances were wrong."""
        found: list[tuple[int, ProfileRecord | None]] = []
        for age in ages:
            (record,) = ask(ReadBack(age))
            found.append((age, record))
        if ask(ReadLastRecord()) != last:
            raise Busy("a new interval came while the profile was read")
        yield from found


class _Ring:
    """Where the slots of a profile lie, counted back from the last record, whose age is 0."""

    def __init__(self, time: MeterTime, details: Details, last: LastRecord) -> None:
        if last.period not in PERIODS or last.at is None:
            raise BadFrame(f"a load profile of {last.period} minutes")
        self.period = timedelta(minutes=last.period)
        self.shift = 0  # by how many slots records are older than their distance from the last one says
        self._time = time
        self._newest = time.utc(last.at, last.winter)
        self._places = details.profile_records
        place, rest = (last.place, 0) if details.sixteenths else divmod(last.place, STEP)
        if place >= self._places or rest:
            raise BadFrame(f"the last record of the load profile lies at {last.place:X}h, outside of its memory")
        self._place = place

    def slot(self, age: int) -> datetime:
        """The stamp due of the record of this age, aware UTC: places go on by true time, whatever the wall clock."""
        return self._newest - age * self.period

    def ages(self, since: datetime, until: datetime, stamped_at_start: bool) -> range:
        """Ages of the intervals that end within the span, falling, as far as the ring reaches back."""
        newest = self._newest + self.period if stamped_at_start else self._newest
        oldest = min((newest - since) // self.period, self._places - 1)
        youngest = max(-((until - newest) // self.period), 0)
        return range(oldest, youngest - 1, -1)

    def address(self, age: int) -> int | None:
        """Where the record of this age lies; None where none can."""
        distance = age - self.shift
        if not 0 <= distance < self._places:
            self.shift = 0
            return None
        return (self._place - distance) % self._places * STEP

    def space(self, address: int) -> int:
        """Records from there to the ring's end."""
        return self._places - address // STEP

    def jump(self, record: ProfileRecord | None, age: int) -> int:
        """By how many slots a record is older than the age for which it was read; 0 where it is of that age, or no
        record of this lap."""
        if record is None or timedelta(minutes=record.period) != self.period:
            return 0
        if record.at == self._time.wall(self.slot(age)):
            return 0
        older, rest = divmod(self._newest - self._time.utc(record.at, record.winter), self.period)
        jump = older - age
        if rest or not 0 <= older < self._places or abs(self.shift + jump) >= self._places // 2:
            return 0
        return jump


def reach(learned: Learned, time: MeterTime, now: datetime) -> Reach | None:
    """What the ring may hold at ``now`` (aware): as many intervals as it has places, none from before the meter was
    made; None before its last record was read once."""
    if learned.details is None or learned.period is None:
        return None
    step = timedelta(minutes=learned.period)
    oldest = now - (now - EPOCH) % step - (learned.details.profile_records - 1) * step
    made = learned.made(time.wall(now).date())
    return Reach(max(oldest, time.midnight(made)) if made > date.min else oldest, step)


def energy(count: int, constant: int) -> Number:
    """Wh or varh of an interval, exact: count / (2 × constant) is kWh (§4.4.16)."""
    whole, rest = divmod(count * 500, constant)
    return Decimal(count * 500) / constant if rest else whole
