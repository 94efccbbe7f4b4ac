"""A Modbus master's dialogue with one unit: one question at a time, and only its own answer is believed.

``send`` starts a question (asking again, or asking another one, replaces the one before: that is how a time-out ends),
``receive`` ends it with a reply or an error. :data:`NEXT` says where the dialogue stands. After a time-out on an RTU
line a late answer may still come, and nothing in it tells it from the right one: the dialogue is out of step until the
Link has asked what ``proof`` gives and heard an answer. Over TCP the number of the transaction tells.

A change of the table must also touch the diagram in ``docs/protocols.md``, which a test compares with it.
"""

import enum
from collections.abc import Mapping
from dataclasses import replace

from protocols.errors import BadFrame, MeterError
from protocols.modbus import mbap, rtu
from protocols.modbus.questions import DeviceIdentification, Question, ReadDeviceIdentification
from protocols.modbus.wire import build, exception, identification
from protocols.overheard import Overheard, Unnamed, frames, second_master
from protocols.session import Line, Sending

WAIT = 0.5  # s: Wiren Board's and libmodbus' default
WAIT_SLOW = 1.0  # s, below 9600 bit/s
WAIT_TCP = 1.0  # s: a gateway may wait for its own line first
GAP = 0.1  # s: longer than the 16 ms bursts of USB adapters and the pauses of Ethernet converters
GAP_TCP = 0.5  # s: a segment that was sent again


class State(enum.Enum):
    """Where the dialogue stands."""

    IDLE = "idle"
    WAITING = "waiting"  # for an answer
    OUT_OF_STEP = "out of step"  # after a time-out, until an answer can be told from a late one
    PROVING = "proving"  # for the answer to the proof


class Event(enum.Enum):
    """What moves it."""

    QUESTION = "question"
    PROOF = "the proof is asked"
    ENDED = "reply or error"
    TIMED_OUT = "time-out"


NEXT: Mapping[tuple[State, Event], State] = {
    **{(state, Event.QUESTION): State.WAITING for state in State},
    **{(state, Event.TIMED_OUT): State.OUT_OF_STEP for state in State},
    (State.IDLE, Event.PROOF): State.WAITING,
    (State.WAITING, Event.PROOF): State.WAITING,
    (State.OUT_OF_STEP, Event.PROOF): State.PROVING,
    (State.PROVING, Event.PROOF): State.PROVING,
    (State.WAITING, Event.ENDED): State.IDLE,
    (State.PROVING, Event.ENDED): State.IDLE,
}


def silence(line: Line) -> float:
    """Seconds between frames: 3.5 characters, 1.75 ms above 19200 bit/s (Modbus over Serial Line V1.02 §2.5.1.1)."""
    return 0.00175 if line.speed > 19200 else 3.5 * line.character


