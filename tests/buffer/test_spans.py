from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.spans import Spans

SPANS = st.tuples(st.integers(1, 60), st.integers(1, 60)).map(lambda pair: (min(pair), max(pair)))


def numbers(ranges: Spans) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), SPANS)))
def test_ranges_hold_what_a_set_of_numbers_would_hold(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, model = Spans(), set[int]()
    for adding, (first, last) in steps:
        if adding:
            ranges.add(first, last)
            model |= set(range(first, last + 1))
        else:
            ranges.remove(first, last)
            model -= set(range(first, last + 1))
        assert numbers(ranges) == model
        assert ranges.count() == len(model)
        pieces = list(ranges)
        assert all(one[1] + 1 < other[0] for one, other in pairwise(pieces))


@pytest.mark.slow
@given(st.sets(st.integers(1, 60)), SPANS)
def test_covers_says_whether_every_number_is_there(members: set[int], span: tuple[int, int]) -> None:
    ranges = Spans.of(sorted(members))
    assert ranges.covers(*span) == (set(range(span[0], span[1] + 1)) <= members)


def test_coarsening_keeps_the_ends_and_fills_the_holes() -> None:
    ranges = Spans([(3, 5), (9, 9), (20, 30)])
    ranges.coarsen()
    assert list(ranges) == [(3, 30)]
    assert ranges.first() == (3, 30)


def test_an_empty_set_has_no_first_range() -> None:
    assert Spans().first() is None
