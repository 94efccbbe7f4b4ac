"""A typed reading: what is taken, what is refused with words that help, and what is doubted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.values import Config, Gateway, Intake, Meter
from agent.history.boundaries import not_superseded
from agent.host.clock import Stamp
from agent.manual.entry import Judged, NotTaken, Typed, answer, in_store, judge, manual_point
from buffer.record import ClockQuality, Record
from buffer.store import Store
from protocols.session import Line
from tests.buffer.plant import NOON, opened

MOSCOW = ZoneInfo("Europe/Moscow")
TARIFFS = {"T1": "day", "T2": "night"}
CELLAR = Meter("cellar", "", "manual", "", "00123", Line(), tariffs=TARIFFS, digits=5)
FLAT = Meter("flat-12", "riser-1", "mercury230", "45", "23456789", Line())
T1, T2 = "1-0:1.8.1", "1-0:1.8.2"
FIRST: dict[str, Any] = {"T1": "01234,5", "T2": "00567"}


def stamp(later: timedelta = timedelta(), state: ClockQuality = "synced") -> Stamp:
    return Stamp(NOON + later, state, "boot-1", 1000.0 + later.total_seconds())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


def typed(figures: dict[str, str], **more: Any) -> Typed:
    return Typed(figures, **more)


def say(store: Store, meter: Meter = CELLAR, at: Stamp | None = None, **figures: Any) -> Judged:
    return judge(meter, Typed(figures), store, at or stamp(), MOSCOW)


def put(store: Store, meter: Meter = CELLAR, at: Stamp | None = None, **figures: Any) -> Record:
    (stored,) = store.put([say(store, meter, at, **figures).record])
    return stored


def words(store: Store, *, meter: Meter = CELLAR, entry: Typed, at: Stamp | None = None) -> str:
    with pytest.raises(NotTaken) as caught:
        judge(meter, entry, store, at or stamp(), MOSCOW)
    return str(caught.value)


def test_what_the_display_shows_becomes_a_reading_of_the_configured_meter(store: Store) -> None:
    judged = judge(CELLAR, typed(FIRST, by="Иванов"), store, stamp(), MOSCOW)
    assert judged == Judged(
        Record(
            kind="now",
            point="cellar",
            meter="00123",
            at=NOON,
            read_at=NOON,
            values={T1: 1_234_500, T2: 567_000},
            flags=("manual",),
            frames="typed: T1=01234,5 T2=00567; by: Иванов".encode(),
        )
    )
    assert all(type(value) is int for value in judged.record.values.values())


@pytest.mark.parametrize(
    ("figure", "wh"),
    [("12345", 12_345_000), ("00000", 0), ("12345,6", 12_345_600), ("12345.67", 12_345_670), ("12345,678", 12_345_678)],
)
def test_a_figure_is_taken_with_comma_or_point(store: Store, figure: str, wh: int) -> None:
    assert say(store, T1=figure, T2="00000").record.values[T1] == wh


@given(whole=st.integers(0, 99999), fraction=st.integers(0, 999), places=st.integers(0, 3))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_figure_of_the_display_is_exactly_its_watt_hours(
    store: Store, whole: int, fraction: int, places: int
) -> None:
    text = f"{whole:05}" + (f",{fraction:03}"[: places + 1] if places else "")
    assert say(store, T1=text, T2="00000").record.values[T1] == int(Decimal(text.replace(",", ".")) * 1000)


@given(st.text(max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_figure_or_refused_in_words(store: Store, text: str) -> None:
    try:
        value = say(store, T1=text, T2="00000").record.values[T1]
    except NotTaken as refusal:
        assert "T1" in str(refusal)
    else:
        assert type(value) is int
        assert 0 <= value < 100_000_000


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"T1": "123456", "T2": "00567"}, "T1: 123456 has 6 digits before the comma, the display has 5: is the comma"),
        (
            {"T1": "1234", "T2": "00567"},
            "T1: 1234 has 4 digits before the comma, the display has 5: type zeros in front",
        ),
        ({"T1": "1234", "T2": "00567"}, "01234"),
        ({"T1": "01234,5678", "T2": "00567"}, "T1: '01234,5678' is not a figure"),
        ({"T1": "-1234", "T2": "00567"}, "is not a figure"),
        ({"T1": "1e4", "T2": "00567"}, "is not a figure"),
        ({"T1": "１２３４５", "T2": "00567"}, "is not a figure"),
        ({"T1": "", "T2": "00567"}, "is not a figure"),
        ({"T1": "01234"}, "T2 missing: cellar has T1 (day), T2 (night), all in one reading"),
        ({}, "T1, T2 missing"),
        ({**FIRST, "T3": "00001"}, "T3 is not configured for cellar: it has T1 (day), T2 (night)"),
    ],
)
def test_what_cannot_be_on_the_display_is_refused(store: Store, figures: dict[str, str], said: str) -> None:
    assert said in words(store, entry=Typed(figures))


def test_without_configured_digits_the_display_may_have_any(store: Store) -> None:
    meter = replace(CELLAR, digits=None)
    assert say(store, meter, T1="7", T2="123456789").record.values == {T1: 7000, T2: 123_456_789_000}
    assert "is not a figure" in words(store, meter=meter, entry=Typed({"T1": "7", "T2": "1234567890"}))


def test_a_meter_without_tariffs_has_one_figure(store: Store) -> None:
    assert say(store, replace(CELLAR, tariffs=None), T1="01234").record.values == {T1: 1_234_000}


@pytest.mark.parametrize("number", ["00123", "123", "0123"])
def test_the_number_on_the_face_may_be_typed_with_or_without_its_zeros(store: Store, number: str) -> None:
    assert judge(CELLAR, typed(FIRST, serial=number), store, stamp(), MOSCOW).record.meter == "00123"


def test_another_meter_s_number_is_refused(store: Store) -> None:
    assert "was the meter replaced?" in words(store, entry=typed(FIRST, serial="00124"))


# ── time ─────────────────────────────────────────────────────────────────


def test_a_reading_may_be_of_an_earlier_time(store: Store) -> None:
    at = datetime(2026, 11, 20, 18, 30, tzinfo=MOSCOW)
    judged = judge(CELLAR, typed(FIRST, at=at), store, stamp(), MOSCOW)
    assert (judged.record.at, judged.record.read_at) == (at.astimezone(UTC), NOON)
    assert judged.doubts == ()


def test_a_time_still_to_come_is_refused(store: Store) -> None:
    said = words(store, entry=typed(FIRST, at=NOON + timedelta(minutes=1)))
    assert said == "2026-11-21 15:01 is still to come; it is 2026-11-21 15:00"


def test_a_time_before_the_commissioning_act_is_refused(store: Store) -> None:
    meter = replace(CELLAR, installed=date(2026, 11, 20))
    said = words(store, meter=meter, entry=typed(FIRST, at=NOON - timedelta(days=2)))
    assert "hangs there since 2026-11-20" in said
    assert judge(meter, typed(FIRST, at=NOON - timedelta(days=1)), store, stamp(), MOSCOW).doubts == ()


def test_with_an_unset_clock_a_reading_is_of_now_and_can_be_restamped(store: Store) -> None:
    record = judge(CELLAR, typed(FIRST), store, stamp(state="unset"), MOSCOW).record
    assert (record.clock, record.boot, record.monotonic) == ("unset", "boot-1", 1000.0)
    said = words(store, entry=typed(FIRST, at=NOON - timedelta(days=1)), at=stamp(state="unset"))
    assert "clock is not set" in said


# ── against the point's other readings ───────────────────────────────────


def test_a_plausible_reading_after_another_has_no_doubts(store: Store) -> None:
    put(store, **FIRST)
    judged = say(store, at=stamp(timedelta(days=30)), T1="01400", T2="00600")
    assert (judged.doubts, judged.record.flags) == ((), ("manual",))


def test_a_register_that_ran_back_is_doubted_and_flagged(store: Store) -> None:
    put(store, **FIRST)
    judged = say(store, at=stamp(timedelta(days=30)), T1="01234,4", T2="00600")
    assert judged.record.flags == ("manual", "backwards")
    assert judged.doubts == ("T1: 1234.4 is less than 1234.5 on 2026-11-21 15:00",)


def test_a_display_that_began_at_0_again_is_said_to_be_one(store: Store) -> None:
    put(store, T1="99990", T2="00567")
    judged = say(store, at=stamp(timedelta(days=30)), T1="00012", T2="00600")
    assert judged.record.flags == ("manual", "backwards")
    assert judged.doubts[-1] == "the display may have begun at 0 again"


def test_more_than_the_connection_can_carry_is_doubted_and_flagged(store: Store) -> None:
    meter = replace(CELLAR, limit_kw=Decimal(10))
    put(store, meter, **FIRST)
    judged = say(store, meter, stamp(timedelta(days=1)), T1="01480", T2="00567")
    assert judged.record.flags == ("manual", "step-too-large")
    assert judged.doubts == ("245.5 kWh more than on 2026-11-21 15:00 is more than the connection can carry",)
    assert say(store, meter, stamp(timedelta(days=1)), T1="01474", T2="00567").doubts == ()


def test_the_first_reading_is_compared_with_the_commissioning_act(store: Store) -> None:
    meter = replace(CELLAR, initial={"T1": Decimal("1234.6"), "T2": Decimal(0)})
    judged = say(store, meter, **FIRST)
    assert judged.record.flags == ("manual", "backwards")
    assert judged.doubts == ("T1: 1234.5 is less than 1234.6 on the commissioning act",)


def test_the_meter_before_is_no_comparison(store: Store) -> None:
    put(store, replace(CELLAR, serial="old"), T1="90000", T2="90000")
    assert say(store, at=stamp(timedelta(days=1)), **FIRST).doubts == ()


def test_a_reading_before_the_newest_one_is_doubted_and_compared_with_its_own_neighbours(store: Store) -> None:
    put(store, T1="01000", T2="00500")
    put(store, at=stamp(timedelta(days=20)), T1="01200", T2="00560")
    between = NOON + timedelta(days=10)

    def at_that_time(one: str, two: str) -> Judged:
        entry = typed({"T1": one, "T2": two}, at=between)
        return judge(CELLAR, entry, store, stamp(timedelta(days=30)), MOSCOW)

    later = "there is a later reading already, of 2026-12-11 15:00 (T1 1200, T2 560)"
    assert at_that_time("01100", "00530").doubts == (later,)
    assert at_that_time("01100", "00530").record.flags == ("manual",)
    assert at_that_time("01201", "00530").doubts == (later, "T1: 1201 is more than the later reading's 1200")
    low = at_that_time("00999", "00530")
    assert low.doubts == (later, "T1: 999 is less than 1000 on 2026-11-21 15:00")
    assert low.record.flags == ("manual", "backwards")


def test_the_very_same_reading_again_is_known(store: Store) -> None:
    stored = put(store, **FIRST)
    judged = say(store, **FIRST)
    assert judged.known
    assert judged.record.seq == stored.seq


def test_another_reading_of_the_same_moment_is_refused_not_lost(store: Store) -> None:
    put(store, **FIRST)
    said = words(store, entry=Typed({"T1": "01235", "T2": "00567"}))
    assert said == "another reading of 2026-11-21 15:00 is stored already (T1 1234.5, T2 567): say a later time"


HOUR = timedelta(hours=1)


def correct(store: Store, later: timedelta, **figures: str) -> Judged:
    return judge(CELLAR, Typed(figures, corrects=True), store, stamp(later), MOSCOW)


def test_a_mistyped_reading_is_corrected_without_a_doubt_and_those_after_it_have_none(store: Store) -> None:
    put(store, **FIRST)
    wrong = put(store, at=stamp(HOUR), T1="01294,5", T2="00567")
    assert len(say(store, at=stamp(2 * HOUR), T1="01249,5", T2="00567").doubts) == 1
    judged = correct(store, 2 * HOUR, T1="01249,5", T2="00567")
    assert (judged.doubts, judged.record.flags, judged.record.replaces) == ((), ("manual",), wrong.seq)
    store.put([judged.record])
    assert say(store, at=stamp(3 * HOUR), T1="01250", T2="00567").doubts == ()
    assert correct(store, 3 * HOUR, T1="01249,5", T2="00567").known


def test_a_correction_is_compared_with_the_last_reading_that_stands(store: Store) -> None:
    put(store, **FIRST)
    put(store, at=stamp(HOUR), T1="01294,5", T2="00567")
    store.put([correct(store, 2 * HOUR, T1="01249,5", T2="00567").record])
    again = correct(store, 3 * HOUR, T1="01239,5", T2="00567")  # wrong once more; less than the first correction
    assert again.doubts == ()
    low = correct(store, 3 * HOUR, T1="01230", T2="00567")
    assert low.record.flags == ("manual", "backwards")
    assert low.doubts == ("T1: 1230 is less than 1234.5 on 2026-11-21 15:00",)
    large = correct(store, 3 * HOUR, T1="91230", T2="00567")
    assert large.record.flags == ("manual", "step-too-large")


def test_a_correction_of_the_same_moment_has_its_own(store: Store) -> None:
    wrong = put(store, at=stamp(HOUR), **FIRST)
    entry = Typed({"T1": "01236", "T2": "00567"}, at=wrong.at, corrects=True)
    assert judge(CELLAR, entry, store, stamp(2 * HOUR), MOSCOW).record.at == wrong.at.replace(microsecond=1000)
    early = replace(entry, at=wrong.at - HOUR)
    assert words(store, entry=early, at=stamp(2 * HOUR)).endswith("a correction is of then or later")


def test_without_a_typed_reading_there_is_nothing_to_correct(store: Store) -> None:
    assert words(store, entry=Typed(FIRST, corrects=True)).endswith("leave --correct out")


def test_only_what_stands_counts(store: Store) -> None:
    put(store, **FIRST)
    put(store, at=stamp(HOUR), T1="01294,5", T2="00567")
    store.put([correct(store, 2 * HOUR, T1="01249,5", T2="00567").record])
    found = store.find("cellar", ("now",), NOON, NOON + 3 * HOUR)
    assert [record.values[T1] for record in not_superseded(found)] == [1_234_500, 1_249_500]


def test_a_reading_of_another_meter_is_not_taken_back() -> None:
    old = Record("now", "cellar", "00099", NOON, NOON, values={T1: 1}, flags=("manual",))
    new = replace(old, meter="00123", at=NOON + HOUR, replaces=1)
    assert list(not_superseded([old, new])) == [old, new]


# ── through the daemon, or in the store itself ───────────────────────────────────


@pytest.fixture
def config() -> Config:
    gateway = Gateway("gw", timezone="Europe/Moscow")
    return Config(gateway, Intake("h", 1883, False, "mqtt://h"), (), (FLAT, CELLAR))


def test_what_is_doubted_is_stored_only_if_the_person_is_sure(store: Store, config: Config) -> None:
    put(store, **FIRST)
    typed = Typed({"T1": "01200", "T2": "00567"})
    later = stamp(timedelta(days=1))
    first = in_store(config, store, "cellar", typed, False, later)
    assert (first["stored"], len(first["doubts"]), store.last_seq) == (False, 1, 1)
    second = in_store(config, store, "cellar", typed, True, later)
    assert (second["stored"], store.last_seq) == (True, 2)
    stored = store.last("cellar", "now")
    assert stored is not None
    assert stored.flags == ("manual", "backwards")
    assert '"seq":2' in second["record"]


def test_what_was_typed_is_kept_with_the_record_and_never_leaves(store: Store, config: Config) -> None:
    in_store(config, store, "cellar", Typed(FIRST, by="Ivanov"), False, stamp())
    ((record, _, _),) = store.rows()
    assert record.frames == b"typed: T1=01234,5 T2=00567; by: Ivanov"
    ((_, body),) = store.bodies(0, 10, 10)
    assert "Ivanov" not in body


def test_a_point_that_the_gateway_reads_is_never_typed(config: Config) -> None:
    with pytest.raises(NotTaken, match="meterpost read flat-12"):
        manual_point(config, "flat-12")
    with pytest.raises(NotTaken, match="no point named 'attic'; an operator reads cellar"):
        manual_point(config, "attic")
    assert manual_point(config, "cellar") is CELLAR


def test_nothing_is_put_where_the_judgement_fails(store: Store, config: Config) -> None:
    typed = Typed({"T1": "1"})
    with pytest.raises(NotTaken):
        answer(config, "cellar", typed, True, stamp(), lambda look: look(store), lambda record: pytest.fail("stored"))
