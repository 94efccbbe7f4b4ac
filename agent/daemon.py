"""The daemon, wired together: ports → workers → writer → publisher, and what watches over them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agent.config.in_force import ConfigInForce
from agent.config.values import Config
from agent.control.requests import Commands, Parts, handlers, table
from agent.control.status import Live, document
from agent.control.unix_socket import ControlServer
from agent.delivery.delivery import Delivery
from agent.delivery.mqtt import KEEPALIVE
from agent.host import systemd
from agent.host.clock import Clock, SystemClock
from agent.housekeeping import Housekeeping
from agent.line.buses import Buses
from agent.line.port import Port
from agent.manual.reminder import ManualPoints
from agent.replacement.new_meter import replaced
from agent.report.daily import Daily
from agent.statement.service import StatementService
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer


class Daemon:
    """Everything that runs. ``run`` returns when ``stop`` ends it."""

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        *,
        clock: Clock | None = None,
        open_port: Callable[..., Any] = Port,
        open_store: Callable[..., Store] = Store.open,
        keepalive: int = KEEPALIVE,
    ) -> None:
        """Open the store (StoreError if it cannot be) and build what works with it; nothing is asked or sent yet."""
        self.clock = clock = clock or SystemClock(trust=config.gateway.clock == "trust")
        self.in_force = ConfigInForce(config, path, self._take)
        folder, monotonic = config.gateway.state_dir, clock.monotonic
        self.store = store = open_store(folder, now=lambda: clock.stamp().utc, monotonic=monotonic)
        self.writer = writer = Writer(store, on_stored=self._stored, monotonic=monotonic)
        given = config, store, writer, clock, self.submit
        self.buses = buses = Buses(*given, open_port=open_port)
        self.exchange = Daily(config, store, writer, clock)
        self.manual = ManualPoints(*given)
        self.statements = StatementService(*given, resent=lambda: self.delivery.changed())
        parts = Parts(
            buses=buses,
            writer=writer,
            submit=self.submit,
            resent=lambda seqs: self.delivery.resent(seqs),
            status=self.status,
            reload=self.ask_reload,
            manual=self.manual,
            exchange=self.exchange,
            statements=self.statements,
        )
        ops = table(parts)
        self._handlers = handlers(ops)
        self.delivery = Delivery(*given[:4], operations=Commands(ops), identities=buses.identities, keepalive=keepalive)
        jobs = self.exchange.jobs, self.manual.jobs
        self.housekeeping = Housekeeping(*given, buses=buses, delivery=self.delivery, jobs=jobs)
        self._control: ControlServer | None = None
        self._since = clock.stamp()
        self._wake, self._stopping = threading.Event(), False

    def run(self) -> None:
        """Work until ``stop``; systemd is told how it goes."""
        self.start()
        systemd.ready(self.in_force.summary())
        try:
            while not self._stopping:
                self._wake.wait(1.0)
                self._wake.clear()
                self.tick()
        finally:
            systemd.stopping()
            self.close()

    def start(self) -> None:
        if self.store.events:
            self.writer.submit(self.store.events)
        self.buses.start()
        self.delivery.start()
        self.housekeeping.start()
        self.statements.start()
        self._control = ControlServer(self.in_force.values.gateway.state_dir, self._handlers)

    def tick(self) -> None:
        """Once a second."""
        self.buses.tick()
        self.in_force.tick()
        self.housekeeping.tick()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def close(self) -> None:
        """Ports first, so that nothing new comes; then what came is stored; then we take leave of the broker. All of it
        within systemd's TimeoutStopSec: what hangs longer ends with the process, and has noted where it was."""
        if self._control:
            self._control.close()
        self.housekeeping.close()
        self.statements.close()
        self.exchange.stop()
        with ExitStack() as rest:  # whatever the disk says
            rest.callback(self.store.close)
            rest.callback(self.writer.close)
            rest.callback(self.delivery.stop)
            self.buses.close()
            self.writer.flush()

    def ask_reload(self) -> None:
        """The next look takes the file's new content."""
        self.in_force.ask()
        self._wake.set()

    def _take(self, before: Config, fresh: Config) -> None:
        """A changed configuration comes to all parts in this one way."""
        self.buses.stop()  # no reading of a replaced meter comes after the event
        self.submit(replaced(before, fresh, self.clock.stamp()))
        for part in (self.exchange, self.manual, self.statements, self.buses, self.housekeeping, self.delivery):
            part.use(fresh)

    def submit(self, records: Sequence[Record], notes: Mapping[str, str | None] | None = None) -> None:
        """For the store, the notes in the same transaction."""
        for record in records:
            if record.clock in ("synced", "holdover"):
                self.clock.seen(record.read_at)
        self.writer.submit(records, notes)

    def _stored(self, records: list[Record]) -> None:
        self.buses.filler.stored(records)
        self.delivery.stored(records)

    def status(self) -> dict[str, Any]:
        """The live state as one document."""
        now, delivery, manual = self.clock.stamp(), self.delivery.status(), self.manual.readings()
        live = Live(
            self.in_force.values, self.store, now, self._since, self.writer.trouble, delivery, self.buses, manual
        )
        return document(live)
