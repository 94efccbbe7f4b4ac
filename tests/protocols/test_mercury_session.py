"""What a line can do to an answer, and what the session makes of it: the value, or an error, never another value."""

import random
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import AccessDenied, BadFrame, Busy, MeterError, NoRights, NotLoggedIn, Refused, SecondMaster
from protocols.mercury import archives, questions
from protocols.mercury.archives import Entry, LastRecord, ProfileRecord
from protocols.mercury.frames import AllTariffs, Clock, Done, Energy, TariffState, seal
from protocols.mercury.identity import Details, Ratio, Serial
from protocols.mercury.session import Session
from protocols.session import Line

ME = 0x2D
ENERGY = Energy(3196200, None, 300444, 0)
ROW = bytes.fromhex("30 00 28 C5 FF FF FF FF 04 00 9C 95 00 00 00 00")
RECORD = bytes.fromhex("0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00")
PROFILE = ProfileRecord(datetime(2008, 3, 5, 10), 30, (0x2904, None, 0, 0), incomplete=True, winter=True)
octets = bytes.fromhex

READS: dict[str, tuple[Any, Any, bytes]] = {  # question, what a good answer says, its data
    "energy": (questions.ReadEnergy(), ENERGY, ROW),
    "all tariffs": (questions.ReadAllTariffs(), AllTariffs((ENERGY,) * 4, ENERGY), ROW * 5),
    "serial": (questions.ReadSerial(), Serial("41906467", date(2020, 6, 22)), octets("29 5A 40 43 16 06 14")),
    "identity": (
        questions.ReadIdentity(),
        Details("32874766", date(2018, 6, 26), "9.0.0", octets("B4 E3 C2 97 DF 58")),
        octets("20 57 2F 42 1A 06 12 09 00 00 B4 E3 C2 97 DF 58"),
    ),
    "power": (
        questions.ReadNetworkGroup(0x00),
        (Decimal("90.00"), Decimal("10.00"), Decimal("-5.00"), Decimal("85.00")),
        octets("00 28 23 00 E8 03 80 F4 01 00 34 21"),
    ),
    "voltage": (
        questions.ReadNetworkGroup(0x11),
        (Decimal("241.28"), Decimal("240.43"), Decimal("240.04")),
        octets("00 40 5E 00 EB 5D 00 C4 5D"),
    ),
    "frequency": (questions.ReadInstant(0x40), (Decimal("49.99"),), octets("00 87 13")),
    "distortion": (questions.ReadInstant(0x61), (Decimal("2.01"),), octets("C9 00")),
    "firmware": (questions.ReadFirmware(), "9.0.0", octets("09 00 00")),
    "status word": (questions.ReadStatusWord(), (2, 47), octets("00 40 00 00 02 00")),
    "ratio": (questions.ReadRatio(), Ratio(1, 20), octets("00 01 00 14")),
    "tariff": (questions.ReadTariffState(), TariffState(2, single=False), octets("00 02")),
    "clock": (
        questions.ReadClock(),
        Clock(datetime(2008, 2, 27, 16, 14, 43), winter=True),
        octets("43 14 16 03 27 02 08 01"),
    ),
    "day": (archives.ReadSnapshot(date(2026, 11, 21)), ENERGY, ROW),
    "profile": (archives.ReadRecords(0x10), (PROFILE,), RECORD),
    "long profile": (archives.ReadRecords(0x10, long=True), (PROFILE,) * 17, RECORD * 17),
    "last record": (
        archives.ReadLastRecord(),
        LastRecord(1, datetime(2008, 3, 4, 9), winter=True, period=30, initialising=False),
        octets("00 01 08 09 00 04 03 08 1E"),
    ),
    "journal": (
        archives.ReadJournal(1),
        Entry(3, octets("01 53 07 01 02 08 09 50 12 01 02 08")),
        octets("01 53 07 01 02 08 09 50 12 01 02 08 03"),
    ),
    "log-in": (questions.OpenChannel(1, b"\x01" * 6), Done(), b"\x00"),
    "correction": (questions.CorrectClock(time(10, 55, 30)), Done(), b"\x00"),
}
CASES = pytest.mark.parametrize(("question", "data"), [(each[0], each[2]) for each in READS.values()], ids=READS)


