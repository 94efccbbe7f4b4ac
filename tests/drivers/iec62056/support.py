"""A meter that gives the recorded answer to a recorded request, in whatever order the driver asks."""

from functools import partial
from itertools import pairwise
from typing import Any

from agent.line.link import Link
from drivers import push
from drivers.iec62056 import driver as iec62056
from drivers.reading import Ask, MeterPlan
from protocols.session import Line
from tests.protocols.iec62056_player import joined
from tests.support.wire import ScriptedPort, Time

FAMILIES = {name: family for family in (*iec62056.families(), *push.FAMILIES) for name in family.models}


def driver(model: str, line: Line | None = None, **plan: Any) -> Any:
    """The driver of a model; ``settings`` and the other fields of its plan as keywords."""
    family = FAMILIES[model]
    values = {"address": "", "serial": "1"} | plan
    return family.build(MeterPlan(model=model, line=line or family.line, **values))


class RecordedMeter:
    """Answers from recorded dialogues; ``more`` adds requests and answers; ``asked`` is what was sent, in order."""

    def __init__(self, *names: str, more: dict[bytes, bytes] | None = None) -> None:
        self.answers: dict[bytes, bytes] = {}
        for name in names:
            pairs = pairwise(joined(name))
            self.answers |= {sent: heard for (out, sent), (back, heard) in pairs if (out, back) == (">>", "<<")}
        self.answers |= more or {}
        self.asked: list[bytes] = []
        self.time = Time()
        self.port = ScriptedPort(self.time, self._answer)

    def _answer(self, data: bytes) -> list[tuple[float, bytes]]:
        self.asked.append(data)
        answer = self.answers.get(data)
        return [(0.2, answer)] if answer else []

    def ask(self, meter: Any, tries: int | None = None) -> Ask:
        """The ``ask`` of one dialogue with this meter."""
        session = meter.session()
        link = Link(self.port, monotonic=self.time, sleep=self.time.sleep)
        link.begin(meter._plan.line)
        return partial(link.ask, session) if tries is None else partial(link.ask, session, tries=tries)
