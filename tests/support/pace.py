"""A dialogue at the line's real speed, on a machine that may be busy."""

from collections.abc import Callable

from agent.line.link import Link
from agent.line.port import Port
from protocols.session import Line
from simulators.line import PtyLine
from simulators.pair import SimulatedMeter, Station

TRIES = 5


def undamaged(meter: SimulatedMeter | Station, talk: Callable[[Link], None]) -> None:
    """``talk`` holds each time, and at least once without a repetition: a busy machine may tear a frame in two, which
    costs a repetition as on a real line, but line and link must be able to do without."""
    for _ in range(TRIES):
        with PtyLine([meter]) as line:
            port = Port(str(line.path), Line())
            link = Link(port)
            talk(link)
            port.close()
        damage = {name: link.counters[name] for name in ("broken", "silent", "stale")}
        if not any(damage.values()):
            return
    raise AssertionError(f"never undamaged in {TRIES} runs, at last {damage}")
