"""What a line can do to an answer, the same for every protocol: the value, or a declared error in bounded time, and
never another value. One row is one protocol, one column one behaviour; where one does not apply the table says why.

Real sessions on the real Link over a scripted port in fake time; the answers are those of :mod:`tests.lines.spoken`.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from agent.line.link import SLACK, TRIES, Link
from protocols.errors import BadFrame, MeterError, NoReply
from protocols.session import Sending, Session
from tests.lines.spoken import LINES, Spoken
from tests.support.wire import ScriptedPort, Time

Timed = list[tuple[float, bytes]]
Behaviour = Callable[[Spoken, Any], None]
Spoil = Callable[[Sending, bytes], Timed]
"""What becomes of one sound answer: ``[(seconds after the request has left, octets), …]``."""

REACTION = 0.02  # s until a sound meter begins to answer
NOISE = (b"\x00", b"\xff", b"\xff\xff\xff", b"\x00\x80")


class Heard:
    """One dialogue: sound until the question that is examined, spoilt from there on."""

    def __init__(self, spoken: Spoken, spoil: Spoil, tries: int = TRIES) -> None:
        self.spoken, self.spoil, self.tries = spoken, spoil, tries
        self.time = Time()
        self.spoilt = False
        self.sending = Sending(b"", 0.0)
        self.port = ScriptedPort(self.time, self._answer)
        self.link = Link(self.port, monotonic=self.time, sleep=self.time.sleep)
        self.link.begin(spoken.line)
        self.session = _Watched(spoken.session(), self)
        for question in spoken.before:
            self.link.ask(self.session, question)
        self.spoilt = True

    def _answer(self, request: bytes) -> Timed:
        said = self.spoken.answers(request)
        return self.spoil(self.sending, said) if self.spoilt else [(REACTION, said)]

    def ask(self, question: Any = None) -> Any:
        """The reply; a MeterError that came in time is returned too."""
        begun = self.time.now
        if self.spoken.talks:
            self.port.coming += [(self.time.now + at, piece) for at, piece in self._answer(b"")]
        try:
            reply = self.link.ask(self.session, question or self.spoken.question, self.tries)
        except MeterError as trouble:
            reply = trouble
        assert self.time.now - begun <= self.bound, f"{self.time.now - begun:.1f} s"
        return reply

    @property
    def bound(self) -> float:
        """Seconds that a question may take at most: each try waits, hears the longest answer twice over, and drains."""
        one = self.sending
        answer = one.size * self.spoken.line.character
        return 2 * self.tries * (one.pause + one.wait + 2 * answer + SLACK + 3 * one.wait + answer + SLACK)


class _Watched:
    """The session; what it sends is told to the line's far end."""

    def __init__(self, session: Session, heard: Heard) -> None:
        self._session, self._heard = session, heard

    def send(self, question: Any) -> Sending:
        self._heard.sending = self._session.send(question)
        return self._heard.sending

    def receive(self, data: bytes) -> Any:
        reply = self._session.receive(data)
        if isinstance(reply, Sending):
            self._heard.sending = reply
        return reply

    def proof(self) -> Any:
        return self._session.proof()


def whole(_: Sending, said: bytes) -> Timed:
    return [(REACTION, said)]


def around(before: bytes = b"", after: bytes = b"") -> Spoil:
    return lambda _, said: [(REACTION, before + said + after)]


def cut_at(end: int) -> Spoil:
    return lambda _, said: [(REACTION, said[:end])]


def value(spoken: Spoken) -> Any:
    """What a sound line gives."""
    reply = Heard(spoken, whole).ask()
    assert not isinstance(reply, MeterError), reply
    return reply


def never_another(spoken: Spoken, reply: Any, expected: Any) -> None:
    assert reply == expected or isinstance(reply, MeterError), f"{spoken.name}: {reply}"


# ── behaviours ──────────────────────────────────────────────────────────────


def chunks_of_each_size(spoken: Spoken, expected: Any) -> None:
    """However the driver of the port cuts it, the answer is whole."""
    size = len(spoken.answers(b"")) if spoken.talks else 64
    for piece in [*range(1, 18), 31, 64, *([size] if size > 64 else [])]:

        def in_pieces(_: Sending, said: bytes, piece: int = piece) -> Timed:
            character = spoken.line.character
            return [(REACTION + at * character, said[at : at + piece]) for at in range(0, len(said), piece)]

        assert Heard(spoken, in_pieces).ask() == expected, piece


