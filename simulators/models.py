"""The models that a plant can have: ours, and those of other packages.

``toy = "toy_meter.simulator:MODEL"`` among a package's ``[project.entry-points."meterpost.simulators"]`` says that
``model = "toy"`` is this :class:`~simulators.model.SimulatedModel`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from importlib.metadata import entry_points
from zoneinfo import ZoneInfo

from protocols.iec62056.frames import address_of
from protocols.mercury.frames import Energy
from simulators import iec62056, mercury230, mercury_archive, modbus, spodes
from simulators.household import START, Household, Network
from simulators.model import Clock, PlannedMeter, Refresh, Registers, SimulatedModel, numbers
from simulators.pair import SimulatedMeter

GROUP = "meterpost.simulators"
ROWS = ("total", "T1", "T2", "T3", "T4")  # a tariff that is not used stands at 0
OBIS = {
    "total": "1-0:1.8.0",
    "export": "1-0:2.8.0",
    "reactive": "1-0:3.8.0",
    "reactive export": "1-0:4.8.0",
    **{f"T{n}": f"1-0:1.8.{n}" for n in range(1, 5)},
    **{f"export T{n}": f"1-0:2.8.{n}" for n in range(1, 5)},
    **{f"reactive T{n}": f"1-0:3.8.{n}" for n in range(1, 5)},
}


def names() -> tuple[str, ...]:
    """All that may stand in ``model =``, ours first."""
    return tuple(dict.fromkeys((*OURS, *(entry.name for entry in entry_points(group=GROUP)))))


def find(name: str) -> SimulatedModel:
    """KeyError where there is no such model."""
    if name in OURS:
        return OURS[name]
    for entry in entry_points(group=GROUP, name=name):
        model: SimulatedModel = entry.load()
        return model
    raise KeyError(name)


def _mercury(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[SimulatedMeter, Refresh]:
    archive = mercury_archive.Archive(lambda at: _rows(household, at), clock, zone.key, since=START)
    meter = mercury230.Mercury230(int(plan.address), plan.serial, partial(_wall, clock, zone), archive=archive)
    return meter, lambda at: _move_mercury(meter, household, at)


def _iec(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[SimulatedMeter, Refresh]:
    wall = partial(_wall, clock, zone)
    meter = iec62056.BUILDERS[plan.model](str(plan.address), plan.serial, start=plan.line.speed, now=wall)
    return meter, lambda at: iec62056.move(meter, household, at)


def _spodes(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[SimulatedMeter, Refresh]:
    return spodes.plant_meter(int(plan.address), plan.serial, household, START, zone.key)


def _modbus(plan: PlannedMeter, household: Household, clock: Clock, zone: ZoneInfo) -> tuple[SimulatedMeter, Refresh]:
    meter = modbus.BUILDERS[plan.model](int(plan.address), int(plan.serial))
    return meter, lambda at: _move_modbus(meter, household, at)


def _text(found: object) -> str:
    try:
        return address_of(str(found))
    except ValueError:
        raise ValueError('at most 32 letters, digits, blanks and points, or ""') from None


OURS: Mapping[str, SimulatedModel] = {
    "mercury230": SimulatedModel(_mercury, numbers(1, 240), digits=8),
    **{name: SimulatedModel(_modbus, numbers(1, 247)) for name in modbus.BUILDERS},
    **{name: SimulatedModel(_iec, _text, digits=16, form="text") for name in iec62056.BUILDERS},
    "neva": SimulatedModel(_iec, _text, digits=16, form="text", driver="neva-mt3"),
    # HDLC reserves what lies around these addresses
    "spodes": SimulatedModel(
        _spodes, numbers(16, 16381), digits=16, form="HDLC", password=spodes.Spodes.password.decode()
    ),
}


def _wall(clock: Clock, zone: ZoneInfo) -> datetime:
    """What a meter's own clock shows."""
    return clock().astimezone(zone).replace(tzinfo=None)


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
