"""The bus-time budgets of a configuration: what its drivers declare, put to agent.line.budget."""

from typing import Any

from agent.config.values import Config, Meter
from agent.line.budget import Budget, Demand, budget
from agent.meters.build import state_of
from drivers.reading import Driver, Exchange, Kind
from protocols.errors import MeterError

DAY = 86400.0
MONTH = 28 * DAY  # the shortest


def budgets(config: Config) -> list[Budget]:
    """One for each bus, in the order of the file."""
    return [
        budget(bus.name, [_demand(meter, bus.port, config) for meter in config.meters if meter.bus == bus.name])
        for bus in config.buses
    ]


PERIODIC: tuple[Kind, ...] = ("now", "network", "interval", "event")
CALENDAR: dict[Kind, float] = {"day": DAY, "month": MONTH}


def _demand(meter: Meter, port: str, config: Config) -> Demand:
    state = state_of(meter, config)
    driver = state.driver
    polls: dict[Kind, tuple[float, tuple[Exchange, ...]]] = {}
    for kind in PERIODIC:
        every = getattr(meter.poll, kind)
        if every is not None:
            polls[kind] = (every, driver.exchanges(kind))
    for kind, every in CALENDAR.items():
        if getattr(meter.poll, kind) is not None:
            polls[kind] = (every, driver.exchanges(kind))
    return Demand(meter.point, meter.line, polls, _wait(driver) + state.margin, wired=not port.startswith("tcp://"))


class _MeterCost(Exception):
    """Carries the longest answer time of the first question out of the driver."""

    def __init__(self, wait: float) -> None:
        self.wait = wait


def _wait(driver: Driver) -> float:
    """The longest time to the first byte of an answer, as the session would wait for its first question."""
    session = driver.session()
    proof = session.proof()
    if proof is not None:
        return session.send(proof).wait

    def ask(question: Any) -> Any:
        sending = session.send(question)
        if sending.answered:
            raise _MeterCost(sending.wait)

    try:
        driver.open(ask)
        driver.identify(ask)
    except _MeterCost as first:
        return first.wait
    except MeterError:  # a driver that gives up before it asks
        pass
    return 1.0
