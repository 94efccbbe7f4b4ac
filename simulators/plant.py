"""A whole house of simulated meters under stable link names, moved by their households.

The meters take their counters from the household when a request arrives, once a second at most, and keep what they
have shown: the truth that a delivered record is compared with.
"""

import contextlib
import time
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from simulators import models
from simulators.faults import Faults
from simulators.household import Household
from simulators.line import PtyLine
from simulators.model import Clock, PlannedMeter, Registers
from simulators.pair import Station
from simulators.plant_file import PlantPlan, read


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
        self._meter, self._refresh = models.find(plan.model).build(plan, household, clock, zone)

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
