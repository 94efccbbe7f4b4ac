"""``meterpost decode``: frames in words, from whatever a technician pastes."""

import io

import pytest

from agent.cli.decode import octets_of
from tests.cli.conftest import Run

# Published exchange of a Mercury 230 (reset energy, sum, address 0), quoted by several reverse-engineering projects.
QUESTION = "00 05 00 00 10 25"


@pytest.mark.parametrize(
    "text",
    [
        "00 05 00 00 10 25",
        "000500001025",
        "00:05:00:00:10:25",
        "0x00, 0x05, 0x00, 0x00, 0x10, 0x25",
        r"\x00\x05\x00\x00\x10%",
    ],
)
def test_hex_is_taken_as_it_is_written_anywhere(text: str) -> None:
    assert octets_of(text.replace("%", r"\x25"), 1) == bytes.fromhex(QUESTION)


@pytest.mark.parametrize("args", [(QUESTION,), tuple(QUESTION.split()), ("000500001025",)])
def test_a_frame_is_said_in_words(run: Run, args: tuple[str, ...]) -> None:
    done = run("decode", "mercury", *args)
    assert done.code == 0
    assert done.out.startswith(QUESTION)
    assert "energy" in done.out


def test_a_question_and_its_answer_are_two_frames(run: Run) -> None:
    (question, answer) = run("decode", "modbus", "010300000001840a", "0103020064b9af", "--json").document
    assert question["hex"] == "01 03 00 00 00 01 84 0a"
    assert answer["lines"]


def test_frames_come_from_stdin_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n\n"))
    assert run("decode", "mercury").out.startswith(QUESTION)


@pytest.mark.parametrize(
    ("args", "place"),
    [
        (["00 05 zz"], "frame 1, character 7: 'z'"),
        ([QUESTION, "01x"], "frame 2, character 3: 'x'"),
        (["00 052"], "frame 1, character 4: '052'"),
        (["ff" * 5000], "frame 1: 5000 octets"),
        ([QUESTION, QUESTION, QUESTION], "3 frames"),
    ],
)
def test_what_is_no_hex_is_wrong_usage_with_its_place(run: Run, args: list[str], place: str) -> None:
    done = run("decode", "mercury", *args)
    assert done.code == 2
    assert place in done.err
    assert done.out == ""


def test_nothing_on_stdin_is_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("decode", "mercury").code == 2
