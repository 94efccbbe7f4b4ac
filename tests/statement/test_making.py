"""Consumption since the last statement, across replacements and rollovers, and what is doubtful about it."""

import copy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.utility.profile import Profile
from agent.config.utility.window import window_of
from agent.config.values import EarlierMeter, Meter
from agent.statement import log as logs
from agent.statement.figures import taken
from agent.statement.log import Attempt, StatementLog, StatementState, Step
from agent.statement.making import Case, attempt
from buffer.store import Store
from drivers.reading import Number
from tests.statement.plant import SHIPPED, FakeClock, Notes, meter, reading, utc
from tests.support.present import present

PROFILE = SHIPPED["mosenergosbyt"]
ANY = settings(max_examples=100)
energies = st.integers(0, 99_999_999)


class Point:
    """One point whose statements are made month by month, each accepted."""

    def __init__(self, one: Meter | None = None, profile: Profile = PROFILE) -> None:
        self.meter, self.profile = one or meter(), profile
        self.store = cast(Store, Notes())

    def now_with(self, one: Meter) -> "Point":
        """The same point and store after the installer changed the meter's configuration."""
        other = copy.copy(self)
        other.meter = one
        return other

    def make(
        self,
        month: str = "2026-10",
        accepted: bool = True,
        serial: str | None = None,
        flags: tuple[str, ...] = (),
        **registers: Any,
    ) -> Attempt:
        window = window_of(self.profile.rule, month, "UTC")
        shown = reading(window.reporting, serial=serial or self.meter.serial, flags=flags, **registers)
        found = taken(shown, self.meter, self.profile)
        assert found is not None
        case = Case(self.store, self.meter, self.profile, window)
        made = attempt(case, found, FakeClock(window.reporting).stamp(), 1)
        if accepted:
            step = Step(window.reporting, "accepted", "accepted", "intake", attempt=1)
            logs.save(self.store, StatementLog(self.meter.point, month, (step,), (made,)))
        return made


def codes(made: Attempt) -> list[str]:
    return [reason["code"] for reason in made.statement["reasons"]]


def test_the_first_statement_counts_from_the_initial_readings_of_the_act() -> None:
    one = meter(initial={"T1": Decimal("12.4"), "T2": Decimal("3.1")}, installed=date(2026, 9, 1))
    made = Point(one).make(T1=112_999, T2=53_100)
    assert made.statement["figures"] == {"T1": 112, "T2": 53}
    assert made.statement["last"] == {"T1": 12, "T2": 3}
    assert made.statement["consumption"] == {"T1": 100, "T2": 50}
    assert made.statement["since"] == "2026-08-31T21:00:00.000Z"
    assert codes(made) == []


def test_a_first_statement_without_an_act_is_not_believed_by_itself() -> None:
    made = Point(meter(initial={})).make(T1=112_999, T2=53_100)
    assert (made.statement["verdict"], codes(made)) == ("suspect", ["first"])
    assert made.statement["consumption"] == {}


def test_the_next_one_counts_from_the_last_accepted_as_the_utility_computes_it() -> None:
    point = Point()
    point.make("2026-08", T1=100_900, T2=0)
    point.make("2026-09", accepted=False, T1=150_000, T2=0)
    made = point.make("2026-10", T1=200_100, T2=0)
    assert made.statement["last"] == {"T1": 100, "T2": 0}
    assert made.statement["consumption"] == {"T1": 100, "T2": 0}  # 200 − 100, though the registers say 99.2 kWh


def test_the_object_says_all_that_the_utility_asks_for() -> None:
    made = Point(meter(ratio=Decimal(20))).make(T1=2_000_999, T2=1_000_001)
    assert made.statement == {
        "month": "2026-10",
        "account": "230100456789",
        "utility": "mosenergosbyt",
        "figures": {"T1": 2000, "T2": 1000},
        "tariffs": {"T1": "day", "T2": "night"},
        "ratio": 20,
        "primary": False,
        "read_at_register": "2026-10-14T21:00:00.000Z",
        "source": "now",
        "last": {"T1": 0, "T2": 0},
        "since": "2025-12-31T21:00:00.000Z",
        "consumption": {"T1": 2000, "T2": 1000},
        "verdict": "plausible",
        "reasons": [],
        "attempt": 1,
        "window": {"from": "2026-10-14T21:00:00.000Z", "to": "2026-10-20T21:00:00.000Z"},
    }
    assert made.values == {"1-0:1.8.1": 2_000_999, "1-0:1.8.2": 1_000_001}


