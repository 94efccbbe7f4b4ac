"""Methods whose parameters or results are longer than a PDU travel in blocks (ACTION-Request-With-First-Pblock and its
kin, Green Book 9.3 and 9.5: kinds 2, 4 and 6 of C3, 2 and 4 of C7)."""

import itertools

import pytest

from protocols.dlms import axdr
from protocols.dlms.acse import AssociationAnswer, Initiate
from protocols.dlms.answers import ActionAnswer, ActionMore, ActionPiece, parse_answer
from protocols.dlms.apdu import ActionBlock, ActionNext, ActionRequest, Attribute, obis, parse_request
from protocols.dlms.explain import explain
from protocols.dlms.hdlc import Address, Limits
from protocols.dlms.questions import Action, Associate, Connect, Done, Get, Value
from protocols.dlms.session import Session
from protocols.dlms.wrapper import wrap
from protocols.errors import AccessDenied, BadFrame, Refused
from tests.support.dlms import NOW, Wire, household, spodes, station

METER = Address(1, 17, 2)
IMAGE = Attribute(18, obis("0.0.44.0.0.255"), 2)
LONG = axdr.octets(bytes(range(200)))
PDU = 128  # octets that the scripted meter takes: 80 of them are the block's


def scripted(*answers: bytes) -> Wire:
    """A wire to a meter that takes PDU octets and says these APDUs; then it fails the test."""
    aare = AssociationAnswer(0, 0, Initiate(0x1E1D, PDU).response()).to_bytes()
    said = itertools.chain([aare], answers)
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 16, next(said)) if sent else b"", tries=1)
    wire(Connect(METER, 16))
    wire(Associate())
    return wire


@pytest.mark.parametrize(
    ("octets", "request_"),
    [
        (
            "C3 04 C1 00 12 00 00 2C 00 00 FF 02 00 00 00 00 01 02 09 C8",
            ActionBlock(0xC1, IMAGE, False, 1, b"\x09\xc8"),
        ),
        ("C3 06 C1 01 00 00 00 02 01 7E", ActionBlock(0xC1, None, True, 2, b"\x7e")),
        ("C3 02 C1 00 00 00 07", ActionNext(0xC1, 7)),
    ],
)
def test_requests_in_blocks_are_those_of_the_standards_layout(octets: str, request_: ActionBlock | ActionNext) -> None:
    assert request_.to_bytes() == bytes.fromhex(octets)
    assert parse_request(bytes.fromhex(octets)) == request_


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("C7 04 C1 00 00 00 01", ActionMore(0xC1, 1)),
        ("C7 02 C1 00 00 00 00 01 02 09 C8", ActionPiece(0xC1, False, 1, b"\x09\xc8")),
        ("C7 02 C1 01 00 00 00 02 00", ActionPiece(0xC1, True, 2, b"")),
    ],
)
def test_answers_in_blocks_are_those_of_the_standards_layout(octets: str, answer: ActionPiece | ActionMore) -> None:
    assert answer.to_bytes() == bytes.fromhex(octets)
    assert parse_answer(bytes.fromhex(octets)) == answer
    for cut in range(1, len(answer.to_bytes())):
        with pytest.raises(BadFrame):
            parse_answer(answer.to_bytes()[:cut])


def test_long_parameters_go_in_blocks_that_fit_the_meters_pdu() -> None:
    wire = scripted(
        ActionMore(0xC1, 1).to_bytes(),
        ActionMore(0xC1, 2).to_bytes(),
        ActionAnswer(0xC1, 0, axdr.unsigned(5)).to_bytes(),
    )
    assert wire(Action(IMAGE, LONG)) == Value(5)
    sent = [parse_request(each[8:]) for each in wire.sent[-3:]]
    blocks = [each for each in sent if isinstance(each, ActionBlock)]
    assert [(each.method, each.last, each.number) for each in blocks] == [
        (IMAGE, False, 1),
        (None, False, 2),
        (None, True, 3),
    ]
    assert b"".join(each.piece for each in blocks) == LONG
    assert all(len(each) - 8 <= PDU for each in wire.sent[-3:])


