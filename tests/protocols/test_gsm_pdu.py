"""Short messages to the octet: published PDUs judge us, a foreign decoder reads ours, the network's side is strict."""

import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smspdudecoder.codecs import GSM
from smspdudecoder.easy import read_incoming_sms
from smspdudecoder.fields import SMSSubmit

from protocols.errors import BadFrame
from protocols.gsm import pdu
from protocols.gsm.alphabet import BASIC, EXTENSION, pack, septets, text_of, unpack
from protocols.gsm.fields import Octets, address, number_of, take_address
from simulators import short_messages as network

LETTERS = "".join(sign for sign in BASIC if sign != "\x1b") + "".join(EXTENSION.values())
DAY = timedelta(days=1)


def test_a_message_is_sent_as_in_the_published_example() -> None:
    """L. Pettersson, «SMS and the PDU format» (dreamfabric.com/sms): SMS-SUBMIT of «hellohello», AT+CMGS=23."""
    (submit,) = pdu.submits("+46708251358", "hellohello", report=False, validity=timedelta(days=4))
    assert pdu.line(submit) == (23, b"0011000B916407281553F80000AA0AE8329BFD4697D9EC37")


def test_a_message_is_received_as_in_the_published_example() -> None:
    """The same page: SMS-DELIVER of «hellohello». Its year is 99; two digits say no century."""
    got = pdu.read(bytes.fromhex("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"))
    assert isinstance(got, pdu.Deliver)
    assert (got.centre, got.sender, got.text, got.part) == ("+27381000015", "27838890001", "hellohello", None)
    assert got.at == datetime(2099, 3, 29, 15, 16, 59, tzinfo=timezone(timedelta(hours=2)))


def test_a_status_report_is_read_as_in_the_published_example() -> None:
    """amro.blogspot.com, 2007-09: +CDS of a message that was delivered five seconds later."""
    got = pdu.read(bytes.fromhex("0006000B910221815716F2709021510121807090215101718000"))
    zone = timezone(timedelta(hours=2))
    sent, done = (datetime(2007, 9, 12, 15, 10, second, tzinfo=zone) for second in (12, 17))
    assert got == pdu.StatusReport(None, 0, "+20121875612", sent, done, 0)
    assert isinstance(got, pdu.StatusReport)
    assert got.state == "delivered"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("0BD0CDE6DB5DCE03", "MMoney"),  # github.com/qotto/smspdudecoder (MIT), fields.Address
        ("14D0C4F23C7D760390EF7619", "Design@Home"),
        ("0B915155214365F7", "+15551234567"),
    ],
)
def test_senders_are_numbers_or_names(field: str, name: str) -> None:
    assert take_address(Octets(bytes.fromhex(field))) == name


def test_a_ucs2_message_is_sent_as_a_maker_has_it() -> None:
    """Neoway WM620 AT command manual, «hello»: 0891683110808805F001000B813124819396F300080A00680065006C006C006F; ours
    differs by the validity (first octet 11h, a day: A7h in front of the length)."""
    submit = pdu.Submit("13421839693", pdu.UCS2, 10, "hello".encode("utf-16-be"), report=False)
    line = "0891683110808805F011000B813124819396F30008A70A00680065006C006C006F"
    assert pdu.line(submit, "+8613010888500") == (24, line.encode("ascii"))


def test_both_tables_of_the_alphabet_are_those_of_a_foreign_decoder() -> None:
    for sign in LETTERS:
        codes = b"".join(septets(sign) or [])
        assert GSM.decode(pack(codes).hex()) == sign, sign


@given(st.text(LETTERS, max_size=40), st.integers(0, 6))
def test_packed_letters_come_back(text: str, fill: int) -> None:
    codes = b"".join(septets(text) or [])
    packed = pack(codes, fill)
    assert len(packed) == (7 * len(codes) + fill + 7) // 8
    assert text_of(unpack(packed, len(codes), fill)) == text


@pytest.mark.slow
@given(st.lists(st.integers(0, 127), max_size=30))
def test_any_septets_are_some_text(codes: list[int]) -> None:
    assert text_of(codes).isprintable() or set("\n\r\f") & set(text_of(codes))


