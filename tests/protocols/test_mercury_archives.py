"""Published frames of archives and journals judge the codec; any other octets become nothing or a declared error."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import BadFrame, MeterError
from protocols.mercury import archives
from protocols.mercury.archives import Entry, LastRecord, ProfileRecord
from protocols.mercury.frames import Energy
from protocols.mercury.session import Session
from protocols.session import Line
from tests.conversations import pairs

PAIRS = pairs("mercury-manual") + pairs("mercury-public") + pairs("mercury-synthetic")
RECORD = ProfileRecord(datetime(2008, 3, 5, 10), 30, (10500, None, 0, 0), incomplete=True, winter=True)

READ: list[tuple[Any, str, Any]] = [
    (
        archives.ReadSnapshot(date(2019, 6, 23), 2),
        "14 18 00 23 06 19 02 2D 0D / 14 00 00 5E 7C FF FF FF FF 00 00 DC 02 00 00 9D 0D 19 DA",
        Energy(31838, None, 732, 3485),
    ),
    (
        archives.ReadLastRecord(),
        "80 08 13 36 25 / 80 00 01 0A 09 00 04 03 08 1E 6A 42",
        LastRecord(1, datetime(2008, 3, 4, 9), winter=True, period=30, initialising=False),
    ),
    (
        archives.ReadRecords(0x10),
        "80 06 03 00 10 0F DA 5B / 80 0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00 FE AF",
        (RECORD,),
    ),
    (
        archives.ReadBack(1),
        "80 16 03 00 01 01 96 0C / 80 0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00 FE AF",
        (RECORD,),
    ),
    (
        archives.ReadJournal(0x01, 2),
        "80 04 01 02 E8 74 / 80 01 53 07 01 02 08 09 50 12 01 02 08 2F 74",
        Entry(2, bytes.fromhex("01 53 07 01 02 08 09 50 12 01 02 08")),
    ),
    (
        archives.ReadJournal(0x02),
        "80 04 02 FF 29 05 / 80 53 23 10 23 01 08 59 23 10 23 01 08 00 91 EB",
        Entry(0, bytes.fromhex("53 23 10 23 01 08 59 23 10 23 01 08")),
    ),
    (
        archives.ReadJournal(0x81, 1),
        "14 04 81 01 E5 85 / 14 06 58 07 20 09 18 58 51 10 03 10 18 69 38",
        Entry(1, bytes.fromhex("06 58 07 20 09 18 58 51 10 03 10 18")),
    ),
]


@pytest.mark.parametrize(("question", "pair", "reply"), READ)
def test_a_published_answer_of_an_archive_is_read_as_published(question: Any, pair: str, reply: Any) -> None:
    request, answer = map(bytes.fromhex, pair.split(" / "))
    assert (request, answer) in PAIRS
    session = Session(request[0], Line())
    assert session.send(question).data == request
    assert session.receive(answer) == reply


@pytest.mark.parametrize(
    ("question", "request_"),
    [
        (archives.ReadSnapshot(date(2026, 12, 31), 4, month=True), "18 01 31 12 26 04"),
        (archives.ReadRecords(0xFFF0), "06 03 FF F0 0F"),
        (archives.ReadRecords(0x1FFF0), "06 83 FF F0 0F"),
        (archives.ReadRecords(0x10000, long=True), "06 83 00 00 FF"),
        (archives.ReadBack(0x1234), "16 03 12 34 01"),
    ],
)
def test_a_question_puts_address_bit_16_and_dates_where_the_manual_wants_them(question: Any, request_: str) -> None:
    assert question.encode() == bytes.fromhex(request_)


@pytest.mark.parametrize("address", [-16, 8, 0x20000])
def test_a_place_outside_of_the_memory_cannot_be_asked(address: int) -> None:
    with pytest.raises(ValueError, match="no record"):
        archives.ReadRecords(address)


def test_seventeen_records_end_one_long_answer_and_an_empty_one_costs_no_other() -> None:
    sound = bytes.fromhex("0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00")
    impossible = bytes.fromhex("0A 25 61 32 13 08 1E 04 29 FF FF 00 00 00 00")
    records = archives.ReadRecords(0, long=True).decode(sound + b"\xff" * 15 + bytes(15) + impossible + sound * 13)
    assert records == (RECORD, None, None, None, *(RECORD,) * 13)


def test_the_wait_for_a_long_answer_lasts_as_long_as_its_octets() -> None:
    sending = Session(1, Line()).send(archives.ReadRecords(0, long=True))
    assert (sending.size, sending.least) == (258, 258)
    assert Session(1, Line()).send(archives.ReadRecords(0)).size == 99


@pytest.mark.parametrize(
    ("octets", "at"),
    [
        ("09 00 04 03 08", datetime(2008, 3, 4, 9)),
        ("01 53 07 01 02 08", datetime(2008, 2, 1, 7, 53, 1)),
        ("00 00 29 02 24", datetime(2024, 2, 29)),
        ("00 00 29 02 23", None),
        ("00 00 00 00 00 00", None),
        ("24 00 04 03 08", None),
        ("0A 00 04 03 08", None),
        ("FF FF FF FF FF FF", None),
    ],
)
def test_a_stamp_is_a_moment_or_nothing(octets: str, at: datetime | None) -> None:
    assert archives.stamp(bytes.fromhex(octets)) == at


@pytest.mark.slow
@settings(max_examples=500)
@given(st.sampled_from([question for question, _, _ in READ] + [archives.ReadRecords(0, long=True)]), st.data())
def test_any_data_of_the_right_length_are_read_and_others_are_broken(question: Any, data: Any) -> None:
    size = data.draw(st.sampled_from([*question.sizes, 1, 17]))
    octets = data.draw(st.binary(min_size=size, max_size=size))
    try:
        question.decode(octets)
        assert size in question.sizes
    except MeterError as trouble:
        assert type(trouble) is BadFrame
        assert size not in question.sizes
