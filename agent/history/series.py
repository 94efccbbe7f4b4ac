"""Consumption of a point by hour, day or month, from what the store has: registers at the borders of each slot, else
the meter's intervals. What is missing is missing, never 0.

Which source a row has: registers that stand at both borders (a meter's snapshot, or a reading within a minute); for
an hour then its intervals, if they fill it; then readings near the borders (``NEAR``), which the row says; then the
intervals; then what is known of a part of the slot. Neighbouring rows share the reading at their border, so energy is
neither lost nor counted twice between them. All energy is exact, in Wh, the meter's own: ``ratio`` is not applied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.values import Meter
from agent.history.boundaries import EXACT, Boundary, at_boundary, edges, newest
from agent.history.installations import REGISTERS, TOTAL, NoConsumption, consumed, installations
from agent.host.periods import Period, periods
from buffer.store import Store
from drivers.events import Flag
from drivers.times import MILLISECOND

INTERVAL = "1-0:1.29.0"
NEAR: Mapping[str, timedelta] = {
    "hour": timedelta(minutes=5),
    "day": timedelta(hours=1),
    "month": timedelta(hours=12),
}
"""How far from a slot's border a reading may be that stands for it."""
NEAR_BY_HAND = timedelta(days=16)  # for months of a meter that is read by hand once in each

DOUBTFUL = frozenset({"sum-mismatch", "backwards", "step-too-large", "zero-total", "scale-changed", "clock-unset"})
ZERO = timedelta()
NOTHING, ONE_SIDED = "nothing was read", "there is a reading at one of its ends only"


@dataclass(frozen=True, slots=True)
class Row:
    """One slot. ``tariffs``: T1… → Wh, empty where only intervals are known; ``total`` None where it is missing.

    ``quality``: complete; restored (from the archive, later); partial (a part of the slot, which ``taken`` says, or of
    the tariffs); doubtful (a flag of the readings says so); missing. ``source``: registers, intervals or None.
    ``off``: how far from its border the farther reading is, for a slot that is not partial. ``reason``: why something
    is missing, as text.
    """

    slot: Period
    tariffs: Mapping[str, Decimal] = field(default_factory=dict)
    total: Decimal | None = None
    quality: str = "missing"
    source: str | None = None
    taken: tuple[datetime, datetime] | None = None
    off: timedelta = ZERO
    flags: tuple[Flag, ...] = ()
    reason: str = ""

    @property
    def near(self) -> bool:
        """The readings stand beside the borders, not at them."""
        return self.off > EXACT


def series(
    store: Store, meter: Meter, period: str, since: datetime, until: datetime, zone: ZoneInfo, now: datetime
) -> list[Row]:
    """A row for each hour, day or month of this zone with a part in since ≤ t < until (aware) that has begun by now,
    present or missing; the running one goes to the newest reading. ValueError for another period."""
    wanted = [slot for slot in periods(period, since, until, zone) if slot.start < now]
    borders: dict[datetime, Boundary | None] = {}
    for moment in sorted({moment for slot in wanted for moment in (slot.start, slot.end) if moment <= now}):
        borders[moment] = at_boundary(store, meter, moment, tolerance(meter, period))
    return [_row(store, meter, period, slot, borders.get(slot.start), borders.get(slot.end)) for slot in wanted]


def tolerance(meter: Meter, period: str) -> timedelta:
    """How far from the border of an hour, day or month a reading of this meter may be that stands for it."""
    return NEAR_BY_HAND if meter.manual and period == "month" else NEAR[period]


def _row(store: Store, meter: Meter, period: str, slot: Period, start: Boundary | None, end: Boundary | None) -> Row:
    whole = _from_registers(meter, slot, start, end) if start and end else None
    at_borders = start and end and start.exact and end.exact
    if whole and whole.total is not None and (at_borders or period != "hour"):
        return whole
    running = _up_to_now(store, meter, slot, start) if start and not end else None
    if running is not None:
        return running
    summed = _from_intervals(store, meter, slot)
    if summed and not summed.reason and "partial" not in summed.flags:
        return summed
    if whole and whole.total is not None:
        return whole
    part = _part(store, meter, slot, start, end)
    found = [row for row in (whole, part, summed) if row and row.source]
    if found:
        return max(found, key=_covered)
    return whole or part or Row(slot, reason=ONE_SIDED if start or end else NOTHING)


