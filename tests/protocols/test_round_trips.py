"""What is written is read as the same, in every protocol; and what was recorded is written as it was recorded.

Mercury's answers have a module of their own, ``test_mercury_encoders.py``.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.checksums import crc16_modbus, crc16_x25
from protocols.dlms import acse, answers, apdu, axdr
from protocols.dlms.axdr import Bits
from protocols.dlms.cosem import objects
from protocols.dlms.cosem.stamp import Stamp, encode
from protocols.dlms.hdlc import Address, Deframer, Frame, Limits
from protocols.dlms.wrapper import unwrap, wrap
from protocols.gsm import pdu
from protocols.gsm.alphabet import CODES
from protocols.iec62056 import block, frames, push
from protocols.iec62056.block import Block, DataSet, Value
from protocols.iec62056.frames import Identification
from protocols.modbus import mbap, rtu, wire
from protocols.modbus.questions import DeviceIdentification
from protocols.sml import messages, transport
from protocols.sml.messages import UNITS, Entry, Registers
from simulators import short_messages
from tests.conversations import load

OCTET, WORD, LONG = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
OCTETS = st.binary(max_size=40)
CODE = st.binary(min_size=6, max_size=6)
VISIBLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)

# Modbus

OBJECTS = st.dictionaries(OCTET, st.binary(max_size=30), max_size=6)
IDENTIFICATIONS = st.builds(DeviceIdentification, OBJECTS, st.none() | OCTET)


def over_tcp(found: DeviceIdentification) -> DeviceIdentification:
    request = bytes.fromhex("12 34 00 00 00 05 07 2b 0e 01 00")
    answer, rest = mbap.find(mbap.wrap(request[:2], b"\x07" + wire.encode_identification(found)), request, silent=False)
    assert answer is not None
    assert rest == b""
    return wire.identification(answer[1:])


def over_rtu(found: DeviceIdentification) -> DeviceIdentification:
    request = rtu.seal(bytes.fromhex("07 2b 0e 01 00"))
    answer = rtu.find(rtu.seal(b"\x07" + wire.encode_identification(found)), request, None, silent=False)
    assert answer is not None
    return wire.identification(answer[1:])


# IEC 62056-21

PLAIN = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="()*!/")
NAMES = st.text(PLAIN, min_size=1, max_size=16)
VALUES = st.builds(Value, st.text(PLAIN, max_size=12), st.text(PLAIN, max_size=5))
SETS = st.lists(st.builds(DataSet, NAMES, st.lists(VALUES, min_size=1, max_size=4).map(tuple)), min_size=1, max_size=6)
BLOCKS = st.builds(Block, SETS.map(tuple))
LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="/!\\\r\n")
SIGN_ONS = st.builds(
    Identification,
    st.from_regex(r"\A[A-Za-z]{3}\Z"),
    st.sampled_from("0123456ABCDEF9 "),
    st.text(LETTERS, max_size=16),
    st.text(st.sampled_from("2@W"), max_size=3),
)
TELEGRAMS = st.builds(push.Pushed, st.from_regex(r"\A[A-Z]{3}5[A-Za-z0-9]{1,12}\Z"), BLOCKS, st.booleans())


def pushed(telegram: push.Pushed) -> push.Pushed | None:
    buffer = bytearray(b"noise!\r\n" + telegram.to_bytes() + b"/ABC5")
    found = push.TextCut(check="none")(buffer)
    assert buffer == b"/ABC5"
    return found


# SML

NUMBERS = st.builds(lambda count, scaler: Decimal(count).scaleb(scaler), st.integers(-(1 << 63), (1 << 63) - 1),
                    st.integers(-12, 12))  # fmt: skip
REGISTER = st.tuples(OCTET, OCTET, OCTET, OCTET, OCTET, OCTET).map(
    lambda code: "{}-{}:{}.{}.{}*{}".format(*code),
)
ENTRIES = (
    st.builds(Entry, REGISTER, st.none() | st.sampled_from(sorted(UNITS.values())), NUMBERS)
    | st.builds(Entry, REGISTER, st.none(), st.none(), OCTETS)
    | st.builds(Entry, REGISTER, st.none(), st.none())
)
FILES = st.builds(Registers, st.binary(max_size=20), st.lists(ENTRIES, max_size=20).map(tuple))


def cut(file: bytes) -> bytes | None:
    buffer = bytearray(b"\x1b\x1b noise" + transport.wrap(file) + transport.START)
    found = transport.cut(buffer)
    assert buffer == transport.START
    return found


# Short messages

QUARTERS = st.integers(-48, 56).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
STAMPS = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=QUARTERS).map(
    lambda at: at.replace(microsecond=0)
)
NUMBER = st.from_regex(r"\A\+?[0-9]{3,15}\Z")
SENDERS = NUMBER | st.from_regex(r"\A[A-Z][A-Za-z0-9 ]{0,8}[a-z]\Z")
PARTS = st.none() | st.tuples(WORD, OCTET, OCTET).filter(lambda each: 1 <= each[2] <= each[1]).map(
    lambda each: pdu.Part(*each)
)
CENTRES = st.none() | NUMBER
BASIC = st.text(st.sampled_from(sorted(CODES)), max_size=70)
WIDE = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=60)
DELIVERS = st.builds(pdu.Deliver, CENTRES, SENDERS, STAMPS, BASIC | WIDE, PARTS) | st.builds(
    pdu.Deliver, CENTRES, SENDERS, STAMPS, st.just(""), PARTS, st.binary(max_size=120)
)
REPORTS = st.builds(pdu.StatusReport, CENTRES, OCTET, NUMBER, STAMPS, STAMPS, OCTET)

# DLMS

DATA = OCTETS.map(axdr.octets)
STAMP = st.binary(min_size=12, max_size=12)
ACCESS = st.none() | st.builds(apdu.Range, STAMP, STAMP, st.booleans()) | st.builds(apdu.Entries, LONG, LONG)
ATTRIBUTES = st.builds(apdu.Attribute, WORD, CODE, OCTET, ACCESS)
METHODS = st.builds(apdu.Attribute, WORD, CODE, OCTET)
REQUESTS = st.one_of(
    st.builds(apdu.GetRequest, OCTET, ATTRIBUTES),
    st.builds(apdu.GetNext, OCTET, LONG),
    st.builds(apdu.GetListRequest, OCTET, st.lists(ATTRIBUTES, min_size=1, max_size=5).map(tuple)),
    st.builds(apdu.SetRequest, OCTET, METHODS, DATA),
    st.builds(apdu.SetBlock, OCTET, METHODS, st.booleans(), st.just(1), OCTETS),
    st.builds(apdu.SetBlock, OCTET, st.none(), st.booleans(), LONG, OCTETS),
    st.builds(apdu.ActionRequest, OCTET, METHODS, st.none() | DATA),
    st.builds(apdu.ActionBlock, OCTET, METHODS, st.booleans(), st.just(1), OCTETS),
    st.builds(apdu.ActionBlock, OCTET, st.none(), st.booleans(), LONG, OCTETS),
    st.builds(apdu.ActionNext, OCTET, LONG),
)
ANSWERS = st.one_of(
    st.builds(answers.GetAnswer, OCTET, DATA),
    st.builds(answers.GetAnswer, OCTET, st.just(b""), st.integers(1, 255)),
    st.builds(answers.GetBlock, OCTET, st.booleans(), LONG, OCTETS),
    st.builds(answers.GetBlock, OCTET, st.booleans(), LONG, st.just(b""), st.integers(1, 255)),
    st.builds(answers.GetListAnswer, OCTET, st.lists(OCTET | DATA, max_size=8).map(answers.encode_items)),
    st.builds(answers.SetAnswer, OCTET, OCTET),
    st.builds(answers.SetAnswer, OCTET, OCTET, LONG),
    st.builds(answers.SetAnswer, OCTET, st.just(0), LONG, st.just(False)),
    st.builds(answers.ActionPiece, OCTET, st.booleans(), LONG, OCTETS),
    st.builds(answers.ExceptionAnswer, OCTET, OCTET),
    st.builds(answers.ExceptionAnswer, OCTET, st.just(6), LONG),
    st.builds(answers.ServiceError, OCTET, OCTET, OCTET),
    st.builds(answers.ActionAnswer, OCTET, st.just(0), st.none() | DATA),
    st.builds(answers.ActionMore, OCTET, LONG),
    st.builds(answers.Notification, LONG, st.just(b"") | STAMP, DATA),
)
INITIATES = st.builds(acse.Initiate, st.integers(0, 0xFF_FFFF), WORD, st.none(), st.none() | OCTET)
TITLES = st.just(b"") | st.binary(min_size=8, max_size=8)
SECRETS = st.binary(min_size=1, max_size=64)
CONTEXTS = st.sampled_from([acse.LOGICAL_NAMES, acse.CIPHERED])
AARQS = st.builds(acse.AssociationRequest, OCTETS, CONTEXTS, st.just(0), st.just(b""), TITLES) | st.builds(
    acse.AssociationRequest, OCTETS, CONTEXTS, st.integers(1, 7), SECRETS, TITLES
)
AARES = st.builds(acse.AssociationAnswer, st.integers(0, 2), st.integers(0, 14), OCTETS) | st.builds(
    acse.AssociationAnswer,
    st.just(0),
    st.just(14),
    OCTETS,
    st.sampled_from([acse.USER, acse.PROVIDER]),
    CONTEXTS,
    st.integers(2, 7),
    SECRETS,
    TITLES,
)
FRAMES = st.builds(
    lambda source, destination, control, body, more: Frame(
        Address(*destination).to_bytes(), Address(source).to_bytes(), control, body, more
    ),
    st.integers(1, 127),
    st.tuples(st.integers(0, 127), st.integers(1, 127), st.just(2)),
    OCTET,
    st.binary(max_size=128),
    st.booleans(),
)


def deframed(frame: Frame) -> Frame | None:
    deframer = Deframer()
    deframer.feed(b"\x00\x7f" + frame.to_bytes())
    return deframer.frame()


def unwrapped(apdu_: bytes) -> bytes:
    found = unwrap(wrap(1, 32, apdu_) + b"\0")
    assert found is not None
    assert found[:2] == (1, 32)
    assert found[3] == len(apdu_) + 8
    return found[2]


SAME: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {  # what is written, and how it is read back
    "modbus rtu identification": (IDENTIFICATIONS, over_rtu),
    "modbus tcp identification": (IDENTIFICATIONS, over_tcp),
    "iec62056 identification": (SIGN_ONS, lambda each: frames.identification(each.to_bytes())),
    "iec62056 data sets": (BLOCKS, lambda each: block.parse(each.to_bytes())),
    "iec62056 readout": (BLOCKS, lambda each: block.parse(frames.readout(each.to_bytes(), "xor")[1:-2])),
    "p1 and d0 telegram": (TELEGRAMS, pushed),
    "sml registers": (FILES, lambda each: messages.registers(each.to_bytes())),
    "sml transport": (st.binary(max_size=80) | st.text("\x1b\x1a\x01\x00", max_size=40).map(str.encode), cut),
    "short message": (DELIVERS, lambda each: pdu.read(each.to_bytes())),
    "delivery report": (REPORTS, lambda each: pdu.read(each.to_bytes())),
    "dlms request": (REQUESTS, lambda each: apdu.parse_request(each.to_bytes())),
    "dlms answer": (ANSWERS, lambda each: answers.parse_answer(each.to_bytes())),
    "dlms list": (
        st.lists(OCTET | DATA, max_size=8),
        lambda each: answers.list_items(answers.encode_items(each)),
    ),
    "dlms initiate": (INITIATES, lambda each: acse.Initiate.from_request(each.request())),
    "dlms initiate answer": (INITIATES, lambda each: acse.Initiate.from_response(each.response())),
    "dlms association": (AARQS, lambda each: acse.AssociationRequest.from_bytes(each.to_bytes())),
    "dlms association answer": (AARES, lambda each: acse.AssociationAnswer.from_bytes(each.to_bytes())),
    "dlms release": (st.integers(0, 127), lambda each: acse.released(acse.release_answer(each))),
    "hdlc frame": (FRAMES, deframed),
    "hdlc limits": (
        st.builds(Limits, st.integers(1, 0xFFFF), st.integers(1, 0xFFFF), st.integers(1, 7), st.integers(1, 7)),
        lambda each: Limits.from_bytes(each.to_bytes()),
    ),
    "dlms wrapper": (OCTETS, unwrapped),
    "cosem scale": (
        st.builds(objects.Scale, st.integers(-30, 30), OCTET),
        lambda each: objects.Scale.from_data(axdr.decode(each.to_bytes())),
    ),
    "cosem column": (
        st.builds(objects.Column, WORD, CODE, st.integers(-128, 127), WORD),
        lambda each: objects.capture_objects([axdr.decode(each.to_bytes())])[0],
    ),
    "cosem object": (
        st.builds(objects.ListedObject, WORD, OCTET, CODE),
        lambda each: objects.object_list([axdr.decode(each.to_bytes())])[0],
    ),
    "cosem stamp": (
        st.datetimes(datetime(1, 1, 1)).map(lambda at: at.replace(microsecond=0)),
        lambda each: Stamp.from_bytes(encode(each, 180)).wall,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("values", "there_and_back"), SAME.values(), ids=SAME)
@settings(max_examples=100)
@given(data=st.data())
def test_what_is_written_is_read_as_the_same(
    values: st.SearchStrategy[Any], there_and_back: Callable[[Any], Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert there_and_back(value) == value


SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
AXDR: Mapping[str, tuple[Callable[[Any], bytes], st.SearchStrategy[Any]]] = {
    "boolean": (axdr.boolean, st.booleans()),
    "integer": (axdr.integer, st.integers(-128, 127)),
    "long": (axdr.long, st.integers(-(1 << 15), (1 << 15) - 1)),
    "long64": (axdr.long64, st.integers(-(1 << 63), (1 << 63) - 1)),
    "unsigned": (axdr.unsigned, OCTET),
    "long-unsigned": (axdr.long_unsigned, WORD),
    "double-long-unsigned": (axdr.double_long_unsigned, LONG),
    "long64-unsigned": (axdr.long64_unsigned, st.integers(0, (1 << 64) - 1)),
    "enum": (axdr.enum, OCTET),
    "bcd": (axdr.bcd, st.integers(0, 99)),
    "octet-string": (axdr.octets, st.binary(max_size=300)),
    "visible-string": (axdr.visible, VISIBLE),
    "utf8-string": (axdr.utf8, st.text(max_size=100)),
    "bit-string": (axdr.bits, st.text("01", max_size=40).map(Bits)),
    "date-time": (lambda value: axdr.fixed(0x19, value), st.binary(min_size=12, max_size=12)),
    "date": (lambda value: axdr.fixed(0x1A, value), st.binary(min_size=5, max_size=5)),
    "time": (lambda value: axdr.fixed(0x1B, value), st.binary(min_size=4, max_size=4)),
    "array": (lambda value: axdr.array([*map(axdr.unsigned, value)]), st.lists(OCTET, max_size=200)),
    "structure": (lambda value: axdr.structure(*map(axdr.octets, value)), st.lists(OCTETS).map(tuple)),
    "compact-array": (
        lambda value: axdr.compact(b"\x12", [number.to_bytes(2, "big") for number in value]),
        st.lists(WORD),
    ),
    "float64": (axdr.float64, st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9, max_value=9)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("write", "values"), AXDR.values(), ids=AXDR)
@settings(max_examples=50)
@given(data=st.data())
def test_a_value_of_each_data_type_is_read_as_it_was_written(
    write: Callable[[Any], bytes], values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert axdr.decode(write(value)) == value


@given(SINGLES)
def test_a_float32_is_read_as_a_decimal_that_is_written_alike(value: float) -> None:
    written = axdr.float32(value)
    assert axdr.float32(axdr.decode(written)) == written or value == 0
    assert written[1:] == struct.pack(">f", value)


def test_a_data_type_of_a_fixed_length_takes_no_other() -> None:
    with pytest.raises(ValueError, match="date-time: found 4 octets, expected 12"):
        axdr.fixed(0x19, b"\0" * 4)


@pytest.mark.parametrize("name", ["sml-emh-ehz", "sml-emh-ed300l", "sml-dzg-dvs"])
def test_a_recorded_sml_file_is_wrapped_as_it_was_recorded(name: str) -> None:
    recorded = b"".join(data for _, data in load(name))
    file = transport.cut(bytearray(recorded))
    assert file is not None
    assert transport.wrap(file) in recorded
    registers = messages.registers(file)
    assert messages.registers(registers.to_bytes()) == registers


def test_each_message_of_an_sml_file_ends_with_its_checksum_as_a_recorded_one_does() -> None:
    recorded = transport.cut(bytearray(b"".join(data for _, data in load("sml-emh-ehz"))))
    assert recorded is not None
    ours = Registers(b"\x09", ()).to_bytes()
    for file, size in ((recorded, 39), (ours, 20)):  # of the opening message, up to its checksum
        assert file[size : size + 4] == b"\x63" + crc16_x25(file[:size]).to_bytes(2, "little") + b"\0"


@pytest.mark.parametrize("text", ["Баланс: 12.50 р.", "x" * 160])
@pytest.mark.parametrize("sender", ["+79161234567", "900", "Beeline"])
def test_a_short_message_is_written_as_the_network_writes_it(text: str, sender: str) -> None:
    at = datetime(2026, 12, 1, 13, 5, 7, tzinfo=timezone(timedelta(hours=3)))
    (made,) = short_messages.delivers(sender, text, at)
    message = pdu.read(made)
    assert isinstance(message, pdu.Deliver)
    again = bytearray(message.to_bytes())
    again[8] |= 0x04  # no more messages wait
    assert bytes(again) == made


def test_a_text_that_does_not_fit_one_message_is_not_written() -> None:
    with pytest.raises(ValueError, match="142 octets do not fit"):
        pdu.Deliver(None, "900", None, "я" * 71).to_bytes()


def test_a_sender_beyond_the_alphabet_is_not_written() -> None:
    with pytest.raises(ValueError, match="expected characters of the 7 bit alphabet"):
        pdu.Deliver(None, "Билайн", None, "x").to_bytes()


def test_a_register_in_a_unit_that_sml_has_not_is_not_written() -> None:
    with pytest.raises(ValueError, match="found unit 'kWh'"):
        Registers(b"", (Entry("1-0:1.8.0*255", "kWh", Decimal(1)),)).to_bytes()


@pytest.mark.parametrize("status", [0x00, 0x20, 0x40])
def test_a_delivery_report_is_written_as_the_network_writes_it(status: int) -> None:
    at = datetime(2026, 12, 1, 13, 5, 7, tzinfo=timezone(timedelta(hours=-3)))
    made = short_messages.status_report(7, "+79161234567", at, at + timedelta(seconds=9), status)
    report = pdu.read(made)
    assert isinstance(report, pdu.StatusReport)
    again = bytearray(report.to_bytes())
    again[8] |= 0x04  # no more messages wait
    assert bytes(again) == made


def test_a_sealed_rtu_frame_keeps_its_checksum() -> None:
    assert crc16_modbus(rtu.seal(b"\x01" + wire.encode_exception(3, 2))) == 0
    assert wire.encode_registers(3, b"\0\1") == b"\x03\x02\0\1"
