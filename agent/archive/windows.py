"""From a meter and the time to the window of slots that it should have brought by now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from agent.archive.slots import DAY, LATE, Grid, due_until, installed_at
from agent.history.installations import installations
from agent.meters.state import MeterState
from buffer.record import Record
from buffer.spans import Span
from drivers.reading import Kind, Reach, reads_archives
from drivers.times import EPOCH, MILLISECOND

KINDS: tuple[Kind, ...] = ("month", "day", "interval")
"""What is filled: the archives whose slots are known. A journal has none; it is read from the last check on."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of the store's time that is scanned at once: a UTC day of intervals, a zone's day or month."""

    kind: Kind
    number: int
    zone: str = ""


def filled(meter: MeterState) -> tuple[Kind, ...]:
    """The archives of this meter that are kept whole: those that are polled."""
    return tuple(
        kind for kind in KINDS if kind in meter.driver.capabilities and getattr(meter.config.poll, kind) is not None
    )


def reach(meter: MeterState, kind: Kind, now: datetime) -> Reach | None:
    """What the driver says of the meter's memory; None while the meter has not told it."""
    return meter.driver.reach(kind, now) if reads_archives(meter.driver, kind) else None


def grid(meter: MeterState, kind: Kind, told: Reach, newest: Record | None, now: datetime) -> Grid | None:
    """The slots of this archive; None while their length or the meter's zone is not known. ``newest``: the newest
    interval that is stored, whose length counts where the driver knows none."""
    if kind != "interval":
        zone = meter.calendar(now)
        return Grid(kind, zone) if zone is not None else None
    step = told.step
    if step is None and newest is not None and newest.start is not None and "partial" not in newest.flags:
        step = newest.at - newest.start
    if step is None or step <= timedelta() or timedelta(hours=1) % step:
        return None
    return Grid.intervals(meter.zone or ZoneInfo("UTC"), step, now)


def window(meter: MeterState, slots: Grid, told: Reach, keep: timedelta, now: datetime) -> Span:
    """First and last slot that should be there now; the last is less than the first if there is none.

    From the meter's installation on (an earlier meter's time is never asked of it), within its memory and what the
    store keeps, up to those that their own poll has had its chance to bring.
    """
    oldest = max(told.oldest, now - keep + DAY)
    began = installed_at(installations(meter.config)[-1].installed, slots.zone)
    first = slots.after(oldest if began is None else max(oldest, began))
    if began is not None and slots.at(first) == began:
        first += 1  # what ended as the meter came is another meter's
    until = due_until(slots.kind, getattr(meter.config.poll, slots.kind), now, float(meter.offset or 0))
    return first, first - 1 if until is None else slots.before(until)


def units(slots: Grid, slot: Span) -> Span:
    """The numbers of the units in which these slots lie."""
    if slots.kind != "interval":
        return slot
    return (slots.at(slot[0]) - EPOCH) // DAY, (slots.at(slot[1]) - EPOCH) // DAY


def unit(slots: Grid, number: int) -> Unit:
    return Unit(slots.kind, number, "" if slots.kind == "interval" else slots.zone.key)


def bounds(slots: Grid, number: int) -> tuple[datetime, datetime]:
    """The store's time of a unit: since ≤ ``at`` < until."""
    if slots.kind != "interval":
        at = slots.at(number)
        return at, at + LATE + MILLISECOND
    return EPOCH + number * DAY, EPOCH + (number + 1) * DAY


def slots_of(slots: Grid, number: int) -> Span:
    """First and last slot of a unit."""
    if slots.kind != "interval":
        return number, number
    since, until = bounds(slots, number)
    return slots.after(since), slots.after(until) - 1
