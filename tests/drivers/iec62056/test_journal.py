"""A CE308's journals and its clock: every entry once, at its moment; a correction within the meter's limits."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.events import METER_EVENTS
from drivers.iec62056.journal import PAGE, events
from drivers.iec62056.parts import Journal
from protocols.errors import AccessDenied, BadFrame, MeterError, NoReply, Refused
from protocols.iec62056.block import Value
from protocols.iec62056.frames import answer, command, option, request
from tests.drivers.iec62056.support import RecordedMeter, driver

MOSCOW = ZoneInfo("Europe/Moscow")
POWER, CLOCK = Journal("LOE04", "power-changed", "power off or on"), Journal("LOP01", "clock-set", "clock set")
SPAN = (datetime(2026, 3, 1, tzinfo=MOSCOW), datetime(2026, 3, 31, tzinfo=MOSCOW))


class Meter:
    """Answers journal questions from lists of entries, newest first; ``asked`` is what was asked."""

    def __init__(self, **journals: list[str] | int) -> None:
        self.journals = journals
        self.asked: list[str] = []

    def read(self, name: str, arguments: str) -> list[Value]:
        self.asked.append(f"{name}({arguments})")
        entries = self.journals.get(name, 12)
        if isinstance(entries, int):
            raise Refused(f"(ERR{entries})", entries)
        first, count = (int(number) for number in arguments.split(","))
        if first > len(entries):
            raise Refused("(ERR18)", 18)
        return [Value(text) for text in entries[first - 1 :][:count]]


def read(meter: Meter, *journals: Journal, leave: set[str] | None = None) -> list[tuple[Any, ...]]:
    found = events(journals or (POWER,), MOSCOW, SPAN, meter.read, set() if leave is None else leave)
    return [(each.at, *(each.event or {}).values()) for each in found]


def numbered(newest: int, count: int) -> list[str]:
    """Entries of one minute each, newest first."""
    moments = [
        (number, datetime(2026, 3, 2) + timedelta(minutes=number)) for number in range(newest, newest - count, -1)
    ]
    return [f"{number},{at:%d.%m.%y,%H:%M:%S},00000001" for number, at in moments]


def test_an_entry_keeps_the_maker_s_words_and_gets_our_code() -> None:
    meter = Meter(LOE04=["17,05.03.26,10:00:07,0000000a,220.5"])
    assert read(meter) == [
        (
            datetime(2026, 3, 5, 7, 0, 7, tzinfo=UTC),
            *("power-changed", "LOE04.0000000A", "power off or on: 0000000A, 220.5", 1),
        )
    ]
    assert meter.asked == ["LOE04(1,10)"]


def test_entries_of_one_second_are_told_apart_and_come_in_the_order_of_their_writing() -> None:
    power = [f"{number},05.03.26,10:00:07,0000000{number}" for number in (3, 2, 1)]
    found = read(Meter(LOP01=["1,05.03.26,10:00:07,0"], LOE04=power), POWER, CLOCK)
    assert [(maker, n) for _, _, maker, _, n in found] == [
        *(("LOE04.00000001", 1), ("LOE04.00000002", 2), ("LOE04.00000003", 3), ("LOP01.0", 1))
    ]


def test_only_the_span_s_entries_come_and_no_page_behind_it_is_asked_for() -> None:
    old = [f"{number},01.02.26,10:00:00,00000001" for number in range(25, 0, -1)]
    meter = Meter(LOE04=["28,01.04.26,10:00:00,00000001", "27,31.03.26,00:00:00,1", "26,01.03.26,00:00:00,1", *old])
    assert [at for at, *_ in read(meter)] == [SPAN[0].astimezone(UTC), SPAN[1].astimezone(UTC)]
    assert meter.asked == ["LOE04(1,10)"]


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_a_journal_of_any_length_is_read_to_its_end(count: int) -> None:
    meter = Meter(LOE04=numbered(count, count))
    assert len(read(meter)) == count
    assert len(meter.asked) <= count // PAGE + 1


def test_an_entry_that_slipped_to_the_next_page_meanwhile_is_one_entry() -> None:
    meter = Meter(LOE04=numbered(15, 15))
    known = meter.read

    def moving(name: str, arguments: str) -> list[Value]:
        values = known(name, arguments)
        meter.journals["LOE04"] = numbered(16, 16)
        return values

    meter.read = moving  # type: ignore[method-assign]
    assert len(read(meter)) == 15


def test_a_meter_that_repeats_its_first_page_is_not_asked_for_ever() -> None:
    page = [Value(text) for text in numbered(10, 10)]
    asked: list[str] = []

    def first_page(name: str, arguments: str) -> list[Value]:
        asked.append(arguments)
        return page

    found = events((POWER,), MOSCOW, SPAN, first_page, set())
    assert len(list(found)) == PAGE and len(asked) == 2


def test_a_journal_that_the_meter_has_not_is_left_out_from_then_on() -> None:
    meter, leave = Meter(LOE04=12, LOP01=["1,05.03.26,10:00:07,0"]), set[str]()
    assert len(read(meter, POWER, CLOCK, leave=leave)) == 1 and leave == {"LOE04"}
    meter.asked.clear()
    assert len(read(meter, POWER, CLOCK, leave=leave)) == 1
    assert meter.asked == ["LOP01(1,10)"]


def test_a_meter_without_any_journal_says_so() -> None:
    with pytest.raises(Refused, match="ERR11"):
        read(Meter(LOE04=11, LOP01=11), POWER, CLOCK)


def test_an_empty_journal_is_no_refusal() -> None:
    assert read(Meter(LOE04=[""], LOP01=18), POWER, CLOCK) == []


@pytest.mark.parametrize("stamp", ["00.00.00,00:00:00", "31.02.26,10:00:00", "05.03.26,24:00:00"])
def test_an_entry_without_a_moment_is_left_out(stamp: str) -> None:
    found = read(Meter(LOE04=[f"2,{stamp},00000001", "1,05.03.26,10:00:07,00000001"]))
    assert [maker for _, _, maker, _, _ in found] == ["LOE04.00000001"] and len(found) == 1


@pytest.mark.parametrize(
    "text", ["5.3.26,10:00", "1,05.03.26 10:00:00,1", "1,05.03.26,10:00:00", "1,05.03.26,10:00:00,X"]
)
def test_what_is_no_entry_is_a_broken_frame(text: str) -> None:
    with pytest.raises(BadFrame, match="no journal entry"):
        read(Meter(LOE04=[text]))


@pytest.mark.slow
@given(st.lists(st.text(alphabet="0123456789.,:abF ", max_size=40), max_size=12))
def test_any_texts_end_in_events_of_the_span_or_in_a_declared_error(texts: list[str]) -> None:
    try:
        found = read(Meter(LOE04=texts))
    except MeterError:
        return
    assert all(SPAN[0] <= at <= SPAN[1] and code in METER_EVENTS for at, code, *_ in found)


# The driver


def asked(name: str, arguments: str = "") -> bytes:
    return command("R1", f"{name}({arguments})".encode(), "sum")


def ce308(shown: str = "10:08:00", day: str = "03.04.03.26") -> RecordedMeter:
    more = {
        request(): b"/EMR5CE3081.1\r\n",
        option("0", "5", "1"): command("P0", b"(12345678)", "sum"),
        command("P1", b"(777777)", "sum"): b"\x06",
        asked("DATE_"): answer(f"DATE_({day})\r\n".encode(), "sum"),
        asked("TIME_"): answer(f"TIME_({shown})\r\n".encode(), "sum"),
    }
    return RecordedMeter(more=more)


def corrected(recorded: RecordedMeter, wanted: datetime, **plan: Any) -> list[bytes]:
    """What was sent beyond sign-on, clock and break."""
    meter = driver("ce308", zone="Europe/Moscow", **({"password": b"777777"} | plan))
    ask = recorded.ask(meter)
    meter.open(ask)
    try:
        meter.set_clock(ask, wanted)
    finally:
        with suppress(MeterError):
            meter.close(ask)
    return [data for data in recorded.asked if data[1:2] in (b"P", b"W")]


def test_a_clock_is_corrected_by_the_seconds_that_it_is_off_after_one_password() -> None:
    recorded = ce308()
    recorded.answers[command("W1", b"CTIME(+05)", "sum")] = b"\x06"
    sent = corrected(recorded, datetime(2026, 3, 4, 10, 8, 5, 999_000))
    assert sent == [command("P1", b"(777777)", "sum"), command("W1", b"CTIME(+05)", "sum")]


def test_a_password_that_was_sent_for_reading_is_not_sent_again() -> None:
    recorded = ce308()
    recorded.answers[command("W1", b"CTIME(+05)", "sum")] = b"\x06"
    sent = corrected(recorded, datetime(2026, 3, 4, 10, 8, 5), settings={"login": "always"})
    assert sent == [command("P1", b"(777777)", "sum"), command("W1", b"CTIME(+05)", "sum")]


def test_a_wanted_time_with_a_zone_is_turned_into_the_meter_s() -> None:
    recorded = ce308()
    recorded.answers[command("W1", b"CTIME(-29)", "sum")] = b"\x06"
    assert corrected(recorded, datetime(2026, 3, 4, 7, 7, 31, tzinfo=UTC))[-1] == command("W1", b"CTIME(-29)", "sum")


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("10:08:00", (10, 8, 30)),
        ("10:08:00", (10, 7, 30)),
        ("23:59:50", (23, 59, 55)),
        ("10:14:30", (10, 14, 40)),
        ("10:00:59", (10, 1, 10)),
        ("10:14:01", (10, 13, 50)),
    ],
    ids=["too fast", "too slow", "midnight", "quarter ahead", "quarter behind", "already too near"],
)
def test_beyond_the_meter_s_limit_or_near_a_quarter_nothing_is_sent(shown: str, wanted: tuple[int, int, int]) -> None:
    recorded = ce308(shown)
    with pytest.raises(ValueError, match=r"at most|quarter"):
        corrected(recorded, datetime(2026, 3, 4, *wanted))
    assert not any(data[1:2] in (b"P", b"W") for data in recorded.asked)


def test_a_clock_that_is_right_is_left_alone() -> None:
    assert corrected(ce308(), datetime(2026, 3, 4, 10, 8, 0, 400_000)) == []


def test_a_correction_that_is_not_answered_is_not_sent_again() -> None:
    recorded = ce308()
    with pytest.raises(NoReply):
        corrected(recorded, datetime(2026, 3, 4, 10, 8, 5))
    assert sum(data[1:3] == b"W1" for data in recorded.asked) == 1


def test_a_refused_correction_or_password_says_so() -> None:
    recorded = ce308()
    recorded.answers[command("W1", b"CTIME(+05)", "sum")] = answer(b"(ERR16)", "sum")
    with pytest.raises(Refused, match="ERR16"):
        corrected(recorded, datetime(2026, 3, 4, 10, 8, 5))
    recorded.answers[command("P1", b"(1)", "sum")] = command("B0", b"", "sum")
    with pytest.raises(AccessDenied):
        corrected(recorded, datetime(2026, 3, 4, 10, 8, 5), password=b"1")


def test_a_meter_whose_clock_command_is_not_known_is_never_written_to() -> None:
    meter = driver("ce303", zone="Europe/Moscow")
    assert "set_clock" not in meter.capabilities
    with pytest.raises(Refused):
        meter.set_clock(lambda question: pytest.fail(f"{question} was asked"), datetime(2026, 3, 4))
