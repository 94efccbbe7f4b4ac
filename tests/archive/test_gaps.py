"""What is asked next of one archive, and what an answer, a failure or an interruption means for it."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.archive.gaps import LONGEST_PAUSE, NARROWING, SIZES, ArchiveSlice, Gaps
from agent.archive.slots import Grid
from tests.support.present import present

GRID = Grid.intervals(ZoneInfo("UTC"), timedelta(minutes=30), datetime(2026, 11, 21, tzinfo=UTC))
WINDOW = (1000, 1999)


def gaps(*missing: tuple[int, int]) -> Gaps:
    made = Gaps("flat-1", "1", GRID, newest=1999, window=WINDOW)
    for first, last in missing or (WINDOW,):
        made.open.add(first, last)
    return made


def asked(made: Gaps, now: float = 0.0) -> tuple[int, int] | None:
    found = made.next(now)
    return None if found is None else (found[0].first, found[0].last)


def at(*numbers: int) -> list[datetime]:
    return [GRID.at(number) for number in numbers]


def piece(made: Gaps, now: float = 0.0) -> ArchiveSlice:
    found = made.next(now)
    assert found is not None
    return found[0]


def test_the_newest_are_asked_first_in_pieces_of_whole_answers() -> None:
    made = gaps()
    assert asked(made) == (2000 - SIZES["interval"], 1999)
    one = piece(made)
    assert (one.since, one.until) == (GRID.at(one.first), GRID.at(one.last))
    made.stored(at(*range(one.first, one.last + 1)))
    assert present(asked(made))[1] == one.first - 1


def test_a_few_that_are_there_are_asked_again_with_their_neighbours_and_many_are_not() -> None:
    assert asked(gaps((1990, 1999), (1980, 1986))) == (1980, 1999)
    assert asked(gaps((1990, 1999), (1980, 1982))) == (1990, 1999)


def test_what_a_sound_answer_did_not_bring_is_absent_and_not_asked_again() -> None:
    made = gaps((1990, 1999))
    one = piece(made)
    made.stored(at(1990, 1991, 1999))
    assert made.finished(one, 0.0) == 7
    assert list(made.absent) == [(1992, 1998)] and asked(made) is None and made.changed


def test_what_lies_after_the_newest_that_the_meter_ever_gave_is_not_absent_and_does_not_stop_the_rest() -> None:
    """Our clock went ahead: the meter has not come so far yet."""
    made = gaps()
    made.newest = 1950
    one = piece(made)
    made.stored(at(*range(one.first, 1941)))
    assert made.finished(one, 0.0) == 10 and list(made.absent) == [(1941, 1950)]
    assert present(asked(made))[1] == one.first - 1
    assert present(asked(made, 3600.0))[1] == 1999
    made.finished(piece(made, 3600.0), 3600.0)
    assert present(asked(made, 3600.0 * 4))[1] == one.first - 1, "less and less often"
    made.stored(at(1951))
    assert present(asked(made, 3600.0 * 4))[1] == 1999


def test_a_record_that_comes_all_the_same_is_absent_no_more() -> None:
    made = gaps((1990, 1999))
    made.finished(piece(made), 0.0)
    made.stored(at(1995))
    assert list(made.absent) == [(1990, 1994), (1996, 1999)]


def test_a_row_between_two_slots_fills_neither() -> None:
    made = gaps((1990, 1999))
    made.stored([GRID.at(1995) + timedelta(minutes=12)])
    assert made.missing(*WINDOW) == 10


def test_the_one_bad_slot_of_many_is_found_set_aside_and_given_up_and_all_others_are_read() -> None:
    made, now, given_up, asked_for = gaps((1000, 1999)), 0.0, 0, 0
    while made.missing(*WINDOW):
        found = made.next(now)
        if found is None:
            now += 60.0
            continue
        one, asked_for = found[0], asked_for + 1
        if one.first <= 1500 <= one.last:
            given_up += made.failed(one, now)
        else:
            made.stored(at(*range(one.first, one.last + 1)))
            made.finished(one, now)
        assert now < 5 * 86400
    assert given_up == 1 and list(made.absent) == [(1500, 1500)] and asked_for < 60


def test_a_meter_that_refuses_all_of_an_archive_is_asked_ever_more_seldom_and_keeps_its_slots() -> None:
    made, now, tries = gaps(), 0.0, []
    while now < 10 * 86400:
        found = made.next(now)
        if found is not None:
            made.failed(found[0], now)
            tries.append(now)
        now += 60.0
    assert len(tries) < 30 and tries[-1] - tries[-2] == LONGEST_PAUSE
    assert not len(made.absent) and made.missing(*WINDOW) == 1000


def test_half_of_a_piece_that_failed_is_asked_a_minute_later_and_more_again_when_it_comes() -> None:
    made = gaps()
    first = piece(made)
    made.failed(first, 0.0)
    assert asked(made, NARROWING - 1) is None
    second = piece(made, NARROWING)
    assert second.last - second.first + 1 == SIZES["interval"] // 2
    made.stored(at(*range(second.first, second.last + 1)))
    made.finished(second, NARROWING)
    third = piece(made, NARROWING)
    assert third.last - third.first + 1 == SIZES["interval"]


def test_busy_is_waited_for_and_is_neither_absent_nor_a_failure() -> None:
    made = gaps((1990, 1999))
    made.later(0.0)
    assert asked(made, 59.0) is None and asked(made, 60.0) == (1990, 1999)
    made.later(60.0)
    assert asked(made, 179.0) is None and asked(made, 180.0) == (1990, 1999)


@pytest.mark.parametrize(("came", "size"), [(0, 102), (3, 204)])
def test_an_interruption_that_brought_nothing_asks_for_less_so_that_something_comes(came: int, size: int) -> None:
    made = gaps()
    made.interrupted(piece(made), came)
    one = piece(made)
    assert one.last - one.first + 1 == size


def test_what_somebody_wants_goes_first_also_what_counted_as_absent() -> None:
    made = gaps((1500, 1999))
    made.absent.add(1100, 1110)
    made.pause_until = 1e9
    made.again(1100, 1120)
    found = made.next(0.0)
    assert found is not None and (found[0].first, found[0].last, found[1]) == (1100, 1110, True)
    made.finished(found[0], 0.0)
    assert list(made.absent) == [(1100, 1110)] and present(asked(made))[1] == 1999


def test_what_is_out_of_reach_is_forgotten() -> None:
    made = gaps((1000, 1999))
    made.absent.add(900, 950)
    made.forget(1200)
    assert made.missing(0, 9999) == 800 and not len(made.absent) and made.changed


@pytest.mark.slow
@settings(max_examples=40)
@given(st.sets(st.integers(1000, 1400), min_size=1), st.sets(st.integers(1000, 1400)), st.integers(0, 10_000))
def test_whatever_the_meter_has_and_however_often_it_fails_asking_ends(
    missing: set[int], has: set[int], seed: int
) -> None:
    """Rows come, are absent, fail and are interrupted at random; the end is everything the meter has."""
    made, now, steps, dice = gaps(), 0.0, 0, Random(seed)
    made.open.remove(*WINDOW)
    for number in missing:
        made.open.add(number, number)
    came = set()
    while made.missing(*WINDOW):
        steps += 1
        assert steps < 20_000
        found = made.next(now)
        if found is None:
            now += 600.0
            continue
        one = found[0]
        rows = [number for number in range(one.first, one.last + 1) if number in has]
        fate = dice.random()
        if fate < 0.1:
            made.failed(one, now)
            continue
        part = rows[: dice.randint(0, len(rows))] if fate < 0.3 else rows
        came.update(part)
        filled = made.stored(at(*part))
        if fate < 0.3:
            made.interrupted(one, filled)
        else:
            made.finished(one, now)
    lost = {number for first, last in made.absent for number in range(first, last + 1)}
    assert came & missing == missing - lost
    assert len(lost & has) <= max(1, len(missing) // 20), "given up only after three failures of one slot"
