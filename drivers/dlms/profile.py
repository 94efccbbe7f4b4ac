"""Profiles of a DLMS meter: which column is what, and rows with exact values in UTC."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from drivers.dlms.meter_time import MeterTime
from drivers.dlms.model import DEEPEST, Journal, Profile
from drivers.dlms.read import Reader
from drivers.reading import Ask, Number, Reading
from protocols.dlms.apdu import Attribute, Entries, Range, obis_text
from protocols.dlms.cosem.objects import CLOCK, DEMAND, EXTENDED, PROFILE, REGISTER, Column, Scale, capture_objects
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.questions import Denied, Get, Value
from protocols.dlms.words import access_error
from protocols.errors import BadFrame, Refused

VALUE_ATTRIBUTES = {REGISTER: (2,), EXTENDED: (2,), DEMAND: (2, 3)}
LONGEST_PERIOD = 366 * 86400  # s


@dataclass(frozen=True, slots=True)
class Layout:
    """A profile's columns, found by OBIS. ``values``: column → (name, scale); ``missing``: registers without a scale;
    ``period`` in seconds, 0 where the capture is not periodic; ``depth``: rows that it keeps, None where the meter does
    not say."""

    columns: tuple[Column, ...]
    clock: int
    values: Mapping[int, tuple[str, Scale]]
    missing: tuple[str, ...]
    period: int
    depth: int | None = None


class Row(NamedTuple):
    """One row: the meter's stamp in UTC and the cells as they came."""

    at: datetime
    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Habits:
    """What differs between meters in how profiles are asked for and written (settings of the driver)."""

    by_entry: bool = False
    typed: bool = False  # range limits as type date-time
    stated: bool = True  # range limits with their deviation
    same: bool = False  # a null cell means: as in the row above
    rows: int = 48  # rows in one read


def layout(ask: Ask, reader: Reader, profile: Profile) -> Layout:
    """Read what a profile's columns are and their scales; Refused where it does not exist or has no clock."""
    objects, period, entries = reader.read(ask, [_of(profile.buffer, number) for number in (3, 4, 8)])
    columns = capture_objects(_value(objects, profile.buffer))
    clocks = [at for at, each in enumerate(columns) if each.class_id == CLOCK and each.attribute == 2]
    if not clocks:
        raise Refused(f"profile {obis_text(profile.buffer)} has no clock column")
    registers = {
        at: each for at, each in enumerate(columns) if each.attribute in VALUE_ATTRIBUTES.get(each.class_id, ())
    }
    scales = _companion(ask, reader, profile)
    unknown = [each for each in registers.values() if each.code not in scales]
    found = reader.read(
        ask, [Attribute(each.class_id, each.code, 4 if each.class_id == DEMAND else 3) for each in unknown]
    )
    for column, scale in zip(unknown, found, strict=True):
        if isinstance(scale, Value) and scale.data is not None:
            scales[column.code] = Scale.from_data(scale.data)
    seconds = period.data if isinstance(period, Value) else 0
    if not isinstance(seconds, int) or not 0 <= seconds <= LONGEST_PERIOD:
        raise BadFrame(f"capture period {seconds!r}"[:100])
    named = {at: (obis_text(each.code), scales[each.code]) for at, each in registers.items() if each.code in scales}
    missing = tuple(obis_text(each.code) for each in registers.values() if each.code not in scales)
    rows_kept = entries.data if isinstance(entries, Value) else None
    depth = rows_kept if type(rows_kept) is int and 0 < rows_kept <= DEEPEST else None
    return Layout(columns, clocks[0], named, missing, seconds, depth)


def _companion(ask: Ask, reader: Reader, profile: Profile) -> dict[bytes, Scale]:
    """Scales from the companion profile; empty where the meter has none (or one that is not filled)."""
    if profile.scalers is None:
        return {}
    objects, buffer = reader.read(ask, [_of(profile.scalers, 3), _of(profile.scalers, 2)])
    if isinstance(objects, Denied) or isinstance(buffer, Denied) or not buffer.data:
        return {}
    columns, row = capture_objects(objects.data), buffer.data[0]
    if not isinstance(row, tuple) or len(row) != len(columns):
        raise BadFrame(
            f"companion profile {obis_text(profile.scalers)}: {len(columns)} columns, a row of another length"
        )
    return {
        column.code: Scale.from_data(cell) for column, cell in zip(columns, row, strict=True) if isinstance(cell, tuple)
    }


