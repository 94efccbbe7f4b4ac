"""A client's dialogue: what is lost, damaged, late, refused or replayed never becomes a value."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from protocols.dlms import axdr
from protocols.dlms.acse import AssociationAnswer, Initiate
from protocols.dlms.answers import (
    ActionAnswer,
    Answer,
    ExceptionAnswer,
    GetAnswer,
    GetBlock,
    GetListAnswer,
    ServiceError,
    SetAnswer,
)
from protocols.dlms.apdu import Attribute, Range, obis
from protocols.dlms.hdlc import Limits
from protocols.dlms.questions import (
    Action,
    Associate,
    Associated,
    Connect,
    Connected,
    Denied,
    Disconnect,
    Done,
    Get,
    GetList,
    Release,
    Set,
    Value,
)
from protocols.dlms.session import Session
from protocols.dlms.words import CounterTooLow
from protocols.dlms.wrapper import wrap
from protocols.errors import AccessDenied, BadFrame, Busy, NotLoggedIn, Refused
from protocols.session import Sending
from protocols.session import Session as SessionProtocol
from tests.support.dlms import (
    ENERGIES,
    LOAD,
    METER,
    NOW,
    READER,
    TOTAL,
    TRUTH,
    Wire,
    household,
    reader,
    spodes,
    station,
)


def scripted(*answers: bytes) -> Wire:
    """A wire over the wrapper to a meter that accepts and then says these APDUs."""
    aare = AssociationAnswer(0, 0, Initiate(0x1E1D, 200).response()).to_bytes()
    said = itertools.chain([aare], answers)
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 32, next(said)) if sent else b"", tries=1)
    wire(Connect(METER, 32))
    wire(READER)
    return wire


def test_link_association_reading_and_goodbye_follow_each_other() -> None:
    there = station(spodes())
    wire = Wire(Session(), there.answer)
    assert wire(Connect(METER, 32, Limits(512, 512, 1, 1))) == Connected(Limits(239, 512, 1, 1))
    assert wire(READER) == Associated(0x1E1D, 1224)
    assert wire(Get(TOTAL)) == Value(TRUTH)
    assert wire(Release()) == Done()
    assert wire(Disconnect()) == Done()
    assert wire(Disconnect()) == Done()  # DM to a second one is not an error


@pytest.mark.parametrize("piece", [1, 3, 64])
@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("info", [32, 128])
def test_long_messages_travel_in_segments_both_ways_whatever_window_and_piece(
    piece: int, window: int, info: int
) -> None:
    wire, there = reader(limits=Limits(info, info, window, window), piece=piece)
    values = wire(GetList(ENERGIES))
    assert values[0] == Value(TRUTH)
    assert len(values) == 20
    assert any(frame.segmented for frame in there.frames)
    span = Range(spodes().stamp(NOW - timedelta(hours=12)), spodes().stamp(NOW))
    assert len(wire(Get(replace(LOAD, access=span))).data) == 24


@pytest.mark.parametrize("max_pdu", [128, 300, 1224])
def test_a_value_longer_than_a_pdu_comes_in_blocks(max_pdu: int) -> None:
    wire, _ = reader(spodes(max_pdu=max_pdu))
    span = Range(spodes().stamp(NOW - timedelta(hours=24)), spodes().stamp(NOW))
    rows = wire(Get(replace(LOAD, access=span))).data
    assert len(rows) == 48
    used = household().energy(NOW.replace(minute=30, second=0))["total"]
    used -= household().energy(NOW.replace(minute=0, second=0))["total"]
    assert rows[-1][1] == used * 1000
    assert wire(GetList(ENERGIES))[0] == Value(TRUTH)


@pytest.mark.parametrize(
    ("diagnostic", "error", "words"),
    [
        (1, AccessDenied, "no reason given"),
        (2, Refused, "application context not supported"),
        (3, Refused, "AP title"),
        (11, Refused, "mechanism not recognised"),
        (12, Refused, "mechanism required"),
        (13, AccessDenied, "wrong password"),
        (99, Refused, "diagnostic 99"),
    ],
)
@pytest.mark.parametrize("user", [b"", b"\x0e\x01\x06\x04"])
def test_a_refused_association_says_why(diagnostic: int, error: type[Exception], words: str, user: bytes) -> None:
    aare = AssociationAnswer(1, diagnostic, user).to_bytes()
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 32, aare) if sent else b"")
    wire(Connect(METER, 32))
    with pytest.raises(error, match=words) as raised:
        wire(READER)
    assert "12345678" not in str(raised.value)
    assert ("VDE" in str(raised.value)) is bool(user)


def test_wrong_passwords_and_wrong_clients_of_a_meter_are_told_apart() -> None:
    there = station(spodes())
    wire = Wire(Session(), there.answer)
    wire(Connect(METER, 32))
    with pytest.raises(AccessDenied, match="wrong password"):
        wire(Associate(1, b"87654321"))
    assert there.server.refused == 1  # a refusal is not asked again
    wire(Connect(METER, 20))
    with pytest.raises(AccessDenied, match="no reason"):
        wire(READER)
    wire(Connect(METER, 16))
    with pytest.raises(Refused, match="mechanism not recognised"):
        wire(READER)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (GetAnswer(0xC1, b"", 3), Refused),
        (GetAnswer(0xC1, b"", 4), Refused),
        (GetAnswer(0xC1, b"", 250), Refused),
        (GetAnswer(0xC1, b"", 2), Busy),
        (ExceptionAnswer(1, 1), NotLoggedIn),
        (ExceptionAnswer(2, 4), Refused),
        (ExceptionAnswer(1, 5), AccessDenied),
        (ExceptionAnswer(1, 6, 77), CounterTooLow),
        (ServiceError(1, 6, 4), Refused),
        (SetAnswer(0xC1, 0), BadFrame),
        (GetListAnswer(0xC1, b"\0"), BadFrame),
        (GetBlock(0xC1, False, 2, b"\x06\x00"), BadFrame),
        (GetBlock(0xC1, True, 1, b"\x06\x00"), BadFrame),
        (GetBlock(0xC1, False, 1, b"", 15), Refused),
        (GetAnswer(0xC1, b"\x06\x00\x00\x00\x01\x00"), BadFrame),
    ],
)
def test_what_is_no_answer_to_a_get_is_a_declared_error(said: Answer, error: type[Exception]) -> None:
    wire = scripted(said.to_bytes())
    with pytest.raises(error) as raised:
        wire(Get(TOTAL))
    if isinstance(raised.value, Refused) and isinstance(said, GetAnswer):
        assert raised.value.code == said.error
    if isinstance(raised.value, CounterTooLow):
        assert raised.value.expected == 77


def test_blocks_are_joined_wherever_they_are_cut() -> None:
    wire = scripted(
        GetBlock(0xC1, False, 1, b"\x06\x00").to_bytes(),
        GetBlock(0xC1, False, 2, b"\x00\x01").to_bytes(),
        GetBlock(0xC1, True, 3, b"\x00").to_bytes(),
    )
    assert wire(Get(TOTAL)) == Value(256)
    assert wire.sent[-1][8:] == bytes.fromhex("c002c100000002")  # asks by the number of the last block received


@pytest.mark.parametrize("second", [1, 3, 0])
def test_a_block_with_a_wrong_number_ends_the_reading(second: int) -> None:
    wire = scripted(
        GetBlock(0xC1, False, 1, b"\x06\x00").to_bytes(), GetBlock(0xC1, True, second, b"\0\0\0").to_bytes()
    )
    with pytest.raises(BadFrame, match=f"block {second} came, 2 was expected"):
        wire(Get(TOTAL))


def test_blocks_without_end_are_cut_off() -> None:
    aare = AssociationAnswer(0, 0, Initiate(0x1E1D, 0).response()).to_bytes()
    said = itertools.chain([aare], (GetBlock(0xC1, False, n, bytes(60_000)).to_bytes() for n in itertools.count(1)))
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 32, next(said)) if sent else b"", tries=1)
    wire(Connect(METER, 32))
    wire(READER)
    with pytest.raises(BadFrame, match="without end"):
        wire(Get(TOTAL))


def test_an_answer_to_an_older_question_is_skipped_and_the_right_one_taken() -> None:
    first = wrap(1, 32, GetAnswer(0xC9, axdr.unsigned(7)).to_bytes())
    right = wrap(1, 32, GetAnswer(0xC1, axdr.unsigned(8)).to_bytes())
    wire = scripted()
    wire.answer = lambda sent: first + right
    assert wire(Get(TOTAL)) == Value(8)
    relaxed = Session(wrapper=True, strict_invoke=False)
    answers = iter([b"", wrap(1, 32, AssociationAnswer(0, 0, Initiate(0x1E1D, 0).response()).to_bytes()), first])
    wire = Wire(relaxed, lambda sent: next(answers))
    wire(Connect(METER, 32))
    next(answers)
    wire(READER)
    assert wire(Get(TOTAL)) == Value(7)


def test_messages_that_answer_nothing_come_to_an_end() -> None:
    wire = scripted()
    wire.answer = lambda sent: wrap(1, 32, GetAnswer(0xC9, axdr.unsigned(7)).to_bytes()) * 50
    with pytest.raises(BadFrame, match="answer nothing"):
        wire(Get(TOTAL))


def test_a_list_keeps_its_order_and_names_what_is_denied() -> None:
    items = b"\x03" + b"\0" + axdr.unsigned(1) + b"\x01\x04" + b"\0" + axdr.null()
    wire = scripted(GetListAnswer(0xC1, items).to_bytes(), GetListAnswer(0xC2, items).to_bytes())
    assert wire(GetList(ENERGIES[:3])) == (Value(1), Denied(4), Value(None))
    with pytest.raises(BadFrame, match="3 results came for 2"):
        wire(GetList(ENERGIES[:2]))


def test_a_long_value_is_written_in_blocks() -> None:
    meter = spodes(max_pdu=160)
    written: list[bytes] = []
    target = meter.server.objects[1, obis("0.0.96.1.1.255")]
    target.writes[2] = written.append
    meter.server.clients[48].mechanism = 0
    wire = Wire(Session(), station(meter).answer)
    wire(Connect(METER, 48, Limits(64, 64, 2, 2)))
    wire(Associate())
    value = axdr.octets(bytes(range(256)) * 3)
    assert wire(Set(Attribute(1, obis("0.0.96.1.1.255"), 2), value)) == Done()
    assert written == [value]


def test_a_refused_write_is_refused() -> None:
    wire, _ = reader()
    with pytest.raises(Refused, match="read-write denied"):
        wire(Set(TOTAL, axdr.unsigned(0)))
    with pytest.raises(Refused, match="read-write denied"):
        wire(Action(Attribute(70, obis("0.0.96.3.10.255"), 1), axdr.integer(0)))


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (ActionAnswer(0xC1), Done()),
        (ActionAnswer(0xC1, 0, axdr.unsigned(3)), Value(3)),
        (ActionAnswer(0xC1, 3), Refused),
        (ActionAnswer(0xC1, 0, None, 4), Refused),
    ],
)
def test_an_action_is_done_only_if_both_its_results_say_so(
    said: ActionAnswer, reply: Done | type[Refused] | Value
) -> None:
    wire = scripted(said.to_bytes())
    question = Action(TOTAL)
    if reply is Refused:
        with pytest.raises(Refused):
            wire(question)
    else:
        assert wire(question) == reply


def test_questions_that_change_the_meter_are_not_repeatable() -> None:
    assert not Set(TOTAL, b"").repeatable
    assert not Action(TOTAL).repeatable
    assert Get(TOTAL).repeatable


def test_a_question_out_of_turn_is_our_own_mistake() -> None:
    session = Session()
    with pytest.raises(RuntimeError):
        session.send(Get(TOTAL))
    session = Session(wrapper=True)
    session.send(Connect(METER, 32))
    with pytest.raises(RuntimeError, match="linked"):
        session.send(Get(TOTAL))


def test_nothing_received_without_a_question_is_an_answer() -> None:
    session: SessionProtocol = Session()
    assert session.receive(b"\x7e" * 10) is None
    assert session.proof() is None
    assert isinstance(session.send(Connect(METER, 32)), Sending)
