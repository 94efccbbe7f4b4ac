"""What a dialogue with a DLMS meter may do next: two tables, and nothing else decides it.

Two things are opened one inside the other: the link (HDLC, or the ends of the TCP wrapper), and in it the association.
Our question moves the state by :data:`ASKED` (:data:`ASKED_OVER_TCP` with the wrapper), what the meter does about it by
:data:`HEARD`. What happens inside one question (blocks, challenges, skipped messages) is a generator in
:mod:`protocols.dlms.exchange`, and what happens on the link (segments, windows, repetitions) is in
:mod:`protocols.dlms.link`; neither changes the state here.

Over HDLC the same question may be asked again at any time: the last frame goes out unchanged. Another question while
one is under way breaks the numbering, so there is no row for it, and the session counts the link as lost. Over TCP the
stream keeps its order and questions carry numbers: the next question replaces one that was not answered.

A change here must also touch the diagrams in ``docs/protocols.md``, which a test compares with the tables.
"""

import enum
from collections.abc import Mapping

from protocols.dlms import questions


class State(enum.Enum):
    """Where the dialogue stands."""

    CLOSED = "closed"  # no link
    CONNECTING = "connecting"  # SNRM is out
    LINKED = "linked"  # link without an association
    ASSOCIATING = "associating"  # AARQ is out, or the challenges that follow it
    ASSOCIATED = "associated"
    WAITING = "waiting"  # an answer is awaited in the association
    RELEASING = "releasing"  # RLRQ is out
    DISCONNECTING = "disconnecting"  # DISC is out
    LOST = "lost"  # no sound link: it must be set up again


class Outcome(enum.Enum):
    """What became of a question."""

    ANSWERED = "answer"
    FAILED = "refusal or broken answer"
    LINK_LOST = "link lost"


IN_ASSOCIATION: tuple[type, ...] = (questions.Get, questions.GetList, questions.Set, questions.Action)
IN_LINK: tuple[type, ...] = (questions.Associate, questions.Release, *IN_ASSOCIATION)
BUSY = (State.CONNECTING, State.ASSOCIATING, State.WAITING, State.RELEASING, State.DISCONNECTING)

_ASSOCIATED: Mapping[type, State] = {
    questions.Associate: State.ASSOCIATING,  # the old association ends with the new AARQ
    **dict.fromkeys(IN_ASSOCIATION, State.WAITING),
    questions.Release: State.RELEASING,
}

ASKED: Mapping[tuple[State, type], State] = {
    **{(state, questions.Connect): State.CONNECTING for state in State},
    **{(state, questions.Disconnect): State.DISCONNECTING for state in State},
    (State.LINKED, questions.Associate): State.ASSOCIATING,
    **{(State.ASSOCIATED, question): end for question, end in _ASSOCIATED.items()},
}

ASKED_OVER_TCP: Mapping[tuple[State, type], State] = {
    **ASKED,
    **{(state, questions.Connect): State.LINKED for state in State},
    **{(state, questions.Disconnect): State.CLOSED for state in State},
    (State.ASSOCIATING, questions.Associate): State.ASSOCIATING,
    **{(state, question): end for state in (State.WAITING, State.RELEASING) for question, end in _ASSOCIATED.items()},
}

HEARD: Mapping[tuple[State, Outcome], State] = {
    (State.CONNECTING, Outcome.ANSWERED): State.LINKED,
    (State.CONNECTING, Outcome.FAILED): State.LOST,  # whether the meter has a link now is not known
    (State.ASSOCIATING, Outcome.ANSWERED): State.ASSOCIATED,
    (State.ASSOCIATING, Outcome.FAILED): State.LINKED,
    (State.WAITING, Outcome.ANSWERED): State.ASSOCIATED,
    (State.WAITING, Outcome.FAILED): State.ASSOCIATED,
    (State.RELEASING, Outcome.ANSWERED): State.LINKED,
    (State.RELEASING, Outcome.FAILED): State.ASSOCIATED,
    (State.DISCONNECTING, Outcome.ANSWERED): State.CLOSED,
    (State.DISCONNECTING, Outcome.FAILED): State.LOST,
    **{(state, Outcome.LINK_LOST): State.LOST for state in BUSY},
}


def after_question(state: State, question: object, over_tcp: bool) -> State | None:
    """The state once this question is sent; None if it has no place in this state."""
    return (ASKED_OVER_TCP if over_tcp else ASKED).get((state, type(question)))
