"""What a technician is told of a frame."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mercury.explain import explain
from protocols.mercury.frames import seal
from tests.conversations import load, pairs

BOOKS = ("mercury-manual", "mercury-public", "mercury-synthetic")
FRAMES = sorted({octets for book in BOOKS for _, octets in load(book)})


def words(data: str, answer_to: str | None = None) -> str:
    request = None if answer_to is None else bytes.fromhex(answer_to)
    return "\n".join(explain(bytes.fromhex(data), request))


@pytest.mark.parametrize(
    ("request_", "answer", "said"),
    [
        (
            "00 05 00 00 10 25",
            "00 30 00 28 C5 FF FF FF FF 04 00 9C 95 FF FF FF FF 44 AB",
            "answer of any meter (address 0): A+ 3196.200 kWh, A− absent, R+ 300.444 kvarh, R− absent",
        ),
        ("80 08 11 40 A5 86", "80 00 87 13 0B D9", "answer of meter 128: 49.99 Hz"),
        ("80 08 00 77 E8", "80 29 5A 40 43 16 06 14 0A 73", "answer of meter 128: 41906467, made 2020-06-22"),
        ("80 04 00 72 E8", "80 43 14 16 03 27 02 08 01 50 90", "answer of meter 128: 2008-02-27 16:14:43, winter"),
        ("0D 08 0A 67 C4", "0D 00 00 00 00 01 00 C6 50", "answer of meter 13: E-01"),
        ("1C 08 0A 37 C1", "1C 00 00 00 00 00 00 C6 C1", "answer of meter 28: no faults"),
        ("80 08 02 F6 29", "80 00 01 00 28 74 00", "current 40"),
        ("80 08 17 37 E6", "80 00 02 F1 E9", "answer of meter 128: T2, several tariffs"),
        ("00 08 11 12 0D BB", "00 05 C1 B3", "the channel is not open"),
        ("01 05 C0 00 41 D9", "01 01 C1 E0", "command or parameter not allowed (status 01h)"),
        ("80 03 0D 30 55 10 67 E4", "80 04 61 B3", "correct the clock to 10:55:30"),
        ("80 03 05 40 DB 44", "40 00 30 70", "answer of meter 64 (not the one that was asked): done"),
        ("80 08 05 B6 03", "80 00 80 70 60", "checksum"),
        ("80 08 13 36 25", "80 00 01 0A 09 00 04 03 08 1E 6A 42", "at 0001h, 2008-03-04 09:00:00, every 30 minutes"),
        (
            "80 06 03 00 10 0F DA 5B",
            "80 0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00 FE AF",
            "2008-03-05 10:00:00, 30 minutes, 10500, absent, 0, 0 (incomplete)",
        ),
        (
            "14 18 00 23 06 19 02 2D 0D",
            "14 00 00 5E 7C FF FF FF FF 00 00 DC 02 00 00 9D 0D 19 DA",
            "registers at the start of the day 2019-06-23, T2",
        ),
        ("42 08 01 17 D4", "42 20 57 2F 42 1A 06 12 09 00 00 B4 E3 C2 97 DF 58 3F D3", "three-phase, 230 V, 5 A, 500"),
    ],
)
def test_an_answer_is_told_with_its_request(request_: str, answer: str, said: str) -> None:
    assert said in words(answer, request_)
    if "checksum" not in said and request_[:2] == answer[:2]:
        assert said in words(f"{request_} {answer}"), "in a row it means the same"


def test_an_answer_alone_is_guessed_by_its_length_and_says_so() -> None:
    told = words("00 30 00 28 C5 FF FF FF FF 04 00 9C 95 FF FF FF FF 44 AB")
    assert "guessed by its length" in told
    assert "A+ 3196.200 kWh" in told


def test_a_wrong_checksum_is_told_with_the_right_one() -> None:
    assert words("80 08 00 77 E9") == "checksum: 77 E9 stands there, 77 E8 would be right"


def test_one_frame_may_be_both_question_and_answer() -> None:
    told = words("01 00 00 20")
    assert "as a request to meter 1: channel test" in told
    assert "as an answer of meter 1: done" in told


@pytest.mark.parametrize(
    "data", [b"\x01\x01" + b"\x07\x65\x43\x21\x98\x76", b"\x03\x1f\x01" + b"\x07\x65\x43\x21\x98\x76" * 2]
)
@pytest.mark.parametrize("spoil", [0, 1])
def test_a_password_is_never_shown(data: bytes, spoil: int) -> None:
    frame = bytearray(seal(1, data))
    frame[-1] ^= spoil
    for told in (
        explain(bytes(frame)),
        explain(seal(1, b"\x00"), bytes(frame)),
        explain(bytes(frame) + seal(1, b"\x00")),
    ):
        text = " ".join(told).replace(" ", "").upper()
        assert "6543" not in text
        assert "2198" not in text
        assert spoil or "***" in text


def test_the_one_letter_of_a_month_is_told() -> None:
    assert "array 3, month 1, total" in words("01 05 31 00 04 49")


def test_a_request_known_by_name_only_is_named() -> None:
    assert "journal record" in words("80 04 01 02 E8 74")


@pytest.mark.parametrize("octets", FRAMES, ids=lambda octets: octets.hex())
def test_every_published_frame_is_told_as_sound(octets: bytes) -> None:
    told = explain(octets)
    assert told
    assert "checksum" not in " ".join(told)


@pytest.mark.parametrize(("request_", "answer"), [pair for book in BOOKS for pair in pairs(book)])
def test_every_published_pair_is_told_as_request_and_answer(request_: bytes, answer: bytes) -> None:
    first, second, *_ = explain(answer, request_)
    assert first.startswith("request to ")
    assert "not known" not in first
    assert second.startswith("answer of ")


def test_nothing_is_told_of_nothing() -> None:
    assert explain(b"") == ["nothing to read"]


@pytest.mark.slow
@settings(max_examples=500)
@given(st.binary(max_size=300), st.none() | st.binary(max_size=20))
def test_any_bytes_are_told_without_an_error(data: bytes, answer_to: bytes | None) -> None:
    assert explain(data, answer_to)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.binary(min_size=1, max_size=30), st.none() | st.binary(min_size=1, max_size=9))
def test_any_sound_frame_is_told_without_an_error(data: bytes, answer_to: bytes | None) -> None:
    assert explain(seal(1, data), None if answer_to is None else seal(1, answer_to))
