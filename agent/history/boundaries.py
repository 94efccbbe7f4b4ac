"""What a point's registers were at a moment: the meter's own snapshot, else the reading nearest to it. Nothing is
interpolated: a value between two readings is no one's register."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.config.values import Meter
from agent.history.installations import REGISTERS, TOTAL, Registers
from agent.judge.identity import same
from buffer.record import Record
from buffer.store import Store
from drivers.events import Flag
from drivers.reading import Kind
from drivers.times import MILLISECOND

KINDS: tuple[Kind, ...] = ("now", "day", "month")
SNAPSHOTS = ("day", "month")
EXACT = timedelta(minutes=1)
"""A reading so near to a border counts as taken at it: polls that are due together come one after the other."""
TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Boundary:
    """The registers at or near a moment, of whichever meter hung there; ``off``: the reading's time minus the
    moment; ``kind`` and ``flags`` of the record."""

    registers: Registers
    off: timedelta
    kind: Kind
    flags: tuple[Flag, ...]

    @property
    def exact(self) -> bool:
        return abs(self.off) <= EXACT


def at_boundary(store: Store, meter: Meter, moment: datetime, tolerance: timedelta = TOLERANCE) -> Boundary | None:
    """The registers of this point at a moment (aware): the meter's day or month snapshot stamped within a minute of
    it, else the reading within a minute, else the reading or snapshot nearest to it within ``tolerance``; None where
    there is none. Records with tariff registers go before those with a total alone."""
    for reach in (EXACT, tolerance):
        found = store.find(meter.point, KINDS, moment - reach, moment + reach + MILLISECOND)
        best = _best([border_of(record, moment) for record in not_superseded(found) if usable(record)])
        if best is not None and (reach is tolerance or _has_tariffs(best) or not meter.tariffs):
            return best
    return None


def edges(store: Store, meter: Meter, since: datetime, until: datetime) -> tuple[Boundary, Boundary] | None:
    """The first and the last reading in since ≤ t ≤ until, which may be one; ``off`` from since and until."""
    pairs: dict[bool, list[Record]] = {}
    for record in not_superseded(store.find(meter.point, KINDS, since, until + MILLISECOND)):
        if usable(record):
            pair = pairs.setdefault(tariffs_in(record.values), [record])
            pair[1:] = [record]
    pair = pairs.get(True) or pairs.get(False, [])
    return (border_of(pair[0], since), border_of(pair[-1], until)) if pair else None


def newest(store: Store, meter: Meter, since: datetime, until: datetime) -> Boundary | None:
    """The newest reading of all, if it lies in since < t ≤ until; ``off`` from until. Cheap: nothing is searched."""
    found = [store.last(meter.point, kind) for kind in KINDS]
    inside = [border_of(record, until) for record in found if record and since < record.at <= until and usable(record)]
    return max(inside, key=lambda border: (_has_tariffs(border), border.registers.at), default=None)


def not_superseded(records: Iterable[Record]) -> Iterator[Record]:
    """Records by their time without typed ones that an operator took back: a correction (``replaces``) comes in place
    of the typed reading before it. Not by that number: a new epoch gives others."""
    held: Record | None = None
    for record in records:
        typed = "manual" in record.flags
        if held is not None and not (typed and record.replaces is not None and same(record.meter, held.meter)):
            yield held
        held = record if typed else None
        if held is None:
            yield record
    if held is not None:
        yield held


def usable(record: Record) -> bool:
    """Has it registers of A+, and is its time known?"""
    if not any(code in record.values for code in (TOTAL, *REGISTERS.values())):
        return False
    return record.kind in SNAPSHOTS or record.clock != "unset"


def tariffs_in(values: Iterable[str]) -> bool:
    return any(code in REGISTERS.values() for code in values)


def border_of(record: Record, moment: datetime) -> Boundary:
    return Boundary(Registers(record.meter, record.at, record.values), record.at - moment, record.kind, record.flags)


def _has_tariffs(border: Boundary) -> bool:
    return tariffs_in(border.registers.values)


def _best(borders: Sequence[Boundary]) -> Boundary | None:
    return min(borders, key=_rank, default=None)


def _rank(border: Boundary) -> tuple[bool, bool, bool, timedelta]:
    exact = border.exact
    return not _has_tariffs(border), not exact, exact and border.kind not in SNAPSHOTS, abs(border.off)
