"""The dialogue with one IEC 62056-21 meter: sign-on, speed change, readout, programming mode, sign-off.

Where the dialogue stands is a state of :mod:`protocols.iec62056.states`; its two tables say what may follow. What is
agreed after an identification is decided in :mod:`protocols.iec62056.signon`. Here are the bytes: ``send`` turns a
question into a frame and moves the state, ``receive`` hands what came to the reader of the state that waits
(:data:`READERS`), and a reader either wants more (None), answers, goes on with another :class:`Sending` (option
message, ACK or NAK of a block) or raises. The Link calls ``proof`` after a time-out: a session that lost an answer is
over.

Times are those of IEC 62056-21:2002 §6.4.3: t_r 200 ms (20 ms) … 1500 ms between messages, t_a below 1500 ms between
characters; a meter waits t_t at most 2200 ms for the option message, which therefore follows in the same question.
"""

from collections.abc import Callable, Mapping
from typing import Any

from protocols.errors import AccessDenied, BadFrame, Busy, NotLoggedIn, Refused, WrongCheck
from protocols.iec62056 import foreign, frames, questions
from protocols.iec62056.block import Block, parse
from protocols.iec62056.frames import ACK, EOT, ETX, NAK, SOH, STX, Identification
from protocols.iec62056.inbox import Blocks, Inbox
from protocols.iec62056.refusals import error_words, nothing_kept, refusal
from protocols.iec62056.signon import Wishes, agree
from protocols.iec62056.states import IN_SESSION, Outcome, State, after, after_question
from protocols.overheard import Overheard, Unnamed
from protocols.session import Line, Sending

SUMMING = frozenset({"EKT", "EMR", "KAM"})  # Energomera, Kamstrup: known to send the sum in place of the XOR

SILENCE = 0.2  # s before a sign-on; an Energomera CE102 needs 0.1
REACTION = 1.6  # s: the longest t_r, 1.5, and the adapter
REACTION_OPTICAL = 2.5  # s: as readers of optical heads allow
LARGEST = 65536  # octets: an Elster AS3000 has been seen to repeat its telegram permanently
STRAY = 4  # octets of noise behind the end of a readout without check character
STRANGE = 1024  # octets in lines that are no identification
LONGEST = 300.0  # s that a readout may take
WAKING = 65  # NULs: 2.17 s at 300 bit/s (Annex B: 2.1 to 2.3 s)
WAKING_PAUSE = 1.6  # s after them (Annex B: 1.5 to 1.7)
REPEATS = 3  # NAKs for one damaged block (§6.4.7)


