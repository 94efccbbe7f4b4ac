"""A whole house of simulated meters under stable link names, moved by their households.

The meters take their counters from the household when a request arrives, once a second at most, and keep what they
have shown: the truth that a delivered record is compared with.
"""

import contextlib
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from protocols.mercury.frames import Energy
from simulators import iec62056, mercury230, mercury_archive, modbus, spodes
from simulators.faults import Faults
from simulators.household import START, Household, Network
from simulators.line import PtyLine
from simulators.pair import SimulatedMeter, Station
from simulators.plant_file import PlannedMeter, PlantPlan, read

Clock = Callable[[], datetime]
Registers = Mapping[str, int | Decimal]  # by OBIS code, as the meter shows them: Wh and varh

OBIS = {
    "total": "1-0:1.8.0",
    "export": "1-0:2.8.0",
    "reactive": "1-0:3.8.0",
    "reactive export": "1-0:4.8.0",
    **{f"T{n}": f"1-0:1.8.{n}" for n in range(1, 5)},
    **{f"export T{n}": f"1-0:2.8.{n}" for n in range(1, 5)},
    **{f"reactive T{n}": f"1-0:3.8.{n}" for n in range(1, 5)},
}


def steady_clock() -> Clock:
    """Time from the system clock now, carried on by the monotonic one: a step of the host's clock moves no counter."""
    begin, since = datetime.now(UTC), time.monotonic()
    return lambda: begin + timedelta(seconds=time.monotonic() - since)


