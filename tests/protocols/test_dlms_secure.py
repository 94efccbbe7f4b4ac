"""Authentication and ciphering: both sides prove themselves, nothing weak, old or changed is believed."""

import pytest

from drivers.dlms.driver import MemoryCounter
from protocols.dlms import axdr
from protocols.dlms.acse import AssociationAnswer, Initiate
from protocols.dlms.answers import (
    ActionAnswer,
    GetAnswer,
)
from protocols.dlms.questions import (
    Associate,
    Connect,
    Done,
    Get,
    Release,
    Security,
    Value,
)
from protocols.dlms.security import Keys
from protocols.dlms.session import Session
from protocols.dlms.words import CounterTooLow
from protocols.dlms.wrapper import wrap
from protocols.errors import AccessDenied, BadFrame, NoReply, NotLoggedIn, Refused
from simulators.dlms import WrapperMeter
from simulators.spodes import Spodes
from tests.support.dlms import METER, READER, TOTAL, TRUTH, Wire, spodes, station


@pytest.mark.parametrize("mechanism", [2, 3, 4])
def test_hls_proves_both_sides(mechanism: int) -> None:
    meter = spodes(configurator=mechanism, secret=b"0123456789abcdef")
    there = station(meter)
    wire = Wire(Session(), there.answer)
    wire(Connect(METER, 48))
    assert wire(Associate(mechanism, b"0123456789abcdef", b"c" * 16)).max_pdu == 1224
    assert wire(Get(TOTAL)) == Value(TRUTH)
    wire(Connect(METER, 48))
    with pytest.raises(AccessDenied, match="wrong secret"):
        wire(Associate(mechanism, b"x" * 16, b"c" * 16))


def test_a_meter_that_cannot_prove_itself_is_not_believed() -> None:
    aare = AssociationAnswer(0, 14, Initiate(0x1E1D, 0).response(), mechanism=2, authentication=b"s" * 16).to_bytes()
    false = ActionAnswer(0xC1, 0, axdr.octets(bytes(16))).to_bytes()
    said = iter([aare, false])
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 48, next(said)) if sent else b"", tries=1)
    wire(Connect(METER, 48))
    with pytest.raises(AccessDenied, match="could not prove"):
        wire(Associate(2, bytes(16), b"c" * 16))


def test_our_own_challenge_sent_back_is_refused() -> None:
    aare = AssociationAnswer(0, 14, Initiate(0x1E1D, 0).response(), mechanism=2, authentication=b"c" * 16).to_bytes()
    wire = Wire(Session(wrapper=True), lambda sent: wrap(1, 48, aare) if sent else b"", tries=1)
    wire(Connect(METER, 48))
    with pytest.raises(AccessDenied, match="our own challenge"):
        wire(Associate(2, bytes(16), b"c" * 16))


KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))


def secured(counter: MemoryCounter | None = None, control: int = 0x30, wrapping: str = "glo") -> Security:
    return Security(KEYS, b"CLIENT00", counter or MemoryCounter(), control, wrapping)


def gmac(security: Security, meter: Spodes | None = None) -> tuple[Wire, WrapperMeter]:
    there = WrapperMeter((meter or spodes(configurator=5, keys=KEYS)).server)
    wire = Wire(Session(wrapper=True), there.answer, tries=1)
    wire(Connect(METER, 48))
    wire(Associate(5, b"", b"c" * 16, security, ciphered=True))
    return wire, there


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("wrapping", ["glo", "general-glo"])
def test_ciphered_associations_read_and_release(control: int, wrapping: str) -> None:
    wire, _ = gmac(secured(control=control, wrapping=wrapping))
    assert wire(Get(TOTAL)) == Value(TRUTH)
    assert wire(Release()) == Done()


def test_every_message_takes_a_frame_counter_of_its_own() -> None:
    counter = MemoryCounter(100)
    wire, there = gmac(secured(counter))
    for _ in range(3):
        wire(Get(TOTAL))
    assert counter.value == 106  # AARQ, HLS proof and its ACTION, three GETs
    assert there.server.counters == {b"CLIENT00": 105}


def test_a_counter_that_the_meter_thinks_too_low_is_told_with_what_it_expects() -> None:
    meter = spodes(configurator=5, keys=KEYS)
    wire, there = gmac(secured(MemoryCounter(5)), meter)
    there.server.counters[b"CLIENT00"] = 1000
    with pytest.raises(CounterTooLow) as raised:
        wire(Get(TOTAL))
    assert raised.value.expected == 1001


def test_a_replayed_answer_of_the_meter_is_refused() -> None:
    wire, _ = gmac(secured())
    wire(Get(TOTAL))
    old = wire.heard[-1]
    wire.answer = lambda sent: old
    with pytest.raises(BadFrame, match="repeated or replayed"):
        wire(Get(TOTAL))


def test_an_unprotected_answer_in_a_ciphered_association_is_refused() -> None:
    wire, _ = gmac(secured())
    wire.answer = lambda sent: wrap(1, 48, GetAnswer(0xC3, axdr.unsigned(1)).to_bytes())
    with pytest.raises(BadFrame, match="unprotected"):
        wire(Get(TOTAL))


def test_a_weaker_protected_answer_is_refused() -> None:
    from protocols.dlms.security import protect

    wire, _ = gmac(secured())
    weak = protect(GetAnswer(0xC3, axdr.unsigned(1)).to_bytes(), KEYS, 0x20, b"MPT\0\0\0\0\1", 9999)
    wire.answer = lambda sent: wrap(1, 48, weak)
    with pytest.raises(BadFrame, match="weaker"):
        wire(Get(TOTAL))


@pytest.mark.parametrize("bit", range(0, 8 * 40, 7))
def test_a_changed_bit_of_a_ciphered_answer_is_never_a_value(bit: int) -> None:
    wire, there = gmac(secured())

    def changed(sent: bytes) -> bytes:
        said = bytearray(there.answer(sent))
        said[8 + bit // 8 % (len(said) - 8)] ^= 1 << bit % 8
        return bytes(said)

    wire.answer = changed
    with pytest.raises((BadFrame, AccessDenied, Refused, NoReply, NotLoggedIn)):
        wire(Get(TOTAL))


def test_wrong_keys_are_access_denied_and_no_key_is_shown() -> None:
    security = Security(Keys(bytes(16), bytes(16)), b"CLIENT00", MemoryCounter())
    with pytest.raises(AccessDenied) as raised:
        gmac(security)
    assert "000000" not in str(raised.value)
    assert "00" * 8 not in repr(security)


@pytest.mark.parametrize(
    ("apdu", "words"),
    [("cc1e31000000010000", "suite 1"), ("cc1e32000000010000", "suite 2"), ("dd00", "general ciphering")],
)
def test_other_suites_are_named_in_the_refusal(apdu: str, words: str) -> None:
    wire, _ = gmac(secured())
    raw = bytearray.fromhex(apdu)
    if len(raw) > 2:
        raw[1] = len(raw) - 2
    wire.answer = lambda sent: wrap(1, 48, bytes(raw))
    with pytest.raises(Refused, match=words):
        wire(Get(TOTAL))


def test_a_damaged_echo_of_the_password_stands_in_no_message() -> None:
    there = station(spodes())
    wire = Wire(Session(), there.answer)
    wire(Connect(METER, 32))
    wire.answer = lambda sent: sent[:-2] + b"\0\x7e"
    with pytest.raises(BadFrame) as raised:
        wire(READER)
    assert b"12345678".hex(" ") not in str(raised.value)
    assert "octets" in str(raised.value)