def feed(session: Session, pieces: Iterable[bytes]) -> Any:
    """The reply, after silence if need be; None if even then nothing came."""
    for piece in pieces:
        if piece and (reply := session.receive(piece)) is not None:
            return reply
    return session.receive(b"")


def ask(question: Any, heard: bytes, address: int = ME) -> Any:
    session = Session(address, Line())
    session.send(question)
    return feed(session, [heard])


@CASES
@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_an_answer_is_read_however_the_line_cuts_it(question: Any, data: bytes, size: int) -> None:
    frame = seal(ME, data)
    session = Session(ME, Line())
    session.send(question)
    pieces = [frame[at : at + size] for at in range(0, len(frame), size)]
    for piece in pieces[:-1]:
        assert session.receive(piece) is None
    assert session.receive(pieces[-1]) == question.decode(data)


@pytest.mark.slow
@CASES
def test_no_single_flipped_bit_gives_a_value(question: Any, data: bytes) -> None:
    frame = seal(ME, data)
    for bit in range(len(frame) * 8):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadFrame):
            ask(question, bytes(damaged))


@CASES
def test_an_answer_cut_anywhere_is_no_value(question: Any, data: bytes) -> None:
    frame = seal(ME, data)
    for length in range(1, len(frame)):
        if length < 4:
            assert ask(question, frame[:length]) is None, "too short for any frame: noise, the answer may still come"
        else:
            with pytest.raises(BadFrame):
                ask(question, frame[:length])


@CASES
@pytest.mark.parametrize("noise", [b"\x00", b"\xff\xff\xff", bytes((ME,)), bytes((ME, 5, 0, 0)), b"\x2d\x00" * 40])
def test_noise_before_an_answer_does_not_hide_it(question: Any, data: bytes, noise: bytes) -> None:
    assert ask(question, noise + seal(ME, data)) == question.decode(data)


@CASES
@pytest.mark.parametrize("noise", [b"\x00", b"\xff\xff\xff"])
def test_the_click_of_a_turning_adapter_behind_an_answer_does_no_harm(question: Any, data: bytes, noise: bytes) -> None:
    assert ask(question, seal(ME, data) + noise) == question.decode(data)


@CASES
def test_a_click_then_silence_then_the_answer_is_an_answer(question: Any, data: bytes) -> None:
    session = Session(ME, Line())
    session.send(question)
    assert session.receive(b"\xff") is None
    assert session.receive(b"") is None
    assert session.receive(seal(ME, data)) == question.decode(data)


@pytest.mark.slow
@CASES
@pytest.mark.parametrize("size", [1, 5, 200])
@pytest.mark.parametrize("before", [b"", b"\xff"])
def test_an_echo_of_our_request_is_not_the_answer(question: Any, data: bytes, size: int, before: bytes) -> None:
    session = Session(ME, Line())
    heard = before + session.send(question).data + seal(ME, data)
    assert feed(session, [heard[at : at + size] for at in range(0, len(heard), size)]) == question.decode(data)


@pytest.mark.parametrize("question", [question for question, *_ in READS.values()] + [questions.CloseChannel()])
def test_a_mere_echo_is_silence(question: Any) -> None:
    session = Session(ME, Line())
    assert session.receive(session.send(question).data) is None
    assert session.receive(b"") is None


def test_an_echo_that_looks_like_a_sound_answer_is_still_no_answer() -> None:
    echo = seal(ME, questions.ReadInstant(0x11).encode())  # six octets, as the answer
    assert ask(questions.ReadInstant(0x11), echo) is None
    answer = seal(ME, bytes.fromhex("00 40 5E"))
    assert ask(questions.ReadInstant(0x11), echo + answer) == (Decimal("241.28"),)


def test_a_channel_test_is_answered_with_its_own_octets() -> None:
    frame = seal(ME, b"\x00")
    assert ask(questions.TestChannel(), frame) == Done()
    assert ask(questions.TestChannel(), frame * 2) == Done(), "on a line that echoes"
    assert ask(questions.TestChannel(), seal(ME, b"\x80")) == Done(repeats=True)


@CASES
def test_another_meters_answer_is_no_value_and_is_named(question: Any, data: bytes) -> None:
    with pytest.raises(BadFrame, match="meter 46 answered"):
        ask(question, seal(46, data))


