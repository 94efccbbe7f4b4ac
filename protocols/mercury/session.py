"""One dialogue with one Mercury 23x meter: bytes in, bytes out.

An answer carries neither a number nor the request's code, so one question is asked at a time, and :data:`NEXT` says
what may happen while it waits. ``send`` starts it, ``receive`` ends it with a reply or an error. Silence does not end
it, since a late answer may still come; it only allows another question in its place. After a time-out the Link calls
``proof`` first, which forgets the question and asks one that no late answer can be taken for.

A change of the table must also touch the diagram in ``docs/protocols.md``, which a test compares with it.
"""

import enum
from collections.abc import Mapping
from typing import Any

from protocols.checksums import crc16_modbus
from protocols.errors import (
    AccessDenied,
    BadFrame,
    Busy,
    MeterError,
    NoRights,
    NotLoggedIn,
    Refused,
    WrongAddress,
    WrongCheck,
)
from protocols.mercury.frames import LONGEST, SHORTEST, seal
from protocols.mercury.questions import STATUS, Asked, OpenChannel, ReadSerial, TestChannel
from protocols.mercury.shapes import answer_sizes, question_sizes
from protocols.mercury.timing import MARGIN, answer_time, system_timeout
from protocols.overheard import Overheard, Unnamed, frames, second_master
from protocols.session import Line, Sending

GAP = 0.05  # USB adapters hand bytes over in lumps up to 16 ms apart: a shorter silence ends nothing
_AROUND = 3  # address and CRC
_KEPT = 512  # octets remembered of one answer; more is noise, of which the end is kept
_SHOWN = 64  # octets of it that stand in a message


class State(enum.Enum):
    """Where the dialogue stands."""

    IDLE = "idle"
    WAITING = "waiting"  # for the answer to the question
    SILENT = "silent"  # the same, and the line fell silent without an answer


class Event(enum.Enum):
    """What moves it."""

    ASKED = "question"
    REPEATED = "the same question"
    SILENCE = "silence"
    ENDED = "reply or error"
    FORGOTTEN = "proof"


NEXT: Mapping[tuple[State, Event], State] = {
    **{(state, Event.FORGOTTEN): State.IDLE for state in State},
    (State.IDLE, Event.ASKED): State.WAITING,
    (State.WAITING, Event.REPEATED): State.WAITING,
    (State.WAITING, Event.SILENCE): State.SILENT,
    (State.WAITING, Event.ENDED): State.IDLE,
    (State.SILENT, Event.ASKED): State.WAITING,
    (State.SILENT, Event.REPEATED): State.WAITING,
    (State.SILENT, Event.SILENCE): State.SILENT,
    (State.SILENT, Event.ENDED): State.IDLE,
}