def rows(
    ask: Ask,
    profile: Profile,
    shape: Layout,
    time: MeterTime,
    habits: Habits,
    span: tuple[datetime, datetime],
    distinct: bool = True,
) -> Iterator[Row]:
    """Rows whose stamp lies within ``span``, both ends included, oldest first. Only what is asked for crosses the
    line. ``distinct``: each stamp once (events may share one). Rows without a usable stamp are left out."""
    since, until = span
    seen: set[datetime] = set()
    parts = (
        _entries(ask, profile, shape, time, habits, since)
        if habits.by_entry
        else _ranges(ask, profile, shape, time, habits, since, until)
    )
    for part in parts:
        for row in sorted(part, key=lambda row: row.at):
            if since <= row.at <= until and not (distinct and row.at in seen):
                seen.add(row.at)
                yield row


def all_rows(data: Any, shape: Layout, time: MeterTime, habits: Habits) -> list[Row]:
    """A decoded buffer as rows; BadFrame where a row has another number of columns."""
    found: list[Row] = []
    above: tuple[Any, ...] | None = None
    last: datetime | None = None
    width, clock = len(shape.columns), shape.clock
    for cells in data if isinstance(data, list) else [None]:
        if not isinstance(cells, tuple) or len(cells) != width:
            raise BadFrame(f"a profile of {width} columns, a row of another length: {cells!r}"[:200])
        if habits.same and above is not None:
            cells = tuple(old if cell is None else cell for cell, old in zip(cells, above, strict=True))
        stamp = cells[clock]
        if isinstance(stamp, bytes) and not (above is not None and stamp is above[clock]):
            last = time.utc(Stamp.from_bytes(stamp))
        elif last is not None and shape.period:  # a null stamp: one period after the row above
            last += timedelta(seconds=shape.period)
        else:
            last = None
        above = cells
        if last is not None:
            found.append(Row(last, cells))
    return found


def values(row: Row, shape: Layout) -> tuple[dict[str, Number], bool]:
    """Exact values by OBIS, and whether the row is whole: False where a cell is marked absent or has no scale."""
    found: dict[str, Number] = {}
    cells = row.cells
    for at, (name, scale) in shape.values.items():
        raw = cells[at]
        if type(raw) is int or isinstance(raw, Decimal):  # a bool is not a number
            found[name] = scale.apply(raw)
        elif raw is not None:
            raise BadFrame(f"{name}: {raw!r} is not a number"[:200])
    return found, len(found) == len(shape.values) and not shape.missing


def _ranges(
    ask: Ask, profile: Profile, shape: Layout, time: MeterTime, habits: Habits, since: datetime, until: datetime
) -> Iterator[list[Row]]:
    """One read for this many rows; a profile without a period in one piece."""
    step = timedelta(seconds=shape.period * habits.rows) if shape.period else until - since
    begin = since
    while begin <= until:
        end = min(until, begin + step)
        limits = (time.stamp(begin, habits.stated), time.stamp(end, habits.stated))
        got: Value = ask(Get(_of(profile.buffer, 2, Range(*limits, habits.typed))))
        yield all_rows(got.data, shape, time, habits)
        begin = end + timedelta(seconds=1)


def _entries(
    ask: Ask, profile: Profile, shape: Layout, time: MeterTime, habits: Habits, since: datetime
) -> Iterator[list[Row]]:
    """From the newest entries back until they are older than ``since``; oldest first."""
    used: Value = ask(Get(_of(profile.buffer, 7)))
    if not isinstance(used.data, int) or used.data < 0:
        raise BadFrame(f"entries in use: {used.data!r}"[:100])
    last, parts = used.data, list[list[Row]]()
    while last > 0:
        first = max(1, last - habits.rows + 1)
        got: Value = ask(Get(_of(profile.buffer, 2, Entries(first, last))))
        part = all_rows(got.data, shape, time, habits)
        parts.append(part)
        if part and min(row.at for row in part) < since:
            break
        last = first - 1
    yield from reversed(parts)


def _of(code: bytes, attribute: int, access: Range | Entries | None = None) -> Attribute:
    return Attribute(PROFILE, code, attribute, access)


def _value(found: Value | Denied, code: bytes) -> Any:
    if isinstance(found, Denied):
        raise access_error(f"profile {obis_text(code)}", found.result)
    return found.data


def told(journal: Journal, shape: Layout, rows: Iterable[Row]) -> Iterator[Reading]:
    """An event for each row, in their order. ``maker`` is the journal's name and the meter's own number; ``n`` counts
    events of one second and code, so ``rows`` have all of a second or none."""
    at_code = next((at for at, each in enumerate(shape.columns) if at != shape.clock), None)
    counted: dict[tuple[datetime, str], int] = {}
    for row in rows:
        number = row.cells[at_code] if at_code is not None else None
        maker = number if isinstance(number, int) else None
        code, words = journal.events.get(-1 if maker is None else maker, ("other", f"{journal.name} {maker}"))
        n = counted[row.at, code] = counted.get((row.at, code), 0) + 1
        event = {"code": code, "maker": f"{journal.name}.{maker}", "text": words, "n": n}
        yield Reading("event", {}, (), at=row.at, event=event)