class Session(Unnamed):
    """Implements :class:`protocols.session.Session` for RTU (``framing="rtu"``) and Modbus TCP (``"tcp"``).

    Replies: ``bytes`` (the registers' octets, high octet first) to ReadHolding and ReadInput, DeviceIdentification to
    ReadDeviceIdentification. Exceptions 4, 5, 6, 8, 9 are Busy, 10 and 11 NoReply, all others Refused with ``code``.
    ``proof`` (RTU) must be a question whose answer has another length than any other that this unit is asked.
    ``timeout`` is the wait in seconds, ``turnover`` the silence that the unit wants when the line has turned to it from
    another one (see :meth:`turn`).
    """

    def __init__(
        self,
        unit: int,
        line: Line,
        framing: str = "rtu",
        timeout: float | None = None,
        *,
        turnover: float = 0.0,
        proof: Question | None = None,
    ) -> None:
        self._unit, self._tcp = unit, framing == "tcp"
        self.proved = not self._tcp  # where transactions are numbered nothing has to be
        self._framing = framing
        usual = WAIT_TCP if self._tcp else WAIT if line.speed >= 9600 else WAIT_SLOW
        self._wait = usual if timeout is None else timeout
        self._gap = GAP_TCP if self._tcp else max(GAP, 8 * line.character)
        self._pause = 0.0 if self._tcp else silence(line)
        self._turnover = turnover
        self._turned = False
        self._state = State.IDLE
        self._proof = proof or ReadDeviceIdentification()
        self._sendings: dict[Question, Sending] = {}
        self._number = 0
        self._question: Question | None = None
        self._request = b""
        self._heard = b""

    def turn(self) -> None:
        """The line turns to this unit: the next question owes the ``turnover`` silence."""
        self._turned = True

    def prove_by(self, question: Question) -> None:
        """The question that :meth:`proof` gives from now on."""
        self._proof = question

    def proof(self) -> Question | None:
        """See :class:`protocols.session.Session`; None in TCP, where a late answer shows by its number."""
        self._question, self._heard, self._state = None, b"", NEXT[self._state, Event.TIMED_OUT]
        return None if self._tcp else self._proof

    def send(self, question: Question) -> Sending:
        sending = self._sendings.get(question) or self._prepare(question)
        if self._tcp:
            # The unit in the high octet keeps the numbers of several meters behind one gateway apart.
            self._number = (self._number + 1) & 0xFF
            sending = replace(sending, data=bytes((self._unit, self._number)) + sending.data[2:])
        if self._turned:
            self._turned = False
            sending = replace(sending, pause=max(sending.pause, self._turnover))
        self._question, self._request, self._heard = question, sending.data, b""
        self._state = NEXT[self._state, Event.PROOF if question == self._proof else Event.QUESTION]
        return sending

    def receive(self, data: bytes) -> bytes | DeviceIdentification | None:
        question = self._question
        if question is None:
            if data:
                raise RuntimeError(f"unit {self._unit}: nothing was asked, {len(data)} octets were handed in")
            return None
        heard = self._heard + data
        if not heard:
            return None
        try:
            answer = self._find(heard, question, silent=not data)
            reply = None if answer is None else self._reply(answer, question)
        except MeterError:
            self._end()
            raise
        if reply is not None:
            self._end()
        return reply

    def _end(self) -> None:
        self._question, self._state = None, NEXT[self._state, Event.ENDED]

    def _prepare(self, question: Question) -> Sending:
        data = build(self._unit, question, self._framing)
        longest = mbap.LONGEST if self._tcp else rtu.LONGEST
        known = None if isinstance(question, ReadDeviceIdentification) else question.expected
        size = longest if known is None else known + (9 if self._tcp else 5)
        least = 0 if known is None or self._tcp else size
        sending = Sending(data, wait=self._wait, gap=self._gap, pause=self._pause, size=size, least=least)
        self._sendings[question] = sending
        return sending

    def _find(self, heard: bytes, question: Question, silent: bool) -> bytes | None:
        """The answer from the unit on, without checksum; None while it may still come."""
        if self._tcp:
            answer, self._heard = mbap.find(heard, self._request, silent)
            return answer
        self._heard = heard
        known = None if isinstance(question, ReadDeviceIdentification) else question.expected
        try:
            answer = rtu.find(heard, self._request, known, silent)
        except BadFrame:
            self._alert(heard)
            raise
        if answer is not None and len(heard) > len(answer) + 2:
            self._alert(heard)
        return answer

    def _alert(self, heard: bytes) -> None:
        """SecondMaster where somebody else has asked meanwhile. Answers of other units are passed over: they carry
        their unit."""
        if asked := [one for one in self.foreign(heard) if one.question]:
            raise second_master(f"unit {self._unit}", asked)

    def foreign(self, octets: bytes) -> tuple[Overheard, ...]:
        """See :class:`protocols.overheard.Unnamed`; none in TCP, where answers are numbered."""
        if self._tcp:
            return ()
        found = frames(octets, rtu.question_sizes, rtu.answer_sizes, self._unit)
        return tuple(one for one in found if one.frame != self._request)

    def _reply(self, answer: bytes, question: Question) -> bytes | DeviceIdentification:
        function = question.function
        if answer[1] == function | 0x80 and len(answer) == 3:
            if self._state is State.PROVING and isinstance(question, ReadDeviceIdentification):
                return DeviceIdentification({})  # nothing else has this function: a refusal proves as much
            raise exception(self._unit, answer[2])
        if answer[1] != function:
            raise BadFrame(f"function {answer[1]} answered, {function} was asked: {answer.hex(' ')}")
        if isinstance(question, ReadDeviceIdentification):
            return identification(answer[1:])
        if answer[2] != question.expected or len(answer) != 3 + question.expected:
            raise BadFrame(f"{question.expected} octets were asked: {answer.hex(' ')}")
        return answer[3:]
