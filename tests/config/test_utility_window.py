"""The days on which figures are taken, in each region's own time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.utility.profile import Rule
from agent.config.utility.window import before, following, latest, window_of
from tests.statement.plant import utc

MOSCOW = Rule(15, 20, "Europe/Moscow")
rules = st.builds(
    Rule,
    first=st.integers(1, 31),
    last=st.integers(1, 31),
    zone=st.sampled_from(("Europe/Kaliningrad", "Europe/Moscow", "Asia/Yakutsk", "Asia/Kamchatka", "Europe/Berlin")),
    weekend=st.sampled_from(("stay", "next", "previous")),
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("rule", "month", "opens", "closes"),
    [
        (MOSCOW, "2026-10", "2026-10-15 00:00+03:00", "2026-10-21 00:00+03:00"),
        (replace(MOSCOW, zone="Europe/Kaliningrad"), "2026-10", "2026-10-15 00:00+02:00", "2026-10-21 00:00+02:00"),
        (replace(MOSCOW, zone="Asia/Yakutsk"), "2026-10", "2026-10-15 00:00+09:00", "2026-10-21 00:00+09:00"),
        (Rule(23, 2, "Europe/Moscow"), "2026-10", "2026-10-23 00:00+03:00", "2026-11-03 00:00+03:00"),
        (Rule(23, 2, "Europe/Moscow"), "2026-12", "2026-12-23 00:00+03:00", "2027-01-03 00:00+03:00"),
        (Rule(28, 31, "Europe/Moscow"), "2026-02", "2026-02-28 00:00+03:00", "2026-03-01 00:00+03:00"),
        (Rule(28, 31, "Europe/Moscow"), "2028-02", "2028-02-28 00:00+03:00", "2028-03-01 00:00+03:00"),
        (Rule(30, 31, "Europe/Moscow"), "2026-02", "2026-02-28 00:00+03:00", "2026-03-01 00:00+03:00"),
        (Rule(31, 31, "Asia/Novokuznetsk"), "2026-11", "2026-11-30 00:00+07:00", "2026-12-01 00:00+07:00"),
        # A zone whose clocks went back in that window.
        (Rule(20, 31, "Europe/Berlin"), "2026-10", "2026-10-20 00:00+02:00", "2026-11-01 00:00+01:00"),
    ],
)
def test_a_window_of_a_month_in_its_own_time(rule: Rule, month: str, opens: str, closes: str) -> None:
    window = window_of(rule, month, "UTC")
    assert (window.opens, window.closes) == (utc(opens), utc(closes))


@pytest.mark.parametrize(("weekend", "day"), [("stay", 25), ("next", 26), ("previous", 23)])
def test_an_end_on_a_sunday_moves_to_a_working_day_where_the_utility_says_so(weekend: str, day: int) -> None:
    assert date(2026, 10, 25).weekday() == 6
    assert window_of(Rule(1, 25, "Europe/Moscow", weekend), "2026-10", "UTC").last_day == date(2026, 10, day)


def test_a_weekday_end_stays() -> None:
    assert {window_of(Rule(1, 21, weekend=way), "2026-10", "UTC").last_day.day for way in ("next", "previous")} == {21}


def test_a_last_day_that_moves_before_the_first_takes_it_along() -> None:
    window = window_of(Rule(31, 31, weekend="previous"), "2026-01", "UTC")  # a Saturday
    assert (window.opens, window.last_day) == (utc("2026-01-30"), date(2026, 1, 30))


def test_the_gateways_zone_counts_where_the_utility_names_none() -> None:
    assert window_of(Rule(1, 25), "2026-10", "Asia/Yakutsk").opens == utc("2026-10-01 00:00+09:00")


@pytest.mark.parametrize(
    ("rule", "reporting"),
    [
        (Rule(15, 20), "2026-10-15"),
        (Rule(1, 25, reporting_day=20), "2026-10-20"),
        (Rule(23, 2, reporting_day=1), "2026-11-01"),
        (Rule(23, 2, reporting_day=25), "2026-10-25"),
        (Rule(1, 25, reporting_day=31), "2026-10-31"),
    ],
)
def test_the_reporting_moment_lies_in_the_windows_month_or_in_the_next_where_it_crosses(
    rule: Rule, reporting: str
) -> None:
    assert window_of(rule, "2026-10", "UTC").reporting == utc(reporting)


@pytest.mark.parametrize("month", ["2026-13", "26-10", "2026-1", "october"])
def test_what_is_no_month_is_an_error(month: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        window_of(MOSCOW, month, "UTC")


@pytest.mark.parametrize(
    ("now", "month", "state"),
    [
        ("2026-10-14 23:59:59+03:00", "2026-09", "passed"),
        ("2026-10-15 00:00+03:00", "2026-10", "open"),
        ("2026-10-20 23:59:59+03:00", "2026-10", "open"),
        ("2026-10-21 00:00+03:00", "2026-10", "passed"),
    ],
)
def test_the_newest_window_is_open_or_has_passed(now: str, month: str, state: str) -> None:
    window = latest(MOSCOW, utc(now), "UTC")
    assert (window.month, window.open(utc(now)), window.passed(utc(now))) == (month, state == "open", state == "passed")


@pytest.mark.slow
@given(rules, moments)
def test_windows_follow_one_another_month_by_month(rule: Rule, now: datetime) -> None:
    newest, next_one = latest(rule, now, "UTC"), following(rule, now, "UTC")
    assert newest.opens <= now < next_one.opens
    assert before(next_one, rule, "UTC") == newest
    assert newest.closes - newest.opens >= timedelta(hours=23)
