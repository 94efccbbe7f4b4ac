"""Which reading counts, and how it becomes whole kWh: never more than the meter shows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.utility.profile import Profile
from agent.config.utility.window import window_of
from agent.config.values import Meter
from agent.statement.figures import NoReading, Taken, billed, choose, padded, ripe, span, taken, whole
from buffer.record import Record
from drivers.reading import Kind
from tests.statement.plant import SHIPPED, meter, reading, utc
from tests.support.present import present

PROFILE = SHIPPED["mosenergosbyt"]
OCTOBER = window_of(PROFILE.rule, "2026-10", "UTC")  # 15th to 20th, Moscow
DAY = timedelta(days=1)
BEFORE = timedelta(days=1)
registers = st.one_of(st.integers(0, 10**11), st.decimals(0, 10**11, places=3))
ratios = st.one_of(st.integers(1, 40_000).map(Decimal), st.decimals("0.001", "10000", places=3))


@pytest.mark.parametrize(
    ("watt_hours", "ratio", "kwh"),
    [
        (2_000_999, 1, 2000),
        (999, 1, 0),
        (0, 1, 0),
        (Decimal("1999999.999"), 1, 1999),
        (12_345, 40, 493),
        (12_345, Decimal("1.5"), 18),
    ],
)
def test_the_fraction_is_dropped_after_the_ratio(watt_hours: int | Decimal, ratio: int | Decimal, kwh: int) -> None:
    assert whole(watt_hours, ratio) == kwh


@pytest.mark.slow
@given(registers, ratios)
def test_no_figure_is_more_than_the_meter_shows_and_none_lacks_a_whole_kwh(
    watt_hours: int | Decimal, ratio: Decimal
) -> None:
    figure = whole(watt_hours, ratio)
    assert figure * 1000 <= watt_hours * ratio < (figure + 1) * 1000


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(("T1", "T2", "T3")), registers, min_size=1), ratios)
def test_the_ratio_counts_only_where_primary_energy_is_billed(values: dict[str, Decimal | int], ratio: Decimal) -> None:
    one = meter(ratio=ratio)
    secondary, primary = billed(values, one, PROFILE), billed(values, one, replace(PROFILE, primary=True))
    assert secondary == {name: int(value // 1000) for name, value in values.items()}
    assert primary == {name: int(value * ratio // 1000) for name, value in values.items()}


@pytest.mark.parametrize(("digits", "text"), [(None, "42"), (6, "000042"), (2, "42"), (1, "42")])
def test_zeros_fill_up_to_the_display_and_nothing_is_cut(digits: int | None, text: str) -> None:
    assert padded(42, digits) == text


def chosen(*records: Record, one: Meter | None = None, profile: Profile = PROFILE) -> Taken | None:
    return choose(records, one or meter(), profile, OCTOBER)


def test_the_reading_nearest_to_the_reporting_moment_counts() -> None:
    early = reading(OCTOBER.reporting - timedelta(hours=2), T1=1, T2=1)
    near = reading(OCTOBER.reporting + timedelta(minutes=1), T1=2, T2=2)
    late = reading(OCTOBER.reporting + DAY, T1=3, T2=3)
    assert present(chosen(early, near, late)).record is near


def test_the_meters_own_snapshot_of_the_moment_goes_before_a_reading() -> None:
    at = OCTOBER.reporting
    snapshot, frozen = reading(at, "day", T1=1, T2=1), reading(at, "month", T1=1, T2=1)
    polled = reading(at, T1=2, T2=2)
    assert present(chosen(polled, snapshot)).source == "day"
    assert present(chosen(polled, snapshot, frozen)).source == "month"


def test_a_reading_of_another_meter_or_without_a_register_or_a_time_is_none() -> None:
    at = OCTOBER.reporting
    foreign, partial = reading(at, serial="1", T1=1, T2=1), reading(at, T1=1)
    untimed = reading(at, T1=1, T2=1, clock="unset")
    assert chosen(foreign, partial, untimed) is None


def test_what_a_person_typed_counts_as_a_reading_and_says_so() -> None:
    assert present(chosen(reading(OCTOBER.reporting, T1=1, T2=1, flags=("manual",)))).source == "manual"


@pytest.mark.parametrize(
    ("own", "shown", "registers"),
    [
        (None, {"total": 5, "T1": 3, "T2": 2}, {"T1": 5}),
        (None, {"total": 5}, {"T1": 5}),
        (None, {"T1": 5}, {"T1": 5}),
        (None, {"T1": 3, "T2": 2}, None),  # no one said what they mean, and a sum is never made here
        ({"T1": "day"}, {"total": 5, "T1": 3}, {"T1": 3}),
        ({"T1": "day"}, {"total": 5}, {"T1": 5}),
        ({"T1": "night", "T2": "day"}, {"T1": 3, "T2": 2}, {"T1": 2, "T2": 3}),
    ],
)
def test_which_register_is_the_utilitys_t1(
    own: dict[str, str] | None, shown: dict[str, Any], registers: dict[str, int] | None
) -> None:
    found = taken(reading(OCTOBER.reporting, **shown), meter(tariffs=own), PROFILE)
    assert (None if found is None else dict(found.registers)) == registers


def test_readings_lie_from_three_days_before_the_moment_to_the_windows_end() -> None:
    assert span(OCTOBER, OCTOBER.closes + DAY) == (OCTOBER.reporting - 3 * DAY, OCTOBER.closes)


@pytest.mark.parametrize(
    ("kind", "read", "now", "is_taken"),
    [
        ("day", 0, 1, True),  # the snapshot of the very moment: at once
        ("now", 60, 120, False),  # the meter's snapshot may still come
        ("now", 60, 7200, True),
        ("now", -60, 7200, False),  # a later reading is waited for
        ("now", -60, 4 * 86400, True),  # so near the end it will do
        ("now", -60, -30, False),
    ],
)
def test_a_reading_is_taken_when_no_better_one_can_be_hoped_for(
    kind: Kind, read: int, now: int, is_taken: bool
) -> None:
    found = chosen(reading(OCTOBER.reporting + timedelta(seconds=read), kind, T1=1, T2=1))
    moment = OCTOBER.reporting + timedelta(seconds=now)
    if is_taken:
        assert ripe(found, OCTOBER, moment, BEFORE) is found
    else:
        with pytest.raises(NoReading):
            ripe(found, OCTOBER, moment, BEFORE)


def test_a_typed_reading_and_an_impatient_person_wait_for_nothing() -> None:
    typed = chosen(reading(OCTOBER.reporting - DAY, T1=1, T2=1, flags=("manual",)))
    polled = chosen(reading(OCTOBER.reporting - DAY, T1=1, T2=1))
    now = OCTOBER.reporting + timedelta(minutes=1)
    assert ripe(typed, OCTOBER, now, BEFORE) is typed
    assert ripe(polled, OCTOBER, now, BEFORE, patient=False) is polled


def test_without_a_reading_it_is_said_what_to_do() -> None:
    with pytest.raises(NoReading, match=r"no reading with all tariffs since 2026-10-12 00:00: read the meter"):
        ripe(None, OCTOBER, utc("2026-10-16"), BEFORE)
