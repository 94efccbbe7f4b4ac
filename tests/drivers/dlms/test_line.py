"""The driver over the daemon's own Link on a simulated RS-485 line at 9600 baud, sound and faulty."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from agent.line.link import Link
from agent.line.port import Port
from protocols.errors import BadFrame, Busy, MeterError, NoReply, NotLoggedIn
from protocols.session import Line
from simulators.faults import Faults
from simulators.household import START as BEGIN
from simulators.household import Household
from simulators.line import PtyLine
from simulators.spodes import plant_meter
from tests.support.dlms import NOW, driver, household, plan, spodes, station
from tests.support.pace import undamaged

pytestmark = pytest.mark.slow


def test_energies_are_read_on_a_line_at_its_real_speed() -> None:
    meter, move = plant_meter(17, "40701", Household(7), BEGIN)
    shown = move(NOW)

    def talk(link: Link) -> None:
        reads = driver(plan())
        ask = partial(link.ask, reads.session())
        reads.open(ask)
        assert reads.identify(ask).serial == "40701"
        assert dict(reads.now(ask).values) == shown
        reads.close(ask)

    assert shown["1-0:1.8.0"] == sum(shown[f"1-0:1.8.{n}"] for n in (1, 2, 3))
    undamaged(meter, talk)


@pytest.mark.parametrize("seed", range(3))
def test_a_faulty_line_costs_repetitions_and_never_a_wrong_value(seed: int) -> None:
    kinds = ("drop", "late", "flip", "cut", "noise-before", "noise-after", "echo", "foreign")
    faults = Faults(chances=dict.fromkeys(kinds, 0.03), seed=seed)
    there = station(spodes())
    truth, right = household().energy(NOW), 0
    with PtyLine([there], pace=False, faults=faults) as line:
        port = Port(str(line.path), Line())
        link = Link(port)
        reads = driver(replace(plan(), timeout=0.1))
        for _ in range(6):
            ask = partial(link.ask, reads.session())
            try:
                reads.open(ask)
                assert reads.identify(ask).serial == "40701"
                values = reads.now(ask).values
                rows = list(reads.interval(ask, NOW - timedelta(hours=6), NOW))
                reads.close(ask)
            except (NoReply, BadFrame, NotLoggedIn, Busy):
                continue
            except MeterError as trouble:
                raise AssertionError("a fault of the line is taken for a word of the meter") from trouble
            assert [values[f"1-0:1.8.{n}"] for n in range(4)] == [truth[name] for name in ("total", "T1", "T2", "T3")]
            assert len(rows) == 12
            right += 1
        port.close()
    assert right >= 3
    assert sum(faults.struck.values()) > 5
