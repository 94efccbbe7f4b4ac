"""Passwords are seen nowhere: not in a trace, not in kept frames, not in messages; whatever the adapter echoes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.line.link import Link
from agent.line.trace import Redactor, TraceMessage, heard, sent
from agent.line.worker import Question
from drivers.mercury.driver import Mercury230
from drivers.reading import MeterPlan
from protocols.dlms.session import Session as DlmsSession
from protocols.errors import MeterError
from protocols.iec62056 import frames as iec
from protocols.iec62056.questions import Get, Password, Program
from protocols.iec62056.session import Session as IecSession
from protocols.mercury.frames import seal
from protocols.mercury.questions import OpenChannel, ReadSerial
from protocols.mercury.session import Session as MercurySession
from protocols.session import Line, Sending
from simulators.dlms import WrapperMeter
from simulators.mercury230 import Mercury230 as MercuryMeter
from tests.support.bus import FakeBus
from tests.support.dlms import driver, plan, spodes, station
from tests.support.wire import ScriptedPort, Time

RAW = bytes.fromhex("d1 2e c3 4f b5 6a")  # a Mercury's password
TEXT = b"48z5X6u3"
KEYS: dict[str, Any] = {"block_key_file": bytes(range(16)), "auth_key_file": bytes(range(16, 32))}

Pieces = list[tuple[float, bytes]]
Echo = Callable[[bytes, int], Pieces]
"""A request and a place in it → what the adapter gives back before the meter answers."""


@dataclass
class Case:
    """One protocol's log-in: a session, what is asked of it, and a meter."""

    secret: bytes
    link_line: Line
    session: Any
    dialogue: Callable[[Callable[[Any], Any]], object]
    answer: Callable[[bytes], bytes]


def mercury() -> Case:
    meter = MercuryMeter(address=45, serial="23456789", passwords={1: RAW})

    def dialogue(ask: Callable[[Any], Any]) -> None:
        ask(OpenChannel(1, RAW))
        ask(ReadSerial())

    return Case(RAW, Line(), MercurySession(45, Line()), dialogue, meter.answer)


def iec_meter(parity: str, kind: str = "P1", verdict: bytes = b"\x06") -> Case:
    line = Line(9600, "8N1" if parity == "software" else "7E1")
    password = iec.command(kind, b"(" + TEXT + b")", "xor")
    said = {
        iec.request(""): b"/EKT5CE301v11.1\r\n",
        iec.option("0", "5", "1"): iec.sealed(b"\x01P0\x02(123)\x03", "xor"),
        password: verdict,
        iec.command("R1", b"SNUMB()", "xor"): iec.answer(b"SNUMB(009217054000001)\r\n", "xor"),
    }

    def answer(request: bytes) -> bytes:
        found = said.get(iec.low7(request), b"")
        return iec.with_parity(found) if parity == "software" else found

    def dialogue(ask: Callable[[Any], Any]) -> None:
        ask(Program())
        ask(Password(TEXT, kind))
        ask(Get("SNUMB"))

    return Case(TEXT, line, IecSession("", line, check="xor", parity=parity), dialogue, answer)


def dlms(**settings: Any) -> Case:
    meter = spodes(password=TEXT)
    answer = WrapperMeter(meter.server).answer if settings.get("framing") == "wrapper" else station(meter).answer
    built = driver(plan(password=TEXT, **settings))

    def dialogue(ask: Callable[[Any], Any]) -> None:
        built.open(ask)
        built.identify(ask)

    return Case(TEXT, Line(), built.session(), dialogue, answer)


CASES: dict[str, Callable[[], Case]] = {
    "mercury": mercury,
    "iec": lambda: iec_meter("hardware"),
    "iec with software parity": lambda: iec_meter("software"),
    "iec P2": lambda: iec_meter("hardware", "P2"),
    "iec refused": lambda: iec_meter("hardware", verdict=iec.answer(b"(ERR15)", "xor")),
    "dlms": dlms,
    "dlms in segments": lambda: dlms(max_info=32),
    "dlms in a window of segments": lambda: dlms(max_info=32, window=4),
    "dlms over the wrapper": lambda: dlms(framing="wrapper"),
}


def split(request: bytes, place: int) -> Pieces:
    return [(0.0, request[:place]), (0.001, request[place:])]


def split_long(request: bytes, place: int) -> Pieces:
    """A silence inside the echo that ends every answer; its rest comes as noise."""
    return [(0.0, request[:place]), (0.6, request[place:])]


def cut(request: bytes, place: int) -> Pieces:
    return [(0.0, request[:place])]


def begun_late(request: bytes, place: int) -> Pieces:
    return [(0.0, request[place:])]


def flipped(request: bytes, place: int) -> Pieces:
    damaged = bytearray(request)
    damaged[min(place, len(damaged) - 1)] ^= 0x04
    return [(0.0, bytes(damaged))]