def _up_to_now(store: Store, meter: Meter, slot: Period, start: Boundary) -> Row | None:
    """The running slot from its start to the newest reading, where intervals cannot cover more of it: then they need
    not be looked for, which in a month of records takes its time."""
    last = newest(store, meter, slot.start, slot.end)
    if last is None or start.registers.at >= last.registers.at:
        return None
    row = _from_registers(meter, slot, start, last, partial=True)
    interval = store.last(meter.point, "interval")
    most = interval.at - slot.start if interval else ZERO
    return row if row.total is not None and _covered(row) >= most else None


def _covered(row: Row) -> timedelta:
    if row.total is None or row.taken is None:
        return ZERO
    return min(row.taken[1], row.slot.end) - max(row.taken[0], row.slot.start)


def _from_registers(meter: Meter, slot: Period, start: Boundary, end: Boundary, partial: bool = False) -> Row:
    chain = installations(meter)
    tariffs: dict[str, Decimal] = {}
    reasons: list[str] = []
    for tariff in _tariffs(start, end):
        try:
            tariffs[tariff] = consumed(chain, tariff, start.registers, end.registers)
        except NoConsumption as trouble:
            reasons.append(str(trouble))
    flags = tuple(sorted({*start.flags, *end.flags}))
    taken = (start.registers.at, end.registers.at)
    reason = "; ".join(dict.fromkeys(reasons))
    if not tariffs:
        return Row(slot, flags=flags, reason=reason)
    return Row(
        slot,
        tariffs,
        None if reasons else sum(tariffs.values(), Decimal(0)),
        _quality(flags, partial or bool(reasons)),
        "registers",
        taken,
        ZERO if partial else max(abs(start.off), abs(end.off)),
        flags,
        reason,
    )


def _tariffs(start: Boundary, end: Boundary) -> list[str]:
    """The tariffs that one of the two readings has; a total alone counts as T1."""
    codes = {*start.registers.values, *end.registers.values}
    found = [tariff for tariff, code in REGISTERS.items() if code in codes]
    return found or (["T1"] if TOTAL in codes else [])


def _part(store: Store, meter: Meter, slot: Period, start: Boundary | None, end: Boundary | None) -> Row | None:
    """From the first reading in the slot, or at its start, to the last one in it, or at its end."""
    first, last = start, end or newest(store, meter, slot.start, slot.end)
    if first is None or last is None:
        inside = edges(store, meter, slot.start, slot.end)
        first, last = (first or inside[0], last or inside[1]) if inside else (first, last)
    if first is None or last is None or first.registers.at >= last.registers.at:
        return None
    return _from_registers(meter, slot, first, last, partial=True)


def _from_intervals(store: Store, meter: Meter, slot: Period) -> Row | None:
    """The sum of the intervals that lie in the slot; None without any. ``taken`` goes from the first to the last; it
    is partial where they leave a gap."""
    total, flags, spans = Decimal(0), set[Flag](), []
    for record in store.find(meter.point, ("interval",), slot.start + MILLISECOND, slot.end + MILLISECOND):
        value = record.values.get(INTERVAL)
        if value is None or record.start is None or record.start < slot.start:
            continue
        total += value
        flags.update(record.flags)
        spans.append((record.start, record.at))
    if not spans:
        return None
    covered, taken = _union(spans)
    partial = covered < slot.length or "partial" in flags
    reason = f"{covered} of {slot.length} in intervals" if covered < slot.length else ""
    quality = _quality(flags, partial)
    return Row(slot, {}, total, quality, "intervals", taken, ZERO, tuple(sorted(flags)), reason)


def _union(spans: Sequence[tuple[datetime, datetime]]) -> tuple[timedelta, tuple[datetime, datetime]]:
    """How much time they cover together, and from when to when."""
    covered, reached = ZERO, min(start for start, _ in spans)
    first = reached
    for start, end in sorted(spans):
        if end > reached:
            covered += end - max(start, reached)
            reached = end
    return covered, (first, reached)


def _quality(flags: Sequence[Flag] | set[Flag], partial: bool) -> str:
    if DOUBTFUL & set(flags):
        return "doubtful"
    if partial:
        return "partial"
    return "restored" if "restored" in flags else "complete"
