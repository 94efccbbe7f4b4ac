"""What a Mercury 23x answers, written and read: each encoder is the reverse of its decoder."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mercury import archives, frames, identity, questions
from protocols.mercury.archives import Entry, LastRecord, ProfileRecord
from protocols.mercury.frames import AllTariffs, Clock, Done, Energy, PhaseEnergy, TariffState
from protocols.mercury.identity import Details, Ratio, Serial
from protocols.mercury.quantities import GROUPS, LARGEST, QUANTITIES, Quantity, encode_measured, measured, quantity
from protocols.mercury.variant import Variant
from tests.protocols.test_mercury_archives import READ as ARCHIVES
from tests.protocols.test_mercury_session import READS
from tests.protocols.test_mercury_vectors import READ

PUBLISHED = [(question, bytes.fromhex(pair.split(" / ")[1])[1:-2], reply) for question, pair, reply in READ + ARCHIVES]


def written(question: Any, reply: Any) -> bytes:
    """The data of the answer that says this."""
    match question, reply:
        case ((questions.ReadInstant() | questions.ReadNetworkGroup()), _):
            return encode_measured(quantity(question.parameter), reply)
        case questions.ReadStatusWord(), _:
            return frames.encode_status(reply)
        case questions.ReadFirmware(), _:
            return identity.encode_firmware(reply)
        case _, tuple():
            return archives.encode_records(reply)
        case archives.ReadJournal(), Entry():
            return reply.to_bytes(latest=question.number == archives.LATEST)
    return bytes(reply.to_bytes())


@pytest.mark.parametrize(("question", "value", "data"), READS.values(), ids=READS)
def test_an_answer_is_read_and_written_alike(question: Any, value: Any, data: bytes) -> None:
    assert question.decode(data) == value
    assert written(question, value) == data


@pytest.mark.parametrize(("question", "data", "reply"), PUBLISHED)
def test_a_published_answer_is_written_as_published_but_for_bits_that_no_reading_has(
    question: Any, data: bytes, reply: Any
) -> None:
    again = written(question, reply)
    assert question.decode(again) == reply
    assert len(again) == len(data)
    for place, (ours, published) in enumerate(zip(again, data, strict=True)):
        assert ours == published or ours ^ published in unread(question, place), f"octet {place}"


def unread(question: Any, place: int) -> range | tuple[int, ...]:
    """What may differ in an octet: directions of the other power, a checksum, a weekday, bits of a state."""
    match question:
        case questions.ReadInstant() | questions.ReadNetworkGroup() if place % 3 == 0:
            return (0x40, 0x80, 0xC0)
        case questions.ReadIdentity(extended=True) if 16 <= place < 20 or place >= 22:
            return range(256)
        case questions.ReadClock() if place == 3:
            return range(8)
        case archives.ReadLastRecord() if place == 2:
            return (0x02,)
        case questions.ReadTariffState():
            return range(256) if place == 0 else (0x10, 0x20, 0x30, 0x40, 0x80)
    return ()


COUNTS = st.none() | st.integers(0, frames.ABSENT - 1)
ROWS = st.builds(Energy, COUNTS, COUNTS, COUNTS, COUNTS)
SERIALS = st.from_regex(r"[0-9]{8}", fullmatch=True).filter(str.isascii)
MADE = st.none() | st.dates(datetime(2000, 1, 1).date(), datetime(2099, 12, 31).date())
VERSIONS = st.tuples(*[st.integers(0, 255)] * 3).map(lambda parts: ".".join(map(str, parts)))
SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(microsecond=0))
MINUTES = SECONDS.map(lambda at: at.replace(second=0))
OCTET, WORD = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
PULSES = st.none() | st.integers(0, 0xFFFE)
RECORDS = st.builds(
    ProfileRecord, MINUTES, OCTET, st.tuples(PULSES, PULSES, PULSES, PULSES), st.booleans(), st.booleans()
)

ANY: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {  # question, whatever may be answered to it
    "energy": (questions.ReadEnergy(), ROWS),
    "phases": (questions.ReadEnergy(6), st.builds(PhaseEnergy, COUNTS, COUNTS, COUNTS)),
    "all tariffs": (
        questions.ReadAllTariffs(),
        st.builds(AllTariffs, st.tuples(ROWS, ROWS, ROWS, ROWS), ROWS, st.none() | ROWS),
    ),
    "serial": (questions.ReadSerial(), st.builds(Serial, SERIALS, MADE)),
    "identity": (
        questions.ReadIdentity(),
        st.builds(Details, SERIALS, MADE, VERSIONS, st.binary(min_size=6, max_size=6)),
    ),
    "extended identity": (
        questions.ReadIdentity(extended=True),
        st.builds(Details, SERIALS, MADE, VERSIONS, st.binary(min_size=8, max_size=8)),
    ),
    "firmware": (questions.ReadFirmware(), VERSIONS),
    "ratio": (questions.ReadRatio(), st.builds(Ratio, WORD, WORD)),
    "status word": (questions.ReadStatusWord(), st.sets(st.integers(1, 48)).map(lambda codes: tuple(sorted(codes)))),
    "clock": (questions.ReadClock(), st.builds(Clock, SECONDS, st.booleans())),
    "tariff": (questions.ReadTariffState(), st.builds(TariffState, st.integers(1, 8), st.booleans())),
    "order": (questions.CloseChannel(), st.builds(Done, st.booleans())),
    "last record": (
        archives.ReadLastRecord(),
        st.builds(LastRecord, WORD, st.none() | MINUTES, st.booleans(), OCTET, st.booleans()),
    ),
    "profile": (archives.ReadRecords(0, long=True), st.tuples(*[st.none() | RECORDS] * 17)),
    "journal": (archives.ReadJournal(1, 2), st.builds(Entry, st.just(2), st.binary(min_size=12, max_size=12))),
    "latest of a journal": (archives.ReadJournal(1), st.builds(Entry, OCTET, st.binary(min_size=12, max_size=12))),
}


@pytest.mark.slow
@pytest.mark.parametrize(("question", "values"), ANY.values(), ids=ANY)
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_a_meter_may_say_is_read_as_it_was_written(
    question: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert question.decode(written(question, value)) == value


def amounts(kind: Quantity) -> st.SearchStrategy[Decimal | None]:
    most = LARGEST if kind.size == 3 else 0xFFFE
    return st.none() | st.integers(-most if kind.sign else 0, most).map(lambda count: count * kind.step)


@pytest.mark.slow
@pytest.mark.parametrize("parameter", [*GROUPS, 0x50])
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_is_measured_is_read_as_it_was_written(parameter: int, data: st.DataObject) -> None:
    kind, count = quantity(parameter), GROUPS.get(parameter, 1)
    values = data.draw(st.tuples(*[amounts(kind)] * count))
    assert measured(kind, encode_measured(kind, values)) == values


@pytest.mark.parametrize(
    ("code", "value"), [(0x00, Decimal("41943.04")), (0x10, Decimal(-1)), (0x60, Decimal("655.35"))]
)
def test_a_value_that_does_not_fit_its_octets_is_not_written(code: int, value: Decimal) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_measured(QUANTITIES[code], (value,))


def test_a_value_between_two_steps_is_written_as_the_smaller() -> None:
    assert encode_measured(QUANTITIES[0x00], (Decimal("-90.009"),)) == bytes.fromhex("80 28 23")


@pytest.mark.slow
@settings(max_examples=50)
@given(st.binary(min_size=6, max_size=6))
def test_how_a_meter_was_built_is_read_as_it_was_written(data: bytes) -> None:
    variant = Variant.from_bytes(data)
    assert Variant.from_bytes(variant.to_bytes()) == variant


@pytest.mark.slow
@settings(max_examples=50)
@given(st.none() | SECONDS)
def test_a_stamp_of_a_journal_is_read_as_it_was_written(at: datetime | None) -> None:
    assert archives.stamp(archives.encode_stamp(at)) == at
