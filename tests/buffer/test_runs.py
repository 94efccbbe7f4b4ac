"""Spans of whole numbers behave as sets of them."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.spans import Spans

RUN = st.tuples(st.integers(0, 40), st.integers(-2, 12)).map(lambda run: (run[0], run[0] + run[1]))
CHANGES = st.lists(st.tuples(st.booleans(), RUN), max_size=30)


def changed(changes: list[tuple[bool, tuple[int, int]]]) -> tuple[Spans, set[int]]:
    runs = Spans()
    numbers: set[int] = set()
    for add, (first, last) in changes:
        (runs.add if add else runs.remove)(first, last)
        numbers = numbers | {*range(first, last + 1)} if add else numbers - {*range(first, last + 1)}
    return runs, numbers


@pytest.mark.slow
@given(CHANGES)
def test_what_was_added_and_not_removed_is_in_it_in_ascending_runs_that_do_not_touch(
    changes: list[tuple[bool, tuple[int, int]]],
) -> None:
    runs, numbers = changed(changes)
    assert {number for first, last in runs for number in range(first, last + 1)} == numbers
    bounds = list(runs)
    assert all(first <= last for first, last in bounds)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(bounds))
    assert [number for number in range(-5, 60) if number in runs] == sorted(numbers)


@pytest.mark.slow
@given(CHANGES, RUN)
def test_questions_about_a_span_answer_as_a_set_would(
    changes: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    runs, numbers = changed(changes)
    inside = {*range(span[0], span[1] + 1)}

    def flat(found: Iterable[tuple[int, int]]) -> list[int]:
        return [number for first, last in found for number in range(first, last + 1)]

    assert flat(runs.within(*span)) == sorted(numbers & inside)
    assert flat(runs.gaps(*span)) == sorted(inside - numbers)
    assert runs.among(*span) == len(numbers & inside)
    assert list(runs.falling(*span)) == runs.within(*span)[::-1]
