import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.body import check, record_from_json, record_json, time_text
from buffer.record import Record
from buffer.rows import Words, pack, pack_digits, pack_frames, sound_text, unpack, unpack_digits, unpack_frames
from tests.buffer.plant import NOON, reading

NUMBERS = st.one_of(
    st.integers(-(10**15), 10**15),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TIMES = st.integers(-(10**12), 4 * 10**12).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
RECORDS = st.builds(
    Record,
    kind=st.sampled_from(["now", "interval", "event", "statement"]),
    point=TEXTS,
    meter=TEXTS,
    at=TIMES,
    read_at=TIMES,
    clock=st.sampled_from(["synced", "holdover", "unset", "restamped"]),
    meter_offset=st.none() | NUMBERS,
    values=st.dictionaries(TEXTS, NUMBERS, max_size=6),
    flags=st.lists(st.sampled_from(["partial", "manual", "backwards"]), unique=True).map(tuple),
    start=st.none() | TIMES,
    event=st.none() | st.fixed_dictionaries({"code": TEXTS, "maker": TEXTS, "text": TEXTS, "n": st.integers(0, 99)}),
    statement=st.none() | st.dictionaries(TEXTS, NUMBERS | TEXTS | st.lists(NUMBERS) | st.none(), max_size=3),
    replaces=st.none() | st.integers(1, 10**9),
    seq=st.integers(1, 10**12),
)


def test_a_record_is_the_contracts_object_with_exact_numbers() -> None:
    assert record_json(reading(1, values={"1-0:32.7.0": Decimal("230.10"), "1-0:1.8.0": Decimal("2E+3")}, seq=7)) == (
        '{"seq":7,"kind":"now","point":"flat-1","meter":"23456789","at":"2026-11-21T12:01:00.000Z",'
        '"read_at":"2026-11-21T12:01:00.250Z","clock":"synced","meter_offset":-1,'
        '"values":{"1-0:32.7.0":230.1,"1-0:1.8.0":2000},"flags":[]}'
    )


def test_an_interval_says_where_it_began_and_an_event_what_happened() -> None:
    interval = json.loads(record_json(reading(1, kind="interval", start=NOON, replaces=3)))
    assert (interval["from"], interval["replaces"]) == ("2026-11-21T12:00:00.000Z", 3)
    event = {"code": "cover-open", "maker": "E-01", "text": "крышка", "n": 2}
    assert json.loads(record_json(reading(1, kind="event", values={}, event=event)))["event"] == event


@pytest.mark.slow
@given(RECORDS)
def test_what_is_written_is_read_back_exactly(record: Record) -> None:
    text = record_json(record)
    assert record_json(record_from_json(text)) == text
    back = record_from_json(text)
    assert (back.values, back.at, back.start, back.meter_offset) == (
        record.values,
        record.at,
        record.start,
        record.meter_offset,
    )


@pytest.mark.slow
@given(RECORDS)
def test_a_compact_row_gives_the_same_object_and_the_same_record(record: Record) -> None:
    words = Words()
    row = pack(record, words)
    assert sound_text(row, words) == record_json(record)
    assert record_json(unpack(row, words)) == record_json(record)


@pytest.mark.slow
@given(RECORDS)
def test_what_has_a_row_passes_the_check(record: Record) -> None:
    check(record)


EVENT = {"code": "cover-open", "maker": "", "text": "", "n": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"at": datetime(2026, 11, 21)},
        {"read_at": datetime(2026, 11, 21)},
        {"start": datetime(2026, 11, 21)},
        {"values": {"1-0:1.8.0": 0.5}},
        {"values": {"1-0:1.8.0": Decimal("NaN")}},
        {"values": {None: 1}},
        {"meter_offset": 0.25},
        {"meter": None},
        {"point": "\udce9"},
        {"flags": (b"partial",)},
        {"event": EVENT | {"text": 0.5}},
        {"event": EVENT | {"text": "\udce9"}},
        {"event": EVENT | {"n": 1 << 64}},
        {"event": EVENT | {"n": "first"}},
        {"statement": {"T1": 0.5}},
    ],
    ids=str,
)
def test_what_has_no_row_fails_the_check_before_it_is_taken(changes: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        check(reading(1, **changes))


@given(st.integers(-(10**13), 10**13))
def test_a_time_is_written_to_the_millisecond(ms: int) -> None:
    written = datetime.strptime(time_text(ms), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert written == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@pytest.mark.parametrize("value", [230.1, True, "230.1", None])
def test_a_binary_float_and_other_things_are_no_reading(value: float | bool | str | None) -> None:
    with pytest.raises(TypeError):
        record_json(reading(1, values={"1-0:1.8.0": value}))


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_is_no_reading(value: Decimal) -> None:
    with pytest.raises(ValueError):
        record_json(reading(1, values={"1-0:1.8.0": value}))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        record_json(reading(1, at=datetime(2026, 11, 21)))


GOOD = json.loads(record_json(reading(1, seq=1)))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        json.dumps(GOOD | {"colour": "red"}),
        json.dumps(GOOD | {"seq": "1"}),
        json.dumps(GOOD | {"seq": True}),
        json.dumps(GOOD | {"at": "2026-11-21 12:00"}),
        json.dumps(GOOD | {"at": "2026-11-21T12:00:00.0001Z"}),
        json.dumps(GOOD | {"values": {"1-0:1.8.0": "5"}}),
        json.dumps(GOOD | {"values": []}),
        json.dumps(GOOD | {"flags": "partial"}),
        json.dumps(GOOD | {"meter_offset": "1"}),
        json.dumps(GOOD | {"event": []}),
        json.dumps(GOOD | {"point": 5}),
        json.dumps(GOOD).replace("2000101", "NaN"),
        "{",
    ],
)
def test_a_text_that_is_no_record_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        record_from_json(text)


@pytest.mark.slow
@given(st.lists(NUMBERS, max_size=8))
def test_packed_digits_are_the_same_numbers(numbers: list[Decimal | int]) -> None:
    texts = [format(number, "f") for number in numbers]
    assert unpack_digits(pack_digits(texts)) == texts


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=8))
def test_packed_frames_are_the_same_bytes(frames: list[bytes]) -> None:
    packed = pack_frames(frames)
    assert (unpack_frames(packed) if packed else [b""] * len(frames)) == frames


@given(st.binary(max_size=60))
def test_damaged_frames_are_no_frames_and_no_error(data: bytes) -> None:
    assert isinstance(unpack_frames(data), list)
