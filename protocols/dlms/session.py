"""One client's dialogue with one DLMS meter, over HDLC or over the TCP wrapper.

Where the dialogue stands is a state of :mod:`protocols.dlms.states`; its tables say what may follow. ``send`` moves the
state and starts the question's generator (:mod:`protocols.dlms.exchange`), ``receive`` hands it what the link makes of
the octets (:mod:`protocols.dlms.link`, or the wrapper) until it returns the reply.

HDLC frames are numbered, so a question that met silence may be asked again at any time: the last frame goes out
unchanged, the meter repeats its reply, and a long answer goes on where it broke off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocols.dlms.exchange import Steps, Talk
from protocols.dlms.link import Down, Event, HdlcLink, Out, Up
from protocols.dlms.questions import (
    Action,
    Associate,
    Connect,
    Connected,
    Disconnect,
    Done,
    Get,
    GetList,
    Question,
    Release,
    Set,
)
from protocols.dlms.security import ENCRYPTED
from protocols.dlms.states import BUSY, HEARD, IN_LINK, Outcome, State, after_question
from protocols.dlms.wrapper import WrapperLink
from protocols.errors import BadFrame, MeterError, NotLoggedIn
from protocols.session import Sending

LOW_LEVEL = 1  # the mechanism whose password goes over the line as it is
LONGEST_MESSAGE = 0x2000  # octets over TCP; longer answers come in blocks
UNRELATED = 8  # pushed or late messages in one answer after which we give up


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. ``wait``: to the first octet of an answer; ``gap``: the silence inside one that says it is damaged."""

    wait: float = 2.0
    gap: float = 0.2