def every_bit_flipped(spoken: Spoken, expected: Any) -> None:
    """A damaged answer is an error, or says the same."""
    for bit in range(8 * length(spoken)):

        def flipped(_: Sending, said: bytes, bit: int = bit) -> Timed:
            if bit // 8 >= len(said):
                return [(REACTION, said)]
            damaged = bytearray(said)
            damaged[bit // 8] ^= 1 << bit % 8
            return [(REACTION, bytes(damaged))]

        never_another(spoken, Heard(spoken, flipped, tries=1).ask(), expected)


def every_cut(spoken: Spoken, expected: Any) -> None:
    """An answer that breaks off is an error, unless what is missing says nothing."""
    for end in range(1, length(spoken)):
        never_another(spoken, Heard(spoken, cut_at(end), tries=1).ask(), expected)


def noise_before(spoken: Spoken, expected: Any) -> None:
    """Octets of a turning line in front of an answer do not cost it."""
    for noise in NOISE:
        assert Heard(spoken, around(before=noise)).ask() == expected, noise

        def click(_: Sending, said: bytes, noise: bytes = noise) -> Timed:
            return [(0.001, noise), (REACTION, said)]

        assert Heard(spoken, click).ask() == expected, noise


def noise_after(spoken: Spoken, expected: Any) -> None:
    """Octets behind an answer, at once or when the line turns, do not cost it."""
    for noise in NOISE:
        assert Heard(spoken, around(after=noise)).ask() == expected, noise

        def click(_: Sending, said: bytes, noise: bytes = noise) -> Timed:
            return [(REACTION, said), (REACTION + len(said) * spoken.line.character + 0.003, noise)]

        assert Heard(spoken, click).ask() == expected, noise


def any_octet_around(spoken: Spoken, expected: Any) -> None:
    """Whatever octet stands before or behind an answer: the value or an error, never another value."""
    for octet in range(256):
        stray = bytes((octet,))
        never_another(spoken, Heard(spoken, around(before=stray), tries=1).ask(), expected)
        never_another(spoken, Heard(spoken, around(after=stray), tries=1).ask(), expected)


def echo(spoken: Spoken, expected: Any) -> None:
    """An adapter that gives back what we send changes nothing."""
    heard = Heard(spoken, lambda sending, said: [(0.0, sending.data), (REACTION, said)])
    assert heard.ask() == expected


def only_our_echo(spoken: Spoken, expected: Any) -> None:
    assert isinstance(Heard(spoken, lambda sending, said: [(0.0, sending.data)]).ask(), MeterError)


def late(spoken: Spoken, expected: Any) -> None:
    """An answer after its time is never the next question's, whenever it comes."""
    for delay in (0.05, 0.4, 0.9, 1.3, 2.1):
        first = [True]

        def answer(sending: Sending, said: bytes, delay: float = delay, first: list[bool] = first) -> Timed:
            after = sending.wait + delay if first[0] else REACTION
            first[0] = False
            return [(after, said)]

        heard = Heard(spoken, answer, tries=1)
        never_another(spoken, heard.ask(), expected)
        following = spoken.other or spoken.question
        right = expected if spoken.other is None else _sound(spoken, spoken.other)
        never_another(spoken, heard.ask(following), right)


def _sound(spoken: Spoken, question: Any) -> Any:
    reply = Heard(spoken, whole).ask(question)
    assert not isinstance(reply, MeterError), reply
    return reply


def foreign_answer(spoken: Spoken, expected: Any) -> None:
    """Another meter's answer is not ours, instead of ours or before it."""
    foreign = spoken.foreign
    assert foreign is not None
    heard = Heard(spoken, lambda sending, said: [(REACTION, foreign(sending.data))])
    assert isinstance(heard.ask(), MeterError)
    heard = Heard(spoken, lambda sending, said: [(REACTION, foreign(sending.data)), (0.1, said)])
    never_another(spoken, heard.ask(), expected)


def silence(spoken: Spoken, expected: Any) -> None:
    reply = Heard(spoken, lambda *_: []).ask()
    assert isinstance(reply, MeterError) and not isinstance(reply, BadFrame), reply
    assert isinstance(Heard(spoken, lambda *_: [], tries=1).ask(), NoReply)


def endless_talk(spoken: Spoken, expected: Any) -> None:
    """A line that never rests ends in an error, in bounded time and memory."""
    babble = Random(7).randbytes(1 << 16)
    piece = 64 if spoken.line.speed < 100_000 else 1024
    for pace in (spoken.line.character, 20 * spoken.line.character):
        starts = range(int(Heard(spoken, whole).bound / (piece * pace)) + 1)
        stream = [(REACTION + n * piece * pace, babble[piece * n % 64512 :][:piece]) for n in starts]
        assert isinstance(Heard(spoken, lambda *_: list(stream), tries=1).ask(), MeterError)  # noqa: B023 - asked here


def length(spoken: Spoken) -> int:
    """Octets of the longest answer to the question."""
    longest = [0]

    def measured(_: Sending, said: bytes) -> Timed:
        longest[0] = max(longest[0], len(said))
        return [(REACTION, said)]

    Heard(spoken, measured).ask()
    return longest[0]


BEHAVIOURS = (
    chunks_of_each_size,
    every_bit_flipped,
    every_cut,
    noise_before,
    noise_after,
    any_octet_around,
    echo,
    only_our_echo,
    late,
    foreign_answer,
    silence,
    endless_talk,
)

TALKS = "it only listens: nothing is sent"
NUMBER = "a telegram is judged by the serial number in it"
TCP = "TCP has a check sum, keeps octets in order and has no echo"
SESSION = "answers within a session carry no address"
NOT_ON_TCP = (every_bit_flipped, noise_before, noise_after, any_octet_around, echo, only_our_echo)
EXCUSED: dict[str, dict[Behaviour, str]] = {
    **{name: {echo: TALKS, only_our_echo: TALKS, foreign_answer: NUMBER} for name in ("sml", "p1", "d0")},
    **{name: dict.fromkeys(NOT_ON_TCP, TCP) for name in ("modbus tcp", "dlms wrapper")},
    **{name: {foreign_answer: SESSION} for name in ("iec programming", "iec readout")},
}
"""Protocol and behaviour → why it does not apply."""


def rows() -> Iterator[Any]:
    for spoken in LINES:
        for behaviour in BEHAVIOURS:
            words = behaviour.__name__.replace("_", " ")
            why = EXCUSED.get(spoken.name, {}).get(behaviour)
            yield pytest.param(
                spoken, behaviour, why, id=f"{spoken.name}-{words}" + (f" - not here, {why}" if why else "")
            )


@pytest.mark.parametrize(("spoken", "behaviour", "why"), list(rows()))
def test_a_line(spoken: Spoken, behaviour: Behaviour, why: str | None) -> None:
    if why is None:
        behaviour(spoken, value(spoken))
    elif why == TALKS:
        assert spoken.session().send(spoken.question).data == b""
    elif why == TCP:
        assert "tcp" in spoken.name or "wrapper" in spoken.name
    else:
        assert spoken.foreign is None
