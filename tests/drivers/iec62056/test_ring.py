"""The journal of phases and supply of a CE301 or CE303: a ring of unknown beginning, each entry once and in order.

The layout is that of a recorded entry in a public driver, ``16-9-26-19-7-80`` (Psxbox.Protocols).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056.journal import events
from drivers.iec62056.parts import Journal
from drivers.iec62056.ring import Kept
from drivers.unfinished import Unfinished
from protocols.errors import BadFrame, MeterError, Refused
from protocols.iec62056.block import Value
from protocols.iec62056.frames import answer
from tests.drivers.iec62056.support import driver
from tests.drivers.iec62056.test_archive import asked, ce301, questions, read
from tests.support.present import present

MOSCOW = ZoneInfo("Europe/Moscow")
PHASE = Journal("PHASE", "power-changed", "phases and supply", ring=True, pointer="PPHAS")
SPAN = (datetime(2026, 9, 1, tzinfo=MOSCOW), datetime(2026, 9, 30, tzinfo=MOSCOW))
BEGIN = datetime(2026, 9, 16, 19, 7)


def entry(n: int, step: timedelta = timedelta(minutes=1)) -> str:
    at = BEGIN + n * step
    return f"{at.day}-{at.month}-{at:%y}-{at.hour}-{at.minute}-{n}"


class Meter:
    """``places``: the ring's entries by place; ``past``: what is answered behind its end."""

    def __init__(self, places: list[str], pointer: str = "0", past: str = "ERR18") -> None:
        self.places, self.pointer, self.past = places, pointer, past
        self.asked: list[str] = []

    def read(self, name: str, arguments: str) -> Sequence[Value]:
        self.asked.append(f"{name}({arguments})")
        if name == "PPHAS":
            if self.pointer.startswith("ERR"):
                raise Refused(self.pointer, int(self.pointer[3:]))
            return [Value(self.pointer)]
        first, count = (int(number) for number in arguments.split("."))
        page = self.places[first - 1 :][:count]
        if not page and self.past == "again":
            return [Value(text) for text in self.places[:count]]
        if not page and self.past.startswith("ERR"):
            raise Refused(self.past, int(self.past[3:]))
        return [Value(text) for text in page or [self.past]]


def found(meter: Meter, span: tuple[datetime, datetime] = SPAN, **more: Any) -> list[tuple[datetime, str, int]]:
    readings = list(events((PHASE,), MOSCOW, span, meter.read, set(), **more))
    assert all(each.event["code"] == "power-changed" for each in readings if each.event)
    return [(each.at, each.event["maker"], each.event["n"]) for each in readings if each.at and each.event]


def test_an_entry_has_its_minute_and_the_number_that_the_meter_wrote() -> None:
    (reading,) = events((PHASE,), MOSCOW, SPAN, Meter(["16-9-26-19-7-80"]).read, set())
    assert reading.at == datetime(2026, 9, 16, 16, 7, tzinfo=UTC)
    assert reading.event == {
        "code": "power-changed",
        "maker": "PHASE.80",
        "text": "phases and supply: 80",
        "n": 1,
    }


@pytest.mark.parametrize("past", ["ERR18", "ERR17", "ERR12", "", "0-0-0-0-0-0", "again"])
@pytest.mark.parametrize(("count", "newest"), [(50, 0), (50, 17), (50, 49), (200, 120), (10, 9), (7, 6), (23, 22)])
def test_a_ring_of_any_length_is_read_whole_and_unrolled_wherever_it_begins(past: str, count: int, newest: int) -> None:
    places = [entry((place - newest - 1) % count) for place in range(count)]
    assert [maker for _, maker, _ in found(Meter(places, past=past))] == [f"PHASE.{n}" for n in range(count)]


@pytest.mark.parametrize("begins", range(6))
def test_entries_of_one_minute_keep_the_order_of_their_writing(begins: int) -> None:
    minutes = [(0, "7"), (3, "64"), (3, "71"), (3, "64"), (3, "71"), (9, "64")]
    written = [f"16-9-26-19-{minute}-{state}" for minute, state in minutes]
    said = found(Meter(written[begins:] + written[:begins]))
    assert [(maker, n) for _, maker, n in said] == [
        *(("PHASE.7", 1), ("PHASE.64", 1), ("PHASE.71", 2), ("PHASE.64", 3), ("PHASE.71", 4), ("PHASE.64", 1))
    ]


def test_places_that_were_never_written_and_stamps_that_are_no_date_are_no_entries() -> None:
    places = [entry(1), "31-2-26-1-1-7", "0-0-0-0-0-0", "", entry(2), "1-1-26-24-0-7"]
    assert [maker for _, maker, _ in found(Meter(places))] == ["PHASE.1", "PHASE.2"]
    assert found(Meter([""] * 10)) == [] and found(Meter([])) == []


