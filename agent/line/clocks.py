"""The meters' clocks: how far each is off, the events that say so, and their correction where it is wanted."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from agent.events import gateway_event
from agent.host.clock import Clock, Stamp
from agent.line.correction import FARTHEST, as_text, safe_window
from agent.meters.clock_state import ClockFacts, Correction, KeepsClockFacts
from agent.meters.state import MeterState
from buffer.faults import StoreError
from buffer.record import Record
from drivers.reading import Ask, SetsClock, has_clock, reads_archives, sets_clock
from drivers.times import MILLISECOND
from protocols.errors import AccessDenied, LinkLost, MeterError

log = logging.getLogger("meterpost.line")

CLOCK_EVERY = 3600.0  # s between two checks at a meter's clock
OFF = Decimal(5)  # s; more than that is told
RIGHT = Decimal(3)  # s; less than that takes it back
ALREADY_RIGHT = Decimal(1)  # s; what an order does not correct: meters show and take whole seconds
HALF_SECOND = Decimal("0.5")  # a display of whole seconds is on average so much behind its clock
SHARP = Decimal(1)  # s; a look that is surer than this decides by itself
TELEGRAM = Decimal(30)  # s; a telegram that was taken earlier in this dialogue may be so old


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: what the meter showed, as the driver gave it; its offset (s, None: cannot be told); s on the wire."""

    shown: datetime
    offset: Decimal | None
    trip: float


