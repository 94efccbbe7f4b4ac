"""What a dialogue with an IEC 62056-21 meter may do next: two tables, and nothing else decides it.

One meter is in one :class:`State`. Our question moves it by :data:`ASKED`, what the meter does about it by
:data:`HEARD`. A pair that is in neither table cannot happen: a question that has no row is a mistake of the caller
(RuntimeError), and only :mod:`protocols.iec62056.session` reports outcomes. The session calls :func:`after_question`
once for each question and :func:`after` once for each outcome; it keeps no other word of where the dialogue stands.

Why a lost answer ends a session (``SILENT``): answers of programming mode carry their parameter's name, but an ACK
carries nothing, and the meters end a session by themselves within seconds of silence. A damaged answer was heard whole,
so none can come late and the session goes on (``DAMAGED``).

A change here must also touch the readers in ``session.py`` (one for each state that waits) and the diagram in
``docs/protocols.md``, which a test compares with the tables.
"""

import enum
from collections.abc import Mapping

from protocols.iec62056 import questions


class State(enum.Enum):
    """Where the dialogue stands."""

    CLOSED = "closed"  # no session
    SIGNING_ON = "signing on"  # the identification is awaited
    READING_OUT = "reading out"  # the option message is out, the readout is awaited
    OPENING = "opening"  # the same, the operand P0 of programming mode is awaited
    HANDING_OVER = "handing over"  # the same, the meter's word that HDLC follows is awaited
    DIRECT = "direct"  # a question without a session waits for its answer
    OPEN = "open"  # programming mode, nothing is awaited
    WAITING = "waiting"  # programming mode, an answer is awaited
    LOST = "lost"  # programming mode is over without our break


class Outcome(enum.Enum):
    """What the meter did."""

    IDENTIFIED = "identified"  # for a readout
    IDENTIFIED_TO_OPEN = "identified, programming mode agreed"
    IDENTIFIED_TO_HAND_OVER = "identified, mode E agreed"
    UNFIT = "identified, and has no such mode"
    TELEGRAM = "telegram"
    OPERAND = "operand P0"
    HANDED_OVER = "mode E confirmed"
    ANSWERED = "answer"
    DAMAGED = "damaged answer or refusal"
    SILENT = "silence"
    ENDED = "break by the meter"
    THROWN_OUT = "break after the password"


SIGN_ON: tuple[type, ...] = (questions.Readout, questions.Program, questions.HandOver)
IN_SESSION: tuple[type, ...] = (questions.Password, questions.Get, questions.Put)

ASKED: Mapping[tuple[State, type], State] = {
    **{(state, question): State.SIGNING_ON for state in State for question in SIGN_ON},
    **{(state, questions.Break): State.CLOSED for state in State},
    **{(state, questions.WakeUp): state for state in State},
    **{(state, questions.Direct): State.DIRECT for state in State},
    **{(State.OPEN, question): State.WAITING for question in IN_SESSION},
    **{(State.WAITING, question): State.WAITING for question in IN_SESSION},  # once more after a damaged answer
}

HEARD: Mapping[tuple[State, Outcome], State] = {
    (State.SIGNING_ON, Outcome.IDENTIFIED): State.READING_OUT,
    (State.SIGNING_ON, Outcome.IDENTIFIED_TO_OPEN): State.OPENING,
    (State.SIGNING_ON, Outcome.IDENTIFIED_TO_HAND_OVER): State.HANDING_OVER,
    (State.SIGNING_ON, Outcome.UNFIT): State.CLOSED,
    (State.READING_OUT, Outcome.TELEGRAM): State.CLOSED,
    (State.OPENING, Outcome.OPERAND): State.OPEN,
    (State.HANDING_OVER, Outcome.HANDED_OVER): State.CLOSED,
    (State.DIRECT, Outcome.ANSWERED): State.CLOSED,
    (State.WAITING, Outcome.ANSWERED): State.OPEN,
    (State.WAITING, Outcome.DAMAGED): State.OPEN,
    (State.WAITING, Outcome.SILENT): State.LOST,
    (State.WAITING, Outcome.ENDED): State.LOST,
    (State.WAITING, Outcome.THROWN_OUT): State.CLOSED,
}


def after_question(state: State, question: object) -> State | None:
    """The state once this question is sent; None where it has no place in this state."""
    return ASKED.get((state, type(question)))


def after(state: State, outcome: Outcome) -> State:
    """The state after this; an outcome that changes nothing in a state has no row there."""
    return HEARD.get((state, outcome), state)
