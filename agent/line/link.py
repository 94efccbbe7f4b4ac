"""One question, one reply, bounded time: the dialogue between a session and a port.

A frame ends where its protocol says so. After a time-out or rubbish the line is drained for the longest answer time,
and the channel is proved in step before the next question: a late answer must never pass for the next register. Where
another master is heard (:mod:`protocols.overheard`) the line is left alone and SecondMaster raised: the dialogue begins
that reading anew.
"""

import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from agent.line import explained
from agent.line import trace as traces
from agent.line.others import OtherMaster
from agent.line.trace import Redactor, Trace
from protocols.errors import BadFrame, LinkLost, MeterError, NeverSilent, NoReply, SecondMaster
from protocols.overheard import KEPT, Overheard, Unnamed, second_master
from protocols.session import Line, Sending, Session

TRIES = 3
BUSY_PAUSE = 0.2  # s before a busy meter is asked once more
SLACK = 1.0  # s beyond the longest answer after which a babbling line is given up

FAREWELL = 0.02  # s of silence after a message that no one answers, so that it does not run into the next frame
LONGEST_REST = 20.0  # s that the rest of a broken answer is waited for
LOOK = 64  # octets that are looked at, and again when they have doubled, where a line talks on and on
SETTLED = 0.25  # s in which an answer too many comes
JITTER = 4.0  # times the slowest answer of a dialogue that the next one may take, within the margin
HEARING = 0.25  # s of listening to another master until it is seen that the line is wanted
LATEST = 30.0  # s after a question without an answer in which its answer may still come
LATE = 0.0005  # s by which the last octet is through the driver after it is through the line; a second look costs more
FEW = 2  # octets that are not worth a nap


class Wire(Protocol):
    """What the Link needs of a port (agent.line.port.Port)."""

    line: Line

    def set_line(self, line: Line) -> None: ...
    def write(self, data: bytes) -> None: ...
    def read(self, timeout: float) -> bytes: ...
    def discard(self) -> bytes: ...
    def flush(self) -> None: ...


class Stopping(LinkLost):
    """The program is asked to end; the dialogue under way is left after its last exchange."""