def test_escapes_without_a_character_are_shown_as_the_standard_says() -> None:
    assert text_of([0x1B, 0x41]) == "A"
    assert text_of([0x1B, 0x1B, 0x41]) == " A"
    assert text_of([0x41, 0x1B]) == "A "


texts = st.one_of(
    st.text(LETTERS, min_size=1, max_size=500),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
)
numbers = st.from_regex(r"\+?[0-9]{3,15}", fullmatch=True)


@pytest.mark.slow
@given(numbers, texts, st.integers(0, 255), st.booleans())
@example("+79161234567", "x" * 160, 0, True)
@example("+79161234567", "€" * 77, 1, True)  # an escape would be cut at the end of a part
@example("7049", "я" * 70, 2, False)
@example("7049", "я" * 71, 3, False)
@example("7049", "😀" * 40, 255, True)
def test_the_network_reads_what_was_written(number: str, text: str, reference: int, report: bool) -> None:
    submits = pdu.submits(number, text, reference=reference, report=report)
    read = []
    for submit in submits:
        length, line = pdu.line(submit, "+79168999100")
        read.append(network.read_submit(line.decode(), length))
    assert "".join(one.text for one in read) == text
    assert {(one.centre, one.number, one.report, one.validity) for one in read} == {
        ("+79168999100", number, report, DAY)
    }
    expected = [(reference, len(read), place) for place in range(1, len(read) + 1)] if len(read) > 1 else [None]
    assert [one.part for one in read] == expected
    assert all(one.coding == ("ucs2" if septets(text) is None else "gsm7") for one in read)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("x" * 306, 2), ("x" * 307, 3), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2)],
)
def test_a_text_takes_as_few_messages_as_the_standard_allows(text: str, parts: int) -> None:
    assert len(pdu.submits("7049", text)) == parts


def test_a_statement_in_latin_letters_costs_one_message_and_stays_in_seven_bits() -> None:
    (submit,) = pdu.submits("7049", "230100456789#23456789#4711#815")
    assert submit.coding == pdu.GSM7
    assert len(submit.data) == 27


@settings(max_examples=20)  # it is slow, and cuts a text with the euro sign at the wrong place
@given(numbers.filter(lambda number: number[0] == "+"), st.text(BASIC.replace("\x1b", ""), min_size=1, max_size=100))
def test_a_foreign_decoder_reads_what_was_written(number: str, text: str) -> None:
    (submit,) = pdu.submits(number, text)
    read = SMSSubmit.decode(io.StringIO(pdu.line(submit)[1].decode()))
    assert read["user_data"]["data"] == text
    assert read["recipient"]["number"] == number[1:]


moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).flatmap(
    lambda moment: st.integers(-48, 56).map(
        lambda quarters: moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    )
)
names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -.", min_size=1, max_size=11)


@pytest.mark.slow
@given(st.one_of(numbers, names.filter(lambda name: name[0].isalpha())), texts, moments)
def test_what_the_network_wrote_is_read(sender: str, text: str, at: datetime) -> None:
    read = [pdu.read(one) for one in network.delivers(sender, text, at, 77, 60)]
    assert all(isinstance(one, pdu.Deliver) for one in read)
    got = [one for one in read if isinstance(one, pdu.Deliver)]
    if all(sign <= "\uffff" for sign in text):  # the network's side cuts surrogate pairs
        assert "".join(one.text for one in got) == text
    assert {one.sender for one in got} == {sender}
    assert {one.at for one in got} == {at}
    assert all(one.at is not None and one.at.utcoffset() == at.utcoffset() for one in got)
    parts = [one.part for one in got]
    assert parts == ([None] if len(got) == 1 else [pdu.Part(77, len(got), place) for place in range(1, len(got) + 1)])