def test_primary_energy_is_the_registers_times_the_ratio_with_one_fraction_dropped() -> None:
    point = Point(meter(ratio=Decimal(40)), replace(PROFILE, primary=True))
    point.make("2026-09", T1=100_020, T2=0)
    made = point.make("2026-10", T1=100_045, T2=0)
    assert made.statement["figures"] == {"T1": 4001, "T2": 0}
    assert made.statement["consumption"] == {"T1": 1, "T2": 0}


def test_a_changed_ratio_makes_earlier_figures_incomparable_and_the_energy_is_exact() -> None:
    point = Point(meter(ratio=Decimal(40)), replace(PROFILE, primary=True))
    point.make("2026-09", T1=100_000, T2=0)
    made = point.now_with(replace(point.meter, ratio=Decimal(60))).make("2026-10", T1=110_000, T2=0)
    assert made.statement["figures"] == {"T1": 6600, "T2": 0}
    assert made.statement["consumption"] == {"T1": 600, "T2": 0}


@pytest.mark.parametrize(
    ("before", "initial", "now", "reasons", "consumption"),
    [
        # final − previous + current − initial
        ({"T1": "30122.7", "T2": "11873"}, {"T1": "12.4", "T2": "3.1"}, (112_400, 53_100), [], {"T1": 222, "T2": 50}),
        ({}, {"T1": "0", "T2": "0"}, (100_000, 50_000), ["no-act"], {}),
        ({"T1": "30122.7", "T2": "11873"}, {}, (100_000, 50_000), ["no-act"], {}),
        ({"T1": "29000", "T2": "11873"}, {"T1": "0", "T2": "0"}, (100_000, 50_000), ["backwards"], {}),
    ],
)
def test_across_a_replacement_the_act_counts_and_without_one_nothing_is_guessed(
    before: dict[str, str],
    initial: dict[str, str],
    now: tuple[int, int],
    reasons: list[str],
    consumption: dict[str, int],
) -> None:
    acts = EarlierMeter("1234567", date(2026, 10, 1), {name: Decimal(value) for name, value in before.items()})
    one = meter(before=(acts,), initial={name: Decimal(value) for name, value in initial.items()})
    old = Point(meter(serial="1234567", digits=None))
    old.make("2026-09", T1=30_000_000, T2=11_873_000)
    made = old.now_with(one).make("2026-10", T1=now[0], T2=now[1])
    assert codes(made) == reasons
    assert made.statement["consumption"] == consumption


def test_a_meter_that_was_replaced_and_is_not_in_the_configuration_is_not_guessed() -> None:
    point = Point()
    point.make("2026-09", T1=100_000, T2=0)
    made = point.now_with(meter(serial="777")).make("2026-10", T1=200_000, T2=0)
    assert codes(made) == ["no-act"]
    assert "meter 23456789 was replaced and there is no act" in made.statement["reasons"][0]["text"]


@pytest.mark.parametrize(("total", "reasons"), [(3_000_000, []), (3_000_999, []), (3_001_001, ["sum-mismatch"])])
def test_tariffs_that_do_not_sum_to_the_total_by_a_kwh_are_suspect(total: int, reasons: list[str]) -> None:
    assert codes(Point().make(total=total, T1=2_000_000, T2=1_000_000)) == reasons


def test_a_display_that_ran_over_has_used_the_rest_of_its_digits() -> None:
    point = Point(meter(digits=5))
    point.make("2026-09", T1=99_999_000, T2=0)
    made = point.make("2026-10", T1=100_900, T2=0)
    assert made.statement["figures"] == {"T1": 100, "T2": 0}
    assert made.statement["consumption"] == {"T1": 101, "T2": 0}
    assert codes(made) == []


def test_a_register_that_ran_backwards_is_suspect_with_its_figures() -> None:
    point = Point()
    point.make("2026-09", T1=500_000, T2=0)
    made = point.make("2026-10", T1=499_000, T2=0)
    assert codes(made) == ["backwards"]
    assert "500 to 499 kWh" in made.statement["reasons"][0]["text"]


def test_several_doubts_are_all_told() -> None:
    point = Point(meter(limit_kw=Decimal(1), digits=4))
    for month in ("2026-06", "2026-07", "2026-08"):
        point.make(month, T1=100_000 * int(month[-1]), T2=0)
    made = point.make("2026-09", flags=("sum-mismatch",), T1=99_999_000, T2=0)
    assert codes(made) == ["sum-mismatch", "too-many-digits", "above-limit", "far-from-usual"]


def test_more_than_the_connection_carries_since_the_last_statement() -> None:
    point = Point(meter(limit_kw=Decimal(1)))
    point.make("2026-09", T1=0, T2=0)
    assert codes(point.make("2026-10", accepted=False, T1=720_000, T2=0)) == []
    assert codes(point.make("2026-10", accepted=False, T1=720_001, T2=0)) == ["above-limit"]


