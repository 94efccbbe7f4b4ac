"""A line for DLMS tests: a session on one side, a simulated meter on the other, without time or ports."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from drivers.dlms.driver import DlmsMeter, families
from drivers.reading import MeterPlan
from protocols.dlms.apdu import Attribute, obis
from protocols.dlms.hdlc import Address, Limits
from protocols.dlms.mode_e import ModeE
from protocols.dlms.questions import Associate, Connect
from protocols.dlms.security import Keys
from protocols.dlms.session import Session
from protocols.errors import BadFrame, NoReply
from protocols.session import Line, Sending
from simulators.dlms import HdlcMeter, WrapperMeter
from simulators.household import Household
from simulators.spodes import Spodes

NOW = datetime(2026, 3, 10, 9, 34, 56, tzinfo=UTC)  # 12:34:56 in Moscow
START = datetime(2026, 1, 20, tzinfo=UTC)

Answers = Callable[[bytes], bytes]


class Wire:
    """Asks as the Link does: pieces of ``piece`` octets, silence after them, the same question again after damage.

    ``spoil`` may change what the meter said; octets of both directions are counted.
    """

    def __init__(self, session: Session | ModeE, answer: Answers, piece: int = 4096, tries: int = 3) -> None:
        self.session, self.answer, self.piece, self.tries = session, answer, piece, tries
        self.spoil: Callable[[bytes], bytes] = lambda said: said
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []
        self.lines: list[Line | None] = []  # that each question goes out at

    def __call__(self, question: Any) -> Any:
        for left in range(self.tries - 1, -1, -1):
            try:
                sending = self.session.send(question)
                self.lines.append(sending.before)
                return self._dialogue(sending)
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


@lru_cache
def household() -> Household:
    return Household(7, "Europe/Moscow", START)


def spodes(**changes: Any) -> Spodes:
    """A meter with three tariffs at noon of a March day."""
    usual: dict[str, Any] = {"serial": "40701", "house": household(), "now": lambda: NOW, "start": START}
    return Spodes(**usual | changes)


def station(meter: Spodes, **changes: Any) -> HdlcMeter:
    usual: dict[str, Any] = {"lower": 17, "limits": Limits(1024, 239, 1, 1)}
    return HdlcMeter(meter.server, **usual | changes)


METER = Address(1, 17, 2)
TOTAL = Attribute(3, obis("1.0.1.8.0.255"), 2)
LOAD = Attribute(7, obis("1.0.99.1.0.255"), 2)
READER = Associate(1, b"12345678")
TRUTH = household().energy(NOW)["total"] * 1000  # Wh that TOTAL shows at NOW
SMALL = Limits(128, 128, 1, 1)


def reader(
    meter: Spodes | None = None, limits: Limits = SMALL, piece: int = 4096, **changes: Any
) -> tuple[Wire, HdlcMeter]:
    """A wire to a simulated meter, associated as client 32."""
    there = station(meter or spodes(), **({"limits": limits} | changes))
    wire = Wire(Session(), there.answer, piece)
    wire(Connect(METER, 32, limits))
    wire(READER)
    return wire, there


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


ENERGIES = tuple(Attribute(3, obis(f"1.0.{group}.8.{number}.255"), 2) for group in (1, 2, 3, 4) for number in range(5))


@lru_cache
def dialogue() -> tuple[bytes, ...]:
    """Sound messages of many kinds: frames, wrapper messages, APDUs and bare values, plain and ciphered."""
    keys = Keys(bytes(16), bytes(range(16)))
    found: list[bytes] = []
    for framing, security in (("hdlc", "none"), ("wrapper", "none"), ("wrapper", "both")):
        meter = spodes(configurator=5, keys=keys, events={4: [(NOW, 3)]})
        answer = station(meter).answer if framing == "hdlc" else WrapperMeter(meter.server).answer
        client: dict[str, Any] = {"client": 48, "mechanism": "hls5"} if security == "both" else {}
        given = plan(
            framing=framing, security=security, block_key_file=bytes(16), auth_key_file=bytes(range(16)), **client
        )
        reads, wire = opened(given, answer)
        reads.now(wire)
        list(reads.interval(wire, NOW - timedelta(hours=2), NOW))
        list(reads.event(wire, NOW - timedelta(hours=2), NOW))
        for said in filter(None, wire.sent + wire.heard):
            found.append(said)
            if framing == "wrapper":
                found += [said[8:], said[12:]]  # the APDU, and the value of a plain answer
    return tuple(found)