def behind_noise(request: bytes, place: int) -> Pieces:
    return [(0.0, b"\x00" * (place % 4 + 1) + request)]


def very_late(request: bytes, place: int) -> Pieces:
    """When the question was given up and drained: its echo stands in the next one's answer."""
    return [(3.4 + place / 100, request)]


ECHOES: tuple[Echo, ...] = (split, split_long, cut, begun_late, flipped, behind_noise, very_late)


class Traced:
    """A dialogue with an echoing adapter, and everything of it that anybody may see."""

    def __init__(self, case: Case, echo: Echo | None, place: int) -> None:
        time, late = Time(), 0.02

        def answer(request: bytes) -> Pieces:
            pieces = [piece for piece in echo(request, place) if piece[1]] if echo else []
            said = case.answer(request)
            return [*pieces, (max([late, *(at for at, _ in pieces if at < 1)]) + late, said)] if said else pieces

        link = Link(ScriptedPort(time, answer), monotonic=time, sleep=time.sleep)
        self.messages: list[TraceMessage] = []
        self.trouble = ""
        link.trace = self.messages.append
        link.begin(case.link_line)
        try:
            case.dialogue(partial(link.ask, case.session))
        except MeterError as trouble:
            self.trouble = f"{trouble} {trouble!r}"
        self.frames = b"|".join(link.frames)

    def seen(self) -> str:
        lines = [f"{m.direction} {m.octets} {m!r} {' '.join(m.words())}" for m in self.messages]
        return "\n".join([*lines, self.trouble])


def shapes(secret: bytes) -> Iterator[str]:
    """The secret and its larger pieces as they could be read on a screen, with and without parity bits."""
    for octets in (secret, iec.with_parity(secret)):
        for start in range(len(octets) - 2):
            piece = octets[start : start + 3]
            yield piece.hex(" ")
            yield piece.hex()
            if piece.isascii():
                yield piece.decode()


@pytest.mark.slow
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("name", CASES)
def test_a_password_is_seen_nowhere_however_its_echo_comes(name: str, echo: Echo) -> None:
    for place in range(1, 100 if "dlms" in name else 24):
        case = CASES[name]()
        traced = Traced(case, echo, place)
        seen = traced.seen()
        assert not [shape for shape in shapes(case.secret) if shape in seen.lower() or shape in seen]
        assert case.secret not in iec.low7(traced.frames) and case.secret not in traced.frames


@pytest.mark.parametrize("name", CASES)
def test_without_an_echo_the_log_in_is_traced_with_its_answer(name: str) -> None:
    case = CASES[name]()
    traced = Traced(case, None, 0)
    question = next(at for at, message in enumerate(traced.messages) if "**" in message.octets)
    asked = traced.messages[question]
    assert not asked.octets.startswith("**")
    assert asked.direction == ">>" and asked.octets.count("**") <= asked.size == len(asked.octets.split())
    assert any(message.octets and "**" not in message.octets for message in traced.messages[question + 1 :])
    assert not [shape for shape in shapes(case.secret) if shape in traced.seen()]


def test_the_words_of_a_log_in_say_what_it_is() -> None:
    asked, answered = Traced(mercury(), None, 0).messages[:2]
    assert asked.octets == "2d 01 01" + " **" * 8
    assert asked.words() == ["request to meter 45: open the channel at level 1, password ***"]
    assert answered.words() == ["answer of meter 45: done (status 00h)"]


def test_not_even_the_check_character_of_a_password_is_said() -> None:
    asked = next(message for message in Traced(iec_meter("hardware"), None, 0).messages if "**" in message.octets)
    assert asked.octets == "01 50 31 02 28" + " **" * 11
    assert asked.words() == ["P1: password (…); check character right (xor)"]


def test_behind_a_whole_echo_the_answer_is_shown_and_explained() -> None:
    answered = Traced(mercury(), split, 5).messages[1]
    assert answered.octets == "2d 01 01" + " **" * 8 + " 2d 00 1c e0"
    assert answered.words() == ["answer of meter 45: done (status 00h)"]


def test_an_answer_with_an_echoed_password_is_not_kept_and_all_others_are() -> None:
    frames = Traced(mercury(), split, 5).frames
    serial = MercuryMeter(address=45, serial="23456789").answer(seal(45, b"\x08\x00"))
    assert frames == seal(45, b"\x08\x00") + serial


@pytest.mark.parametrize("octets", range(1, 5))
def test_an_echoed_password_behind_noise_is_no_answer_of_the_meter(octets: int) -> None:
    def noisy(request: bytes, place: int) -> Pieces:
        return behind_noise(request, place) if b"P1" in request else []

    traced = Traced(iec_meter("hardware"), noisy, octets)
    assert traced.trouble == "" and "SNUMB" in traced.seen()


