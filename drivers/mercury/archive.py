"""Registers that a Mercury 23x froze at the start of a day or month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from drivers.mercury.learned import ENERGIES, Learned, registers
from drivers.mercury.meter_time import MeterTime
from drivers.reading import Ask, Kind, Reach, Reading
from protocols.errors import Busy, Refused
from protocols.mercury.archives import ReadSnapshot
from protocols.mercury.frames import Clock, Energy
from protocols.mercury.questions import ReadAllTariffs, ReadClock, ReadEnergy

DAYS, MONTHS = 123, 36  # kept for command 18h
TODAY, YESTERDAY, MONTH = 0xC, 0xD, 0xB  # arrays of registers at the start of these (firmware of the 2023 manual)
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What to read of one meter. ``wanted``: rows, 0 the total first; ``codes`` and ``named`` as in
    :func:`~drivers.mercury.learned.registers`."""

    learned: Learned
    time: MeterTime
    wanted: tuple[int, ...]
    codes: tuple[int, ...]
    named: tuple[int, ...]

    def read(self, ask: Ask, kind: Kind, since: datetime, until: datetime) -> Iterator[Reading]:
        """``day`` or ``month``, both ends included, oldest first; ``at`` is the midnight at which they were frozen.

        By command 18h where the meter's variant bytes name it, else by the arrays of today, yesterday and the last
        twelve months. A date that the meter does not hold is left out. Refused if it has neither; Busy if its
        midnight fell into the reading of an array, whose meaning changes then.
        """
        details = self.learned.built(ask)
        shown: Clock = ask(ReadClock())
        today = shown.at.date()
        depth = (days if kind == "day" else months)(today, details.extended_arrays)
        made = self.learned.made(today)
        due = [day for day in depth if day >= made and since <= self.time.midnight(day) <= until]
        if details.extended_arrays:
            for day in reversed(due):
                yield from self._row(kind, day, self._snapshot(ask, kind, day))
            return
        found = [(day, self._array(ask, *_place(kind, day, today))) for day in reversed(due)]
        floor = self._totals(ask, [day for day in depth if made <= day < due[-1]]) if kind == "month" and due else []
        if due and not any(rows for _, rows in found):
            raise Refused(f"the meter keeps no registers of {kind!r}")
        again: Clock = ask(ReadClock())
        if again.at.date() != today:
            raise Busy("midnight fell into the reading")
        for day, rows in _of_this_year(found, floor) if kind == "month" else found:
            yield from self._row(kind, day, rows)

    def _row(self, kind: Kind, day: date, rows: dict[int, Energy]) -> Iterator[Reading]:
        values, due = registers(rows, self.codes, self.named)
        if values:
            yield self.learned.reading(kind, values, due, at=self.time.midnight(day))

    def _totals(self, ask: Ask, older: Sequence[date]) -> list[Energy]:
        """The totals of the nearest and the farthest of these months (newest first): what a month that is read alone
        is measured against. The farthest one's place in the ring is next to that of the same month of a year ago."""
        places = dict.fromkeys([*older[:1], *older[-1:]])
        totals = (self.learned.unless_refused(ask, ReadEnergy(MONTH, day.month)) for day in places)
        return [total for total in totals if total is not None]

    def _snapshot(self, ask: Ask, kind: Kind, day: date) -> dict[int, Energy]:
        """Rows of a date; none where the meter refuses the total of it. A refused tariff is one the meter has not."""
        rows = {}
        for tariff in self.wanted:
            question = ReadSnapshot(day, tariff, kind == "month")
            row = self.learned.unless_refused(ask, question, (kind, tariff) if tariff else None)
            if row is not None:
                rows[tariff] = row
            elif not tariff:
                break
        return rows

    def _array(self, ask: Ask, array: int, month: int) -> dict[int, Energy]:
        learned = self.learned
        if learned.grouped and self.wanted != (0,):
            answer = learned.unless_refused(ask, ReadAllTariffs(array, month))
            if answer is not None:
                all_rows = dict(enumerate((answer.total, *answer.tariffs)))
                return {tariff: all_rows[tariff] for tariff in self.wanted}
        rows = {}
        for tariff in self.wanted:
            row = learned.unless_refused(ask, ReadEnergy(array, month, tariff), (array, tariff) if tariff else None)
            if row is not None:
                rows[tariff] = row
            elif not tariff:
                break
        return rows


def _of_this_year(
    found: Sequence[tuple[date, dict[int, Energy]]], floor: Sequence[Energy]
) -> Iterator[tuple[date, dict[int, Energy]]]:
    """The months (oldest first) without those that no register's growth leads to: the arrays have no date, and where
    the meter had no supply as a month began they still hold the same month of a year ago, or zeros from the start.
    ``floor``: totals of months before them; one that is stale itself is only lower."""
    names = ENERGIES.values()
    highest = Energy(**{name: max((getattr(total, name) or 0 for total in floor), default=0) for name in names})
    for day, rows in found:
        total = rows.get(0)
        if total is not None:
            pairs = [(getattr(total, name), getattr(highest, name) or 0) for name in ENERGIES.values()]
            had = [(value, before) for value, before in pairs if value is not None]
            if not any(value for value, _ in had) or any(value < before for value, before in had):
                continue
            highest = total
        yield day, rows


def reach(kind: Kind, learned: Learned, time: MeterTime, now: datetime) -> Reach | None:
    """The oldest day or month that the meter may hold at ``now`` (aware); None before it has said how it was built."""
    if (details := learned.details) is None:
        return None
    today = time.wall(now).date()
    held = (days if kind == "day" else months)(today, details.extended_arrays)
    made = learned.made(today)
    return Reach(time.midnight(min((day for day in held if day >= made), default=held[0])))


def days(today: date, extended: bool) -> list[date]:
    """The days whose start the meter may hold, newest first."""
    return [today - number * ONE for number in range(DAYS if extended else 2)]


def months(today: date, extended: bool) -> list[date]:
    """The first days of the months whose start the meter may hold, newest first."""
    count = today.year * 12 + today.month - 1
    return [date(*_month(count - number)) for number in range(MONTHS if extended else 12)]


def _month(count: int) -> tuple[int, int, int]:
    year, month = divmod(count, 12)
    return year, month + 1, 1


def _place(kind: Kind, day: date, today: date) -> tuple[int, int]:
    """Array and month of code 05h."""
    if kind == "month":
        return MONTH, day.month
    return (TODAY, 0) if day == today else (YESTERDAY, 0)