def test_a_point_without_tariffs_goes_by_the_totals_of_its_acts() -> None:
    one = meter(tariffs=None, initial={"T1": Decimal(10), "T2": Decimal(5)})
    made = Point(one).make(total=115_000)
    assert made.statement["consumption"] == {"T1": 100}
    assert made.values == {"1-0:1.8.0": 115_000}


def test_a_meter_that_got_a_second_tariff_meanwhile_is_not_compared() -> None:
    single = Point(meter(tariffs={"T1": "day"}))
    single.make("2026-09", T1=100_000)
    assert codes(single.now_with(meter()).make("2026-10", T1=120_000, T2=1_000)) == ["not-comparable"]


@pytest.mark.slow
@ANY
@given(data=st.data())
def test_over_many_months_no_more_is_billed_than_the_meters_have_counted(data: st._internal.core.DataObject) -> None:
    """Any run of one meter, with its rollovers: the figures never exceed the register, and no more is billed in
    all than was counted."""
    digits = 4
    one = meter(tariffs={"T1": "day"}, initial={"T1": Decimal(0)}, digits=digits)
    point = Point(one)
    counted = 0
    billed: Number = 0
    for month in range(1, 10):
        counted += data.draw(st.integers(0, 900_000))
        made = point.make(f"2026-{month:02}", T1=counted % 10 ** (digits + 3))
        assert made.statement["figures"]["T1"] * 1000 <= counted % 10 ** (digits + 3)
        if made.statement["consumption"]:
            billed += made.statement["consumption"]["T1"]
            assert billed * 1000 <= counted
            # One kWh may be cut at each rollover, none is added.
            assert counted - billed * 1000 < 1000 * (1 + counted // 10 ** (digits + 3))
        else:  # a lap that cannot be told from a register that ran back
            return


@pytest.mark.slow
@ANY
@given(final=energies, previous=energies, start=energies, used=st.integers(0, 10_000_000))
def test_a_replacement_bills_what_both_meters_counted(final: int, previous: int, start: int, used: int) -> None:
    previous, final = min(previous, final), max(previous, final)
    acts = EarlierMeter("1234567", date(2026, 10, 1), {"T1": Decimal(final) / 1000})
    one = meter(tariffs={"T1": "day"}, before=(acts,), initial={"T1": Decimal(start) / 1000}, digits=None)
    old = Point(replace(one, serial="1234567", before=()))
    old.make("2026-09", T1=previous)
    made = old.now_with(one).make("2026-10", T1=start + used)
    assert made.statement["consumption"] == {"T1": (final - previous + used) // 1000}


def test_the_usual_is_what_earlier_statements_used() -> None:
    point = Point()
    for number in range(5, 10):
        point.make(f"2026-{number:02}", T1=number * 200_000, T2=0)
    assert codes(point.make("2026-10", accepted=False, T1=2_000_000, T2=0)) == []
    assert codes(point.make("2026-10", accepted=False, T1=2_700_000, T2=0)) == ["far-from-usual"]
    assert codes(point.make("2026-10", accepted=False, T1=1_801_000, T2=0)) == ["far-from-usual"]


def test_figures_that_left_by_sms_alone_count_as_handed_over() -> None:
    point = Point()
    made = point.make("2026-09", accepted=False, T1=100_000, T2=0)
    step = Step(made.at, "sent", "left", channel="sms", attempt=1)
    logs.save(point.store, StatementLog("flat-12", "2026-09", (step,), (made,)))
    assert point.make("2026-10", T1=150_000, T2=0).statement["last"] == {"T1": 100, "T2": 0}


@pytest.mark.parametrize("state", ["sent", "refused", "held"])
def test_figures_that_nobody_took_do_not_count(state: StatementState) -> None:
    point = Point()
    made = point.make("2026-09", accepted=False, T1=100_000, T2=0)
    step = Step(made.at, state, "queued", channel="mqtt", attempt=1)
    logs.save(point.store, StatementLog("flat-12", "2026-09", (step,), (made,)))
    assert point.make("2026-10", T1=150_000, T2=0).statement["last"] == {"T1": 0, "T2": 0}


def test_a_statement_a_year_ago_is_still_the_last_one() -> None:
    point = Point()
    point.make("2025-10", T1=100_000, T2=0)
    made = point.make("2026-10", T1=2_100_000, T2=0)
    assert made.statement["consumption"] == {"T1": 2000, "T2": 0}
    assert utc(present(made.statement["since"])) + timedelta(days=365) == utc("2026-10-14 21:00")
