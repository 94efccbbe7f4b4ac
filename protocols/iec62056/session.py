"""The dialogue with one IEC 62056-21 meter: sign-on, speed change, readout, programming mode, sign-off.

Times are those of IEC 62056-21:2002 §6.4.3: t_r 200 ms (20 ms) … 1500 ms between messages, t_a below 1500 ms between
characters; a meter waits t_t at most 2200 ms for the option message, which therefore follows in the same question.
"""

import enum
from collections.abc import Callable
from typing import Any

from protocols.errors import AccessDenied, BadFrame, Busy, NotLoggedIn, Refused
from protocols.iec62056 import frames, questions
from protocols.iec62056.block import Block, parse
from protocols.iec62056.frames import ACK, EOT, ETX, NAK, SPEEDS, STX, Identification
from protocols.iec62056.inbox import Inbox
from protocols.iec62056.refusals import error_words, nothing_kept, refusal
from protocols.session import Line, Sending

CHECKS = ("auto", "xor", "sum", "none")
PARITIES = ("auto", "hardware", "software", "none")

SUMMING = frozenset({"EKT", "EMR", "KAM"})  # Energomera, Kamstrup: known to send the sum in place of the XOR

SILENCE = 0.2  # s before a sign-on; an Energomera CE102 needs 0.1
REACTION = 1.6  # s: the longest t_r, 1.5, and the adapter
REACTION_OPTICAL = 2.5  # s: as readers of optical heads allow
LARGEST = 65536  # octets: an Elster AS3000 has been seen to repeat its telegram for ever
LONGEST = 300.0  # s that a readout may take
WAKING = 65  # NULs: 2.17 s at 300 bit/s (Annex B: 2.1 to 2.3 s)
WAKING_PAUSE = 1.6  # s after them (Annex B: 1.5 to 1.7)
REPEATS = 3  # NAKs for one damaged block (§6.4.7)

_Expect = Callable[[bool], Any]


class State(enum.Enum):
    CLOSED = enum.auto()
    GREETING = enum.auto()  # signed on, not yet in programming mode
    OPEN = enum.auto()
    LOST = enum.auto()  # the meter fell silent or ended it


