"""``decode`` for everything that is spoken, with the protocol guessed: recorded octets of real meters."""

from pathlib import Path

import pytest

from drivers.guess import language
from tests.cli.conftest import Run
from tests.conversations import ANSWERED, load

# The operator's published example (Netz NÖ): M-Bus frames around an encrypted, not authenticated message, and its key.
KEY = "36C66639E48A8CA4D6BC8B282A793BBB"
MBUS = (
    "68fafa6853ff000167db084b464d675000000981f8200000002388d5ab4f97515aafc6b88d2f85daa7a0e3c0c40d004535c397c9d037ab"
    "7dbda329107615444894a1a0dd7e85f02d496cecd3ff46af5fb3c9229cfe8f3ee4606ab2e1f409f36aad2e50900a4396fc6c2e083f3732"
    "33a69616950758bfc7d63a9e9b6e99e21b2cbc2b934772ca51fd4d69830711cab1f8cff25f0a329337cba51904f0caed88d61968743c84"
    "54ba922eb00038182c22fe316d16f2a9f544d6f75d51a4e92a1c4ef8ab19a2b7feaa32d0726c0ed80229ae6c0f7621a4209251ace2b2bc"
    "66ff0327a653bb686c756be033c7a281f1d2a7e1fa31c3983e15f8fd16cc5787e6f517166814146853ff110167419a3cfda44be438c96f"
    "0e38bf83d98316"
)


def heard(name: str) -> bytes:
    """The first answer of a recorded dialogue."""
    return next(data for way, data in load(name) if way == ANSWERED)


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"".join(data for _, data in load("sml-emh-ehz")), "sml"),
        (b"".join(data for _, data in load("iec-t23")), "p1"),
        (heard("iec-t01"), "iec"),
        (heard("iec-t07"), "iec"),
        (heard("dlms-lls"), "dlms"),
        (heard("modbus-eastron"), "modbus"),
        (heard("mercury-manual"), "mercury"),
        (bytes.fromhex("2d 08 00 e6 09"), "mercury"),
        (bytes.fromhex("01 83 02 c0 f1"), "modbus"),
        (bytes.fromhex(MBUS), "dlms"),
        (bytes.fromhex("00 01 00 01 00 20 00 02 61 00"), "dlms"),
        (bytes.fromhex("e0 40 00 01 00 00 01 0f"), "dlms"),
        (b"\x00\xff\x00\x13\x77", None),
    ],
)
def test_the_protocol_of_recorded_octets_is_recognised(octets: bytes, name: str | None) -> None:
    assert language(octets) == name


def test_auto_says_what_it_took_them_for(run: Run) -> None:
    done = run("decode", "auto", "01 04 00 48 00 02 f1 dd")
    assert done.code == 0 and done.out.startswith("as modbus:\n") and "2 input registers" in done.out


def test_octets_of_no_protocol_are_wrong_usage_with_the_names_that_there_are(run: Run) -> None:
    done = run("decode", "auto", "00 ff 00 13 77")
    assert done.code == 2 and "00 ff 00 13 77" in done.err and "mercury, modbus" in done.err


def test_an_sml_file_is_told_register_by_register(run: Run) -> None:
    out = run("decode", "sml", b"".join(data for _, data in load("sml-dzg-dvs")).hex()).out
    assert "CRC-16/X.25 right" in out and "1-0:1.8.0*255 13232.9 Wh, status 1C6904h" in out


def test_a_damaged_sml_file_is_told_up_to_its_check_sum(run: Run) -> None:
    octets = bytearray(b"".join(data for _, data in load("sml-dzg-dvs")))
    octets[-1] ^= 1
    assert "check sum WRONG" in run("decode", "sml", octets.hex()).out
    assert "without its end: 60 octets" in run("decode", "sml", octets[:60].hex()).out


def test_m_bus_frames_are_taken_off_and_one_key_opens_what_is_not_authenticated(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    out = " ".join(run("decode", "dlms", MBUS, "--key-file", str(key)).out.split())
    assert "M-Bus frame to 255: piece 0, 245 octets" in out and "piece 1, the last" in out
    assert "double-long-unsigned 12937" in out


@pytest.mark.parametrize(("place", "words"), [(-2, "check sum"), (1, "no M-Bus frame")])
def test_a_broken_m_bus_frame_is_told_with_its_octet(run: Run, place: int, words: str) -> None:
    octets = bytearray(bytes.fromhex(MBUS))
    octets[place] ^= 1
    out = run("decode", "dlms", octets.hex()).out
    assert words in out and ("octet 257" if place < 0 else "octet 1") in out


BLOCKS = ("e0 40 00 01 00 00 06 0f 00 00 00 01 00", "e0 c0 00 02 00 00 05 06 00 00 00 28")


def test_a_general_block_transfer_is_joined(run: Run) -> None:
    frames = [f"0001000100200{len(bytes.fromhex(one)):03x}" + one.replace(" ", "") for one in BLOCKS]
    out = " ".join(run("decode", "dlms", "".join(frames)).out.split())
    assert "block 1, 6 octets" in out and "block 2 (last), 5 octets" in out
    assert "data notification 1" in out and "double-long-unsigned 40" in out
    half = " ".join(run("decode", "dlms", frames[0]).out.split())
    assert "the blocks hold 6 octets, the last is missing" in half


def test_a_date_time_with_a_tag_before_it_and_octets_behind_a_value_hide_nothing(run: Run) -> None:
    plain = "0f 40 00 00 00 09 0c 07 e1 09 0f 05 05 21 28 ff 80 00 00 06 00 00 03 b4"
    out = run("decode", "dlms", plain).out
    assert "2017-09-15" in out and "double-long-unsigned 948" in out
    assert "2 octets behind the value" in run("decode", "dlms", plain + " 00 00").out