class Session(Unnamed):
    """Ask and understand one meter; one question at a time.

    ``address`` 0 is the universal one: a lone meter on the line answers whatever its own, and answers as 0.
    ``multiplier`` is the meter's n (§1.2), ``timeout`` seconds to the first byte instead of the maker's longest time
    plus :data:`~protocols.mercury.timing.MARGIN`. ValueError: the meter knows no such speed.

    An answer ends by its length. It is found between noise and behind an echo of the request by address, length and
    CRC; a status (4 octets) in the place of a longer answer counts only after silence, because the head of a longer
    frame may look like one. A sound frame of another length or from another meter is a BadFrame, and so is all else
    that ends in silence, except for up to three octets: too few for any frame, they are noise before the answer.
    A sound frame before or behind the answer that is not our request is a SecondMaster.
    """

    def __init__(self, address: int, line: Line, multiplier: int = 1, timeout: float | None = None) -> None:
        self._address = address
        self._wait = answer_time(line.speed, multiplier) + MARGIN if timeout is None else timeout
        self._pause = system_timeout(line.speed, multiplier)
        self._question: Asked | None = None
        self._request = b""
        self._buffer = bytearray()
        self._start = 0  # octets of the buffer in which no awaited frame begins
        self._echoed = False  # the echo of this request has been taken away
        self._before = b""  # what stood before that
        self._state = State.IDLE

    def send(self, question: Asked) -> Sending:
        """The request. RuntimeError while another question waits and nothing told that its answer stays away."""
        state = NEXT.get((self._state, Event.REPEATED if question == self._question else Event.ASKED))
        if state is None:
            raise RuntimeError(f"{question} asked while {self._question} still waits")
        self._question, self._state = question, state
        self._request = seal(self._address, question.encode())
        self._buffer.clear()
        self._start = 0
        self._echoed, self._before = False, b""
        secret = question.password if isinstance(question, OpenChannel) else b""
        least = min(question.sizes) + SHORTEST - 1  # address and CRC
        size = max(LONGEST, max(question.sizes) + _AROUND)
        wait, pause = self._wait, self._pause
        return Sending(self._request, wait=wait, gap=GAP, pause=pause, size=size, least=least, secret=secret)

    def proof(self) -> ReadSerial:
        """After silence: no other answer is as long as that to the serial number, and it needs no log-in."""
        self._end(Event.FORGOTTEN)
        return ReadSerial()

    def receive(self, data: bytes) -> Any:
        """None while the answer is not whole, the reply, or a MeterError; ``b""`` says that the line is silent."""
        question = self._question
        if question is None:
            if data:
                raise BadFrame(f"meter {self._address}: octets without a question: {data[:_SHOWN].hex(' ')}")
            return None
        if data:
            self._take(data)
            if (frame := self._found()) is None:
                return None
        else:
            self._state = NEXT[self._state, Event.SILENCE]
            if len(self._buffer) < SHORTEST:
                return None  # an echo, or the click of an adapter that turns round: the answer may still come
            frame = self._found_in_silence()
        self._end(Event.ENDED)
        body = frame[1:-2]
        if len(body) == STATUS:
            self._judge(question, body[0])
        return question.decode(body)

    def _end(self, event: Event) -> None:
        self._question, self._state = None, NEXT[self._state, event]

    def _take(self, data: bytes) -> None:
        """Add to the buffer; drop the request's echo with what came before it; keep a bounded end of endless noise."""
        buffer = self._buffer
        buffer += data
        if not self._echoed and type(self._question) is not TestChannel:
            at = buffer.find(self._request)
            if at >= 0:
                self._before = bytes(buffer[:at])
                del buffer[: at + len(self._request)]
                self._echoed, self._start = True, 0
        if len(buffer) > _KEPT:
            spare = len(buffer) - _KEPT + LONGEST
            del buffer[:spare]
            self._start = max(0, self._start - spare)

    def _found(self) -> bytes | None:
        """An awaited frame as soon as it is whole."""
        buffer, question = self._buffer, self._question
        assert question is not None
        sizes = question.sizes
        shortest, longest = sizes[0] + _AROUND, sizes[-1] + _AROUND
        if len(buffer) < self._start + shortest or self._may_be_echo():
            return None
        for at in range(self._start, len(buffer) - shortest + 1):
            if buffer[at] != self._address:
                continue
            for size in sizes:
                frame = bytes(buffer[at : at + size + _AROUND])
                if len(frame) == size + _AROUND and not crc16_modbus(frame):
                    return self._alone(frame, at)
        self._start = max(self._start, len(buffer) - longest + 1)
        return None

    def _may_be_echo(self) -> bool:
        """What came so far is how our own request begins. An answer to the channel test always is: silence decides."""
        if type(self._question) is TestChannel:
            return True
        return not self._echoed and len(self._buffer) <= len(self._request) and self._request.startswith(self._buffer)

    def _alone(self, frame: bytes, at: int) -> bytes:
        """The frame, unless a sound one that is not our request stands before or behind it: then no one knows whose
        this one is. The same where so much follows it that a second answer may."""
        if not at and not self._before and len(self._buffer) == len(frame):
            return frame
        before, behind = self._before + bytes(self._buffer[:at]), bytes(self._buffer[at + len(frame) :])
        if len(before) >= SHORTEST or len(behind) >= SHORTEST:
            # A late answer beside that to the proof does no harm: no other has its length.
            self._alert(before, behind, questions_only=type(self._question) is ReadSerial)
        if len(behind) >= SHORTEST:
            raise self._broken(f"{len(behind)} more octets behind a sound frame")
        return frame

    def _alert(self, *pieces: bytes, questions_only: bool = False) -> None:
        """SecondMaster where there is a foreign frame in one of these."""
        heard = [one for piece in pieces for one in self.foreign(piece) if one.question or not questions_only]
        if heard:
            self._end(Event.ENDED)
            raise second_master(f"meter {self._address}", heard)

    def foreign(self, octets: bytes) -> tuple[Overheard, ...]:
        """See :class:`protocols.overheard.Unnamed`."""
        found = frames(octets, question_sizes, answer_sizes, self._address)
        return tuple(one for one in found if one.frame != self._request)

    def _found_in_silence(self) -> bytes:
        """The status that came in the place of an answer, or BadFrame."""
        buffer, question = self._buffer, self._question
        assert question is not None
        if len(buffer) < question.sizes[0] + _AROUND or question.sizes[0] == STATUS:
            for at in range(len(buffer) - SHORTEST + 1):
                frame = bytes(buffer[at : at + SHORTEST])
                if frame[0] == self._address and not crc16_modbus(frame):
                    self._alert(self._before + bytes(buffer[:at]), bytes(buffer[at + SHORTEST :]))
                    return frame
        self._alert(self._before, bytes(buffer), questions_only=True)
        raise self._broken(*self._complaint(bytes(buffer), question))

    def _complaint(self, heard: bytes, question: Asked) -> tuple[str, type[BadFrame]]:
        sizes = [size + _AROUND for size in question.sizes]
        if len(heard) < SHORTEST or crc16_modbus(heard):
            whole = len(heard) in sizes and heard[0] == self._address
            return ("wrong check sum", WrongCheck) if whole else ("no sound frame", BadFrame)
        if heard[0] != self._address:
            return f"meter {heard[0]} answered", WrongAddress
        if len(heard) == sizes[0] + 1 and heard[1] == self._request[1]:
            why = "the meter repeats request codes in its answers, switch that off (port parameter 15h, bit 7)"
            return why, BadFrame
        due = " or ".join(map(str, sizes))
        return f"a sound frame of {len(heard)} octets where {due} were due, perhaps a late answer", BadFrame

    def _broken(self, why: str, kind: type[BadFrame] = BadFrame) -> BadFrame:
        """A BadFrame with the bytes in hex, except for a log-in: an echo of it would show the password."""
        heard, question = bytes(self._buffer), self._question
        self._end(Event.ENDED)
        if isinstance(question, OpenChannel) and len(heard) > SHORTEST:
            return kind(f"meter {self._address}: {why}: {len(heard)} octets after a log-in, not shown")
        more = f" and {len(heard) - _SHOWN} more" if len(heard) > _SHOWN else ""
        return kind(f"meter {self._address}: {why}: {heard[:_SHOWN].hex(' ')}{more}")

    def _judge(self, question: Asked, status: int) -> None:
        """Return for a status that is the answer due, raise for every other (table 1.3: the low nibble counts)."""
        code = status & 0x0F
        meter = f"meter {self._address}"
        if code == 0 and question.sizes == (STATUS,):
            return
        if isinstance(question, OpenChannel) and code in (1, 3, 4, 5):
            # Which code a wrong password gets is in no manual; each of these means that this log-in leads nowhere.
            raise AccessDenied(f"{meter}: log-in at level {question.level} refused with code {code}")
        raise _trouble(meter, code)


def _trouble(meter: str, code: int) -> MeterError:
    match code:
        case 0:
            return BadFrame(f"{meter}: says done to a question for data")
        case 1:
            return Refused(f"{meter}: command or parameter not allowed", 1)
        case 2:
            return Busy(f"{meter}: internal error")
        case 3:
            return NoRights(f"{meter}: the access level does not suffice")
        case 4:
            return Refused(f"{meter}: the clock has been corrected today already", 4)
        case 5:
            return NotLoggedIn(f"{meter}: the channel is not open")
        case _:
            return BadFrame(f"{meter}: status {code} is in no manual")