class Session:
    """Implements :class:`protocols.session.Session`; questions and replies are in ``questions``.

    ``line`` is the line of the sign-on. ``check``: the rule of the check character, ``auto`` by the maker's letters
    (sum for EKT, EMR and KAM), ``none`` accepts telegrams without one. ``parity``: ``software`` computes 7E1 on an
    8N1 port (``auto`` does so where the line has eight bits), ``none`` is a meter that really sends eight bits.
    ``top_speed``: a faster offer is refused, the dialogue stays at the sign-on's speed. ``change=False``: the speed
    stays although the option message agrees to the offer. ``wait``: seconds to an answer's first byte.
    """

    def __init__(
        self,
        address: str = "",
        line: Line | None = None,
        *,
        check: str = "auto",
        parity: str = "auto",
        top_speed: int | None = None,
        change: bool = True,
        wait: float | None = None,
    ) -> None:
        self.address = address
        self.line = line or Line(300, "7E1")
        self._check = check
        self._parity = ("hardware" if self.line.format[0] == "7" else "software") if parity == "auto" else parity
        self._top_speed = top_speed
        self._change = change
        self._wait = wait or (REACTION if self.line.speed > 2400 else REACTION_OPTICAL)
        self._gap = 0.5 if self.line.speed > 2400 else 1.5
        self._working = self.line  # what the meter's end of the line is set to now
        self._identification: Identification | None = None
        self._state = State.CLOSED
        self.unfinished = False  # the meter has greeted us since the last break: it may be in a session still
        self._pause = SILENCE
        self._inbox = Inbox(self._parity)
        self._question: Any = None
        self._expect: _Expect | None = None
        self._in_step = False  # the last question ended in a frame, sound or not, and no late answer can follow
        self._blocks: list[bytes] = []
        self._repeats = 0

    @property
    def rule(self) -> str:
        """``xor`` or ``sum``, by the setting, else by the maker's letters."""
        if self._check in frames.RULES:
            return self._check
        known = self._identification
        return "sum" if known and known.maker.upper() in SUMMING else "xor"

    def send(self, question: Any) -> Sending:
        self._question = question
        match question:
            case questions.Readout() | questions.Program() | questions.HandOver():
                self._state = State.GREETING
                return self._sign_on()
            case questions.Direct():
                body = f"{question.name}({question.arguments})".encode("cp1251")
                opening = frames.request(self.address)[:-2]
                self._working = self.line
                self._pause = SILENCE
                data = opening + frames.command("R1", body, self.rule)
                return self._say(data, self._read_answer, size=2048, before=self.line)
            case questions.WakeUp():
                sending = self._say(bytes(WAKING), None, answered=False, before=self.line)
                self._pause = WAKING_PAUSE
                return sending
            case questions.Break():
                # The line goes back only when the break has left: a meter that misses it answers other meters'
                # commands, which carry no address.
                sending = self._say(frames.command("B0", b"", self.rule), None, then=self.line, answered=False)
                self._state, self._working, self._pause = State.CLOSED, self.line, SILENCE
                self.unfinished = False
                return sending
            case questions.Lost():
                raise NotLoggedIn("the meter fell silent in programming mode; its session is over")
        return self._in_session(question)

    def _in_session(self, question: Any) -> Sending:
        if self._state is State.LOST:
            raise NotLoggedIn("the session with this meter is over; sign on again")
        if self._state is not State.OPEN:
            raise RuntimeError(f"{type(question).__name__} before Program")
        match question:
            case questions.Password():
                body = b"(" + question.secret + b")"
                data = frames.command(question.kind, body, self.rule)
                return self._say(data, self._read_verdict, secret=question.secret)
            case questions.Get() | questions.Put():
                body = f"{question.name}({question.arguments})".encode("cp1251")
                expect = self._read_answer if isinstance(question, questions.Get) else self._read_verdict
                return self._say(frames.command(question.kind, body, self.rule), expect, size=4096)
        raise RuntimeError(f"{question!r} is no question of IEC 62056-21")

    def receive(self, data: bytes) -> Any:
        if self._expect is None:
            raise RuntimeError("bytes without a question")
        if not self._inbox.feed(data):
            return None
        if len(self._inbox.buffer) > LARGEST:
            raise self._broken("no end within 64 KiB")
        try:
            return self._expect(not data)
        except (BadFrame, Busy, Refused):
            self._in_step = True
            raise

    def proof(self) -> Any | None:
        """None where the line is in step: before a session, and after a frame that was heard but damaged (answers
        carry their parameter's name). After a silence a session is over: the meters end it within seconds."""
        if self._state is not State.OPEN or self._in_step:
            return None
        self._state = State.LOST
        return questions.Lost()

    # What goes out

    def _say(
        self,
        data: bytes,
        expect: _Expect | None,
        *,
        size: int = 256,
        then: Line | None = None,
        before: Line | None = None,
        answered: bool = True,
        echo: bool = True,
        secret: bytes = b"",
    ) -> Sending:
        self._expect, self._in_step = expect, False
        self._blocks, self._repeats = [], 0
        self._inbox.expect(data if echo and len(data) > 1 else b"")
        pause, self._pause = self._pause, self._reaction
        if self._parity == "software":
            data, secret = frames.with_parity(data), frames.with_parity(secret)
        return Sending(
            data,
            wait=self._wait,
            gap=self._gap,
            pause=pause,
            size=size,
            then=then,
            before=before,
            answered=answered,
            secret=secret,
        )

    @property
    def _reaction(self) -> float:
        return self._identification.reaction if self._identification else SILENCE

    def _sign_on(self) -> Sending:
        self._working = self.line
        self._inbox.echoed = False
        self._pause = max(self._pause, SILENCE)
        return self._say(frames.request(self.address), self._read_identification, size=self._size(), before=self.line)

    def _size(self) -> int:
        """Octets of the longest answer: a readout, but no more than :data:`LONGEST` lets through."""
        if not isinstance(self._question, questions.Readout):
            return 256
        return min(LARGEST, int(LONGEST / 2 / self._working.character))

    # What comes in

    def _read_identification(self, silent: bool) -> Any:
        while (line := self._inbox.line()) is not None:
            found = frames.identification(line)
            if found:
                self._identification, self.unfinished = found, True
                return self._agree(found)
            self._inbox.echoed = self._inbox.echoed or frames.request(self.address) in line
        if silent and self._inbox.buffer:
            raise self._broken("no identification")
        return None

    def _agree(self, found: Identification) -> Any:
        """The option message that follows the identification; modes A and B have none."""
        if found.mode in "AB":
            if not isinstance(self._question, questions.Readout):
                raise self._refused(Refused(f"{found}: mode {found.mode} has no programming mode through sign-on"))
            if found.mode == "A":
                self._expect = self._read_readout
                return self._read_readout(False)
            self._working = Line(found.speed or self.line.speed, self.line.format)
            self._pause = 0.0
            return self._say(b"", self._read_readout, size=self._size(), then=self._working)
        protocol, mode, expect = self._choice()
        if protocol == "2" and found.mode != "E":
            raise self._refused(Refused(f"{found}: the meter does not offer mode E"))
        offered = SPEEDS[found.baud]
        refused = protocol == "0" and self._top_speed is not None and offered > self._top_speed
        stays = refused or not self._change
        self._pause = found.reaction
        self._working = self.line if stays else Line(offered, self.line.format)
        data = frames.option(protocol, "0" if refused else found.baud, mode)
        # In mode E the meter's own answer is the same six bytes as an echo.
        echo = protocol != "2" or self._inbox.echoed
        return self._say(data, expect, size=self._size(), then=None if stays else self._working, echo=echo)

    def _choice(self) -> tuple[str, str, _Expect]:
        match self._question:
            case questions.Readout(mode=number):
                return "0", number, self._read_readout
            case questions.Program(mode=number):
                return "0", number, self._read_operand
        return "2", "2", self._read_handover

    def _read_readout(self, silent: bool) -> Any:
        buffer = self._inbox.buffer
        start = buffer.find(STX)
        frame = self._inbox.frame(start) if start >= 0 else None
        if frame:
            return self._telegram(frame[1:-2], self._checked(frame))
        if not silent or not buffer:
            return None
        text = bytes(buffer[start + 1 :]).rstrip(b"\r\n\0\x03")
        if not text.endswith(b"!"):
            raise self._broken("the readout broke off" if b"(" in text else "no data message")
        if self._inbox.spoilt(text):
            raise self._broken("wrong parity")
        if self._check != "none":
            raise self._broken('a readout without check character (check = "none" accepts it)')
        return self._telegram(text, False)

    def _telegram(self, text: bytes, checked: bool) -> Any:
        block = parse(text)
        if block.damaged and not checked:
            raise self._broken(f"{len(block.damaged)} damaged lines in a readout without check character")
        assert self._identification is not None  # a readout follows one
        self._state = State.CLOSED
        return questions.Telegram(self._identification, block, checked)

    def _read_operand(self, silent: bool) -> Any:
        first = self._inbox.skip_to(b"\x01\x02\x15")
        if first == NAK:
            raise self._broken("the meter does not understand (NAK)")
        if first == STX and len(self._inbox.buffer) > 64:
            raise self._broken("a readout came: the meter did not understand the wish for programming mode")
        frame = self._inbox.frame() if first is not None else None
        if frame is None:
            return self._nothing_yet(silent)
        self._checked(frame)
        if frame[:4] != b"\x01P0\x02":
            self._refuse_if_error(frame)
            raise self._broken("not the operand P0")
        operand = parse(frame[4:-2])
        assert self._identification is not None  # P0 follows one
        self._state = State.OPEN
        return questions.Opened(self._identification, operand.text("") or "")

    def _read_handover(self, silent: bool) -> Any:
        assert self._identification is not None  # the option message follows one
        expected = frames.option("2", self._identification.baud, "2")
        if expected in self._inbox.buffer:
            self._state = State.CLOSED
            return questions.HandedOver(self._identification, Line(self._working.speed, "8N1"))
        return self._nothing_yet(silent)

    def _read_verdict(self, silent: bool) -> Any:
        """ACK, NAK, break or an error message after P1, P2 or W."""
        first = self._inbox.skip_to(b"\x01\x02\x06\x15")
        if first == ACK:
            return questions.Done()
        if first == NAK:
            raise self._broken("the meter does not understand (NAK)")
        frame = self._inbox.frame() if first is not None else None
        if frame is None:
            return self._nothing_yet(silent)
        self._checked(frame)
        login = isinstance(self._question, questions.Password)
        if login and frame[:2] == b"\x01P":  # our own command, heard again behind noise
            self._inbox.drop(len(frame))
            return self._read_verdict(silent)
        if frame[:3] == b"\x01B0":
            raise self._refused(AccessDenied("the meter refuses the password and ends the session"))
        if login and frame[0] == STX:
            raise AccessDenied(f"the meter refuses the password: {error_words(parse(frame[1:-2]))}")
        self._refuse_if_error(frame)
        raise self._broken("neither ACK nor an error")

    def _read_answer(self, silent: bool) -> Any:
        first = self._inbox.skip_to(b"\x01\x02\x15")
        if first == NAK:
            raise self._broken("the meter does not understand (NAK)")
        frame = self._inbox.frame() if first is not None else None
        if frame is None:
            return self._nothing_yet(silent)
        if frame[:3] == b"\x01B0":
            self._checked(frame)
            self._state = State.LOST
            raise NotLoggedIn("the meter has ended the session")
        if frame[-2] == EOT or self._blocks:
            return self._next_block(frame)
        self._checked(frame)
        return self._named(frame, parse(frame[1:-2]))

    def _next_block(self, frame: bytes) -> Any:
        """Partial blocks (§6.4.7): ACK asks for the next, NAK for the same again."""
        kept, repeats = self._blocks, self._repeats
        if self.rule not in frames.rules_kept(frame):
            if repeats == REPEATS:
                raise self._broken("a block stays damaged")
            sending = self._say(bytes([NAK]), self._read_answer, size=4096)
            self._blocks, self._repeats = kept, repeats + 1
            return sending
        kept = [*kept, frame[1:-2]]
        if frame[-2] == ETX:
            return self._named(frame, parse(b"\r\n".join(kept)), whole=False)
        if sum(map(len, kept)) > LARGEST:
            raise self._broken("no last block within 64 KiB")
        sending = self._say(bytes([ACK]), self._read_answer, size=4096)
        self._blocks = kept
        return sending

    def _named(self, frame: bytes, block: Block, whole: bool = True) -> Block:
        """The answer to what was asked, or the error that says why there is none. Lines of a memory read in blocks
        carry addresses of their own (not ``whole``), the first is the one asked for."""
        question = self._question
        names = question.answers if isinstance(question, questions.Direct) else (question.name,)
        named = isinstance(question, questions.Direct) or question.named
        if not block.sets or block.damaged:
            raise nothing_kept(question, block) or self._broken("no data set")
        if (error := refusal(block, question.name, named)) is not None:
            raise error
        found = tuple(dict.fromkeys(one.id for one in block.sets))
        if found[: None if whole else 1] != (names if named else ("",)):
            raise self._broken(f"answers {', '.join(found)[:60]!r}, asked was {', '.join(names)[:60]!r}")
        return block

    def _refuse_if_error(self, frame: bytes) -> None:
        name = getattr(self._question, "name", "sign-on")
        if frame[0] == STX and (error := refusal(parse(frame[1:-2]), name)) is not None:
            raise error

    def _checked(self, frame: bytes) -> bool:
        """True for a sound frame; BadFrame else."""
        if self._inbox.spoilt(frame):
            raise self._broken("wrong parity", frame)
        if self.rule not in frames.rules_kept(frame):
            kept = frames.rules_kept(frame)
            hint = f' (it keeps the rule "{kept[0]}")' if kept else ""
            raise self._broken(f"wrong check character by the rule {self.rule!r}{hint}", frame)
        return True

    def _nothing_yet(self, silent: bool) -> None:
        if silent and self._inbox.buffer:
            raise self._broken("the answer broke off")

    def _broken(self, words: str, data: bytes | None = None) -> BadFrame:
        if isinstance(self._question, questions.Password):
            return BadFrame(words)  # a damaged echo of the password may be among the bytes
        return frames.broken(words, bytes(self._inbox.buffer) if data is None else data)

    def _refused(self, error: Refused | AccessDenied) -> Refused | AccessDenied:
        self._state = State.CLOSED
        return error
