"""Whatever the line brings: the declared errors or a value that was checked, nothing else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import BadFrame, MeterError
from protocols.iec62056 import frames
from protocols.iec62056.block import Block, parse
from protocols.iec62056.explain import explain
from protocols.iec62056.push import Listen, Pushed, PushSession, TextCut
from protocols.iec62056.questions import (
    Done,
    Get,
    HandedOver,
    HandOver,
    Opened,
    Password,
    Program,
    Put,
    Readout,
    Telegram,
)
from protocols.iec62056.session import Session
from protocols.session import Line, Sending
from tests.protocols.iec62056_player import joined

LINE = Line(9600, "7E1")
NAMES = [f"iec-t{number:02}" for number in range(1, 32)]
HEARD = [data for name in NAMES for way, data in joined(name) if way == "<<"]
IDS, TEXTS = st.from_regex(r"[0-9A-F.]{1,8}", fullmatch=True), st.from_regex(r"[0-9.]{0,9}", fullmatch=True)
QUESTIONS = [Readout(), Program(), HandOver(), Get("ET0PE"), Password(b"1"), Put("CTIME", "1")]


def asked(question: object, **settings: object) -> Session:
    """A session in which this question is open."""
    session = Session("", LINE, **settings)  # type: ignore[arg-type]
    if isinstance(question, (Get, Password, Put)):
        session.send(Program())
        session.receive(b"/EKT5CE102Mv01\r\n")
        session.receive(frames.command("P0", b"()", "sum"))
    session.send(question)
    return session


def fed(session: Session, data: bytes) -> object:
    """What comes of these bytes, then of silence; Sendings are taken as sent."""
    for piece in (data, b"", b""):
        reply = session.receive(piece)
        if reply is not None and not isinstance(reply, Sending):
            return reply
    return None


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A recorded answer as a bad line gives it."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0 if damaged:
                damaged[place % len(damaged)] ^= 1 << chance.randrange(8)
            case 1:
                damaged.insert(place, chance.choice((0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x15, 0x28, 0x29, 0x7F, 0xFF)))
            case 2:
                del damaged[place:]
            case 3:
                damaged[place:place] = chance.choice(HEARD)
            case _:
                del damaged[place : place + chance.randint(1, 8)]
    return bytes(damaged)


@pytest.mark.slow
def test_ten_thousand_damaged_recordings_give_declared_errors_only() -> None:
    chance = random.Random(20261121)
    outcomes = {"error": 0, "silence": 0, "value": 0}
    for number in range(10_000):
        question = QUESTIONS[number % len(QUESTIONS)]
        session = asked(question, check="none" if number % 7 == 0 else "auto")
        data = mutated(chance.choice(HEARD), chance)
        if isinstance(question, (Readout, Program, HandOver)) and number % 2:
            data = b"/EKT5CE102Mv01\r\n" + data
        try:
            reply = fed(session, data)
        except MeterError:
            outcomes["error"] += 1
        else:
            outcomes["silence" if reply is None else "value"] += 1
        explain(data)
    assert outcomes["error"] > 1000 and outcomes["value"] > 10


@pytest.mark.slow
@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(QUESTIONS), st.sampled_from(["auto", "none", "xor", "sum"]))
def test_any_bytes_give_a_reply_or_a_declared_error(data: bytes, question: object, check: str) -> None:
    session = asked(question, check="sum" if isinstance(question, (Get, Password, Put)) else check)
    try:
        reply = fed(session, data)
    except MeterError:
        return
    assert reply is None or isinstance(reply, (Telegram, Opened, Block, Done, HandedOver))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_parsed_and_explained(data: bytes) -> None:
    assert isinstance(parse(data), Block)
    assert all(isinstance(line, str) for line in explain(data))


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.binary(max_size=120), max_size=8))
def test_any_stream_can_be_listened_to(pieces: list[bytes]) -> None:
    cut = TextCut("none", "software")
    session = PushSession(cut, 10, cut.prepare)
    session.send(Listen())
    try:
        replies = [session.receive(piece) for piece in pieces if piece]
    except BadFrame:
        return
    assert all(reply is None or isinstance(reply, Pushed) for reply in replies)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.tuples(IDS, TEXTS), min_size=1, max_size=6), st.sampled_from(frames.RULES))
def test_what_is_built_is_read(sets: list[tuple[str, str]], rule: str) -> None:
    data = "\r\n".join(f"{name}({text})" for name, text in sets).encode()
    frame = frames.answer(data, rule)
    assert rule in frames.rules_kept(frame)
    block = parse(frame[1:-2])
    assert [(one.id, value.text) for one in block.sets for value in one.values] == sets