def test_the_universal_address_answers_as_zero() -> None:
    assert ask(questions.ReadEnergy(), seal(0, ROW), address=0) == ENERGY
    with pytest.raises(BadFrame, match="meter 45 answered"):
        ask(questions.ReadEnergy(), seal(ME, ROW), address=0)


@CASES
def test_a_late_answer_of_another_length_is_no_value(question: Any, data: bytes) -> None:
    for other, _, late in READS.values():
        if len(late) != len(data) and len(late) != 1:
            with pytest.raises(BadFrame):
                ask(question, seal(ME, late))
            assert other is not question


def test_a_late_answer_in_front_of_the_proof_does_not_pass_for_it() -> None:
    session = Session(ME, Line())
    session.send(questions.ReadEnergy(tariff=1))
    assert session.receive(b"") is None
    session.send(session.proof())
    reply = session.receive(seal(ME, ROW) + seal(ME, READS["serial"][2]))
    assert reply.serial == "41906467"


def test_two_answers_at_once_are_none() -> None:
    with pytest.raises(SecondMaster):
        ask(questions.ReadEnergy(tariff=2), seal(ME, ROW) + seal(ME, bytes(16)))
    with pytest.raises(BadFrame, match="behind a sound frame"):
        ask(questions.ReadEnergy(tariff=2), seal(ME, ROW) + b"noise")


@pytest.mark.parametrize(
    ("status", "trouble", "code"),
    [
        (0x01, Refused, 1),
        (0x81, Refused, 1),
        (0x02, Busy, None),
        (0x03, NoRights, None),
        (0x04, Refused, 4),
        (0x05, NotLoggedIn, None),
        (0x00, BadFrame, None),
        (0x06, BadFrame, None),
        (0x0F, BadFrame, None),
    ],
)
def test_a_status_in_the_place_of_data_says_what_to_do(status: int, trouble: type[MeterError], code: int) -> None:
    with pytest.raises(trouble) as raised:
        ask(questions.ReadEnergy(), seal(ME, bytes((status,))))
    assert type(raised.value) is trouble
    assert getattr(raised.value, "code", None) == code


def test_a_status_in_the_place_of_data_counts_only_after_silence() -> None:
    session = Session(ME, Line())
    session.send(questions.ReadEnergy())
    head = seal(ME, b"\x05")  # could be a status, is the head of a longer answer
    body = head[1:] + ROW[3:]
    frame = seal(ME, body)
    assert frame.startswith(head)
    assert session.receive(frame[:4]) is None
    assert session.receive(frame[4:]) == questions.ReadEnergy().decode(body)


def test_done_in_the_place_of_data_is_no_value_and_says_so() -> None:
    with pytest.raises(BadFrame, match="says done to a question for data"):
        ask(questions.ReadEnergy(), seal(ME, b"\x00"))


def test_a_status_inside_a_damaged_answer_is_none() -> None:
    damaged = seal(ME, ROW)[:9] + seal(ME, b"\x05") + bytes(6)
    assert len(damaged) == len(seal(ME, ROW))
    with pytest.raises(BadFrame):
        ask(questions.ReadEnergy(), damaged)


def test_a_password_that_looks_like_a_status_does_not_answer_its_own_log_in() -> None:
    session = Session(ME, Line())
    echo = session.send(questions.OpenChannel(1, seal(ME, b"\x00") + b"\x01\x01")).data
    denied = seal(ME, b"\x03")
    with pytest.raises(AccessDenied):
        feed(session, [bytes((octet,)) for octet in echo + denied])


@pytest.mark.parametrize("code", [1, 3, 4, 5])
def test_a_refused_log_in_is_access_denied_whatever_code_the_firmware_chose(code: int) -> None:
    with pytest.raises(AccessDenied):
        ask(questions.OpenChannel(1, b"\x01" * 6), seal(ME, bytes((code,))))


def test_a_meter_in_repeat_mode_is_told_from_noise() -> None:
    with pytest.raises(BadFrame, match="repeats request codes"):
        ask(questions.ReadEnergy(), seal(ME, b"\x05" + ROW))