class Session(Unnamed):
    """Implements :class:`protocols.session.Session`; questions and replies are in ``questions``.

    ``line`` is the line of the sign-on. ``check``: the rule of the check character, ``auto`` by the maker's letters
    (sum for EKT, EMR and KAM), ``none`` accepts telegrams without one. ``parity``: ``software`` computes 7E1 on an
    8N1 port (``auto`` does so where the line has eight bits), ``none`` is a meter that really sends eight bits.
    ``top_speed``: a faster offer is refused, the dialogue stays at the sign-on's speed. ``change=False``: the speed
    stays although the option message agrees to the offer. ``wait``: seconds to an answer's first byte.
    """

    proved = False  # answers carry their parameter's name

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
        self._wishes = Wishes(self.line, top_speed, change)
        self._wait = wait or (REACTION if self.line.speed > 2400 else REACTION_OPTICAL)
        self._gap = 0.5 if self.line.speed > 2400 else 1.5
        self._working = self.line  # what the meter's end of the line is set to now
        self._identification: Identification | None = None
        self._state = State.CLOSED
        self.unfinished = False  # the meter has greeted us since the last break: it may be in a session still
        self._owed = SILENCE  # s of silence before the next bytes
        self._inbox = Inbox(self._parity)
        self._question: Any = None
        self._said = b""
        self._blocks = Blocks()

    @property
    def rule(self) -> str:
        """``xor`` or ``sum``, by the setting, else by the maker's letters."""
        if self._check in frames.RULES:
            return self._check
        known = self._identification
        return "sum" if known and known.maker.upper() in SUMMING else "xor"

    def send(self, question: Any) -> Sending:
        state = after_question(self._state, question)
        if state is None:
            raise self._out_of_turn(question)
        self._question, self._state = question, state
        self._blocks = Blocks()
        match question:
            case questions.Readout() | questions.Program() | questions.HandOver():
                self._working = self.line
                self._inbox.echoed = False
                self._owed = max(self._owed, SILENCE)
                return self._say(frames.request(self.address), size=self._size(), before=self.line)
            case questions.Direct():
                self._working, self._owed = self.line, SILENCE
                opening = frames.request(self.address)[:-2]
                data = opening + frames.command("R1", questions.body(question), self.rule)
                return self._say(data, size=2048, before=self.line)
            case questions.WakeUp():
                sending = self._say(bytes(WAKING), answered=False, before=self.line)
                self._owed = WAKING_PAUSE
                return sending
            case questions.Break():
                # The line goes back only when the break has left: a meter that misses it answers other meters'
                # commands, which carry no address.
                sending = self._say(frames.command("B0", b"", self.rule), then=self.line, answered=False)
                self._working, self._owed, self.unfinished = self.line, SILENCE, False
                return sending
            case questions.Password():
                data = frames.command(question.kind, b"(" + question.secret + b")", self.rule)
                return self._say(data, secret=question.secret)
        return self._say(frames.command(question.kind, questions.body(question), self.rule), size=4096)

    def _out_of_turn(self, question: Any) -> NotLoggedIn | RuntimeError:
        if isinstance(question, questions.Lost):
            return NotLoggedIn("the meter fell silent in programming mode; its session is over")
        if not isinstance(question, IN_SESSION):
            return RuntimeError(f"{question!r} is not a question of IEC 62056-21")
        if self._state is State.LOST:
            return NotLoggedIn("the session with this meter is over; sign on again")
        return RuntimeError(f"{type(question).__name__} before Program")

    def receive(self, data: bytes) -> Any:
        reader = READERS.get(self._state)
        if reader is None:
            raise RuntimeError("bytes without a question")
        if not self._inbox.feed(data):
            return None
        if len(self._inbox.buffer) > LARGEST:
            raise self._broken("no end within 64 KiB")
        try:
            return reader(self, not data)
        except (BadFrame, Busy, Refused, AccessDenied):
            self._heard(Outcome.DAMAGED)
            raise

    def proof(self) -> Any | None:
        """None where the line is in step: before a session, and after a frame that was heard but damaged (answers
        carry their parameter's name). After a silence a session is over: the meters end it within seconds."""
        before = self._state
        self._heard(Outcome.SILENT)
        return questions.Lost() if self._state is not before else None

    def foreign(self, octets: bytes) -> tuple[Overheard, ...]:
        """See :class:`protocols.overheard.Unnamed`."""
        return tuple(foreign.questions(octets, self._said))

    def _heard(self, outcome: Outcome) -> None:
        self._state = after(self._state, outcome)

    # What goes out

    def _say(
        self,
        data: bytes,
        *,
        size: int = 256,
        then: Line | None = None,
        before: Line | None = None,
        answered: bool = True,
        echo: bool = True,
        secret: bytes = b"",
    ) -> Sending:
        self._said = data
        self._inbox.expect(data if echo and len(data) > 1 else b"")
        pause, self._owed = self._owed, self._reaction
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
        if (silent and self._inbox.buffer) or self._inbox.passed > STRANGE:
            raise self._broken("no identification")
        return None

    def _agree(self, found: Identification) -> Any:
        """The option message that follows the identification; modes A and B have none."""
        try:
            agreed = agree(found, self._question, self._wishes)
        except Refused:
            self._heard(Outcome.UNFIT)
            raise
        self._heard(agreed.outcome)
        if found.mode == "A":
            return self._read_readout(False)
        self._working, self._owed = agreed.line, agreed.pause
        # In mode E the meter's own answer is the same six bytes as an echo.
        echo = agreed.outcome is not Outcome.IDENTIFIED_TO_HAND_OVER or self._inbox.echoed
        then = agreed.line if agreed.switches else None
        return self._say(agreed.option, size=self._size(), then=then, echo=echo)

    def _read_readout(self, silent: bool) -> Any:
        buffer = self._inbox.buffer
        if frame := self._inbox.frame(self._sound, b"\x02"):
            return self._telegram(frame[1:-2], True)
        if damaged := self._inbox.spoilt_frame(silent):
            raise self._unsound(damaged)
        if not silent or not buffer:
            return None
        text = bytes(buffer[buffer.find(STX) + 1 :])
        end = text.rfind(b"!")
        if end < 0 or len(text[end + 1 :].strip(b"\r\n\0\x03")) > STRAY or b"(" in text[end:]:
            raise self._broken("the readout broke off" if b"(" in text else "no data message")
        text = text[: end + 1]
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
        self._heard(Outcome.TELEGRAM)
        return questions.Telegram(self._identification, block, checked)

    def _read_operand(self, silent: bool) -> Any:
        frame, buffer = self._inbox.frame(self._sound), self._inbox.buffer
        if SOH not in (frame or buffer) and len(buffer) - buffer.find(STX) > 64 and STX in buffer:
            raise self._broken("a readout came: the meter did not understand the wish for programming mode")
        if frame is None:
            return self._nothing_yet(silent)
        if frame[:4] != b"\x01P0\x02":
            self._refuse_if_error(frame)
            raise self._broken("not the operand P0")
        operand = parse(frame[4:-2])
        assert self._identification is not None  # P0 follows one
        self._heard(Outcome.OPERAND)
        return questions.Opened(self._identification, operand.text("") or "")

    def _read_handover(self, silent: bool) -> Any:
        assert self._identification is not None  # the option message follows one
        expected = frames.option("2", self._identification.baud, "2")
        if expected in self._inbox.buffer:
            self._heard(Outcome.HANDED_OVER)
            return questions.HandedOver(self._identification, Line(self._working.speed, "8N1"))
        return self._nothing_yet(silent)

    def _read_verdict(self, silent: bool) -> Any:
        """ACK, NAK, break or an error message after P1, P2 or W."""
        login = isinstance(self._question, questions.Password)
        frame = self._inbox.frame(self._sound)
        if frame is None:
            if self._inbox.agreed(silent, surely=not login):
                self._heard(Outcome.ANSWERED)
                return questions.Done()
            return self._nothing_yet(silent)
        if login and frame[:2] == b"\x01P":  # our own command, heard again behind noise
            self._inbox.drop()
            return self._read_verdict(silent)
        if frame[:3] == b"\x01B0":
            self._heard(Outcome.THROWN_OUT)
            raise AccessDenied("the meter refuses the password and ends the session")
        if login and frame[0] == STX:
            self._refuse_login(parse(frame[1:-2]))
            # A Neva of firmware 7109 answers with an empty value: done, and the next question decides.
            self._heard(Outcome.ANSWERED)
            return questions.Done()
        self._refuse_if_error(frame)
        raise self._broken("neither ACK nor an error")

    def _refuse_login(self, block: Block) -> None:
        trouble = refusal(block, "")
        if isinstance(trouble, Busy):
            raise trouble
        if trouble is not None:
            raise AccessDenied(f"the meter refuses the password: {error_words(block)}")

    def _read_answer(self, silent: bool) -> Any:
        frame = self._inbox.frame(self._sound)
        frame = frame or self._inbox.spoilt_frame(silent)
        if not frame:
            return self._nothing_yet(silent)
        if frame[:3] == b"\x01B0" and self._sound(frame):
            self._heard(Outcome.ENDED)
            raise NotLoggedIn("the meter has ended the session")
        if frame[-2] == EOT or self._blocks.kept:
            return self._next_block(frame)
        if not self._sound(frame):
            raise self._unsound(frame)
        return self._named(frame, parse(frame[1:-2]))

    def _next_block(self, frame: bytes) -> Any:
        """Partial blocks (§6.4.7): ACK asks for the next, NAK for the same again."""
        blocks = self._blocks
        if self.rule not in frames.rules_kept(frame):
            if blocks.repeats == REPEATS:
                raise self._broken("a block stays damaged")
            blocks.repeats += 1
            return self._say(bytes([NAK]), size=4096)
        blocks.kept.append(frame[1:-2])
        blocks.repeats = 0
        if frame[-2] == ETX:
            return self._named(frame, parse(b"\r\n".join(blocks.kept)), whole=False)
        if sum(map(len, blocks.kept)) > LARGEST:
            raise self._broken("no last block within 64 KiB")
        return self._say(bytes([ACK]), size=4096)

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
        self._heard(Outcome.ANSWERED)
        return block

    def _refuse_if_error(self, frame: bytes) -> None:
        name = getattr(self._question, "name", "sign-on")
        if frame[0] == STX and (error := refusal(parse(frame[1:-2]), name)) is not None:
            raise error

    def _sound(self, frame: bytes) -> bool:
        return self.rule in frames.rules_kept(frame) and not self._inbox.spoilt(frame)

    def _unsound(self, frame: bytes) -> BadFrame:
        """What is wrong with a damaged frame."""
        if self._inbox.spoilt(frame):
            return self._broken("wrong parity", frame)
        kept = frames.rules_kept(frame)
        hint = f' (it keeps the rule "{kept[0]}")' if kept else ""
        return self._broken(f"wrong check character by the rule {self.rule!r}{hint}", frame, WrongCheck)

    def _nothing_yet(self, silent: bool) -> None:
        """Noise may look like a NAK or the beginning of a frame: what it was is known when the line falls silent."""
        inbox = self._inbox
        if damaged := inbox.spoilt_frame(silent):
            raise self._unsound(damaged)
        if not silent or not inbox.buffer:
            return
        if inbox.buffer.find(NAK) >= 0:
            raise self._broken("the meter does not understand (NAK)")
        if inbox.begun():
            raise self._broken("the answer broke off")

    def _broken(self, words: str, data: bytes | None = None, kind: type[BadFrame] = BadFrame) -> BadFrame:
        if isinstance(self._question, questions.Password):
            return kind(words)  # a damaged echo of the password may be among the bytes
        return frames.broken(words, bytes(self._inbox.buffer) if data is None else data, kind)

    def _read_reply(self, silent: bool) -> Any:
        """What a question of programming mode brings: data, or the meter's yes or no."""
        return self._read_answer(silent) if isinstance(self._question, questions.Get) else self._read_verdict(silent)


READERS: Mapping[State, Callable[[Session, bool], Any]] = {
    State.SIGNING_ON: Session._read_identification,
    State.READING_OUT: Session._read_readout,
    State.OPENING: Session._read_operand,
    State.HANDING_OVER: Session._read_handover,
    State.DIRECT: Session._read_answer,
    State.WAITING: Session._read_reply,
}
"""Who reads what comes, by the state that waits for it; the flag says that the line fell silent."""
