"""The ``ask`` of one dialogue: plain, or preemptible by others who want the line.

Who calls whom: the worker runs a :class:`~agent.line.dialogue.Dialogue`, which hands an Exchanger to the driver as
``ask``; each question goes through the :class:`~agent.line.link.Link`. A :class:`PreemptibleExchanger` checks before
each exchange whether someone else wants the line, and ends the dialogue by :class:`Preempted`, which no driver takes
for an error of its meter.
"""

from collections.abc import Callable
from typing import Any

from agent.host.clock import Clock
from agent.line.link import TRIES, Link
from agent.meters.state import MeterState
from drivers.reading import Topic
from protocols.errors import BadFrame, LinkLost, MeterError, NoReply
from protocols.session import Session

ShouldYield = Callable[[float], bool]
"""Whether someone else wants the line before this moment (monotonic)."""


class Preempted(Exception):
    """Others want the line: what can wait ends here. No MeterError, so that no driver takes it for the meter's."""


class Exchanger:
    """The ``ask`` of one dialogue. In a trial the first question is asked once, until the meter has answered."""

    def __init__(self, link: Link, session: Session, trial: bool = False) -> None:
        self._link = link
        self._session = session
        self._trial = trial
        self.heard = False
        self.preemptible = False  # makes way for others, where it can
        self.answers = 0  # questions that were answered
        self.tries: int | None = None

    def __call__(self, question: Any) -> Any:
        return self._ask(question, self.tries)

    def _ask(self, question: Any, tries: int | None) -> Any:
        tries = 1 if self._trial and not self.heard else tries
        try:
            reply = self._link.ask(self._session, question, tries)
        except (NoReply, BadFrame, LinkLost):
            raise
        except MeterError:
            self.heard = True
            raise
        self.heard = True
        self.answers += 1
        return reply

    def look(self) -> None:
        """Preempted where others want the line. No one else is looked for here."""

    def leave(self) -> None:
        """Only the goodbye is said now, and not twice."""
        self.tries = 1


class PreemptibleExchanger(Exchanger):
    """While ``preemptible``, checks before each exchange whether it and the goodbye would end in time; Preempted where
    they would not.

    A question that is not answered soundly is asked again as elsewhere, with a look before each time.
    """

    def __init__(
        self, link: Link, session: Session, clock: Clock, wanted: ShouldYield, costs: "Costs", trial: bool = False
    ) -> None:
        super().__init__(link, session, trial)
        self._clock, self._wanted, self._costs = clock, wanted, costs
        self._leaving = False
        self.preemptible = True

    def __call__(self, question: Any) -> Any:
        if not self.preemptible and not self._leaving:
            return super().__call__(question)
        for left in range(self._chances(question), 0, -1):
            begin = self._clock.monotonic()
            self.look()
            try:
                reply = self._ask(question, 1)
            except (NoReply, BadFrame) as trouble:
                if left == 1 or trouble.retry == "never":
                    raise
                continue
            seconds = self._clock.monotonic() - begin
            if self._leaving:
                self._costs.goodbye = max(self._costs.goodbye, seconds)
            else:
                self._costs.exchange = max(self._costs.exchange, seconds)
            return reply
        raise AssertionError("unreachable")

    def look(self) -> None:
        """Preempted where one more exchange and the goodbye would not end in time."""
        if self._leaving or not self.preemptible:
            return
        if self._wanted(self._clock.monotonic() + self._costs.exchange + self._costs.goodbye):
            raise Preempted

    def leave(self) -> None:
        self._leaving = True

    def _chances(self, question: Any) -> int:
        if self._leaving or (self._trial and not self.heard):
            return 1
        return TRIES if getattr(question, "repeatable", False) else 1


class Costs:
    """Seconds of one meter: its longest exchange and its goodbye, as declared and then as measured; a whole dialogue
    with one question."""

    def __init__(self, meter: MeterState, kind: Topic) -> None:
        exchanges = meter.driver.exchanges(kind)
        seconds = [(one.request + one.answer) * meter.line.character + one.quiet for one in exchanges]
        self.exchange = max(seconds, default=0.3)
        self.goodbye = seconds[-1] if seconds else 0.0
        self._whole = sum(seconds)

    @property
    def whole(self) -> float:
        return max(self._whole, 2 * self.exchange) + self.goodbye