@pytest.mark.parametrize(("start", "end"), [(0, 4), (8, 11)])
def test_the_first_or_last_octet_of_a_password_is_not_shown_with_what_stands_around_it(start: int, end: int) -> None:
    request = seal(45, b"\x01\x01" + RAW)
    answered = Traced(mercury(), lambda sent, place: [(0.0, sent[start:end])] if sent == request else [], 0).messages[1]
    assert request[start:end].hex(" ") not in answered.octets and set(answered.octets.split()) == {"**"}


def test_what_comes_too_late_is_traced_with_the_question_that_it_answers() -> None:
    case = mercury()
    late = seal(45, b"\x00")
    case.answer = lambda request: b""
    traced = Traced(case, lambda sent, place: [(0.02, b"\xff" * 5), (0.3, late)], 0)
    assert traced.messages[1].octets == (b"\xff" * 5 + late).hex(" ")


def test_silence_is_said() -> None:
    case = mercury()
    case.answer = lambda request: b""
    messages = Traced(case, None, 0).messages
    assert [message.direction for message in messages[:2]] == [">>", "<<"]
    assert messages[1].size == 0 and messages[1].words() == ["silence"]


def test_a_dedicated_key_that_is_not_encrypted_is_hidden_with_the_log_in() -> None:
    """Security "auth" leaves the InitiateRequest readable, and the key in it."""
    built = driver(
        plan(password=TEXT, mechanism="lls", security="auth", wrapping="ded", counter_from_meter=False, **KEYS)
    )
    meter = station(spodes(password=TEXT))
    sendings: list[Sending] = []
    session = built.session()

    class Watching:
        def send(self, question: Any) -> Sending:
            sendings.append(session.send(question))
            return sendings[-1]

        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

    time = Time()
    link = Link(
        ScriptedPort(time, lambda data: [(0.02, meter.answer(data))]), monotonic=time, sleep=time.sleep, tries=1
    )
    link.begin(Line())
    with pytest.raises(MeterError):  # this meter has no such association
        built.open(partial(link.ask, Watching()))
    asked = next(sending for sending in sendings if TEXT in sending.data)
    key = asked.secret[-16:]
    assert asked.secret.startswith(TEXT) and asked.data.count(asked.secret) == 1
    assert bytes((1, 16)) + key in asked.secret and key.hex(" ") not in sent(session, asked, ()).octets


def test_the_daemons_log_and_its_records_hold_no_password(caplog: pytest.LogCaptureFixture) -> None:
    places = iter([*range(1, 12)] * 40)
    bus = FakeBus(1)
    bus.simulated[0].passwords[1] = RAW
    meter = bus.meters[0]
    meter.driver = Mercury230(MeterPlan("mercury230", "1", meter.config.serial, Line(), password=RAW))
    answer = bus.answer
    bus.answer = lambda request: [*flipped(request, next(places)), *((at + 0.02, said) for at, said in answer(request))]
    messages: list[TraceMessage] = []
    bus.worker.ask(Question(["flat-1"], "now", trace=lambda point, message: messages.append(message)))
    with caplog.at_level("DEBUG"):
        bus.run(300)
    assert messages and (caplog.records or bus.records)
    text = caplog.text + repr(bus.records) + str(meter.error) + repr(messages)
    assert not [shape for shape in shapes(RAW) if shape in text.lower()]
    assert all(RAW not in record.frames for record in bus.records)


@pytest.mark.slow
@given(
    secret=st.binary(min_size=3, max_size=12),
    around=st.tuples(st.binary(max_size=6), st.binary(max_size=6)),
    noise=st.binary(max_size=8),
    answer=st.binary(max_size=8),
    places=st.lists(st.integers(0, 60), max_size=2),
)
def test_no_piece_of_a_secret_is_shown_in_any_answer(
    secret: bytes, around: tuple[bytes, bytes], noise: bytes, answer: bytes, places: list[int]
) -> None:
    sending = Sending(around[0] + secret + around[1], wait=1.0, secret=secret)
    start, end = min([0, *places]), max([len(sending.data), *places])
    said = noise + sending.data[start:end] + answer
    shown = heard(MercurySession(1, Line()), sending.data, said, [Redactor(sending)])
    assert len(shown.octets.split()) == shown.size == len(said)
    asked = sent(MercurySession(1, Line()), sending, [])
    assert len(asked.octets.split()) == asked.size
    for octets in (shown.octets, asked.octets):
        for clear in map(bytes.fromhex, octets.replace(" **", "**").split("**")):
            assert not any(secret[at : at + 3] in clear for at in range(len(secret) - 2))


def test_a_protocol_without_words_is_traced_in_octets_alone() -> None:
    class Wordless(DlmsSession):
        __module__ = "protocols.gsm.at"

    message = heard(Wordless(), b"", b"\x1b\x1b", [])
    assert (message.octets, message.words()) == ("1b 1b", [])
