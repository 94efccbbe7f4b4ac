"""Dialogues as octets: what we send stands there, and the simulated meter says what stands there."""

from collections.abc import Sequence

import pytest

from protocols.dlms.apdu import Attribute, obis
from protocols.dlms.explain import explain
from protocols.dlms.hdlc import DEFAULTS, Address
from protocols.dlms.questions import (
    Associate,
    Associated,
    Connect,
    Connected,
    Disconnect,
    Done,
    Get,
    GetList,
    Question,
    Value,
)
from protocols.dlms.security import Keys
from protocols.dlms.session import Session
from protocols.session import Sending
from simulators.dlms import WrapperMeter
from tests.conversations import pairs
from tests.support.dlms import ENERGIES, NOW, Wire, dialogue, household, spodes, station


def play(name: str, questions: Sequence[Question], piece: int) -> list[object]:
    """The replies to these questions when the far end is the recorded one."""
    session = Session()
    replies: list[object] = []
    recorded = iter(pairs(name))
    for question in questions:
        sending = session.send(question)
        sent, heard = next(recorded)
        assert sending.data == sent
        for at in range(0, len(heard), piece):
            reply = session.receive(heard[at : at + piece])
        assert reply is not None
        assert not isinstance(reply, Sending)
        replies.append(reply)
    return replies


@pytest.mark.parametrize("piece", [1, 3, 64])
def test_a_password_dialogue_is_spoken_octet_by_octet_however_the_line_cuts_it(piece: int) -> None:
    questions: list[Question] = [
        Connect(Address(1, 4583, 4), 32),
        Associate(1, b"12345678", conformance=0x1E1D),
        Get(ENERGIES[1]),
        Disconnect(),
    ]
    assert play("dlms-lls", questions, piece) == [
        Connected(DEFAULTS),
        Associated(0x1E1D, 1224),
        Value(3695555000),
        Done(),
    ]


@pytest.mark.parametrize("piece", [1, 3, 64])
def test_a_public_clients_dialogue_is_spoken_octet_by_octet(piece: int) -> None:
    questions: list[Question] = [Connect(Address(1, 17, 2), 16), Associate(conformance=0x7E1F, max_pdu=0x4B0)]
    connected, associated = play("dlms-public", questions, piece)
    assert (
        isinstance(connected, Connected) and connected.limits == DEFAULTS
    )  # 154 octets are offered, we did not ask for more than 128
    assert associated == Associated(0x1E1D, 1224)


def test_the_simulated_meter_says_the_answers() -> None:
    meter = spodes()
    meter.server.conformance = 0x1E1D
    there = station(meter, lower=4583, limits=DEFAULTS)
    for sent, heard in pairs("dlms-lls"):
        assert there.answer(sent) == heard
    assert household().energy(meter.now())["T1"] == 3695555


def test_frames_are_explained_in_words_without_the_password() -> None:
    lines = [line for sent, heard in pairs("dlms-lls") for line in explain(sent) + explain(heard, sent)]
    text = "\n".join(lines)
    for words in (
        "SNRM P/F from 32 (1 octets) to 1/4583 (4 octets)",
        "AARQ: opens an association, logical names, LLS (password)",
        "password *** (8 octets)",
        "AARE: accepted",
        "APDU at most 1224 octets",
        "GET number 1: 1-0:1.8.1 Register.value",
        "GET answer 1: 1-0:1.8.1 Register.value",
        "long64-unsigned 3695555000",
        "DISC",
    ):
        assert words in text
    assert "12345678" not in text
    assert "31 32 33 34" not in text


def test_the_values_of_a_list_are_named_by_the_question() -> None:
    there = WrapperMeter(spodes().server)
    wire = Wire(Session(wrapper=True), there.answer)
    wire(Connect(Address(1), 32))
    wire(Associate(1, b"12345678"))
    wire(GetList((ENERGIES[0], Attribute(3, obis("1.0.99.8.0.255"), 2))))
    assert explain(wire.heard[-1], wire.sent[-1])[1:] == [
        "  GET with list answer 1",
        f"    1-0:1.8.0 Register.value: long64-unsigned {household().energy(NOW)['total'] * 1000}",
        "    1-0:99.8.0 Register.value: object undefined: the meter does not have it (data-access-result 4)",
    ]


def test_a_wrong_check_sequence_is_said_with_the_right_one() -> None:
    (line,) = explain(bytes.fromhex("7EA00A000246CF419363E57E"))
    assert "FCS is 63 e5, 62 e5 would be right" in line


def test_ciphered_messages_are_opened_with_keys_that_are_never_shown() -> None:
    keys = Keys(b"MYDUMMYGLOBALKEY", b"MYDUMMYGLOBALKEY")
    push = bytes.fromhex(
        "DB082F192291991641033B30000001E5025CE9D2271FD78BE8C204211A916A9D7F587E0A7A814CADEA89E9593F01F92EA8C087B5BDFDEFEAB6BE"
        "CF282DFE49C08F5BE6DC8400"
    )
    closed, opened = explain(push), explain(push, keys=keys)
    assert closed == [
        "ciphered APDU db: suite 0, authenticated and encrypted, frame counter 485",
        "  (no keys given)",
    ]
    assert any("data notification" in line for line in opened)
    assert "MYDUMMY" not in "\n".join(opened)


@pytest.mark.parametrize("length", [0, 1, 2, 5, 9, 20])
def test_every_cut_message_is_explained_somehow(length: int) -> None:
    for message in dialogue():
        lines = explain(message[:length])
        assert lines
        assert all(isinstance(line, str) for line in lines)