def test_a_password_is_in_no_message() -> None:
    secret = b"\x12\x34\x56\x78\x90\x12"
    question = questions.OpenChannel(1, secret)
    session = Session(ME, Line())
    echo = bytearray(session.send(question).data)
    echo[0] ^= 1
    with pytest.raises(BadFrame) as raised:
        feed(session, [bytes(echo)])
    assert "34 56" not in str(raised.value)
    assert "34V" not in repr(question)
    with pytest.raises(RuntimeError) as misuse:
        session.send(question)
        session.send(questions.ReadSerial())
    assert "34V" not in str(misuse.value)


@pytest.mark.parametrize(("level", "password"), [(0, b"\x01" * 6), (3, b"\x01" * 6), (1, b"\x01" * 5)])
def test_a_log_in_that_no_meter_takes_is_our_own_mistake(level: int, password: bytes) -> None:
    with pytest.raises(ValueError, match="octets of password"):
        questions.OpenChannel(level, password)


def test_a_question_out_of_turn_is_our_own_mistake() -> None:
    session = Session(ME, Line())
    session.send(questions.ReadEnergy(tariff=1))
    with pytest.raises(RuntimeError):
        session.send(questions.ReadEnergy(tariff=2))
    session.send(questions.ReadEnergy(tariff=1))  # asked again
    assert session.receive(b"") is None
    session.send(questions.ReadEnergy(tariff=2))  # the first one's silence is known


def test_octets_without_a_question_are_no_value() -> None:
    session = Session(ME, Line())
    assert session.receive(b"") is None
    with pytest.raises(BadFrame):
        session.receive(seal(ME, ROW))


def test_every_question_says_whether_it_may_be_asked_twice() -> None:
    assert all(question.repeatable for name, (question, *_) in READS.items() if name != "correction")
    assert not questions.CorrectClock(time(1)).repeatable


@pytest.mark.parametrize(
    ("speed", "multiplier", "pause", "wait"),
    [
        (9600, 1, 0.005, 0.5),
        (9600, 5, 0.025, 1.1),
        (115200, 1, 0.002, 0.5),
        (2400, 1, 0.020, 0.6),
        (300, 2, 0.32, 3.55),
    ],
)
def test_silences_follow_the_makers_table(speed: int, multiplier: int, pause: float, wait: float) -> None:
    sending = Session(ME, Line(speed), multiplier).send(questions.ReadEnergy())
    assert (sending.pause, sending.wait) == (pytest.approx(pause), pytest.approx(wait))


def test_a_configured_timeout_is_taken_as_it_is() -> None:
    assert Session(ME, Line(), timeout=2.5).send(questions.ReadEnergy()).wait == 2.5


def test_a_speed_that_no_meter_has_is_refused() -> None:
    with pytest.raises(ValueError, match="14400"):
        Session(ME, Line(14400))


def test_endless_noise_needs_bounded_memory_and_does_not_hide_a_later_answer() -> None:
    session = Session(ME, Line())
    session.send(questions.ReadEnergy())
    noise = random.Random(7)
    for _ in range(200):
        assert session.receive(noise.randbytes(100)) is None
    assert session.receive(seal(ME, ROW)) == ENERGY
    assert len(session._buffer) < 1024


QUESTIONS = st.sampled_from([question for question, *_ in READS.values()] + [questions.TestChannel()])
NEARLY = st.sampled_from([seal(ME, data) for *_, data in READS.values()]) | st.binary(max_size=30)


@pytest.mark.slow
@settings(max_examples=1500)
@given(QUESTIONS, st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_give_a_reply_or_a_declared_error(question: Any, pieces: list[bytes]) -> None:
    session = Session(ME, Line())
    session.send(question)
    try:
        reply = feed(session, pieces)
    except MeterError:
        return
    assert reply is None or len(b"".join(pieces)) >= 4


@pytest.mark.slow
@settings(max_examples=1500)
@given(QUESTIONS, st.integers(0, 255), st.binary(min_size=1, max_size=100), NEARLY)
def test_any_sound_frame_gives_a_reply_or_a_declared_error(
    question: Any, address: int, data: bytes, before: bytes
) -> None:
    session = Session(ME, Line())
    session.send(question)
    try:
        feed(session, [before, seal(address, data)])
    except MeterError:
        return
