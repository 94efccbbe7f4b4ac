"""Frames as text, for the technician."""

from random import Random

import pytest

from protocols.modbus.explain import explain

ASKED = bytes.fromhex("01 04 00 00 00 02 71 CB")
ANSWERED = bytes.fromhex("01 04 04 43 66 33 34 1B 38")


def test_a_request_is_told_with_unit_function_and_registers() -> None:
    assert explain(ASKED) == [
        "Modbus RTU, unit 1, CRC 71 cb is right",
        "read 2 input registers from 0 (0x0000), function 4",
    ]


def test_an_answer_to_a_request_has_its_registers_at_their_addresses() -> None:
    lines = explain(ANSWERED, ASKED)
    assert "  0x0000: 4366  u16 17254  u32 1130771252  f32 230.2" in lines


def test_request_and_answer_glued_together_are_told_apart() -> None:
    assert [line for line in explain(ASKED + ANSWERED) if line.startswith("Modbus RTU")] == [
        "Modbus RTU, unit 1, CRC 71 cb is right",
        "Modbus RTU, unit 1, CRC 1b 38 is right",
    ]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("01 84 02 c2 c1", "exception 2 to function 4: illegal address"),
        ("00 07 00 00 00 06 01 03 00 00 00 02", "read 2 holding registers from 0 (0x0000), function 3"),
        ("01 2B 0E 01 00 70 77", "read device identification, from object 0"),
        ("01 04 04 43 66 33 34 1B 39", "as RTU the CRC would be 1b 38, 1b 39 is there"),
        ("", "no octets"),
    ],
)
def test_other_frames_are_told_too(frame: str, words: str) -> None:
    assert words in explain(bytes.fromhex(frame))


def test_an_answer_to_another_question_is_said_to_be_one() -> None:
    other = bytes.fromhex("01 03 01 00 00 02 C5 F7")
    assert any("answers another question" in line for line in explain(ANSWERED, other))


@pytest.mark.slow
def test_no_octets_whatever_make_it_fail() -> None:
    dice = Random(5)
    for _ in range(3000):
        parts = [
            dice.choice([b"", ASKED, ANSWERED, b"\x01\x2b\x0e", b"\0\1\0\0\0\4"]),
            dice.randbytes(dice.randrange(20)),
        ]
        assert explain(b"".join(parts))
        assert explain(parts[0], parts[1])
