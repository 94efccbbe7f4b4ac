"""One thread a port: what is due is asked, what comes is stored, whatever happens it goes on.

Theory of operation. The thread repeats ``step``, which does the most urgent thing and says when the next one is due:

1. open the port, if it is not open and its pause is over;
2. answer a question from outside (:class:`Question`, put by :mod:`agent.line.buses` from other threads);
3. hold the dialogue that :class:`~agent.line.rounds.Rounds` names (a *turn*), and tell it how it ended;
4. fill old gaps (:class:`~agent.line.filling.Filling`), while nothing else is due;
5. sleep until something is, or a question wakes it.

Only this thread touches the port, the link and the dialogue. Other threads put questions, start a calendar kind, stop
the worker, and read what is shown; ``_wake`` guards what they share. A port that vanishes (LinkLost) ends whatever is
under way: all waiting questions are answered by it, and it is opened again, after 1 s first, then less and less often.
What goes wrong with one meter stays with that meter; a mistake of ours costs one turn and is logged.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, time
from time import sleep
from typing import Any

from agent.archive.filler import Filler
from agent.config.values import Bus
from agent.events import gateway_event
from agent.host.clock import Clock
from agent.line.dialogue import Dialogue, Outcome
from agent.line.exchanger import ShouldYield
from agent.line.filling import Filling
from agent.line.link import Link, Stopping
from agent.line.others import OtherMaster
from agent.line.port import Port
from agent.line.recording import Before
from agent.line.rounds import Rounds, Turn, refused_words
from agent.line.trace import Trace, TraceMessage
from agent.meters.foreign import UnexpectedMeters
from agent.meters.state import MeterStanding, MeterState
from buffer.record import Record
from drivers.reading import Kind, Topic
from protocols.errors import AccessDenied, LinkLost, MeterError
from protocols.session import Line

log = logging.getLogger("meterpost.line")

FIRST_REOPEN, LONGEST_REOPEN = 1.0, 30.0  # s between two tries to open a vanished port
LONGEST_SLEEP = 5.0  # s; the watchdog wants to see every worker alive


@dataclass(slots=True)
class Question:
    """What an operator or the utility wants to know of meters now: goes before everything that is due."""

    points: Sequence[str]
    kind: Topic
    span: tuple[datetime, datetime] | None = None
    trace: Callable[[str, TraceMessage], None] | None = None  # called with the point
    meters: Sequence[MeterState] | None = None  # asked in place of the configured ones: a new meter, before it is
    answer: "Future[tuple[list[Record], dict[str, MeterError]]]" = field(default_factory=Future)


class Worker:
    """Owns one port. ``submit`` takes records; ``before`` and ``notes`` look into the store."""

    def __init__(
        self,
        bus: Bus,
        meters: Sequence[MeterState],
        *,
        clock: Clock,
        submit: Callable[[Sequence[Record]], None],
        before: Before,
        denied: Callable[[str, bool], None],
        unexpected: UnexpectedMeters | None = None,
        filler: Filler | None = None,
        others: OtherMaster | None = None,
        open_port: Callable[[str, Line], Any] = Port,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        """``denied(point, True)`` makes a refused password durable, ``denied(point, False)`` forgets it.
        ``unexpected``: the foreign meters that were reported; without it those of this worker. ``filler`` says what is
        missing of the archives; without it nothing is filled. ``others``: what is known of another master."""
        self.bus = bus
        self.meters = list(meters)
        self._clock = clock
        self._submit = submit
        self._denied = denied
        self._open_port = open_port
        self._sleep = sleep
        self._before = before
        self._filler = filler
        self._filling: Filling | None = None
        now = clock.monotonic()
        known = unexpected or UnexpectedMeters(lambda records, notes: submit(records), {})
        self._rounds = Rounds(bus.name, self.meters, clock=clock, submit=submit, denied=denied, unexpected=known)
        self._questions: list[Question] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._port: Any = None
        self._link: Link | None = None
        self._dialogue: Dialogue | None = None
        self._reopen, self._reopen_at = FIRST_REOPEN, now
        self._port_trouble: LinkLost | None = None
        self._alive = now
        self.others = others or OtherMaster()
        self.polled = 0
        self.asking: str | None = None  # the point that is being asked
        self.filling: str | None = None  # the point whose old gaps are being filled
        self._thread = threading.Thread(target=self._run, name=f"bus-{bus.name}", daemon=True)

    # ── from other threads ───────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._link is not None:
            self._link.stopping = True

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread after the exchange that is under way."""
        self.ask_to_stop()
        self._thread.join(timeout)

    def ask(self, question: Question) -> None:
        """Its answer is LinkLost at once where the port is gone or the worker ends: there would be no other one."""
        with self._wake:
            trouble = Stopping("the program is stopping") if self._stopping else self._port_trouble
            if trouble is not None:
                question.answer.set_exception(trouble)
                return
            self._questions.append(question)
            self._wake.notify()

    @property
    def port_error(self) -> str | None:
        """Why the port is not open; None while it is."""
        return None if self._port_trouble is None else str(self._port_trouble)

    def start_kind(self, kind: Kind, at: time) -> None:
        """A calendar kind (day, month) is due now for the meters that have it at this local time."""
        with self._wake:
            self._rounds.start(kind, at)
            self._wake.notify()

    def state(self, meter: MeterState) -> MeterStanding:
        """ok, waiting (not asked yet), silent, wrong-serial, refused or paused (design §11), of one of its meters."""
        if meter.paused:
            return "paused"
        if meter.foreign is not None:
            return "wrong-serial"
        if meter.trouble in ("access", "refused"):
            return "refused"
        if self._rounds.silent(meter) or meter.trouble is not None or self.port_error is not None:
            return "silent"
        return "ok" if meter.identity is not None else "waiting"

    @property
    def alive(self) -> float:
        """Monotonic time of the last progress: a question, a wait that ended."""
        return max(self._alive, self._link.progress) if self._link else self._alive

    @property
    def second_master(self) -> dict[str, Any] | None:
        """What was heard of another master within a day."""
        return self.others.document(self._clock.monotonic())

    @property
    def counters(self) -> dict[str, int]:
        return dict(self._link.counters) if self._link else {}

    # ── the thread ───────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._stopping:
            try:
                rest = self.step()
            except Exception:
                # No one is on site to restart a thread: whatever it was, the bus goes on.
                log.exception("%s: internal error; the bus goes on", self.bus.name)
                rest = LONGEST_SLEEP
            with self._wake:
                if rest > 0 and not self._questions and not self._stopping:
                    self._wake.wait(min(rest, LONGEST_SLEEP))
        self._close()
        self._turn_away(Stopping("the program is stopping"))

    def step(self) -> float:
        """Do the most urgent thing; seconds until the next one is due (0: go on at once)."""
        self._alive = now = self._clock.monotonic()
        if self._port is None and now < self._reopen_at:
            return self._reopen_at - now
        try:
            if self._port is None:
                self._open()
            question = self._next_question()
            if question is not None:
                self._serve(question)
            elif self.bus.shared and (turn := self.others.turn(now, self._rounds.longest_cost())) > 0:
                self._listen(turn)
            elif not self._poll_one() and not self._fill_one():
                rest = max(0.0, self._rounds.next_moment() - self._clock.monotonic())
                if not self.bus.shared:
                    return rest
                self._listen(rest)
        except Stopping:
            self._stopping = True
        except LinkLost as trouble:
            self._lost(trouble)
        self.others.announce()
        return 0.0

    def _listen(self, seconds: float) -> None:
        """Hear when another master speaks; at most until a question comes."""
        assert self._link is not None
        self._link.listen(min(seconds, LONGEST_SLEEP), lambda: bool(self._questions) or self._stopping)

    def _next_question(self) -> Question | None:
        with self._wake:
            return self._questions.pop(0) if self._questions else None

    def _turn_away(self, trouble: LinkLost) -> None:
        """No one waits for an answer that cannot come."""
        with self._wake:
            questions, self._questions = self._questions, []
        for question in questions:
            question.answer.set_exception(trouble)

    # ── the port ─────────────────────────────────────────────────────────

    def _open(self) -> None:
        self._port = self._open_port(self.bus.port, self.bus.line)
        self._link = Link(self._port, monotonic=self._clock.monotonic, sleep=self._sleep, others=self.others)
        self._dialogue = Dialogue(self._link, self._clock, self._before)
        if self._filler is not None:
            self._filling = Filling(
                self._dialogue, self._link, self._filler, self._clock, store=self._restore, wanted=self._wanted
            )
        if self.port_error is not None:
            log.info("%s: port %s is back", self.bus.name, self.bus.port)
            self._submit([gateway_event("port-back", f"{self.bus.name}: {self.bus.port}", self._clock.stamp())])
        self._port_trouble, self._reopen = None, FIRST_REOPEN

    def _close(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    def _lost(self, trouble: LinkLost) -> None:
        self._close()
        if self.port_error is None:
            log.warning("%s: %s", self.bus.name, trouble)
            self._submit([gateway_event("port-lost", f"{self.bus.name}: {trouble}", self._clock.stamp())])
        self._port_trouble = trouble
        self._reopen_at = self._clock.monotonic() + self._reopen
        self._reopen = min(self._reopen * 1.5, LONGEST_REOPEN)
        self._turn_away(trouble)

    # ── polls ────────────────────────────────────────────────────────────

    def _poll_one(self) -> bool:
        """Serve what is most urgent; False when nothing is due."""
        turn = self._rounds.next()
        if turn is None:
            return False
        assert self._dialogue is not None
        meter, started = turn.meter, self._clock.monotonic()
        todo = turn

        def between(outcome: Outcome) -> None:
            nonlocal todo
            live, todo = turn.split()
            self._store(meter, outcome)
            self._rounds.done(live, outcome)

        self.asking = meter.config.point
        try:
            outcome = self._dialogue.run(
                meter, turn.kinds, trial=turn.trial, wanted=self._before_archives(started + turn.piece), between=between
            )
        except LinkLost:
            raise
        except MeterError as trouble:
            self._rounds.failed(todo, trouble)
        except Exception as trouble:
            log.exception("%s: internal error", meter.config.point)
            self._rounds.failed(todo, refused_words(trouble))
        else:
            self._store(meter, outcome)
            self._rounds.done(todo, outcome)
        finally:
            self.asking = None
        self._rounds.took(turn, self._clock.monotonic() - started)
        return True

    def _before_archives(self, theirs: float) -> ShouldYield:
        """Whether others than archives want the line; polls not within the piece that ends at ``theirs``."""

        def wanted(until: float) -> bool:
            if self._questions or self._stopping:
                return True
            return self._clock.monotonic() >= theirs and until > self._rounds.live_moment()

        return wanted

    def _store(self, meter: MeterState, outcome: Outcome) -> None:
        if outcome.records:
            self._submit(outcome.records)
            self.polled += len(outcome.records)
            meter.last_ok = outcome.records[-1].read_at
        meter.journals_until = (
            outcome.journals_until or meter.journals_until
        )  # after the records: what is noted of it is true then

    # ── old gaps ─────────────────────────────────────────────────────────

    def _fill_one(self) -> bool:
        """Nothing is due: ask for what is missing, as long as nothing is; False where nothing can be filled now."""
        if self._filler is None or self._filling is None:
            return False
        points = {meter.config.point: meter for meter in self._rounds.fillable()}
        piece = self._filler.next(points)
        if piece is None:
            return False
        meter = points[piece.point]
        rest = self._rounds.next_moment() - self._clock.monotonic()
        if not self._filling.fits(meter, piece.kind, rest):
            return False
        self.filling = meter.config.point
        try:
            self._filling.run(meter, piece.kind, points)
        except LinkLost:
            raise
        except MeterError as trouble:
            self._rounds.failed(Turn(meter, ()), trouble)
        except Exception as trouble:
            log.exception("%s: internal error", meter.config.point)
            self._filler.failed(piece, (), refused_words(trouble))
        finally:
            self.filling = None
        return True

    def _wanted(self, until: float) -> bool:
        """Whether a question waits, or a poll is due before this moment."""
        return bool(self._questions) or until > self._rounds.next_moment()

    def _restore(self, meter: MeterState, records: list[Record]) -> None:
        self._submit(records)
        self.polled += len(records)
        meter.last_ok = records[-1].read_at

    # ── questions from outside ───────────────────────────────────────────

    def _serve(self, question: Question) -> None:
        records: list[Record] = []
        failed: dict[str, MeterError] = {}
        assert self._dialogue is not None and self._link is not None
        try:
            for meter in question.meters or self.meters:
                if meter.config.point not in question.points:
                    continue
                self._alive = self._clock.monotonic()
                self._link.trace = _tracer(question, meter.config.point)
                try:
                    outcome = self._dialogue.run(meter, [question.kind], span=question.span)
                except LinkLost:
                    raise
                except MeterError as trouble:
                    if isinstance(trouble, AccessDenied):
                        self._denied(meter.config.point, True)
                    failed[meter.config.point] = trouble
                    continue
                except Exception as trouble:
                    log.exception("%s: internal error", meter.config.point)
                    failed[meter.config.point] = refused_words(trouble)
                    continue
                records += outcome.records
                failed.update((meter.config.point, reason) for reason in outcome.failed.values())
        except LinkLost as trouble:
            question.answer.set_exception(trouble)
            raise
        finally:
            self._link.trace = None
        question.answer.set_result((records, failed))


def _tracer(question: Question, point: str) -> Trace | None:
    trace = question.trace
    return (lambda message: trace(point, message)) if trace else None
