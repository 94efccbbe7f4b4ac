"""What surrounds the publisher in its tests: configuration, a real store, a clock, ways to wait for the other side."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.config.values import Bus, Config, EarlierMeter, Gateway, Intake, Meter
from agent.delivery.backoff import Backoff
from agent.delivery.publisher import Publisher
from buffer.record import Record
from buffer.writer import Writer
from protocols.session import Line
from tests.support.stores import WatchedStore
from tests.support.waiting import until

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
GATEWAY = "gw-7"


def record(number: int, *, point: str = "flat-1", **more: Any) -> Record:
    """One reading of its own second; other numbers give other moments and other values."""
    at = START + timedelta(seconds=number)
    values = {f"1-0:1.8.{tariff}": 2_000_000 + 37 * number + tariff for tariff in range(5)}
    usual: dict[str, Any] = {"kind": "now", "meter": "23456789", "read_at": at, "at": at, "values": values}
    return Record(**usual | more, point=point)


def config(port: int = 1883, **intake: Any) -> Config:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": False, "url": f"mqtt://127.0.0.1:{port}"}
    meter = Meter(
        "flat-1",
        "riser-1",
        "mercury230",
        "45",
        "23456789",
        Line(),
        account="230100456789",
        tariffs={"T1": "day", "T2": "night"},
        before=(EarlierMeter("1234567", START.date(), {}),),
        installed=START.date(),
    )
    bus = Bus("riser-1", "/dev/ttyUSB0")
    return Config(Gateway(GATEWAY), Intake(**{"backlog_rate": 0} | values | intake), (bus,), (meter,))


def clock() -> tuple[datetime, str]:
    return datetime.now(UTC), "synced"


class Operations:
    """What the utility may ask for: these ops with arguments of any kind. ``asked`` is what was carried out."""

    def __init__(self, *ops: str) -> None:
        self.ops = ops
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def parse(self, op: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        if op not in self.ops:
            raise ValueError(f"op {op!r} is unknown")
        if "wrong" in args:
            raise ValueError("args.wrong: it is")
        return dict(args) | {"parsed": True}

    def run(self, op: str, args: Mapping[str, Any]) -> Any:
        self.asked.append((op, dict(args)))
        return {"stored": 3}


class House:
    """A gateway without meters: a real store and writer, and a publisher that reconnects within fractions of a
    second. ``expected`` is what an intake must have in the end: natural key → values."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.store = WatchedStore.open(folder, now=lambda: datetime.now(UTC), reserve=0)
        self.publisher: Publisher | None = None
        self.writer = Writer(self.store, on_stored=self._stored, group=0.02)
        self.expected: dict[tuple[str, str], dict[str, Any]] = {}

    def _stored(self, records: list[Record]) -> None:
        if self.publisher is not None:
            self.publisher.stored(records)

    def poll(self, numbers: Sequence[int], **more: Any) -> None:
        """These records are read and on the disk."""
        records = [record(number, **more) for number in numbers]
        self.writer.submit(records)
        self.writer.flush()
        for one in records:
            self.expected[(one.point, one.at.isoformat())] = dict(one.values)

    @contextmanager
    def publishing(self, settings: Config, **more: Any) -> Iterator[Publisher]:
        values: dict[str, Any] = {
            "clock": clock,
            "operations": Operations(),
            "version": "0.1.0",
            "backoff": Backoff(0.05, 0.3),
            "keepalive": 2,
        }
        self.publisher = Publisher(settings, self.store, self.writer, **values | more)
        self.publisher.start()
        try:
            yield self.publisher
        finally:
            self.publisher.stop()

    @property
    def pending(self) -> int:
        return self.store.counts().pending

    def all_confirmed(self, seconds: float = 15.0) -> None:
        until(lambda: self.pending == 0, seconds)

    def close(self) -> None:
        self.writer.close()
        self.store.close()


class Resending(Operations):
    """The utility may ask for records again, as in the daemon."""

    def __init__(self, house: House) -> None:
        super().__init__("resend")
        self._house = house

    def run(self, op: str, args: Mapping[str, Any]) -> Any:
        first, last = args["from_seq"], args["to_seq"]
        count = self._house.writer.call(lambda store: store.resend(first, last))
        assert self._house.publisher is not None
        self._house.publisher.resent((first, last))
        return {"records": count}


def same_as_expected(house: House, rows: Sequence[Any]) -> bool:
    """Nothing lost, doubled or invented: the intake's rows are exactly what was read."""
    found = [((row.record["point"], datetime.fromisoformat(row.record["at"]).isoformat()), row.record) for row in rows]
    return len(found) == len(house.expected) and {key: r["values"] for key, r in found} == house.expected
