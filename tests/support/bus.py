"""A whole bus in fake time: simulated meters behind a port, a worker stepped by hand. No thread, no sleeping."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.values import Bus, Config, Gateway, Intake, Meter, Poll
from agent.events import gateway_event
from agent.host.clock import Clock, Stamp
from agent.line.buses import Buses, Submit
from agent.line.others import OtherMaster
from agent.line.worker import Question, Worker
from agent.meters.foreign import UnexpectedMeters
from agent.meters.state import MeterState
from buffer.record import ClockQuality, Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.mercury.driver import Mercury230 as Driver
from drivers.reading import MeterPlan
from protocols.errors import LinkLost
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators.mercury230 import Mercury230 as Simulated
from tests.support.wire import ScriptedPort, Time

Timed = list[tuple[float, bytes]]
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class FakeClock:
    """Wall clock and monotonic time, moved together by ``time`` and apart by ``step``."""

    def __init__(self, time: Time, state: ClockQuality = "synced") -> None:
        self.time, self.state, self.boot = time, state, "boot-1"
        self.offset = NOON.timestamp() - time.now
        self.newest: datetime | None = None

    def monotonic(self) -> float:
        return self.time.now

    def step(self, seconds: float) -> None:
        self.offset += seconds

    def seen(self, moment: datetime) -> None:
        self.newest = moment

    def synced_earlier(self) -> None:
        pass

    def stamp(self) -> Stamp:
        milliseconds = round((self.time.now + self.offset) * 1000)
        return Stamp(
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds),
            self.state,
            self.boot,
            self.time.now,
        )


class AtOnce:
    """A bus's worker that serves each question on the asker's thread."""

    def __init__(self, bus: "FakeBus") -> None:
        self.bus, self.meters, self._worker = bus.worker.bus, bus.meters, bus.worker

    def ask(self, question: Question) -> None:
        self._worker.ask(question)
        self._worker.step()


class FakeBus:
    """Mercury meters on one port. ``dead`` holds addresses that do not answer; ``lost`` unplugs the port."""

    def __init__(
        self,
        count: int,
        poll: Poll | None = None,
        state: ClockQuality = "synced",
        prepare: Callable[[Driver], None] = lambda driver: None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """``prepare`` changes each driver before the worker sees it; ``settings`` are the driver's."""
        self.time = Time()
        self.clock = FakeClock(self.time, state)
        self.simulated = [
            Simulated(
                address=number,
                serial=f"{20000000 + number}",
                now=lambda: self.clock.stamp().utc.replace(tzinfo=None),
                registers={tariff: Energy(*[1000 * number * (3 if tariff == 0 else 1)] * 4) for tariff in range(4)}
                | {4: Energy(0, 0, 0, 0)},
            )
            for number in range(1, count + 1)
        ]
        self.dead: set[int] = set()
        self.lost = False
        self.denied: list[tuple[str, bool]] = []
        self.records: list[Record] = []
        self.notes: dict[str, str] = {}
        self.exchanges: list[tuple[float, float]] = []
        self.meters = [
            state_of(number, poll or Poll(now=60.0, network=None), settings or {}) for number in range(1, count + 1)
        ]
        for meter in self.meters:
            assert isinstance(meter.driver, Driver)
            prepare(meter.driver)
        self.port: ScriptedPort | None = None
        self.heard: Callable[[bytes], object] = lambda request: None  # happens as a request comes
        self.answer: Callable[[bytes], Timed] = self.honest
        self.restart()

    def restart(self) -> None:
        """A worker that knows only what was stored; the meters' states are kept."""
        unexpected = UnexpectedMeters(self.submit, self.notes)
        unexpected.use([meter.config for meter in self.meters])
        self.worker = Worker(
            Bus("riser", "/dev/fake"),
            self.meters,
            clock=self.clock,
            submit=self.submit,
            before=self.before,
            denied=lambda point, refused: self.denied.append((point, refused)),
            unexpected=unexpected,
            others=OtherMaster(lambda text: self.submit([gateway_event("second-master", text, self.clock.stamp())])),
            open_port=self.open,
            sleep=self.time.sleep,
        )

    def before(self, point: str, kind: str, meter: str) -> Record | None:
        """The newest record of it, as the store would say."""
        mine = [record for record in self.records if (record.point, record.kind, record.meter) == (point, kind, meter)]
        return max(mine, key=lambda record: record.at, default=None)

    def submit(self, records: Sequence[Record], notes: Mapping[str, str | None] | None = None) -> None:
        self.records += records
        self.notes |= {key: note for key, note in (notes or {}).items() if note is not None}
        for key in [key for key, note in (notes or {}).items() if note is None]:
            self.notes.pop(key, None)

    def open(self, url: str, line: Line) -> ScriptedPort:
        if self.lost:
            raise LinkLost(f"{url}: no such port")
        self.port = ScriptedPort(self.time, lambda request: self.answer(request))
        return self.port

    def honest(self, request: bytes) -> Timed:
        """What the meters say; ``answer`` may be anything else."""
        if self.lost:
            raise LinkLost("/dev/fake: unplugged")
        self.heard(request)
        for meter in self.simulated:
            if meter.address not in self.dead and (reply := meter.answer(request)):
                return [(meter.delay + len(reply) * Line().character, reply)]
        return []

    def run(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        """Let the worker work for so long."""
        end = self.time.now + seconds
        while self.time.now < end:
            rest = self.worker.step()
            if each:
                each()
            self.time.now += min(rest, end - self.time.now) if rest else 0.0001

    def readings(self, point: str | None = None, kind: str = "now") -> list[Record]:
        return [record for record in self.records if record.kind == kind and point in (None, record.point)]

    def events(self) -> list[str]:
        return [record.event["code"] for record in self.records if record.event]


def offset_of(record: Record) -> Decimal:
    """The meter's clock minus the gateway's, seconds."""
    assert record.meter_offset is not None
    return Decimal(record.meter_offset)


def config_of(bus: FakeBus, folder: Path) -> Config:
    """A gateway that has this bus only."""
    meters = tuple(meter.config for meter in bus.meters)
    intake = Intake("127.0.0.1", 1883, False, "mqtt://127.0.0.1")
    return Config(Gateway("gw-1", state_dir=folder), intake, (bus.worker.bus,), meters)


def buses_of(bus: FakeBus, config: Config, store: Store, writer: Writer, clock: Clock, submit: Submit) -> Buses:
    """All buses of this gateway: one, which answers at once."""
    buses = Buses(config, store, writer, clock, submit)
    buses.filler.use({bus.worker.bus.name: bus.meters}, config.gateway.keep_days)
    buses.workers = [AtOnce(bus)]  # type: ignore[list-item]
    return buses


def state_of(number: int, poll: Poll, settings: Mapping[str, Any]) -> MeterState:
    serial = f"{20000000 + number}"
    config = Meter(f"flat-{number}", "riser", "mercury230", str(number), serial, Line(), poll=poll)
    plan = MeterPlan("mercury230", str(number), serial, Line(), zone="UTC", settings=settings)
    return MeterState(config, Driver(plan), Line(), ZoneInfo("UTC"))
