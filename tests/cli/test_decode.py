"""``meterpost decode``: frames as text, from whatever a technician pastes."""

import io
from pathlib import Path

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


def test_a_readout_of_any_length_that_meters_have_is_said_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"1.8.1*{n % 100:02}({n:07}.000*kWh)\r\n" for n in range(400)).encode()
    check = 0
    for octet in lines + b"!\r\n\x03":
        check ^= octet
    telegram = b"\x02" + lines + b"!\r\n\x03" + bytes((check,))
    monkeypatch.setattr("sys.stdin", io.StringIO(telegram.hex(" ")))
    out = run("decode", "iec").out
    assert "right (xor)" in out and "1.8.1*99 = 0000399.000 kWh" in out


def test_more_octets_than_any_message_has_are_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("ff" * 65537))
    done = run("decode", "mercury")
    assert done.code == 2
    assert "frame 1: 65537 octets" in done.err


def test_an_iec_password_is_never_said(run: Run) -> None:
    """P1 of the maker's example for CE303: password 777777, check character the 7-bit sum."""
    out = run("decode", "iec", "01 50 31 02 28 37 37 37 37 37 37 29 03 21", "--json").document[0]["lines"]
    assert out == ["P1: password (…); check character right (sum)"]


# A ciphered GET request with its keys and system title, from IEC 62056-5-3 (examples of suite 0).
SEALED = "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"
BLOCK, AUTHENTICATION, TITLE = bytes(range(16)).hex(), bytes(range(0xD0, 0xE0)).hex(), "4D4D4D0000BC614E"


def key_file(folder: Path, name: str, text: str, mode: int = 0o600) -> str:
    file = folder / name
    file.write_text(text + "\n")
    file.chmod(mode)
    return str(file)


def key_files(folder: Path, block: str = BLOCK) -> list[str]:
    names = key_file(folder, "block", block), key_file(folder, "auth", AUTHENTICATION)
    return ["--key-file", names[0], "--auth-key-file", names[1]]


def test_a_ciphered_dlms_message_is_opened_with_keys_from_files_that_are_not_shown(run: Run, tmp_path: Path) -> None:
    assert "no keys given" in run("decode", "dlms", SEALED).out
    done = run("decode", "dlms", SEALED, "--title", TITLE, *key_files(tmp_path))
    assert done.code == 0
    assert "0-0:1.0.0 Clock.time" in done.out
    said = (done.out + done.err).lower().replace(" ", "")
    assert BLOCK not in said and AUTHENTICATION not in said


def test_wrong_keys_are_said_without_showing_them(run: Run, tmp_path: Path) -> None:
    done = run("decode", "dlms", SEALED, "--title", TITLE, *key_files(tmp_path, "11" * 16))
    assert done.code == 0
    assert "Clock" not in done.out
    assert "11" * 16 not in (done.out + done.err).replace(" ", "")


def test_a_dlms_question_names_the_values_of_its_answer(run: Run) -> None:
    asked = "7EA01C000246CF4132E5BCE6E600C001C100030100010801FF020089747E"
    answered = "7EA01C41000246CF52E42DE6E700C401C1001500000000DC45B1B8220D7E"
    _, answer = run("decode", "dlms", asked, answered, "--json").document
    assert answer["lines"][-2:] == ["  GET answer 1: 1-0:1.8.1 Register.value", "    long64-unsigned 3695555000"]


@pytest.mark.parametrize(
    ("protocol", "options", "said"),
    [
        ("dlms", ["--auth-key-file", "{block}"], "give both"),
        ("dlms", ["--key-file", "{open}", "--auth-key-file", "{block}"], "chmod 600"),
        ("dlms", ["--key-file", "{short}", "--auth-key-file", "{block}"], "32 hex digits or 16 characters"),
        ("dlms", ["--key-file", "{missing}", "--auth-key-file", "{block}"], "does not exist"),
        ("dlms", ["--title", "4D4D"], "16 hex digits"),
        ("mercury", ["--key-file", "{block}", "--auth-key-file", "{block}"], "never ciphered"),
    ],
)
def test_keys_that_cannot_be_used_are_wrong_usage_and_stay_secret(
    run: Run, tmp_path: Path, protocol: str, options: list[str], said: str
) -> None:
    files = {
        "block": key_file(tmp_path, "block", BLOCK),
        "open": key_file(tmp_path, "open", BLOCK, 0o644),
        "short": key_file(tmp_path, "short", "5EC2E7"),
        "missing": str(tmp_path / "missing"),
    }
    done = run("decode", protocol, "c001", *(option.format(**files) for option in options))
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert done.out == ""
    assert BLOCK not in done.err and "5EC2E7" not in done.err