class PlantMeter:
    """A simulated meter bound to its household; on the line it is the meter itself.

    ``shown``: (aware time, registers) from each moment at which the counters that a client could see changed.
    """

    def __init__(self, plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> None:
        self.plan = plan
        self.household = household
        self.shown: list[tuple[datetime, Registers]] = []
        self._clock = clock
        self._seen: datetime | None = None
        self._meter, self._refresh = _bind(plan, household, clock, zone)

    @property
    def delay(self) -> float:
        return self._meter.delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._meter.delay = seconds

    @property
    def hearing(self) -> int | None:
        """bit/s at which a meter listens that changes its speed in mid-dialogue; None: its line's."""
        return getattr(self._meter, "hearing", None)

    @property
    def speaking(self) -> int | None:
        """bit/s of its last answer, as above."""
        return getattr(self._meter, "speaking", None)

    def answer(self, request: bytes) -> bytes:
        """The meter's answer with the counters of this second."""
        at = self._clock().replace(microsecond=0)
        if at != self._seen:
            self._seen = at
            registers = self._refresh(at)
            if not self.shown or self.shown[-1][1] != registers:
                self.shown.append((at, registers))
        return self._meter.answer(request)

    def showed(self, obis: str, value: int | Decimal, at: datetime, within: timedelta = timedelta(seconds=5)) -> bool:
        """True if this register stood at exactly this value at some moment around ``at``."""
        first = max(0, bisect_right(self.shown, at - within, key=lambda entry: entry[0]) - 1)
        last = bisect_right(self.shown, at + within, key=lambda entry: entry[0])
        return any(registers.get(obis) == value for _, registers in self.shown[first:last])


class Plant:
    """The house: lines by bus name and meters in the order of the file. Context manager.

    ``folder`` holds one link per bus; the meters' wall clocks show ``clock`` in the plan's zone.
    """

    def __init__(self, plan: PlantPlan, folder: Path, clock: Clock | None = None, *, pace: bool = True) -> None:
        clock, zone = clock or steady_clock(), ZoneInfo(plan.timezone)
        self.plan = plan
        self._clock = clock
        self.meters = tuple(
            PlantMeter(meter, Household(meter.household, plan.timezone, tariffs=meter.tariffs), clock, zone)
            for meter in plan.meters
        )
        self.ports = {bus.name: folder / bus.name for bus in plan.buses}
        self.lines = {
            bus.name: PtyLine(
                [Station(meter, meter.plan.line) for meter in self.meters if _alive(meter, bus.name)],
                link=self.ports[bus.name],
                line=bus.line,
                echo=bus.echo,
                faults=Faults(chances=bus.faults, seed=bus.seed),
                seed=bus.seed,
                pace=pace,
            )
            for bus in plan.buses
        }

    def meter(self, serial: str) -> PlantMeter:
        """The meter with this serial number; KeyError if there is none."""
        for meter in self.meters:
            if meter.plan.serial == serial:
                return meter
        raise KeyError(serial)

    def start(self) -> None:
        """All lines, or none and the error."""
        for meter in self.meters:
            meter.household.energy(self._clock())  # the first look costs 0.2 s, too late an answer on a busy machine
        with contextlib.ExitStack() as started:
            for line in self.lines.values():
                started.enter_context(line)
            started.pop_all()

    def stop(self) -> None:
        for line in self.lines.values():
            line.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def load(path: Path, folder: Path, clock: Clock | None = None, *, pace: bool = True) -> Plant:
    """The plant that a file describes, not started yet; PlantError with every fault of the file."""
    return Plant(read(path), folder, clock, pace=pace)


def _alive(meter: PlantMeter, bus: str) -> bool:
    return meter.plan.bus == bus and not meter.plan.dead


Refresh = Callable[[datetime], Registers]


def _bind(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[SimulatedMeter, Refresh]:
    """The meter of a model and what moves its registers to a moment and says what they show then."""

    def wall() -> datetime:
        return clock().astimezone(zone).replace(tzinfo=None)

    if isinstance(plan.address, str):
        reads = iec62056.BUILDERS[plan.model](plan.address, plan.serial, start=plan.line.speed, now=wall)
        return reads, lambda at: iec62056.move(reads, household, at)
    if plan.model == "mercury230":
        archive = mercury_archive.Archive(lambda at: _rows(household, at), clock, zone.key, since=START)
        mercury = mercury230.Mercury230(plan.address, plan.serial, wall, archive=archive)
        return mercury, lambda at: _move_mercury(mercury, household, at)
    if plan.model == "spodes":
        return spodes.plant_meter(plan.address, plan.serial, household, START, zone.key)
    meter = modbus.BUILDERS[plan.model](plan.address, int(plan.serial))
    return meter, lambda at: _move_modbus(meter, household, at)


ROWS = ("total", "T1", "T2", "T3", "T4")  # a tariff that is not used stands at 0


def _rows(household: Household, at: datetime) -> dict[int, Energy]:
    """The registers of a one-way Mercury by row."""
    active, reactive = household.energy(at), household.reactive(at)
    return {row: Energy(active.get(name, 0), None, reactive.get(name, 0), None) for row, name in enumerate(ROWS)}


def _move_mercury(meter: mercury230.Mercury230, household: Household, at: datetime) -> Registers:
    active, reactive = household.energy(at), household.reactive(at)
    meter.registers = _rows(household, at)
    network = household.network(at)
    phases = network.phases
    meter.network = mercury230.Network(
        active=tuple(map(Decimal, (network.power, *(phase.power for phase in phases)))),
        reactive=tuple(map(Decimal, (network.reactive, *(phase.reactive for phase in phases)))),
        apparent=tuple(map(Decimal, (network.apparent, *(phase.apparent for phase in phases)))),
        voltage=tuple(phase.voltage for phase in phases),
        current=tuple(phase.current for phase in phases),
        factor=(phases[0].factor, *(phase.factor for phase in phases)),
        frequency=network.frequency,
    )
    counted = ((1, active), (3, reactive))
    return {f"1-0:{kind}.8.{n}": count.get(name, 0) for kind, count in counted for n, name in enumerate(ROWS)}


def _move_modbus(meter: modbus.ModbusMeter, household: Household, at: datetime) -> Registers:
    energy, reactive, network = household.energy(at), household.reactive(at), household.network(at)
    names = {"reactive" if name == "total" else f"reactive {name}": amount for name, amount in reactive.items()}
    meter.set_energy(energy | names)
    meter.set_network(dict(_named(network)))
    return {OBIS[name]: meter.shown(name) for name in meter.fields if name in OBIS}


def _named(network: Network) -> Iterator[tuple[str, int | Decimal]]:
    """Network values under the names that the simulated Modbus meters give their registers."""
    yield "P", network.power
    yield "Q", network.reactive
    yield "S", network.apparent
    yield "PF", network.phases[0].factor
    yield "f", network.frequency
    for number, phase in enumerate(network.phases, 1):
        yield f"U{number}", phase.voltage
        yield f"I{number}", phase.current
        yield f"P{number}", phase.power
        yield f"Q{number}", phase.reactive
        yield f"S{number}", phase.apparent
        yield f"PF{number}", phase.factor