def test_parameters_that_fit_go_in_one_message() -> None:
    wire = scripted(ActionAnswer(0xC1).to_bytes())
    assert wire(Action(IMAGE, axdr.octets(bytes(70)))) == Done()
    assert isinstance(parse_request(wire.sent[-1][8:]), ActionRequest)


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_long_result_is_joined_wherever_it_is_cut(cut: int) -> None:
    value = axdr.octets(b"result")
    wire = scripted(
        ActionPiece(0xC1, False, 1, value[:cut]).to_bytes(), ActionPiece(0xC1, True, 2, value[cut:]).to_bytes()
    )
    assert wire(Action(IMAGE)) == Value(b"result")
    assert wire.sent[-1][8:] == bytes.fromhex("C302C100000001")


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ([ActionMore(0xC1, 2)], BadFrame, "block 2 is acknowledged, 1 was sent"),
        ([ActionPiece(0xC1, True, 1, b"\x00")], BadFrame, "ActionPiece came"),
        ([ActionAnswer(0xC1)], BadFrame, "ActionAnswer came"),
        ([ActionAnswer(0xC1, 3)], Refused, "read-write denied"),
        ([ActionMore(0xC1, 1), ActionAnswer(0xC1, 14)], Refused, "block"),
        ([ActionMore(0xC1, 1), ActionMore(0xC1, 2), ActionMore(0xC1, 3)], BadFrame, "ActionMore came"),
    ],
)
def test_a_meter_that_does_not_go_on_with_our_blocks_is_an_error(
    said: list[ActionAnswer | ActionMore | ActionPiece], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        scripted(*(each.to_bytes() for each in said))(Action(IMAGE, LONG))


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ([ActionPiece(0xC1, True, 2, b"\x00")], BadFrame, "block 2 came, 1 was expected"),
        ([ActionPiece(0xC1, False, 1, b"\x09"), ActionPiece(0xC1, True, 1, b"\x00")], BadFrame, "block 1 came, 2"),
        ([ActionPiece(0xC1, False, 1, b"")], BadFrame, "without end"),
        ([ActionPiece(0xC1, False, 1, b"\x09"), ActionAnswer(0xC1, 15)], Refused, "long action aborted"),
        ([ActionPiece(0xC1, True, 1, b"\x09\x05abc")], BadFrame, "5"),
    ],
)
def test_a_result_in_blocks_that_does_not_fit_together_is_no_value(
    said: list[ActionPiece | ActionAnswer], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        scripted(*(each.to_bytes() for each in said))(Action(IMAGE))


def test_a_result_in_blocks_without_end_is_cut_off() -> None:
    endless = (ActionPiece(0xC1, False, number, bytes(60000)).to_bytes() for number in itertools.count(1))
    wire = scripted(*itertools.islice(endless, 30))
    with pytest.raises(BadFrame, match="blocks without end"):
        wire(Action(IMAGE))
    assert len(wire.heard) < 25


@pytest.mark.parametrize("mechanism", [2, 3, 4])
def test_even_the_proof_of_hls_goes_in_blocks_where_a_meter_takes_little(mechanism: int) -> None:
    meter = spodes(configurator=mechanism, secret=b"0123456789abcdef", max_pdu=60)
    wire = Wire(Session(), station(meter, limits=Limits(64, 64, 1, 1)).answer)
    wire(Connect(METER, 48, Limits(64, 64, 1, 1)))
    wire(Associate(mechanism, b"0123456789abcdef", b"c" * 16))
    assert sum(isinstance(each, ActionBlock) for each in meter.server.asked) == 2
    total = Attribute(3, obis("1.0.1.8.0.255"), 2)
    assert wire(Get(total)) == Value(household().energy(NOW)["total"] * 1000)


def test_a_wrong_proof_in_blocks_is_refused_by_the_simulated_meter() -> None:
    meter = spodes(configurator=2, secret=b"0123456789abcdef", max_pdu=60)
    wire = Wire(Session(), station(meter).answer)
    wire(Connect(METER, 48))
    with pytest.raises(AccessDenied, match="wrong secret"):
        wire(Associate(2, b"x" * 16, b"c" * 16))


@pytest.mark.parametrize("second", [ActionBlock(0xC1, None, True, 3, b""), ActionBlock(0xC1, None, True, 1, b"")])
def test_the_simulated_meter_refuses_blocks_out_of_order(second: ActionBlock) -> None:
    server = spodes().server
    request = Associate()
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 16, server.answer(16, sent[8:])) if sent else b"")
    wire(Connect(METER, 16))
    wire(request)
    reply = Attribute(15, obis("0.0.40.0.0.255"), 1)
    assert server.answer(16, ActionBlock(0xC1, reply, False, 1, b"\x09").to_bytes()) == ActionMore(0xC1, 1).to_bytes()
    assert server.answer(16, second.to_bytes()) == ActionAnswer(0xC1, 14).to_bytes()
    assert server.answer(16, ActionNext(0xC1, 1).to_bytes()) == ActionAnswer(0xC1, 16).to_bytes()


def test_blocks_of_a_method_are_explained_without_what_they_carry() -> None:
    said = "\n".join(
        line
        for apdu in (
            ActionBlock(0xC1, Attribute(64, obis("0.0.43.0.0.255"), 2), False, 1, b"\xaa\xbb").to_bytes(),
            ActionMore(0xC1, 1).to_bytes(),
            ActionPiece(0xC1, True, 1, b"\xaa\xbb").to_bytes(),
            ActionNext(0xC1, 1).to_bytes(),
        )
        for line in explain(apdu)
    )
    assert "ACTION block 1, number 1: 0-0:43.0.0 Security setup method 2" in said
    assert "block 1 has come, the next is wanted" in said
    assert "ACTION answer 1, block 1 (last), 2 octets" in said
    assert "ACTION, next block after 1, number 1" in said
    assert "aa bb" not in said.lower()
