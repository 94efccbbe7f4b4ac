"""The archives of a Mercury over the daemon's own Link on a simulated RS-485 line, sound and faulty."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from agent.line.link import Link
from agent.line.port import Port
from drivers.mercury.driver import Mercury230
from drivers.reading import MeterPlan
from protocols.errors import BadFrame, Busy, MeterError, NoReply, NotLoggedIn
from protocols.session import Line
from simulators.faults import Faults
from simulators.line import PtyLine
from tests.drivers.mercury.support import bench
from tests.support.pace import undamaged

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
SINCE, UNTIL = NOW - timedelta(hours=24), NOW
LONG = {"multiplier": 5}


@pytest.mark.parametrize("settings", [{}, LONG])
def test_a_day_of_intervals_comes_over_a_line_at_its_real_speed(settings: dict[str, int]) -> None:
    expected = bench(NOW).read("interval", SINCE, UNTIL)
    meter = bench(NOW, settings=settings).meter

    def talk(link: Link) -> None:
        reads = Mercury230(MeterPlan("mercury230", "45", "1", Line(), settings=settings, zone="Europe/Moscow"))
        ask = partial(link.ask, reads.session())
        reads.open(ask)
        reads.identify(ask)
        assert list(reads.interval(ask, SINCE, UNTIL)) == expected

    assert len(expected) == 48
    undamaged(meter, talk)


def test_a_faulty_line_costs_repetitions_and_never_a_wrong_row() -> None:
    """The driver's own time-outs: an answer may be late by less than the wait and the draining after it."""
    kinds = ("drop", "late", "flip", "cut", "noise-before", "noise-after", "echo", "foreign")
    faults = Faults(chances=dict.fromkeys(kinds, 0.02), seed=3)
    it = bench(NOW)
    span, day = (NOW - timedelta(hours=6), NOW), (NOW - timedelta(days=2), NOW)
    truth = [*it.read("interval", *span), *it.read("day", *day)]
    right = 0
    with PtyLine([it.meter], pace=False, faults=faults) as line:
        port = Port(str(line.path), Line())
        link = Link(port)
        reads = Mercury230(MeterPlan("mercury230", "45", "1", Line(), zone="Europe/Moscow"))
        for _ in range(2):
            ask = partial(link.ask, reads.session())
            try:
                reads.open(ask)
                reads.identify(ask)
                found = [*reads.interval(ask, *span), *reads.day(ask, *day)]
            except (NoReply, BadFrame, NotLoggedIn, Busy):
                continue
            except MeterError as trouble:
                raise AssertionError("a fault of the line is taken for a word of the meter") from trouble
            assert found == truth
            right += 1
        port.close()
    assert right >= 1
    assert sum(faults.struck.values()) > 3