class Session:
    """Implements :class:`protocols.session.Session` for the questions of ``questions.py``.

    ``wrapper``: over TCP without HDLC. ``strict_invoke`` False: answers need not echo the number of the question
    (some meters send a constant).
    """

    def __init__(self, wrapper: bool = False, timing: Timing = Timing(), strict_invoke: bool = True) -> None:
        self._wrapper = wrapper
        self._timing = timing
        self._strict = strict_invoke
        self._state = State.CLOSED
        self._link: HdlcLink | WrapperLink | None = None
        self._talk = Talk(strict_invoke)
        self._pending: Question | None = None
        self._steps: Steps | None = None
        self._unrelated = 0
        self._secrets: list[bytes] = []  # of this association, as they go over the line

    def send(self, question: Question) -> Sending:
        link = self._link
        if question == self._pending and isinstance(link, HdlcLink):
            return self._sending(link.again())
        state = after_question(self._state, question, self._wrapper)
        if state is None:
            raise self._out_of_turn(question)
        self._forget()
        self._state = state
        if isinstance(question, Connect):
            return self._connect(question)
        if isinstance(question, Disconnect):
            return self._disconnect(question)
        if isinstance(question, Associate):
            self._secrets = _secrets(question)
        if isinstance(link, HdlcLink):
            link.hush = isinstance(question, (Associate, Release))
        steps = self._start(question)
        try:
            apdu = next(steps)
        except Exception:  # a question that cannot be ciphered was never asked
            self._heard(Outcome.FAILED)
            raise
        self._pending, self._steps = question, steps
        assert link is not None  # every state in which such a question has a row follows Connect
        return self._sending(link.put(apdu))

    def _out_of_turn(self, question: Question) -> NotLoggedIn | RuntimeError:
        broken_off = self._state in BUSY and not self._wrapper
        if isinstance(question, IN_LINK) and (broken_off or self._state is State.LOST):
            self._forget()
            self._state = State.LOST
            return NotLoggedIn("the dialogue broke off; the link must be set up again")
        return RuntimeError(f"{type(question).__name__} in state {self._state.value}")

    def receive(self, data: bytes) -> Any:
        link = self._link
        if link is None or self._pending is None:
            return None  # nothing is asked: noise
        try:
            link.feed(data)
            while (event := link.take() if data else link.silence()) is not None:
                reply = self._handle(event)
                if reply is not None:
                    return reply
        except NotLoggedIn:
            self._end(Outcome.LINK_LOST)
            raise
        except BadFrame:
            # over HDLC the question stays: asked again, it goes on where it broke
            if not link.numbered or self._steps is None:
                self._end(Outcome.FAILED)
            raise
        except MeterError:
            self._end(Outcome.FAILED)
            raise
        return None

    def proof(self) -> None:
        """Frames (HDLC) or questions (wrapper) are numbered: no late answer can pass for another."""
        return

    def _handle(self, event: Event) -> Any:
        match event:
            case Out():
                return self._sending(event.data, event.pause)
            case Up():
                self._end(Outcome.ANSWERED)
                return Connected(event.limits)
            case Down():
                self._end(Outcome.ANSWERED)
                return Done()
            case bytes():
                return self._advance(event)

    def _advance(self, apdu: bytes) -> Any:
        steps, link = self._steps, self._link
        if steps is None or link is None:
            return None
        self._steps = None  # an exception ends it
        try:
            following = steps.send(apdu)
        except StopIteration as end:
            self._end(Outcome.ANSWERED)
            return end.value
        self._steps = steps
        if following:
            self._unrelated = 0
            return self._sending(link.put(following))
        self._unrelated += 1
        if self._unrelated > UNRELATED:
            raise BadFrame(f"{UNRELATED} messages came that answer nothing")
        return None

    def _start(self, question: Question) -> Steps:
        talk = self._talk
        match question:
            case Associate():
                return talk.open(question)
            case Get():
                return talk.get(question)
            case GetList():
                return talk.get_list(question)
            case Set():
                return talk.set(question)
            case Action():
                return talk.action(question)
            case Release():
                return talk.release(question)
        raise RuntimeError(f"{question} is not a question of this session")

    def _connect(self, question: Connect) -> Sending:
        self._talk = Talk(self._strict)
        if self._wrapper:
            self._link = WrapperLink(question.logical, question.client)
            return self._sending(b"", answered=False)
        link = self._link = HdlcLink(question.server, question.client, question.limits)
        self._pending = question
        return self._sending(link.connect())

    def _disconnect(self, question: Disconnect) -> Sending:
        if isinstance(self._link, HdlcLink):
            self._pending = question
            return self._sending(self._link.disconnect())
        self._heard(Outcome.ANSWERED)  # there is nothing to release
        return self._sending(b"", answered=False)

    def _sending(self, data: bytes, pause: float = 0.0, answered: bool = True) -> Sending:
        limits = self._link.limits if isinstance(self._link, HdlcLink) else None
        size = (limits.receive + 20) * limits.window_receive if limits else LONGEST_MESSAGE
        wait, gap, secret = self._timing.wait, self._timing.gap, self._secret(data)
        return Sending(data, wait=wait, gap=gap, pause=pause, size=size, answered=answered, secret=secret)

    def _secret(self, data: bytes) -> bytes:
        """What of these octets must not be shown: from the first secret one to the last, wherever segments cut it."""
        if self._link is None or not isinstance(self._pending, (Associate, Release)):
            return b""
        spans = [span for secret in self._secrets for span in _spans(data, self._link.segments, secret)]
        return data[min(spans)[0] : max(last for _, last in spans)] if spans else b""

    def _heard(self, outcome: Outcome) -> None:
        self._state = HEARD.get((self._state, outcome), self._state)

    def _end(self, outcome: Outcome) -> None:
        self._heard(outcome)
        self._forget()

    def _forget(self) -> None:
        self._pending = self._steps = None
        self._unrelated = 0


def _secrets(question: Associate) -> list[bytes]:
    """The password, and a dedicated key that is not encrypted: AARQ and RLRQ carry it. Other secrets stay here."""
    found = [question.secret] if question.mechanism == LOW_LEVEL else []
    security = question.security
    if question.ciphered and security and not security.control & ENCRYPTED:
        found.append(security.keys.dedicated or b"")
    return [secret for secret in found if secret]


def _spans(data: bytes, segments: tuple[bytes, ...], secret: bytes) -> Iterator[tuple[int, int]]:
    """Where in these octets parts of a secret stand that the segments hold together."""
    first = b"".join(segments).find(secret)
    last, place = first + len(secret), 0
    for segment in segments:
        begin, end = max(first, place) - place, min(last, place + len(segment)) - place
        at = data.find(segment)
        if first >= 0 <= at and begin < end:
            yield at + begin, at + end
        place += len(segment)
