import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.states import CONFIRMED, GONE, HELD, PENDING, REFUSED, RecordState, Run, States, grouped

STEPS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 15), st.sampled_from([PENDING, CONFIRMED, REFUSED, HELD, GONE])),
    max_size=25,
)


@pytest.mark.slow
@given(STEPS)
def test_runs_say_the_same_as_a_state_for_each_number(steps: list[tuple[int, int, RecordState]]) -> None:
    runs = States()
    table: dict[int, Run] = {}
    model: dict[int, RecordState] = dict.fromkeys(range(1, 61), PENDING)
    for first, more, state in steps:
        change = runs.put(first, first + more, state)
        for dropped in change.dropped:
            del table[dropped]
        table |= {run.first: run for run in change.written}
        model |= dict.fromkeys(range(first, first + more + 1), state)
    assert [runs.state(number) for number in model] == list(model.values())
    assert States(table.values()).runs(1, 60, {CONFIRMED, REFUSED}) == runs.runs(1, 60, {CONFIRMED, REFUSED})
    ended: tuple[RecordState, ...] = (CONFIRMED, REFUSED, HELD, GONE)
    for state in ended:
        assert runs.counts(60)[state] == list(model.values()).count(state)
        assert runs.counts(30)[state] == list(model.values())[:30].count(state)
        listed = [number for run in runs.runs(1, 60, (state,)) for number in range(run.first, run.last + 1)]
        assert listed == [number for number, is_in in model.items() if is_in == state]


def test_receipts_that_follow_one_another_are_one_run() -> None:
    runs = States()
    for first in range(1, 3000, 10):
        assert len(runs.put(first, first + 9, CONFIRMED).written) == 1
    assert runs.runs(1, 3005, (CONFIRMED, PENDING)) == [Run(1, 3000, CONFIRMED), Run(3001, 3005, PENDING)]


def test_a_question_ends_when_there_is_enough() -> None:
    runs = States(Run(number, number, CONFIRMED) for number in range(2, 2000, 2))
    assert len(runs.runs(1, 10**9, (PENDING,), enough=5)) == 5


def test_numbers_are_grouped_into_closed_ranges() -> None:
    assert grouped([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]