class ClockWatch:
    """Looks at a meter's clock within its dialogues."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def look(self, meter: MeterState, ask: Ask, serial: str) -> list[Record]:
        """Once an hour, and when a correction is due or ordered: the meter's clock minus ours into ``meter.offset``.

        The time on the wire is taken out by halving that of the last exchange, and half a second is added where the
        meter shows whole seconds. Events go to the meter's clock notes, with which they become durable; without one (a
        command that reads by itself) there are none, and nothing is corrected. No records of its own.
        """
        if not has_clock(meter.driver):
            return []
        orders = [meter.watch.orders.popleft() for _ in range(len(meter.watch.orders))]
        if not orders and not self._due(meter):
            return []
        meter.offset_at, meter.watch.due = self._clock.monotonic(), None
        try:
            outcome = self._look(meter, ask, serial, bool(orders))
        except BaseException as trouble:
            for order in orders:
                order.set_exception(trouble)
            raise
        for order in orders:
            order.set_result(outcome)
        return []

    def _due(self, meter: MeterState) -> bool:
        if meter.offset_at is None or self._clock.monotonic() - meter.offset_at >= CLOCK_EVERY:
            return True
        return meter.watch.due is not None and self._clock.stamp().utc >= meter.watch.due

    def _look(self, meter: MeterState, ask: Ask, serial: str, ordered: bool) -> Correction:
        seen = self._measure(meter, ask)
        meter.offset = seen.offset if seen else None  # not known is not zero
        if seen is None or seen.offset is None:
            return Correction(None, None, _why_unknown(meter, seen, self._clock.stamp()))
        notes = meter.watch.notes
        if notes is None:
            return Correction(seen.offset, None, "nothing can be noted here")
        visit = _Visit(self, meter, ask, serial, notes, seen, seen.offset)
        try:
            visit.settle()
            visit.report_zone()
            visit.report(seen.offset)
            if ordered or (meter.config.set_clock and abs(seen.offset) > OFF):
                return visit.correct(ordered)
        except StoreError as trouble:
            log.error("%s: its clock is left as it is, it could not be saved: %s", meter.config.point, trouble)
            return Correction(seen.offset, None, f"it could not be saved: {trouble}")
        return Correction(seen.offset, None)

    def _measure(self, meter: MeterState, ask: Ask) -> Seen | None:
        """None where the meter gives no clock."""
        if not has_clock(meter.driver):
            return None
        timed = _Timed(ask, self._clock)
        try:
            shown = meter.driver.clock(timed)
        except (LinkLost, AccessDenied):
            raise
        except MeterError as trouble:
            log.debug("%s: no clock: %s", meter.config.point, trouble)
            return None
        middle = timed.sent.utc + timedelta(seconds=timed.trip / 2)
        zone = shown.tzinfo or meter.zone
        if zone is None or timed.sent.state == "unset":
            return Seen(shown, None, timed.trip)  # what it shows may be any zone's time
        # In the hour that comes twice a wall clock stands for two moments: the nearer one is meant.
        there = min(
            (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)),
            key=lambda moment: abs(moment - middle),
        )
        offset = Decimal((there - middle) // MILLISECOND) / 1000
        offset += HALF_SECOND if shown.microsecond == 0 else 0
        doubt = Decimal(repr(round(timed.trip / 2, 3))) if timed.asked else TELEGRAM
        if doubt > SHARP and abs(offset) > OFF >= abs(offset) - doubt:
            return Seen(shown, None, timed.trip)  # so slow an answer cannot tell whether it is off
        return Seen(shown, offset.quantize(Decimal("0.1")), timed.trip)


class _Visit:
    """What one look has to tell and to do."""

    def __init__(
        self,
        watch: ClockWatch,
        meter: MeterState,
        ask: Ask,
        serial: str,
        notes: KeepsClockFacts,
        seen: Seen,
        offset: Decimal,
    ) -> None:
        self._watch, self._meter, self._ask, self._notes = watch, meter, ask, notes
        self._seen, self._offset, self._serial = seen, offset, serial
        if notes.facts.serial != serial:  # what was noted is another meter's
            notes.facts = ClockFacts(serial)

    def report_zone(self) -> None:
        """meter-zone-doubtful once, until the meter's clock fits again."""
        facts, doubt = self._notes.facts, self._meter.driver.traits.zone_doubt
        if doubt == facts.zone_doubt:
            return
        text = "neither sign of its deviation comes near the gateway's time; the configured zone counts"
        events = [gateway_event("meter-zone-doubtful", text, **self._of_meter())] if doubt else []
        self._notes.keep(replace(facts, zone_doubt=doubt), events)

    def report(self, offset: Decimal) -> None:
        """meter-clock-off at the crossing, meter-clock-right when it is back."""
        facts = self._notes.facts
        if not facts.off and abs(offset) > OFF:
            text = as_text(offset) + ("; is its zone the configured one?" if abs(offset) > FARTHEST else "")
            event = gateway_event("meter-clock-off", text, **self._of_meter(offset=offset))
            self._notes.keep(replace(facts, off=True), [event])
        elif facts.off and abs(offset) < RIGHT:
            event = gateway_event("meter-clock-right", as_text(offset), **self._of_meter(offset=offset))
            self._notes.keep(replace(facts, off=False), [event])

    def settle(self) -> None:
        """A correction whose end no one saw (a port that went away, a power cut): what the meter shows now tells."""
        before = self._notes.facts.before
        if before is not None:
            self._ended(before, self._offset, "its answer was lost")

    def correct(self, ordered: bool) -> Correction:
        """Move the clock if it may be moved now. What was sent counts for the day, whatever became of it."""
        meter, now = self._meter, self._watch._clock.stamp()
        if ordered and abs(self._offset) <= ALREADY_RIGHT:
            return Correction(self._offset, self._offset, needed=False)
        today = self._wall(self._seen.shown).date()
        if self._notes.facts.tried == today:
            return self._no("it has been corrected today, or was tried; once a day is enough")
        if not ordered and meter.watch.limit == today:
            return self._no("it is off by more than the meter corrects")
        wanted, driver = self._wanted(now), meter.driver
        if not sets_clock(driver):
            return self._refused(f"the driver {meter.config.driver} cannot set a clock, configured as it is")
        if objection := self._objection(now):
            return self._refused(objection)
        shown = self._wall(self._seen.shown)
        start = safe_window(shown, self._wall(wanted), _step(meter, now.utc))
        if start is None:
            return self._refused("the move is longer than the time between two ends of intervals allows")
        if start > shown:
            meter.watch.due = None if ordered else now.utc + (start - shown)
            return self._no(f"too near to the end of an interval: possible from {start:%H:%M:%S} of the meter's time")
        return self._send(driver, wanted, today)

    def _send(self, driver: SetsClock, wanted: datetime, today: date) -> Correction:
        earlier = self._notes.facts
        self._notes.keep(replace(earlier, tried=today, before=self._offset))
        trouble: str | None = None
        try:
            driver.set_clock(self._ask, wanted)
        except ValueError as limit:  # the driver's word that nothing was sent
            self._notes.keep(earlier)
            self._meter.watch.limit = today
            return self._refused(str(limit))
        except LinkLost:
            raise
        except MeterError as refusal:
            trouble = str(refusal)
        self._meter.offset = None
        seen = self._watch._measure(self._meter, self._ask)
        after = self._meter.offset = seen.offset if seen else None
        outcome = self._ended(self._offset, after, trouble)
        if after is not None:
            self.report(after)
        return outcome

    def _ended(self, before: Decimal, after: Decimal | None, trouble: str | None) -> Correction:
        """The event of a correction that was sent. One that was not answered may have been heard."""
        facts = replace(self._notes.facts, before=None)
        heard = trouble is None or (after is not None and abs(after) <= abs(before) - 1)
        numbers = {"before": before} | ({} if after is None else {"after": after})
        told = f"{as_text(before)} before, " + ("not known after" if after is None else f"{as_text(after)} after")
        if heard:
            slowly = "" if after is None or abs(after) < RIGHT else "; some meters take it in gradually"
            event = gateway_event("meter-clock-corrected", told + slowly, **self._of_meter(**numbers))
            self._notes.keep(facts, [event])
            return Correction(before, after)
        text = f"{trouble}; {told}"
        event = gateway_event("meter-clock-not-corrected", text, **self._of_meter(**numbers))
        self._notes.keep(replace(facts, told=facts.tried), [event])
        return Correction(before, after, trouble)

    def _refused(self, reason: str) -> Correction:
        """Nothing was sent. The event comes once a day."""
        today = self._wall(self._seen.shown).date()
        if self._notes.facts.told != today:
            text = f"{reason}; {as_text(self._offset)}"
            event = gateway_event("meter-clock-not-corrected", text, **self._of_meter(before=self._offset))
            self._notes.keep(replace(self._notes.facts, told=today), [event])
        return self._no(reason)

    def _no(self, reason: str) -> Correction:
        return Correction(self._offset, None, reason)

    def _objection(self, now: Stamp) -> str | None:
        if now.state != "synced":
            return f"the gateway's own clock is not synchronised ({now.state})"
        if abs(self._offset) > FARTHEST:
            return f"more than {FARTHEST // 60} minutes: a wrong zone or a failed clock, which an operator has to check"
        return None

    def _wanted(self, now: Stamp) -> datetime:
        """Our time when the meter will have it, to the nearest second, as the driver gave the meter's: aware or in
        the meter's own zone. Drivers read the clock once more before they send."""
        moment = now.utc + timedelta(seconds=self._seen.trip) + timedelta(seconds=float(HALF_SECOND))
        moment = moment.astimezone(self._seen.shown.tzinfo or self._meter.zone).replace(microsecond=0)
        return moment if self._seen.shown.tzinfo else moment.replace(tzinfo=None)

    def _wall(self, moment: datetime) -> datetime:
        """The meter's wall time."""
        local = moment.astimezone(self._meter.zone or moment.tzinfo) if moment.tzinfo else moment
        return local.replace(tzinfo=None, fold=0)

    def _of_meter(self, **numbers: Decimal) -> dict[str, Any]:
        stamp = self._watch._clock.stamp()
        return {"stamp": stamp, "point": self._meter.config.point, "serial": self._serial, "extra": numbers}


class _Timed:
    """An ``ask`` that keeps when its last question was sent, and how long its answer took."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self.sent, self.trip, self.asked = clock.stamp(), 0.0, False

    def __call__(self, question: Any) -> Any:
        sent = self._clock.stamp()
        reply = self._ask(question)
        self.sent, self.trip, self.asked = sent, self._clock.monotonic() - sent.monotonic, True
        return reply


def _step(meter: MeterState, now: datetime) -> timedelta | None:
    """The length of the meter's intervals, where its driver knows it."""
    known = meter.driver.reach("interval", now) if reads_archives(meter.driver, "interval") else None
    return known.step if known is not None else None


def _why_unknown(meter: MeterState, seen: Seen | None, now: Stamp) -> str:
    if seen is None:
        return "the meter does not give its clock"
    if seen.shown.tzinfo is None and meter.zone is None:
        return "no one has said the meter's zone: write timezone for the meter or the gateway"
    if now.state == "unset":
        return "the gateway's clock is not set"
    return "the answer came too slowly to tell how far it is off"
