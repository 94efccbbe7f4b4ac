"""Registers that an IEC 62056-21 meter froze at the start of its days and months, as its table says where they are.

A meter's days and months are those of its own clock: only those that have ended by it are asked for, so a running day
or month never passes for a frozen one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056.parts import Archive, registers
from drivers.reading import Kind, Number, Reach
from protocols.errors import BadFrame, Refused
from protocols.iec62056.block import Value

ABSENT = frozenset({17, 18})
"""Refusals of one row, not of the archive: value not allowed, no stored value (Energomera CE208/CE308)."""

EDGE = timedelta(minutes=1)
"""Around midnight parameters that count back from now are left alone: which row they mean is about to change."""

Read = Callable[[str, str], Sequence[Value]]
"""Parameter and arguments → its values; Refused where the meter has none."""

_STAMP = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)[, ]?")


class Frozen(NamedTuple):
    """``at``: the start of a day or month in the meter's zone, UTC. ``missing``: a register did not come."""

    at: datetime
    values: dict[str, Number]
    missing: bool


def starts(kind: Kind, today: date, depth: int) -> Iterator[date]:
    """The starts of this day or month and of this many before it as make ``depth``, newest first."""
    start = today if kind == "day" else today.replace(day=1)
    for _ in range(depth):
        yield start
        start -= timedelta(days=1)
        start = start if kind == "day" else start.replace(day=1)


def reach(kind: Kind, archives: Sequence[Archive], zone: ZoneInfo, now: datetime) -> Reach | None:
    """The oldest start that the meter keeps at ``now`` (aware); None where it keeps none of this kind."""
    if not archives:
        return None
    *_, oldest = starts(kind, now.astimezone(zone).date(), max(each.depth for each in archives))
    return Reach(datetime(oldest.year, oldest.month, oldest.day, tzinfo=zone).astimezone(UTC))


def near_midnight(shown: datetime) -> bool:
    """Whether the meter's wall clock is within :data:`EDGE` of midnight."""
    return (shown + EDGE).date() != shown.date() or (shown - EDGE).date() != shown.date()


def frozen(
    kind: Kind,
    archives: Sequence[Archive],
    today: date,
    zone: ZoneInfo,
    span: tuple[datetime, datetime],
    read: Read,
    leave: set[str],
) -> Iterator[Frozen]:
    """What the meter froze at the starts within ``span`` (both ends included), newest first.

    ``today``: the date that the meter shows. ``leave``: optional parameters that are not asked for; those that the
    meter refuses are added. A row that it does not hold is left out. Refused where it refuses the archive itself.
    """
    since, until = span
    brought = False
    for back, start in enumerate(starts(kind, today, max((each.depth for each in archives), default=0))):
        at = datetime(start.year, start.month, start.day, tzinfo=zone).astimezone(UTC)
        if at < since:
            return
        if at > until:
            continue
        row = _row(kind, archives, back, start, read, leave, brought)
        # Slots that were never filled hold zeros in some meters, and absent is not zero.
        if row is not None and any(row[0].values()):
            brought = True
            yield Frozen(at, *row)


def _row(
    kind: Kind, archives: Sequence[Archive], back: int, start: date, read: Read, leave: set[str], brought: bool
) -> tuple[dict[str, Number], bool] | None:
    """The registers of one start and whether some are missing; None where the meter does not hold that row."""
    values: dict[str, Number] = {}
    missing = False
    for archive in archives:
        name = archive.row.name
        if name in leave or back >= archive.depth:
            had = None
        else:
            try:
                had = _stored(kind, archive, back, start, read)
            except Refused as no:
                had = None
                if no.code not in ABSENT:
                    if archive.row.optional:
                        leave.add(name)
                    elif not brought:
                        raise
        if not had and not archive.row.optional and not values:
            return None
        due = {register for register in archive.row.registers if register}
        missing |= not due <= (had or {}).keys() and not (archive.row.optional and not had)
        values |= had or {}
    return values, missing


def _stored(kind: Kind, archive: Archive, back: int, start: date, read: Read) -> dict[str, Number] | None:
    """The registers of one parameter; None where the answer is another period's (the meter has not this one)."""
    ended = start - timedelta(days=1)
    name = archive.names[back] if archive.names else archive.row.name
    values = list(read(name, archive.arguments(ended)))
    if archive.stamped and values:
        stamp = _STAMP.match(values[0].text)
        if stamp is None:
            raise BadFrame(f"{name}: no date stands before {values[0].text[:40]!r}")
        if not _is(kind, ended, *(int(digits) for digits in stamp.groups())):
            return None
        values[0] = Value(values[0].text[stamp.end() :], values[0].unit)
    return registers(replace(archive.row, name=name), values)


def _is(kind: Kind, ended: date, day: int, month: int, year: int) -> bool:
    """Whether a stamp is that of the day or month that ended; a month's day is 00 or its last."""
    return (year, month) == (ended.year % 100, ended.month) and (day == ended.day or (kind == "month" and day == 0))
