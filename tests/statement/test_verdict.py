"""Every doubt has a reason as text."""

from datetime import timedelta
from decimal import Decimal

import pytest

from agent.statement.verdict import DOUBTFUL, REASONS, Used, above_limit, doubtful, too_long, unusual, used
from drivers.events import FLAGS
from tests.statement.plant import utc

AT = utc("2026-10-01")
MONTH = Decimal(30 * 86400)


def month(kwh: int) -> Used:
    return Used(Decimal(kwh) * 1000, MONTH)


@pytest.mark.parametrize(("kwh", "limit", "codes"), [(720, 1, []), (721, 1, ["above-limit"]), (108_000, None, [])])
def test_more_than_the_connection_can_carry(kwh: int, limit: int | None, codes: list[str]) -> None:
    assert [reason.code for reason in above_limit(month(kwh), None if limit is None else Decimal(limit))] == codes


def test_the_reason_names_the_figures() -> None:
    (reason,) = above_limit(month(721), Decimal(1))
    assert reason.text == "721 kWh in 30.0 days; 1 kW carry 720"


@pytest.mark.parametrize(
    ("now", "earlier", "codes"),
    [
        (1000, [200, 210], []),  # two months are no usual
        (1000, [200, 210, 190], ["far-from-usual"]),
        (700, [200, 210, 190], []),
        (701, [200, 210, 190], ["far-from-usual"]),
        (20, [200, 210, 190], []),
        (19, [200, 210, 190], ["far-from-usual"]),
        (0, [90, 90, 90], []),  # little was used before: an empty flat is no wonder
        (370, [0, 0, 5000, 90, 110], []),  # the median, not the mean
    ],
)
def test_far_from_the_median_of_the_last_months(now: int, earlier: list[int], codes: list[str]) -> None:
    assert [reason.code for reason in unusual(month(now), [month(kwh) for kwh in earlier])] == codes


def test_months_of_other_lengths_are_compared_by_their_rate() -> None:
    half = Used(Decimal(100_000), MONTH / 2)
    assert half.monthly == 200_000
    assert not unusual(half, [month(200)] * 3)


def test_no_time_is_no_period() -> None:
    assert used(Decimal(1), AT, AT) is None
    assert used(Decimal(1), AT, AT + timedelta(seconds=1)) == Used(Decimal(1), Decimal(1))


@pytest.mark.parametrize(
    ("flags", "codes"),
    [
        ((), []),
        (("manual", "restored", "partial", "meter-clock-off"), []),
        (("sum-mismatch",), ["sum-mismatch"]),
        (("backwards", "clock-unset"), ["reading-flags"]),
    ],
)
def test_a_doubtful_reading_makes_a_doubtful_statement(flags: tuple[str, ...], codes: list[str]) -> None:
    assert [reason.code for reason in doubtful(flags)] == codes


def test_a_figure_that_the_display_cannot_show() -> None:
    assert [reason.text for reason in too_long({"T1": 100_000, "T2": 99_999}, 5)] == ["T1 100000: the display has 5"]
    assert too_long({"T1": 100_000}, None) == []


def test_the_words_are_known() -> None:
    assert set(DOUBTFUL) <= set(FLAGS)
    assert len(REASONS) == 9