class Link:
    """Serves every protocol's session over one port; one dialogue at a time."""

    def __init__(
        self,
        port: Wire,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        trace: Trace | None = None,
        tries: int = TRIES,
        others: OtherMaster | None = None,
    ) -> None:
        self._port = port
        self._monotonic = monotonic
        self._sleep = sleep
        self.trace = trace
        self.tries = tries
        self.frames: list[bytes] = []  # raw replies of the dialogue so far, except for those that echo a secret
        self.counters = {"asked": 0, "answered": 0, "silent": 0, "broken": 0, "stale": 0}
        self._quiet_since = monotonic() - 1.0  # when the last character on the line ended
        self.stopping = False  # set from another thread: the next question is not asked any more
        self.progress = self._quiet_since  # monotonic time of the last question, for the watchdog
        self._doubtful: Session | None = None  # lost a question; must be proved in step before the next
        self._awaited: Sending | None = None  # its answer is heard now
        self._heard, self._late = bytearray(), bytearray()  # since it was sent; while draining
        self._guards: list[
            Redactor
        ] = []  # of the secrets that this dialogue has sent: an echo may hold them, even late
        self.others = others or OtherMaster()
        self._answered: Session | None = None  # whose answer was believed last, in this dialogue
        self._slowest = self._extra = 0.0  # s to an answer's last octet in this dialogue; that the next may take longer
        self._margin = self._sent_at = self._late_at = 0.0
        self._ahead = b""  # what was heard between dialogues
        self._failed_at = float("-inf")  # when a question stayed without a sound answer: late ones may come after it

    def begin(self, line: Line, margin: float = 0.0) -> None:
        """Start a dialogue with a meter: its own line settings, nothing kept of the one before. ``margin``: seconds
        that every answer may take longer than its protocol says."""
        self._port.set_line(line)
        self._margin = self._extra = margin
        self._slowest = 0.0
        self.frames = []
        self._guards = []
        self._doubtful = self._answered = None

    def ask(self, session: Session, question: Any, tries: int | None = None) -> Any:
        """The reply, or a MeterError. Only questions that change nothing in the meter are asked again."""
        if self.stopping:
            raise Stopping("the program is stopping")
        self.progress = self._monotonic()
        tries = tries or self.tries
        if not getattr(question, "repeatable", False):
            tries = 1
        for left in range(tries - 1, -1, -1):
            try:
                if self._doubtful is session:
                    self._prove(session)
                return self._exchange(session, session.send(question))
            except MeterError as trouble:
                if not left or trouble.retry == "never":
                    raise
                if trouble.retry == "after a pause":
                    self._sleep(BUSY_PAUSE)
        raise AssertionError("unreachable")

    def _prove(self, session: Session) -> None:
        question = session.proof()
        if question is not None:
            self._exchange(session, session.send(question))
        self._doubtful = None

    def _exchange(self, session: Session, sending: Sending) -> Any:
        self.counters["asked"] += 1
        try:
            reply = self._dialogue(session, sending)
        except SecondMaster as trouble:
            self._doubtful = session
            self._overhear(trouble.heard)
            self._hush(trouble)
            self._leave_alone(session, sending)
            raise
        except (NoReply, BadFrame) as trouble:
            self.counters["silent" if isinstance(trouble, NoReply) else "broken"] += 1
            self._doubtful = session
            self._failed_at = self._monotonic()
            self._hush(trouble)
            better = self._explained(trouble, session)
            if better.retry != "never":  # else nothing of what may still come is worth waiting for
                silent = self._leave_alone(session, sending)
                better = self._explained(trouble if silent else NeverSilent("the line never falls silent"), session)
            self._hush(better)
            raise better from None
        except MeterError as trouble:
            self.counters["answered"] += not isinstance(trouble, LinkLost)  # its no is an answer: the wiring is sound
            self._hush(trouble)
            raise
        finally:
            self._note(session)
        self.counters["answered"] += 1
        self._answered = session
        return reply

    def _explained(self, trouble: MeterError, session: Session) -> MeterError:
        return explained.better(trouble, session, self._exchanged())

    def _strange(self, session: Session) -> bool:
        """Whether what came so far is another protocol, or nothing that this session will ever understand."""
        return self._explained(BadFrame(""), session).retry == "never"

    def _exchanged(self) -> explained.Heard:
        """All that came since the question that is not answered."""
        sending = self._awaited
        if sending is None:
            return explained.Heard()
        delay = self._late_at - self._sent_at if self._late else 0.0
        return explained.Heard(sending, bytes(self._heard), bytes(self._late), delay, self._waited(sending))

    def _waited(self, sending: Sending) -> float:
        """Seconds to an answer's first octet; longer where the way is longer than a wire."""
        return sending.wait + self._extra if sending.data else sending.wait

    def settle(self) -> None:
        """After the last answer of a reading. SecondMaster where one answer too many is there; where another master
        was heard lately also where the channel is out of step: what was read may be answers to its questions."""
        session = self._answered
        if session is None or not isinstance(session, Unnamed):
            return
        came = self._port.discard()
        if self._margin and session.proved:
            # Behind a serial server that others use too their questions are not heard: ours may have been answered
            # by their answer, and its own comes now.
            came += self._port.read(min(SETTLED, self._slowest))
        if heard := session.foreign(came):
            self._doubtful = session
            self._overhear(heard)
            raise second_master("one answer too many", heard)
        if not session.proved or not self.others.lately(self._monotonic()):
            return
        try:
            self._prove(session)
        except NoReply:
            return  # so nothing late has come either
        except BadFrame as trouble:
            raise SecondMaster(f"the answers are not in step with the questions: {trouble}") from None

    def listen(self, seconds: float, wanted: Callable[[], bool]) -> None:
        """On a line that another master uses too: hear whether it speaks, until it does, or the line is wanted."""
        end = self._monotonic() + seconds
        while not wanted() and (rest := end - self._monotonic()) > 0:
            if data := self._port.read(min(rest, HEARING)):
                now = self._quiet_since = self._monotonic()
                self.others.spoke(now)
                self._ahead = (self._ahead + data)[-KEPT:]
                return

    def _overhear(self, heard: Collection[Overheard]) -> None:
        """Another master's questions tell of it. An answer does only where it cannot be a late one to ourselves."""
        now = self._monotonic()
        certain = [one for one in heard if one.question or now - self._failed_at > LATEST]
        if certain:
            self.others.heard(certain, now)

    def _dialogue(self, session: Session, sending: Sending) -> Any:
        while True:
            end = self._transmit(session, sending)
            if not sending.answered:
                return None
            reply = self._await(session, sending, end)
            if not isinstance(reply, Sending):
                return reply
            self._note(session)
            sending = reply

    def _hush(self, trouble: MeterError) -> None:
        """A message that quotes octets goes to logs and screens."""
        if traces.tells_text(self._guards, str(trouble)):
            trouble.args = (f"octets that are {traces.REDACTED}",)

    def _note(self, session: Session) -> None:
        """The answer is over: kept and traced as a whole, for a secret's echo may come in any pieces."""
        sending, self._awaited = self._awaited, None
        if sending is None:
            return
        data, late = bytes(self._heard), bytes(self._late)
        self._heard.clear()
        self._late.clear()
        if data and not traces.tells(self._guards, data):
            self.frames.append(data)
        if self.trace:
            self.trace(traces.heard(session, sending.data, data + late, tuple(self._guards)))

    def _transmit(self, session: Session, sending: Sending) -> float:
        """Put the bytes on the line; the (estimated) time at which the last of them has left."""
        owed = self._quiet_since + sending.pause - self._monotonic()
        if owed > 0:
            self._sleep(owed)
        if sending.before is not None:
            self._port.set_line(sending.before)
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            self._overhear(session.foreign(ahead) if isinstance(session, Unnamed) else ())
        if stale := self._port.discard():
            self._unasked(session, sending, stale)
        if sending.secret:
            self._guards.append(Redactor(sending))
        if sending.answered:
            self._awaited = sending
        if sending.data:
            if self.trace:
                self.trace(traces.sent(session, sending, tuple(self._guards)))
            self._port.write(sending.data)
        end = self._monotonic() + len(sending.data) * self._port.line.character
        if sending.then is not None:
            rest = end - self._monotonic()
            if rest > 0:
                self._sleep(rest)  # tcdrain returns at once on ptys and many adapters
            self._port.set_line(sending.then)
        self._quiet_since = end if sending.answered else end + FAREWELL
        self._sent_at = end
        return end

    def _unasked(self, session: Session, sending: Sending, stale: bytes) -> None:
        """What has come since the last answer. Where another master speaks at the start of a dialogue the question
        waits until it has done so; later on it may have spoken before the last answer came, too: SecondMaster."""
        self.counters["stale"] += len(stale)
        heard = session.foreign(stale) if isinstance(session, Unnamed) else ()
        if not heard:
            return
        if self._answered is session:
            raise second_master("between two questions", heard)
        self._overhear(heard)
        self._leave_alone(session, sending)

    def _await(self, session: Session, sending: Sending, sent: float) -> Any:
        deadline = sent + self._waited(sending)
        give_up = deadline + sending.size * self._port.line.character * 2 + (SLACK if sending.data else 0.0)
        heard, missing, look = False, sending.least, LOOK
        if missing > FEW:
            # Each look at the port costs a context switch; a whole answer cannot be here earlier: the meter too waits
            # for the silence that ends our frame.
            self._nap(sent + sending.pause + missing * self._port.line.character - self._monotonic())
        while True:
            now = self._monotonic()
            if now >= give_up:
                return self._no_end(session, sending, give_up - sent)
            data = self._port.read(min(sending.gap, give_up - now) if heard else deadline - now)
            if data:
                heard = True
                self._quiet_since = self._monotonic()
                self._heard += data
            elif heard and now + sending.gap > give_up:
                continue
            elif not heard:
                raise NoReply(f"no answer within {self._waited(sending):.2f} s")
            reply = session.receive(data)
            if reply is not None:
                if self._margin:
                    self._slowest = max(self._slowest, self._monotonic() - sent)
                    self._extra = min(self._margin, JITTER * self._slowest)
                return reply
            if now > deadline and len(self._heard) >= look:
                look *= 2
                if self._strange(session):
                    raise BadFrame("not understood")
            if not data:
                heard = False  # an echo or noise went by; the answer may still come in its time
                continue
            missing -= len(data)
            if missing > FEW:
                self._nap(min(missing * self._port.line.character, sending.gap))

    def _no_end(self, session: Session, sending: Sending, seconds: float) -> Any:
        """The time is over and the line still talks: what the session makes of it."""
        try:
            reply = session.receive(b"")
        except BadFrame as trouble:
            if type(trouble) is not BadFrame or not sending.data:
                raise
            reply = None
        if reply is None:
            raise NeverSilent(f"the line did not fall silent within {seconds:.1f} s")
        return reply

    def _nap(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds + LATE)

    def _leave_alone(self, session: Session, sending: Sending) -> bool:
        """Wait until nothing has come for the longest answer time: what is late is gone by then, and another master
        has had its answer. Where nothing was asked nothing can be late. False: it never fell silent."""
        if not sending.data:
            return True
        quiet = self._waited(sending)
        end = self._monotonic() + 3 * quiet + min(sending.size * self._port.line.character, LONGEST_REST) + SLACK
        start, look, silent = len(self._late), LOOK, False
        while not silent and self._monotonic() < end:
            data = self._port.read(quiet)
            if not data:
                silent = True
                break
            self.counters["stale"] += len(data)
            self._quiet_since = self._monotonic()
            if not self._late:
                self._late_at = self._quiet_since
            self._late += data
            if len(self._late) >= look:
                look *= 2
                silent = self._strange(session)
        if len(self._late) > start and isinstance(session, Unnamed):
            self._overhear([one for one in session.foreign(bytes(self._late[start:])) if one.question])
        return silent
