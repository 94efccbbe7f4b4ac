"""SML files of real meters, whole, damaged and in any pieces."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.checksums import crc16_x25
from protocols.errors import BadFrame
from protocols.iec62056.push import Listen, PushSession
from protocols.sml.explain import explain
from protocols.sml.messages import Registers, registers
from protocols.sml.transport import ESCAPE, START, cut
from tests.conversations import load

CAPTURES = {name: b"".join(data for _, data in load(f"sml-{name}")) for name in ("emh-ehz", "emh-ed300l", "dzg-dvs")}


def framed(content: bytes) -> bytes:
    """A file around this content, its escape sequences doubled."""
    body = START + content.replace(ESCAPE, ESCAPE * 2)
    padding = -len(body) % 4
    head = body + bytes(padding) + ESCAPE + bytes([0x1A, padding])
    return head + crc16_x25(head).to_bytes(2, "little")


def read(capture: bytes) -> dict[str, tuple[int | Decimal | None, str | None]]:
    file = cut(bytearray(capture))
    assert file is not None
    return {entry.code: (entry.number, entry.unit) for entry in registers(file).entries}


def test_emh_ehz() -> None:
    values = read(CAPTURES["emh-ehz"])
    assert values["1-0:1.8.0*255"] == (Decimal("15338555.7"), "Wh") == values["1-0:1.8.1*255"]
    assert values["1-0:1.8.2*255"] == (0, "Wh")
    assert values["1-0:16.7.0*255"] == (Decimal("563.5"), "W")


def test_emh_ed300l() -> None:
    values = read(CAPTURES["emh-ed300l"])
    assert values["1-0:1.8.0*255"] == (Decimal("17243368.3"), "Wh")
    assert values["1-0:15.7.0*255"] == (Decimal("137.1"), "W")


def test_dzg_feeds_in_with_negative_power() -> None:
    values = read(CAPTURES["dzg-dvs"])
    assert values["1-0:16.7.0*255"] == (Decimal("-105.50"), "W")
    assert values["1-0:2.8.0*255"][1] == "Wh"


def listened(stream: bytes, piece: int) -> list[Registers]:
    def take(buffer: bytearray) -> Registers | None:
        file = cut(buffer)
        return None if file is None else registers(file)

    session = PushSession(take, 5)
    session.send(Listen())
    replies = [session.receive(stream[at : at + piece]) for at in range(0, len(stream), piece)]
    return [reply for reply in replies if reply is not None]


@pytest.mark.parametrize("piece", [1, 5, 4096])
@pytest.mark.parametrize("skipped", [0, 3, 60])
def test_a_file_is_found_wherever_the_listening_begins(piece: int, skipped: int) -> None:
    capture = CAPTURES["dzg-dvs"]
    (found, *_) = listened(capture[skipped:] + capture, piece)
    assert found.server.hex() == "0a01445a4700039e2053"


def test_a_damaged_file_is_passed_over_and_the_third_is_an_error() -> None:
    damaged = bytearray(CAPTURES["emh-ehz"])
    damaged[100] ^= 4
    assert listened(bytes(damaged) + CAPTURES["dzg-dvs"], 4096)[0].server.startswith(b"\x0a\x01DZG")
    with pytest.raises(BadFrame, match="CRC"):
        listened(bytes(damaged) * 3, 4096)


def test_a_file_that_was_published_damaged_is_rejected() -> None:
    stream = b"".join(data for _, data in load("sml-damaged"))
    with pytest.raises(BadFrame, match="CRC"):
        cut(bytearray(stream))


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"\x1b", b"\x1a", b"\x01", b"\x00", ESCAPE, b"\x1b\x1b", b"x"]), max_size=30))
def test_what_is_framed_comes_out_as_it_was(parts: list[bytes]) -> None:
    content = b"\x76" + b"".join(parts) + b"\x76"
    assert cut(bytearray(framed(content))) == content


@pytest.mark.slow
@settings(max_examples=400)
@given(st.binary(max_size=120))
def test_any_content_gives_registers_or_a_declared_error(content: bytes) -> None:
    file = cut(bytearray(framed(content)))
    assert file == content
    try:
        assert isinstance(registers(content), Registers)
    except BadFrame:
        return


@pytest.mark.slow
@settings(max_examples=200)
@given(st.integers(0, 250), st.binary(min_size=1, max_size=3), st.sampled_from(sorted(CAPTURES)))
def test_a_broken_field_is_a_declared_error(place: int, octets: bytes, name: str) -> None:
    file = cut(bytearray(CAPTURES[name]))
    assert file is not None
    place %= len(file)
    damaged = file[:place] + octets + file[place + len(octets) :]
    try:
        assert isinstance(registers(damaged), Registers)
    except BadFrame:
        return


@given(st.binary(max_size=200))
def test_any_octets_are_explained_somehow(octets: bytes) -> None:
    assert explain(octets) and explain(START + octets)
