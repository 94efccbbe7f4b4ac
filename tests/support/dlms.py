"""A line for DLMS tests: a session on one side, a simulated meter on the other, without time or ports."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from drivers.dlms import DlmsMeter, families
from drivers.reading import MeterPlan
from protocols.dlms.hdlc import Limits
from protocols.dlms.session import Session
from protocols.errors import BadFrame, NoReply
from protocols.session import Line, Sending
from simulators.dlms import HdlcMeter
from simulators.household import Household
from simulators.spodes import Spodes

NOW = datetime(2026, 3, 10, 9, 34, 56, tzinfo=UTC)  # 12:34:56 in Moscow
START = datetime(2026, 1, 20, tzinfo=UTC)

Answers = Callable[[bytes], bytes]


class Wire:
    """Asks as the Link does: pieces of ``piece`` octets, silence after them, the same question again after damage.

    ``spoil`` may change what the meter said; octets of both directions are counted.
    """

    def __init__(self, session: Session, answer: Answers, piece: int = 4096, tries: int = 3) -> None:
        self.session, self.answer, self.piece, self.tries = session, answer, piece, tries
        self.spoil: Callable[[bytes], bytes] = lambda said: said
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []

    def __call__(self, question: Any) -> Any:
        for left in range(self.tries - 1, -1, -1):
            try:
                return self._dialogue(self.session.send(question))
            except (NoReply, BadFrame):
                if not left or not question.repeatable:
                    raise
        raise AssertionError

    def _dialogue(self, sending: Sending) -> Any:
        while True:
            self.sent.append(sending.data)
            if not sending.answered:
                return None
            said = self.spoil(self.answer(sending.data))
            self.heard.append(said)
            reply = self._feed(said)
            if not isinstance(reply, Sending):
                return reply
            sending = reply

    def _feed(self, said: bytes) -> Any:
        for at in range(0, len(said), self.piece):
            reply = self.session.receive(said[at : at + self.piece])
            if reply is not None:
                return reply
        reply = self.session.receive(b"") if said else None
        if reply is None:
            raise NoReply("silence")
        return reply

    @property
    def octets(self) -> int:
        return sum(map(len, self.sent)) + sum(map(len, self.heard))


def household() -> Household:
    return Household(7, "Europe/Moscow", START)


def spodes(**changes: Any) -> Spodes:
    """A meter with three tariffs at noon of a March day."""
    return Spodes(**{"serial": "40701", "house": household(), "now": lambda: NOW, "start": START} | changes)


def station(meter: Spodes, **changes: Any) -> HdlcMeter:
    return HdlcMeter(meter.server, **{"lower": 17, "limits": Limits(1024, 239, 1, 1)} | changes)


def plan(
    model: str = "spodes", address: str = "17", password: bytes | None = b"12345678", **settings: Any
) -> MeterPlan:
    return MeterPlan(model, address, "40701", Line(), password=password, settings=settings)


def driver(given: MeterPlan) -> DlmsMeter:
    family = next(each for each in families() if given.model in each.models)
    built = family.build(given)
    assert isinstance(built, DlmsMeter)
    return built


def opened(given: MeterPlan, answer: Answers, piece: int = 4096) -> tuple[DlmsMeter, Wire]:
    """A driver that is logged in and has identified the meter, and its line."""
    built = driver(given)
    wire = Wire(built.session(), answer, piece)
    built.open(wire)
    built.identify(wire)
    return built, wire
