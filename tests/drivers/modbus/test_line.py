"""The driver over a real Link in fake time: whatever comes late, no register takes another one's value."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agent.line.link import Link
from drivers.reading import Number
from protocols.errors import MeterError
from protocols.session import Line
from simulators.modbus import ModbusMeter, iem3155, orno517
from tests.drivers.modbus.support import driver
from tests.support.present import present
from tests.support.wire import ScriptedPort, Time

ENERGY = {"total": 60, "T1": 10, "T2": 20, "T3": 30, "T4": 0, "export": 5, "reactive": 6, "reactive export": 7}
DELAYS = [0.4, 0.55, 0.7, 0.99, 1.0, 1.01, 1.4, 1.6, 2.2]


def poll(
    meter: ModbusMeter, name: str, fate: Callable[[int, bytes], list[tuple[float, bytes]]]
) -> Mapping[str, Number] | None:
    """One dialogue; ``fate(n, answer)`` gives the timed pieces of the n-th answer. The readings, or None."""
    time, count = Time(), iter(range(1000))
    port = ScriptedPort(time, lambda request: fate(next(count), meter.answer(request)))
    link, subject = Link(port, monotonic=time, sleep=time.sleep), driver(name)
    session = subject.session()
    link.begin(Line(9600, "8E1"))

    def ask(question: Any) -> Any:
        return link.ask(session, question)

    try:
        subject.open(ask)
        identity = subject.identify(ask)
        reading = subject.now(ask)
    except MeterError:
        return None
    assert identity.serial == "77"
    return reading.values


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("late", range(4))
@pytest.mark.parametrize(("name", "builder"), [("iem3155", iem3155), ("orno517", orno517)])
def test_a_late_answer_never_passes_for_another_register(
    name: str, builder: Callable[[int, int], ModbusMeter], late: int, delay: float
) -> None:
    meter = builder(1, 77)
    meter.set_energy(ENERGY)
    truth = poll(meter, name, lambda n, answer: [(0.02, answer)])
    assert present(truth)["1-0:1.8.0"] == 60
    assert poll(meter, name, lambda n, answer: [(delay if n == late else 0.02, answer)]) == truth


@pytest.mark.parametrize("delay", [0.55, 1.1, 1.7])
def test_a_meter_that_is_always_too_slow_gives_no_value_at_all(delay: float) -> None:
    meter = iem3155(1, 77)
    meter.set_energy(ENERGY)
    assert poll(meter, "iem3155", lambda n, answer: [(delay, answer)]) is None
