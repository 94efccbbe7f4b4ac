"""The whole table of operations in one process: a bus in fake time that answers at once, a real store, both doors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.control.requests import Commands, Parts, handlers, table
from agent.control.unix_socket import ControlServer
from agent.manual.reminder import ManualPoints
from agent.report.daily import Daily
from agent.statement.service import StatementService
from buffer.record import Record
from buffer.writer import Writer
from tests.buffer.plant import opened
from tests.support.bus import FakeBus, buses_of, config_of


class Operations:
    """``status`` is what the gateway would tell of itself; ``resent`` and ``reloads`` note what was asked for."""

    def __init__(self, folder: Path, bus: FakeBus) -> None:
        self.folder, self.bus = folder, bus
        self.status: dict[str, Any] = {"schema": "meterpost/status/1", "buses": [], "meters": []}
        self.resent: list[tuple[int, int] | None] = []
        self.reloads = 0
        self.store = opened(folder)
        self.writer = Writer(self.store, on_stored=lambda records: None, group=0.0)
        config = config_of(bus, folder)
        given = config, self.store, self.writer, bus.clock, self.submit
        self.buses = buses_of(bus, *given)
        self.operations = table(
            Parts(
                buses=self.buses,
                writer=self.writer,
                submit=self.submit,
                resent=self.resent.append,
                status=lambda: self.status,
                reload=self._reload,
                manual=ManualPoints(*given),
                exchange=Daily(config, self.store, self.writer, bus.clock),
                statements=StatementService(*given, resent=lambda: None),
            )
        )

    def submit(self, records: Any, notes: Any = None) -> None:
        self.writer.submit(records, notes)
        self.writer.flush()

    def _reload(self) -> None:
        self.reloads += 1

    def socket(self, op: str, **args: Any) -> Any:
        """As a technician asks, without the socket itself."""
        return handlers(self.operations)[op](args)

    def mqtt(self, op: str, **args: Any) -> Any:
        """As the utility asks, without the broker."""
        commands = Commands(self.operations)
        return commands.run(op, commands.parse(op, args))

    def ask(self, door: str, op: str, **args: Any) -> Any:
        return self.socket(op, **args) if door == "socket" else self.mqtt(op, **args)

    @contextmanager
    def listening(self, state_dir: Path) -> Iterator[None]:
        """The socket itself, where commands look for it."""
        server = ControlServer(state_dir, handlers(self.operations))
        try:
            yield
        finally:
            server.close()

    def records(self) -> list[Record]:
        return [record for record, _, _ in self.store.rows()]

    def close(self) -> None:
        self.writer.close()
        self.store.close()
