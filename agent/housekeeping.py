"""What is done beside polling and delivery: once a second, and at the times of the calendar."""

import logging
from collections.abc import Callable, Sequence
from datetime import time, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.config.values import Config
from agent.delivery.delivery import Delivery
from agent.host import watchdog
from agent.host.calendar import Calendar, Job
from agent.host.clock import Clock
from agent.host.restamp import Restamper
from agent.line.buses import Buses, Submit
from buffer.faults import StoreError
from buffer.store import Store
from buffer.writer import Writer
from drivers.reading import Identity, Kind

if TYPE_CHECKING:
    from agent.history.plan_watch import PlanWatch

log = logging.getLogger("meterpost")

PRUNE_AT = time(3, 40)
FIRST_DAY: dict[Kind, int | None] = {"day": None, "month": 1}
"""The day of the month on which polls of calendar kinds are due; None: every day."""


class Housekeeping:
    """``tick`` once a second, from ``start`` on. ``jobs``: further ones of the calendar, asked for anew with each
    configuration."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        clock: Clock,
        submit: Submit,
        *,
        buses: Buses,
        delivery: Delivery,
        jobs: Sequence[Callable[[], list[Job]]],
    ) -> None:
        self._config, self._store, self._writer, self._clock, self._submit = config, store, writer, clock, submit
        self._buses, self._delivery, self._jobs = buses, delivery, jobs
        self._restamper = Restamper(clock, store, hold=config.gateway.hold)
        self._plans = self._new_plans()
        self._calendar: Calendar | None = None
        self._known: dict[str, Identity] = {}

    def start(self) -> None:
        """The calendar begins."""
        self._calendar = self._new_calendar()

    def use(self, config: Config) -> None:
        """Another configuration from now on."""
        self.close()
        self._config = config
        self._restamper.hold = config.gateway.hold
        self._plans = self._new_plans(self._plans)
        self.start()

    def close(self) -> None:
        """No further job begins."""
        if self._calendar:
            self._calendar.close()

    def tick(self) -> None:
        """Plans, the gateway's clock, which meters are known by now, and the watchdog."""
        try:
            if self._plans is not None:
                self._plans.tick(self._clock.stamp())
        except StoreError as trouble:
            log.error("the plans have to wait: %s", trouble)
        self._check_clock()
        known = self._buses.identities()
        if known != self._known:
            self._known = known
            self._delivery.changed()
        alive = {"publisher": self._delivery.alive, "store": self._writer.alive, **self._buses.alive()}
        watchdog.feed(self._clock.monotonic(), alive)

    def _check_clock(self) -> None:
        try:
            if self._restamper.tick(self._writer):
                self._buses.clock_moved()
                self._delivery.changed()
        except StoreError as trouble:  # a full disk: the next check tries again, and polling goes on
            log.error("the clock's records have to wait: %s", trouble)
        if self._restamper.stepped:
            self._buses.clock_moved()
            if self._calendar:
                self._calendar.replan()

    def _new_plans(self, before: "PlanWatch | None" = None) -> "PlanWatch | None":
        """None where no meter has a plan: most gateways need not carry it."""
        if all(meter.plan is None for meter in self._config.meters):
            return None
        from agent.history.plan_watch import PlanWatch

        return PlanWatch(self._config, self._store, submit=self._submit, before=before)

    def _new_calendar(self) -> Calendar:
        jobs = [Job("prune", PRUNE_AT, self._prune), *(job for more in self._jobs for job in more())]
        for kind, day in FIRST_DAY.items():
            for at in sorted({getattr(meter.poll, kind) for meter in self._config.meters} - {None}):
                jobs.append(Job(f"{kind} {at:%H:%M}", at, partial(self._buses.start_kind, kind, at), day))
        return Calendar(ZoneInfo(self._config.gateway.timezone), self._store, self._writer, jobs)

    def _prune(self) -> None:
        """Confirmed records and raw frames do not outlast their time."""
        gateway = self._config.gateway
        keep, frames = timedelta(days=gateway.keep_days), timedelta(days=gateway.keep_frames_days)
        count = self._writer.call(lambda store: store.prune(keep, frames))
        log.info("%d records older than %d days removed", count, gateway.keep_days)
