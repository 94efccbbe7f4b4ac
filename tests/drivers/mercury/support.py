"""A simulated Mercury with a household behind it, and a wire to its driver."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from drivers.mercury.driver import Mercury230
from drivers.reading import MeterPlan
from protocols.errors import NoReply
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators import mercury230 as simulated
from simulators.household import Household
from simulators.mercury_archive import Archive

ROWS = ("total", "T1", "T2", "T3", "T4")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUSE = Household(5)


@dataclass
class Wire:
    """Asks a simulated meter through the driver's own session; ``spoil`` may change or swallow an answer."""

    meter: simulated.Mercury230
    driver: Mercury230
    spoil: Callable[[Any, bytes], bytes] = lambda question, octets: octets
    asked: list[Any] = field(default_factory=list)

    def __call__(self, question: Any) -> Any:
        self.asked.append(question)
        session = self.driver.session()
        heard = self.spoil(question, self.meter.answer(session.send(question).data))
        reply = session.receive(heard) if heard else None
        reply = session.receive(b"") if reply is None else reply
        if reply is None:
            raise NoReply("silence")
        return reply


@lru_cache(maxsize=20_000)
def truth(at: datetime) -> dict[int, Energy]:
    """The household's registers; it has no A− and no R−, its T4 stands at 0."""
    active, reactive = HOUSE.energy(at), HOUSE.reactive(at)
    return {n: Energy(active.get(name, 0), None, reactive.get(name, 0), None) for n, name in enumerate(ROWS)}


@dataclass
class Bench:
    """A meter at a moment that a test moves, its driver, and what was asked."""

    now: datetime
    meter: simulated.Mercury230
    archive: Archive
    driver: Mercury230
    ask: Wire

    def read(self, kind: str, since: datetime, until: datetime) -> list[Any]:
        return list(getattr(self.driver, kind)(self.ask, since, until))


def bench(
    now: datetime,
    *,
    zone: str = "Europe/Moscow",
    model: str = "mercury230",
    settings: dict[str, Any] | None = None,
    archive: dict[str, Any] | None = None,
    **meter: Any,
) -> Bench:
    """Logged in and identified. The gateway's zone is the meter's."""
    found: Bench
    asked = Archive(truth, lambda: found.now, zone, **{"since": BEGIN} | (archive or {}))
    wall = lambda: found.now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)  # noqa: E731
    given: dict[str, Any] = {"address": 45, "serial": "41906467", "now": wall, "archive": asked} | meter
    reads = simulated.Mercury230(**given)
    driver = Mercury230(MeterPlan(model, "45", "41906467", Line(), settings=settings or {}, zone=zone))
    found = Bench(now, reads, asked, driver, Wire(reads, driver))
    driver.open(found.ask)
    driver.identify(found.ask)
    found.ask.asked.clear()
    return found