@settings(max_examples=20)
@given(numbers.filter(lambda number: number[0] == "+"), st.text(BASIC.replace("\x1b", ""), min_size=1, max_size=150))
def test_what_the_network_wrote_is_no_riddle_for_a_foreign_decoder_either(sender: str, text: str) -> None:
    at = datetime(2026, 10, 25, 12, tzinfo=UTC)
    first = network.delivers(sender, text, at)[0]
    ours = pdu.read(first)
    theirs = read_incoming_sms(first.hex().upper())
    assert isinstance(ours, pdu.Deliver)
    assert (theirs["sender"], theirs["content"], theirs["date"]) == (ours.sender, ours.text, ours.at)


@pytest.mark.slow
@given(numbers, moments, moments, st.integers(0, 255), st.integers(0, 255))
def test_delivery_reports_are_read(number: str, sent: datetime, done: datetime, reference: int, status: int) -> None:
    got = pdu.read(network.status_report(reference, number, sent, done, status))
    assert got == pdu.StatusReport("+79168999100", reference, number, sent, done, status)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x00, "delivered"),
        (0x02, "delivered"),
        (0x20, "waiting"),
        (0x30, "waiting"),
        (0x40, "failed"),
        (0x65, "failed"),
    ],
)
def test_a_status_is_one_of_three_states(status: int, state: str) -> None:
    assert pdu.StatusReport(None, 0, "1", None, None, status).state == state


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_no_frame(data: bytes) -> None:
    try:
        read = pdu.read(data)
    except BadFrame:
        return
    assert isinstance(read, pdu.Deliver | pdu.StatusReport)


SOUND = network.delivers("+79161234567", "Принято: 4711", datetime(2026, 10, 25, 12, tzinfo=UTC))[0]


@pytest.mark.parametrize("length", range(len(SOUND)))
def test_a_message_that_was_cut_is_no_message(length: int) -> None:
    with pytest.raises(BadFrame):
        pdu.read(SOUND[:length])


def test_an_empty_time_stamp_does_not_cost_the_message() -> None:
    got = pdu.read(bytes.fromhex("0004038121F300000000000000000002C834"))
    assert isinstance(got, pdu.Deliver)
    assert (got.sender, got.text, got.at) == ("123", "Hi", None)


def test_settings_of_an_operator_are_no_text() -> None:
    got = pdu.read(bytes.fromhex("0004038121F300045211525100002103010203"))
    assert isinstance(got, pdu.Deliver)
    assert (got.text, got.data) == ("", b"\1\2\3")


@pytest.mark.parametrize("header", ["0003AA0200", "0003AA0203", "0003AA0000", "7004AABBCCDD"])
def test_a_header_that_speaks_of_no_possible_part_is_ignored(header: str) -> None:
    assert pdu.concatenation(bytes.fromhex(header)) is None


def test_a_long_reference_of_a_part_is_read() -> None:
    assert pdu.concatenation(bytes.fromhex("0804ABCD0302")) == pdu.Part(0xABCD, 3, 2)


@given(st.timedeltas(timedelta(minutes=1), timedelta(weeks=63)))
@example(timedelta(hours=12, minutes=1))
def test_a_validity_is_never_shorter_than_asked_for_and_longer_by_less_than_a_step(validity: timedelta) -> None:
    (submit,) = pdu.submits("7049", "x", validity=validity)
    length, line = pdu.line(submit)
    bounds = {timedelta(hours=12): timedelta(minutes=5), DAY: timedelta(minutes=30), 30 * DAY: DAY}
    step = next((step for bound, step in bounds.items() if validity <= bound), 7 * DAY)
    assert validity <= network.read_submit(line.decode(), length).validity < validity + step


@pytest.mark.parametrize("number", ["", "+", "energo", "+7916\r123", "1" * 21, "٣٤٥"])
def test_what_is_no_number_is_never_dialled(number: str) -> None:
    with pytest.raises(ValueError, match="telephone number"):
        number_of(number)


def test_a_printed_number_is_taken_as_it_is_meant() -> None:
    assert number_of("+7 (916) 123-45-67") == "+79161234567"
    assert address("*100#") == bytes.fromhex("05 81 1A 00 FB")


def test_no_text_is_no_message() -> None:
    with pytest.raises(ValueError, match="without a text"):
        pdu.submits("7049", "")
