"""A Mercury's journals as events: the published entries, the ring, and one event for one entry however often read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from drivers.events import METER_EVENTS
from drivers.mercury.journal import CODES, JOURNALS, journals
from protocols.errors import BadFrame, MeterError
from protocols.mercury.archives import ReadJournal
from protocols.mercury.frames import seal
from simulators.mercury_archive import Journal, moments
from tests.drivers.mercury.support import Bench, bench

NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
ALL = (datetime(2000, 1, 2, tzinfo=UTC), NOW)
AT = datetime(2026, 11, 20, 13, 0, 7)  # the meter's own wall clock, three hours ahead
ONE_SEAL, OTHER_SEAL = bytes.fromhex("B4 E3 C2 97 CF 58 0C 00"), bytes.fromhex("B4 E3 C2 96 DF 58 0C 00")


def told(it: Bench, since: datetime = ALL[0], until: datetime = ALL[1]) -> list[tuple[Any, ...]]:
    """At, code, maker, text, n of each event."""
    found = it.read("event", since, until)
    assert all((reading.kind, dict(reading.values), reading.flags) == ("event", {}, ()) for reading in found)
    return [(reading.at, *(reading.event[key] for key in ("code", "maker", "text", "n"))) for reading in found]


def with_entries(entries: dict[int, list[bytes]], **more: Any) -> Bench:
    """A meter with these journals and no others."""
    it = bench(NOW, **more)
    for number, data in entries.items():
        kept = it.meter.journals[number] = Journal(JOURNALS[number].size, JOURNALS[number].ring)
        for each in data:
            kept.add(each)
    return it


@pytest.mark.parametrize(
    ("number", "entry", "events"),
    [
        (
            0x01,
            "01 53 07 01 02 08 09 50 12 01 02 08",
            [("2008-02-01T04:53:01", "power-on", "supply"), ("2008-02-01T09:50:09", "power-off", "supply")],
        ),
        (
            0x02,
            "53 23 10 23 01 08 59 23 10 23 01 08",
            [
                (
                    "2008-01-23T07:23:59",
                    "clock-set",
                    "clock corrected or set: 2008-01-23 10:23:53 → 2008-01-23 10:23:59",
                )
            ],
        ),
        (
            0x81,
            "06 58 07 20 09 18 58 51 10 03 10 18",
            [
                ("2018-09-20T04:58:06", "reverse-flow", "phase 2: current flows out"),
                ("2018-10-03T07:51:58", "reverse-flow-end", "phase 2: current flows out"),
            ],
        ),
        (
            0x13,
            "01 08 18 05 41 10 00 00 00 00 02 00",
            [("2018-07-31T21:00:00", "settings-changed", "5 requests that change the meter")],
        ),
        (0x14, "12 05 07 24 05 16 00 00 00 00 02 00", [("2016-05-24T04:05:12", "fault", "E-02")]),
        (0x14, "58 59 23 31 08 18 00 40 00 00 00 00", []),  # E-47: a clock correction runs, which journal 02 tells
    ],
)
def test_a_published_entry_is_told_as_published(number: int, entry: str, events: list[tuple[str, str, str]]) -> None:
    it = with_entries({number: [bytes.fromhex(entry)]})
    found = [(at.replace(tzinfo=None), code, text) for at, code, _, text, _ in told(it)]
    assert found == [(datetime.fromisoformat(at), code, text) for at, code, text in events]


@pytest.mark.parametrize(
    ("number", "entry", "codes"),
    [
        (0x03, moments(AT, AT + timedelta(minutes=5)), ["phase-restored", "phase-lost"]),
        (0x1A, moments(AT, None), ["magnet"]),
        (0x1A, moments(AT, AT + timedelta(minutes=1)), ["magnet", "magnet-end"]),
        (0x20, moments(AT, AT + timedelta(minutes=1)), ["undervoltage", "voltage-normal"]),
        (0x2A, moments(AT, AT + timedelta(minutes=1)), ["overvoltage", "voltage-normal"]),
        (0x2C, moments(AT, None), ["frequency-off"]),
        (0x09, moments(AT), ["registers-cleared"]),
        (0x07, moments(AT), ["settings-changed"]),
        (0x0B, moments(AT), ["power-limit"]),
        (0x86, moments(AT, None), ["phase-order"]),
        (0x14, moments(AT) + bytes(6), ["fault-end"]),
    ],
)
def test_each_journal_has_its_events_in_utc_with_its_own_number(number: int, entry: bytes, codes: list[str]) -> None:
    found = told(with_entries({number: [entry]}))
    assert [code for _, code, *_ in found] == codes
    assert found[0][0] == datetime(2026, 11, 20, 10, 0, 7, tzinfo=UTC)
    assert {maker for _, _, maker, *_ in found} == {f"{number:02X}h"}


def test_every_code_is_documented() -> None:
    assert set(METER_EVENTS) >= CODES


@pytest.mark.parametrize(
    ("variant", "codes"),
    [
        (None, ["terminal-cover-open"] * 5 + ["cover-open"] * 5),
        (ONE_SEAL, ["cover-open"] * 10),
        (OTHER_SEAL, ["terminal-cover-open"] * 10),
    ],
)
def test_which_cover_was_opened_is_known_by_the_seals_of_the_meter(variant: bytes | None, codes: list[str]) -> None:
    entries = [moments(AT + timedelta(minutes=n), None) for n in range(10)]
    more: dict[str, Any] = {"variant": variant} if variant else {}
    it = with_entries({0x12: entries}, **more)
    assert [code for _, code, *_ in told(it)] == codes


def test_a_journal_without_news_costs_one_question_and_a_refused_one_none_from_then_on() -> None:
    it = with_entries({0x01: [moments(AT, None)], 0x1A: []})
    assert len(told(it)) == 1
    it.ask.asked.clear()
    assert told(it, NOW - timedelta(hours=1)) == []
    assert it.ask.asked == [ReadJournal(0x01), ReadJournal(0x1A)]


@pytest.mark.parametrize("count", [1, 9, 10, 11, 27])
@pytest.mark.parametrize("news", [0, 1, 4, 10, 30])
def test_the_ring_is_read_from_the_latest_back_to_what_is_known(count: int, news: int) -> None:
    times = [AT + timedelta(minutes=n) for n in range(count)]
    it = with_entries({0x1A: [moments(at, None) for at in times]})
    due = [at.replace(tzinfo=UTC) - timedelta(hours=3) for at in times][-min(10, news) :] if news else []
    since = NOW - timedelta(hours=1) if not news else due[0]
    assert [at for at, *_ in told(it, since)] == due
    journal = [question for question in it.ask.asked if question.journal == 0x1A]
    assert len(journal) <= min(10, news + 1)


def test_entries_of_one_second_are_told_apart_the_same_way_each_time() -> None:
    it = with_entries({n: [moments(AT, None)[: JOURNALS[n].size]] for n in (0x03, 0x04, 0x05, 0x07, 0x08)})
    first = told(it)
    keys = {(at, code, n) for at, code, _, _, n in first}
    assert len(keys) == len(first) == 5
    del it.meter.journals[0x03]
    assert told(it) == first[1:]


def test_a_day_of_more_and_more_changes_is_told_each_time_it_grew() -> None:
    day = bytes.fromhex("20 11 26")
    it = with_entries({0x13: [day + b"\x05" + bytes(8)]})
    before = told(it)
    it.meter.journals[0x13].entries[0] = day + b"\x06" + bytes(8)
    after = told(it)
    assert len(before) == len(after) == 1
    assert before[0][0] == after[0][0] == datetime(2026, 11, 19, 21, tzinfo=UTC)
    assert before[0][4] != after[0][4]


def test_a_single_phase_meter_is_not_asked_for_other_phases() -> None:
    it = bench(NOW, model="mercury204")
    told(it)
    asked = {question.journal for question in it.ask.asked}
    assert asked == set(journals(single_phase=True))
    assert not asked & {0x04, 0x05, 0x24, 0x2B, 0x81, 0x86}
    assert {0x03, 0x20, 0x2C, 0x80} <= asked


def test_an_entry_of_no_known_moment_ends_nothing_but_itself() -> None:
    it = with_entries({0x01: [b"\xff" * 12], 0x1A: [moments(AT, None)]})
    assert [code for _, code, *_ in told(it)] == ["magnet"]


def test_a_number_outside_of_the_ring_is_broken() -> None:
    it = with_entries({0x1A: [moments(AT, None)]})
    it.meter.journals[0x1A].entries[77] = moments(AT, None)
    it.meter.journals[0x1A].latest = 77
    with pytest.raises(BadFrame):
        told(it)


@pytest.mark.slow
@examples(max_examples=150)
@given(st.binary(min_size=13, max_size=13))
def test_any_octets_in_a_journal_become_documented_events_of_the_span_or_none(data: bytes) -> None:
    it = bench(NOW)

    def spoiled(question: Any, octets: bytes) -> bytes:
        return seal(45, data[13 - question.sizes[0] :]) if isinstance(question, ReadJournal) else octets

    it.ask.spoil = spoiled
    try:
        found = it.read("event", *ALL)
    except MeterError:
        return
    for reading in found:
        assert reading.event is not None and reading.event["code"] in METER_EVENTS
        assert reading.at is not None and ALL[0] <= reading.at <= ALL[1]
