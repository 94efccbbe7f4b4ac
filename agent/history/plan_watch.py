"""Fact against plan while the daemon runs: the event ``plan-exceeded``, once a month or once an hour."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.plan import Plan, read_plan
from agent.config.values import Config, Meter
from agent.events import gateway_event
from agent.history.series import Row, series
from agent.host.clock import Stamp
from agent.host.periods import period_of, periods
from agent.meters.sealed import checksummed, verified
from buffer.notes import PLAN
from buffer.record import Record, number_text
from buffer.store import Store
from drivers.files.faults import ConfigError

log = logging.getLogger("meterpost.history")

EVERY = 600.0  # s between two checks
REST = {"hour": timedelta(hours=1), "month": timedelta(hours=6)}
"""Between two checks at a slot that ended so long ago, and something of it is missing."""
TICK_COST = 0.1  # s of looking at once; whoever calls has other things to do, the watchdog to feed among them
BACK = {"hour": timedelta(hours=48), "month": timedelta(days=32)}
"""How far back a look goes: what an archive brings later is judged too."""
SETTLED = ("complete", "restored")
SUSPECT = {"backwards", "step-too-large"}  # one wrong reading must not raise an alarm that cannot be taken back


class PlanWatch:
    """``look`` every second or so: each point has its turn every ten minutes, as many at once as ``LOOK_COST`` allows.
    ``submit`` takes events and notes for one transaction of the store."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        submit: Callable[[Sequence[Record], Mapping[str, str | None]], None],
        spent: Callable[[], float] = time.monotonic,
        before: "PlanWatch | None" = None,
    ) -> None:
        """``spent``: seconds by which the cost of a look is told. ``before``: the watch of the configuration before
        this one, whose notes may not be on the disk yet."""
        self._store, self._submit, self._spent = store, submit, spent
        self._meters = [meter for meter in config.meters if meter.plan is not None]
        self._zone = ZoneInfo(config.gateway.timezone)
        self._next = 0.0
        self._round: list[Meter] = []  # whose turn is still to come
        self._rest: dict[str, dict[str, float]] = {}  # slots of a point, and the monotonic time until they rest
        self._settled: dict[str, set[str]] = {}  # slots of a point that will not be read any better
        # Slots of a point that an event told of, as the note has them once the disk has taken it.
        self._told: dict[str, list[str]] = before._told if before else {}
        self._plans: dict[str, tuple[tuple[int, int], Plan | None]] = {}

    def tick(self, stamp: Stamp) -> None:
        """Raise what has to be raised. Nothing is judged while the gateway's clock is not set; StoreError as the store
        has it."""
        if stamp.state == "unset":
            return
        if not self._round and stamp.monotonic >= self._next:
            self._next = stamp.monotonic + EVERY
            self._round = self._meters[::-1]
        begin = self._spent()
        while self._round:
            meter = self._round.pop()
            plan = self._plan(meter)
            if plan is not None:
                self._visit(meter, plan, stamp)
            if self._spent() - begin > TICK_COST:
                break

    def _plan(self, meter: Meter) -> Plan | None:
        """The plan as the file has it now; a broken one is told once and not used."""
        assert meter.plan is not None
        try:
            found = meter.plan.stat()
            age = (found.st_mtime_ns, found.st_size)
            if self._plans.get(meter.point, (None, None))[0] != age:
                self._plans[meter.point] = (age, None)
                self._plans[meter.point] = (age, read_plan(meter.plan))
        except ConfigError as trouble:
            log.warning("%s: the plan is not used: %s", meter.point, trouble.faults[0])
        except OSError as trouble:
            log.warning("%s: the plan is not used: %s", meter.point, trouble)
            self._plans.pop(meter.point, None)
        return self._plans.get(meter.point, (None, None))[1]

    def _visit(self, meter: Meter, plan: Plan, stamp: Stamp) -> None:
        key = PLAN.of(meter.point)
        if meter.point not in self._told:
            self._told[meter.point] = [str(name) for name in verified(self._store.noted(key)) or ()]
        told = self._told[meter.point]
        oldest = period_of(plan.step, stamp.utc - BACK[plan.step], self._zone).start
        rows = self._open_rows(meter, plan.step, oldest, stamp)
        fresh = {}
        for row in rows:
            text = exceeded(row, meter, plan, self._zone)
            if text and _name(row) not in told:
                fresh[_name(row)] = text
        if not fresh:
            return
        for text in fresh.values():
            log.warning("%s: %s", meter.point, text)
        told = [name for name in (*told, *fresh) if name >= oldest.isoformat()]
        events = [
            gateway_event("plan-exceeded", text, stamp, point=meter.point, serial=meter.serial, extra={"n": number})
            for number, text in enumerate(fresh.values(), 1)
        ]
        self._submit(events, {key: checksummed(told)})
        self._told[meter.point] = told

    def _open_rows(self, meter: Meter, step: str, oldest: datetime, stamp: Stamp) -> list[Row]:
        """The rows since then that may still change: not those that were whole at an earlier check. What has ended and
        is not whole is read again rarely: a dead meter's hours cost as much as sound ones, each time."""
        now, since = stamp.utc, oldest.isoformat()
        settled = {name for name in self._settled.get(meter.point, ()) if name >= since}
        rest = {
            name: until
            for name, until in self._rest.get(meter.point, {}).items()
            if name >= since and until > stamp.monotonic
        }
        rows = [
            row
            for slot in periods(step, oldest, now, self._zone)
            if slot.start.isoformat() not in settled and slot.start.isoformat() not in rest
            for row in series(self._store, meter, step, slot.start, slot.end, self._zone, now)
        ]
        for row in rows:
            if row.slot.end <= now and row.quality in SETTLED:
                settled.add(_name(row))
            elif row.slot.end <= now - REST[step]:
                rest[_name(row)] = stamp.monotonic + REST[step].total_seconds()
        self._settled[meter.point], self._rest[meter.point] = settled, rest
        return rows


def _name(row: Row) -> str:
    return row.slot.start.isoformat()


def exceeded(row: Row, meter: Meter, plan: Plan, zone: ZoneInfo) -> str | None:
    """In words that this hour or month went over the plan and its limit; None where it did not, or no one can say.

    A part of a slot that is over it already is enough: energy only grows.
    """
    planned = plan.of(row.slot, plan.step, zone)
    if planned is None or row.total is None or SUSPECT & set(row.flags):
        return None
    used = row.total * meter.ratio
    most = planned * (100 + meter.plan_limit) / 100
    if used <= most:
        return None
    form = "%Y-%m" if plan.step == "month" else "%Y-%m-%d %H:%M"
    return (
        f"{row.slot.start.astimezone(zone):{form}}: {kwh(used)} kWh used, planned {kwh(planned)}, "
        f"with {number_text(meter.plan_limit)} % more {kwh(most)}"
    )


def kwh(energy: Decimal) -> str:
    """Exact kWh of this many Wh."""
    return number_text(energy / 1000)