@pytest.mark.parametrize("text", ["16.9.26.19.7.80", "16-9-2026-19-7-80", "16-9-26-19", "7", "16-9-26-19-7-8-0"])
def test_what_is_no_entry_is_a_broken_frame(text: str) -> None:
    with pytest.raises(BadFrame, match="no journal entry"):
        found(Meter([text]))


def test_entries_with_slashes_and_without_a_state_are_read_as_an_installer_s_table_may_want_them() -> None:
    said = found(Meter(["16/9/26/19/7/1", "17-9-26-19-7"]))
    assert [maker for _, maker, _ in said] == ["PHASE.1", "PHASE"]


def test_a_ring_is_asked_for_again_only_when_its_pointer_has_moved() -> None:
    meter, rings = Meter([entry(n) for n in range(50)], "49"), dict[str, Kept]()
    first = found(meter, rings=rings)
    assert meter.asked == ["PPHAS()", *(f"PHASE({n}.10)" for n in (1, 11, 21, 31, 41, 51))]
    meter.asked.clear()
    assert found(meter, rings=rings) == first and meter.asked == ["PPHAS()"]
    assert len(found(meter, (SPAN[0], BEGIN.replace(tzinfo=MOSCOW)), rings=rings)) == 1
    meter.places[0], meter.pointer = entry(50), "0"
    assert found(meter, rings=rings)[-1][1] == "PHASE.50"


def test_the_first_entry_of_a_new_meter_is_seen_though_the_pointer_stays_at_its_place() -> None:
    meter, rings = Meter([], "0"), dict[str, Kept]()
    assert found(meter, rings=rings) == []
    meter.places = [entry(1)]
    assert [maker for _, maker, _ in found(meter, rings=rings)] == ["PHASE.1"]


@pytest.mark.parametrize("pointer", ["ERR12", "", "x"])
def test_without_a_pointer_the_ring_is_read_every_time(pointer: str) -> None:
    meter, rings = Meter([entry(1)], pointer), dict[str, Kept]()
    assert found(meter, rings=rings) == found(meter, rings=rings) and len(meter.asked) == 4


def test_a_poll_that_was_ended_midway_is_gone_on_with() -> None:
    meter, kept = Meter([entry(n) for n in range(50)], "49"), Unfinished[Sequence[Value]]()

    def few(name: str, arguments: str) -> Sequence[Value]:
        if len(meter.asked) % 3 == 2:
            meter.asked.append("-")
            raise TimeoutError
        return meter.read(name, arguments)

    for _ in range(3):
        with pytest.raises(TimeoutError):
            list(events((PHASE,), MOSCOW, SPAN, few, set(), kept))
    assert len(list(events((PHASE,), MOSCOW, SPAN, few, set(), kept))) == 50
    told = [question for question in meter.asked if question != "-"]
    assert len(told) == len(set(told)) == 7


def test_a_meter_without_this_journal_says_so() -> None:
    with pytest.raises(Refused, match="ERR12"):
        found(Meter([], past="ERR12"))


def test_a_ce303_is_asked_and_another_meter_s_entries_are_forgotten() -> None:
    recorded, meter = ce301(), driver("ce303", zone="Europe/Moscow")
    recorded.answers[asked("PPHAS")] = answer(b"PPHAS(0)\r\n", "sum")
    recorded.answers[asked("PHASE", "1.10")] = answer(b"PHASE(16-9-26-19-7-80)\r\n", "sum")
    for _ in range(2):
        assert [present(each.event)["maker"] for each in read(meter, recorded, "event", *SPAN)] == ["PHASE.80"]
    assert questions(recorded) == ["PPHAS()", "PHASE(1.10)", "PPHAS()"]
    recorded.answers[asked("SNUMB")] = answer(b"SNUMB(0777)\r\n", "sum")
    ask = recorded.ask(meter)
    meter.open(ask)
    meter.identify(ask)
    list(meter.event(ask, *SPAN))
    assert questions(recorded)[-2:] == ["PPHAS()", "PHASE(1.10)"]


@pytest.mark.slow
@given(st.lists(st.text(alphabet="0123456789-/", max_size=16) | st.sampled_from([entry(1), entry(2)]), max_size=30))
def test_any_texts_end_in_events_of_the_span_in_order_or_in_a_declared_error(texts: list[str]) -> None:
    try:
        said = found(Meter(texts))
    except MeterError:
        return
    moments = [at for at, _, _ in said]
    assert moments == sorted(moments) and all(SPAN[0] <= at <= SPAN[1] for at in moments)
