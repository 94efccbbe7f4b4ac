"""The daemon, wired together: ports → workers → writer → publisher, and what watches over them."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent import VERSION
from agent.config.child import load_in_child
from agent.config.values import Config
from agent.control.requests import Questions, Rooms
from agent.control.status import Live, document
from agent.control.unix_socket import ControlServer
from agent.delivery.publisher import Publisher
from agent.host import systemd
from agent.host.calendar import Calendar, Job
from agent.host.clock import Clock, SystemClock
from agent.host.restamp import Restamper
from agent.line.buses import Buses
from agent.line.port import Port
from agent.manual.reminder import ManualPoints
from agent.replacement.new_meter import replaced
from agent.report.daily import Daily
from agent.statement.service import StatementService
from buffer.faults import StoreError
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.files.faults import ConfigError
from drivers.reading import Identity

if TYPE_CHECKING:
    from agent.history.plan_watch import PlanWatch

log = logging.getLogger("meterpost")

PRUNE_AT = time(3, 40)
STUCK = 180.0  # s without progress of a worker after which the watchdog is not fed
HOUSEKEEPING = 1.0  # s


class Daemon:
    """Everything that runs. ``run`` returns when a signal or ``stop`` ends it."""

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        *,
        clock: Clock | None = None,
        open_port: Callable[..., Any] = Port,
    ) -> None:
        """Open the store (StoreError if it cannot be) and build the rooms; nothing is asked or sent yet."""
        self.config, self._path = config, path
        self.clock = clock or SystemClock(trust=config.gateway.clock == "trust")
        self.store = Store.open(
            config.gateway.state_dir, now=lambda: self.clock.stamp().utc, monotonic=self.clock.monotonic
        )
        self.timekeeper = Restamper(self.clock, self.store, hold=config.gateway.hold)
        self.writer = Writer(self.store, on_stored=self._stored, monotonic=self.clock.monotonic)
        self.buses = Buses(config, self.store, self.writer, self.clock, self.submit, open_port=open_port)
        self.exchange = Daily(lambda: self.config, self.store, self.writer, self.clock)
        self.manual = ManualPoints(lambda: self.config, self.store, self.writer, self.clock, self.submit)
        self.statements = StatementService(
            lambda: self.config,
            self.store,
            change=self.writer.call,
            submit=self.submit,
            clock=self.clock,
            resent=lambda: self.publisher.changed(),
        )
        rooms = Rooms(
            buses=self.buses,
            writer=self.writer,
            submit=self.submit,
            changed=lambda: self.publisher.changed(),
            status=self.status,
            ordered=self.statements.ordered,
        )
        self.questions = Questions(rooms)
        self.publisher = self._new_publisher()
        self.plans = self._new_plans(None)
        self.started = self.clock.stamp()
        self._known: dict[str, Identity] = {}
        self._wake, self._stopping, self._reload = threading.Event(), False, False
        self._calendar: Calendar | None = None
        self._control: ControlServer | None = None

    def run(self) -> None:
        """Work until a signal. SIGTERM and SIGINT end it, SIGHUP reads the configuration again."""
        self.start()
        systemd.ready(self._summary())
        try:
            while not self._stopping:
                self._wake.wait(HOUSEKEEPING)
                self._wake.clear()
                self.look_after()
        finally:
            systemd.stopping()
            self.close()

    def catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.ask_reload())

    def start(self) -> None:
        if self.store.events:
            self.writer.submit(self.store.events)
        self.buses.start()
        self.publisher.start()
        self._calendar = self._new_calendar()
        self.statements.start()
        handlers = self.questions.handlers() | {"exchange": self.exchange.asked, "enter": self.manual.asked}
        handlers["statement"] = self.statements.asked
        handlers |= {"reload": self._asked_to_reload, "read-new": self.questions.read_new}
        self._control = ControlServer(self.config.gateway.state_dir, handlers)

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def close(self) -> None:
        """Ports first, so that nothing new comes; then what came is stored; then we say goodbye to the broker. All of
        it within systemd's TimeoutStopSec: what hangs longer ends with the process, and has noted where it was."""
        if self._control:
            self._control.close()
        if self._calendar:
            self._calendar.close()
        self.statements.close()
        self.exchange.stop()
        with ExitStack() as rest:  # whatever the disk says
            rest.callback(self.store.close)
            rest.callback(self.writer.close)
            rest.callback(self.publisher.stop)
            self.buses.close()
            self.writer.flush()

    def look_after(self) -> None:
        """Once a second: the clock, the watchdog, a reload that was asked for."""
        self._calendar_steps()
        self.buses.look()
        if self._reload:
            self._reload = False
            self.reload()
        known = self.buses.identities()
        if known != self._known:
            self._known = known
            self.publisher.changed()
        now = self.clock.monotonic()
        parts = {"publisher": self.publisher.alive, "store": self.writer.alive, **self.buses.alive()}
        late = sorted(name for name, alive in parts.items() if now - alive > STUCK)
        if late:
            log.error("no progress for %d s: %s", STUCK, ", ".join(late))
        else:
            systemd.watchdog()

    def _calendar_steps(self) -> None:
        try:
            if self.plans is not None:
                self.plans.look(self.clock.stamp())
        except StoreError as trouble:
            log.error("the plans have to wait: %s", trouble)
        try:
            if self.timekeeper.look(self.writer):
                self.buses.clock_moved()
                self.publisher.changed()
        except StoreError as trouble:  # a full disk: the next look tries again, and polling goes on
            log.error("the clock's records have to wait: %s", trouble)
        if self.timekeeper.stepped:
            self.buses.clock_moved()
            if self._calendar:
                self._calendar.replan()

    # ── configuration ────────────────────────────────────────────────────

    def ask_reload(self) -> None:
        """The next look after things takes the file's new content."""
        self._reload = True
        self._wake.set()

    def _asked_to_reload(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """By the socket: as SIGHUP; the status shows when it is done."""
        self.ask_reload()
        return {}

    def reload(self) -> None:
        """Take the file's new content; a broken file leaves everything as it runs."""
        if self._path is None:
            return
        systemd.reloading()
        used = False
        try:
            used = self._use(load_in_child(self._path))
        except ConfigError as trouble:
            log.error("the new configuration is not used, the old one goes on: %s", trouble)
        systemd.ready(self._summary() + ("" if used else "; the changed configuration is not used, see the log"))

    def _summary(self) -> str:
        return f"{len(self.config.meters)} meters on {len(self.config.buses)} buses"

    def _use(self, fresh: Config) -> bool:
        """False where only a restart could bring it into force."""
        old = self.config
        if fresh.gateway.state_dir != old.gateway.state_dir or fresh.gateway.id != old.gateway.id:
            log.error("gateway.id and gateway.state_dir change with a restart only; the old configuration goes on")
            return False
        self.buses.stop()
        if self._calendar:
            self._calendar.close()
        self.config = fresh
        self.submit(replaced(old, fresh, self.clock.stamp()))
        self.plans = self._new_plans(self.plans)
        self.buses.use(fresh)
        self._calendar = self._new_calendar()
        if fresh.intake != old.intake:
            self.publisher.stop()
            self.publisher = self._new_publisher()
            self.publisher.start()
        else:
            self.publisher.configure(fresh)
        log.info("the new configuration is in use: %s", self._summary())
        return True

    # ── rooms ────────────────────────────────────────────────────────────

    def _new_publisher(self) -> Publisher:
        return Publisher(
            self.config,
            self.store,
            self.writer,
            clock=self._clock_pair,
            monotonic=self.clock.monotonic,
            on_command=self.questions.command,
            version=VERSION,
            identities=self.buses.identities,
        )

    def _new_plans(self, before: "PlanWatch | None") -> "PlanWatch | None":
        """None where no meter has a plan: most gateways need not carry it."""
        if all(meter.plan is None for meter in self.config.meters):
            return None
        from agent.history.plan_watch import PlanWatch

        return PlanWatch(self.config, self.store, submit=self.submit, before=before)

    def _new_calendar(self) -> Calendar:
        jobs = [Job("prune", PRUNE_AT, self.prune), *self.exchange.jobs(), *self.manual.jobs()]
        for kind, day in (("day", None), ("month", 1)):
            for at in sorted({getattr(meter.poll, kind) for meter in self.config.meters} - {None}):
                jobs.append(Job(f"{kind} {at:%H:%M}", at, partial(self.buses.start_kind, kind, at), day))
        return Calendar(ZoneInfo(self.config.gateway.timezone), self.store, self.writer, jobs)

    def _clock_pair(self) -> tuple[datetime, str]:
        stamp = self.clock.stamp()
        return stamp.utc, stamp.state

    # ── the way of a record ──────────────────────────────────────────────

    def submit(self, records: Sequence[Record], notes: Mapping[str, str | None] | None = None) -> None:
        """For the store, the notes in the same transaction."""
        for record in records:
            if record.clock in ("synced", "holdover"):
                self.clock.seen(record.read_at)
        self.writer.submit(records, notes)

    def _stored(self, records: list[Record]) -> None:
        self.buses.filler.stored(records)
        self.publisher.stored(records)

    def prune(self) -> None:
        gateway = self.config.gateway
        keep, frames = timedelta(days=gateway.keep_days), timedelta(days=gateway.keep_frames_days)
        count = self.writer.call(lambda store: store.prune(keep, frames))
        log.info("%d records older than %d days removed", count, gateway.keep_days)

    def status(self) -> dict[str, Any]:
        """The live state as one document."""
        return document(
            Live(
                self.config,
                self.store,
                self.clock.stamp(),
                self.started,
                self.writer.trouble,
                self.publisher.status(),
                self.buses,
                self.manual.readings(),
            )
        )
