"""The states of an IEC 62056-21 dialogue: the tables are whole."""

import pytest

from protocols.errors import NotLoggedIn
from protocols.iec62056 import questions
from protocols.iec62056.session import READERS, Session
from protocols.iec62056.states import ASKED, HEARD, IN_SESSION, State, after_question

IDLE = {State.CLOSED, State.OPEN, State.LOST}


def test_every_state_that_waits_has_a_reader_and_a_way_out() -> None:
    assert set(READERS) == set(State) - IDLE
    assert {state for state, _ in HEARD} == set(READERS)


def test_every_state_can_be_reached_and_ends_with_our_break() -> None:
    assert {*ASKED.values(), *HEARD.values()} == set(State)
    assert all(after_question(state, questions.Break()) is State.CLOSED for state in State)


@pytest.mark.parametrize(
    "question", [questions.Get("1-0:1.8.0*255"), questions.Put("A", "1"), questions.Password(b"1")]
)
def test_what_needs_programming_mode_is_our_own_mistake_before_it(question: object) -> None:
    with pytest.raises(RuntimeError, match="before Program"):
        Session().send(question)
    assert type(question) in IN_SESSION


def test_what_is_not_a_question_of_this_protocol_is_our_own_mistake() -> None:
    with pytest.raises(RuntimeError, match="is not a question of IEC 62056-21"):
        Session().send("please")


def test_a_lost_session_says_so_until_it_is_opened_again() -> None:
    with pytest.raises(NotLoggedIn, match="its session is over"):
        Session().send(questions.Lost())
