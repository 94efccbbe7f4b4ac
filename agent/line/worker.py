"""One thread a port: what is due is asked, what comes is stored, whatever happens it goes on."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agent.clock import Clock
from agent.config.values import Bus
from agent.line.dialogue import (
    PASSWORD_PAUSE,
    Before,
    Dialogue,
    MeterState,
    Outcome,
    PasswordPaused,
    WrongSerial,
    foreign_event,
    gateway_event,
)
from agent.line.link import Link, Stopping, words
from agent.line.port import Port
from agent.line.schedule import Schedule
from agent.line.silent import RETRY, Health, TrialBudget
from agent.line.trace import Message, Trace
from buffer.record import Record
from protocols.errors import AccessDenied, BadFrame, Busy, LinkLost, MeterError, NoReply, Refused
from protocols.session import Line

log = logging.getLogger("meterpost.line")

FIRST_REOPEN, LONGEST_REOPEN = 1.0, 30.0  # s between two tries to open a vanished port
REFUSED_PAUSE = 3600.0  # s until a kind that the meter refuses is asked again
LONGEST_SLEEP = 5.0  # s; the watchdog wants to see every worker alive
ENERGY_KINDS = ("now", "network")


@dataclass(slots=True)
class Request:
    """A question from outside (a technician, the utility): goes before everything that is due."""

    points: Sequence[str]
    kind: str
    span: tuple[datetime, datetime] | None = None
    trace: Callable[[str, Message], None] | None = None  # called with the point
    answer: "Future[tuple[list[Record], dict[str, MeterError]]]" = field(default_factory=Future)


class Worker:
    """Owns one port. ``submit`` takes records; ``before`` and ``notes`` look into the store."""

    def __init__(
        self,
        bus: Bus,
        meters: Sequence[MeterState],
        *,
        clock: Clock,
        zone: ZoneInfo,
        submit: Callable[[Sequence[Record]], None],
        before: Before,
        denied: Callable[[str, bool], None],
        open_port: Callable[[str, Line], Any] = Port,
        sleep: Callable[[float], None] = time.sleep,
        periods: Mapping[tuple[int, str], float | None] | None = None,
    ) -> None:
        """``denied(point, True)`` makes a refused password durable, ``denied(point, False)`` forgets it."""
        self.bus = bus
        self.meters = list(meters)
        self._clock = clock
        self._submit = submit
        self._denied = denied
        self._open_port = open_port
        self._sleep = sleep
        self._zone = zone
        self._before = before
        now = clock.monotonic()
        self._schedule = Schedule(periods if periods is not None else _periods(meters), now)
        self._health = [Health() for _ in meters]
        self._budget = TrialBudget()
        self._costs = [0.3] * len(meters)  # s of the bus that one dialogue with each meter takes, as measured
        self._requests: list[Request] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._port: Any = None
        self._link: Link | None = None
        self._dialogue: Dialogue | None = None
        self._reopen, self._reopen_at = FIRST_REOPEN, now
        self.port_error: str | None = None
        self._alive = now
        self.polled = 0
        self.asking: str | None = None  # the point that is being asked
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

    def request(self, request: Request) -> None:
        with self._wake:
            if self.port_error is not None:
                request.answer.set_exception(LinkLost(self.port_error))
                return
            self._requests.append(request)
            self._wake.notify()

    def start_kind(self, kind: str) -> None:
        """A calendar kind is due now (day, month)."""
        with self._wake:
            self._schedule.start(kind, self._clock.monotonic())
            self._wake.notify()

    def state(self, index: int) -> str:
        """ok, silent, wrong-serial, refused or paused (design §11)."""
        meter = self.meters[index]
        if meter.paused:
            return "paused"
        if meter.foreign is not None:
            return "wrong-serial"
        if meter.trouble in ("access", "refused"):
            return "refused"
        if self._health[index].silent or meter.trouble is not None or self.port_error is not None:
            return "silent"
        return "ok"

    @property
    def alive(self) -> float:
        """Monotonic time of the last progress: a question, a wait that ended."""
        return max(self._alive, self._link.progress) if self._link else self._alive

    @property
    def counters(self) -> dict[str, int]:
        return dict(self._link.counters) if self._link else {}

    # ── the thread ───────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._stopping:
            try:
                rest = self.step()
            except Exception:
                # Nobody is on site to restart a thread: whatever it was, the bus goes on.
                log.exception("%s: internal error; the bus goes on", self.bus.name)
                rest = LONGEST_SLEEP
            with self._wake:
                if rest > 0 and not self._requests and not self._stopping:
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
            request = self._next_request()
            if request is not None:
                self._serve(request)
            elif not self._poll_one():
                return max(0.0, self._next_moment(now) - self._clock.monotonic())
        except Stopping:
            self._stopping = True
        except LinkLost as trouble:
            self._lost(trouble)
        return 0.0

    def _next_request(self) -> Request | None:
        with self._wake:
            return self._requests.pop(0) if self._requests else None

    def _turn_away(self, trouble: LinkLost) -> None:
        """Nobody waits for an answer that cannot come."""
        with self._wake:
            requests, self._requests = self._requests, []
        for request in requests:
            request.answer.set_exception(trouble)

    def _next_moment(self, now: float) -> float:
        silent = self._silent()
        moments = [self._schedule.next_due(skip=[*silent, *self._paused()])]
        moments += [max(self._health[index].next_trial, self._budget.allowed) for index in silent]
        return min(moments, default=now + LONGEST_SLEEP)

    def _silent(self) -> list[int]:
        return [index for index, health in enumerate(self._health) if health.silent and not self.meters[index].paused]

    def _paused(self) -> list[int]:
        return [index for index, meter in enumerate(self.meters) if meter.paused]

    # ── the port ─────────────────────────────────────────────────────────

    def _open(self) -> None:
        self._port = self._open_port(self.bus.port, self.bus.line)
        self._link = Link(self._port, monotonic=self._clock.monotonic, sleep=self._sleep)
        self._dialogue = Dialogue(self._link, self._clock, self._zone, self._before)
        if self.port_error is not None:
            log.info("%s: port %s is back", self.bus.name, self.bus.port)
            self._submit([gateway_event("port-back", f"{self.bus.name}: {self.bus.port}", self._clock.stamp())])
        self.port_error, self._reopen = None, FIRST_REOPEN

    def _close(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    def _lost(self, trouble: LinkLost) -> None:
        self._close()
        if self.port_error is None:
            log.warning("%s: %s", self.bus.name, trouble)
            self._submit([gateway_event("port-lost", f"{self.bus.name}: {trouble}", self._clock.stamp())])
        self.port_error = str(trouble)
        self._reopen_at = self._clock.monotonic() + self._reopen
        self._reopen = min(self._reopen * 1.5, LONGEST_REOPEN)
        self._turn_away(trouble)

    # ── polls ────────────────────────────────────────────────────────────

    def _poll_one(self) -> bool:
        """Serve what is most urgent; False when nothing is due."""
        now = self._clock.monotonic()
        trial = self._due_trial(now)
        if trial is not None:  # first: on a bus that is always busy it would never come; its budget is small
            self._try(trial)
            return True
        job = self._schedule.due(now, [*self._silent(), *self._paused()])
        if job is None:
            return False
        self._poll(job.meter, self._schedule.of_meter(job.meter, now))
        return True

    def _due_trial(self, now: float) -> int | None:
        if not self._budget.open(now):
            return None
        ready = [index for index in self._silent() if self._health[index].next_trial <= now]
        return min(ready, key=lambda index: self._health[index].next_trial, default=None)

    def _try(self, index: int) -> None:
        """A silent meter's trial; if it answers, all that is overdue is read in the same dialogue."""
        started = self._clock.monotonic()
        due = self._schedule.of_meter(index, started)
        self._poll(index, due or self._schedule.kinds(index)[:1], trial=True)
        if self._health[index].silent:
            now = self._clock.monotonic()
            self._budget.spent(now, now - started)

    def _poll(self, index: int, kinds: Sequence[str], trial: bool = False) -> None:
        meter = self.meters[index]
        assert self._dialogue is not None
        started = self._clock.monotonic()
        self.asking = meter.config.point
        try:
            outcome = self._dialogue.run(meter, kinds, trial=trial)
        except LinkLost:
            raise
        except MeterError as trouble:
            self._failed(index, kinds, trouble)
            return
        except Exception as trouble:
            # A mistake of ours with one meter must not cost the others their readings.
            log.exception("%s: internal error", meter.config.point)
            self._failed(index, kinds, Refused(f"internal error, see the log: {trouble!r}"))
            return
        finally:
            self.asking = None
        self._costs[index] = self._clock.monotonic() - started
        self._denied_state(meter, False)
        self._store(meter, outcome)
        self._plan(index, kinds, outcome)

    def _store(self, meter: MeterState, outcome: Outcome) -> None:
        if outcome.records:
            self._submit(outcome.records)
            self.polled += len(outcome.records)
            meter.last_ok = outcome.records[-1].read_at
        meter.foreign = None

    def _plan(self, index: int, kinds: Sequence[str], outcome: Outcome) -> None:
        """When each kind of this dialogue comes again."""
        now = self._clock.monotonic()
        broken = next(
            (trouble for trouble in outcome.failed.values() if isinstance(trouble, (NoReply, BadFrame))), None
        )
        refused = next(iter(outcome.failed.values()), None)
        if broken is not None:
            self._failed(index, [kind for kind in kinds if kind in outcome.failed], broken)
        else:
            self._recovered(index, refused)
        for kind in kinds:
            if kind not in outcome.failed:
                self._next_slot(index, kind)
            elif broken is None:
                pause = RETRY if isinstance(outcome.failed[kind], Busy) else REFUSED_PAUSE
                self._schedule.later(index, kind, now + pause)

    def _next_slot(self, index: int, kind: str) -> None:
        stamp = self._clock.stamp()
        self._schedule.done(index, kind, stamp.monotonic, stamp.utc.timestamp())

    def _recovered(self, index: int, refused: MeterError | None) -> None:
        meter = self.meters[index]
        if self._health[index].silent:
            log.info("%s: answers again", meter.config.point)
        self._health[index].answered()
        meter.error = str(refused) if refused else None
        meter.trouble = words(refused) if refused else None

    def _failed(self, index: int, kinds: Sequence[str], trouble: MeterError) -> None:
        meter, now = self.meters[index], self._clock.monotonic()
        if str(trouble) != meter.error:
            log.warning("%s: %s", meter.config.point, trouble)
        meter.error, meter.trouble = str(trouble), words(trouble)
        if isinstance(trouble, WrongSerial):
            self._foreign(index, trouble)
            pause = None
        elif isinstance(trouble, AccessDenied):
            self._health[index].answered()
            if not isinstance(trouble, PasswordPaused):
                self._denied_state(meter, True)
            pause = PASSWORD_PAUSE
        elif isinstance(trouble, (NoReply, BadFrame)):
            self._no_answer(index, now)
            pause = RETRY
        else:
            self._health[index].answered()
            pause = REFUSED_PAUSE if isinstance(trouble, Refused) else RETRY
        for kind in kinds:
            if pause is None:
                self._next_slot(index, kind)
            else:
                self._schedule.later(index, kind, now + pause)

    def _no_answer(self, index: int, now: float) -> None:
        meter, health = self.meters[index], self._health[index]
        if health.failed(now, sum(self._costs)):
            log.warning("%s: counts as silent: %s", meter.config.point, meter.error)
            text = f"address {meter.config.address} on {self.bus.name}: {meter.error}"
            serial = meter.identity.serial if meter.identity and meter.identity.serial else ""
            stamp = self._clock.stamp()
            self._submit([gateway_event("meter-silent", text, stamp, point=meter.config.point, serial=serial)])

    def _foreign(self, index: int, trouble: WrongSerial) -> None:
        """No reading of this point until the right meter answers; one event for each foreign serial."""
        meter = self.meters[index]
        self._health[index].answered()
        meter.latest.clear()
        if meter.foreign != trouble.answered:
            meter.foreign = trouble.answered
            self._submit([foreign_event(meter.config, trouble, self._clock.stamp())])

    def _denied_state(self, meter: MeterState, refused: bool) -> None:
        if refused or meter.trouble == "access":
            self._denied(meter.config.point, refused)

    # ── questions from outside ───────────────────────────────────────────

    def _serve(self, request: Request) -> None:
        records: list[Record] = []
        failed: dict[str, MeterError] = {}
        assert self._dialogue is not None and self._link is not None
        try:
            for meter in self.meters:
                if meter.config.point not in request.points:
                    continue
                self._alive = self._clock.monotonic()
                self._link.trace = _tracer(request, meter.config.point)
                try:
                    outcome = self._dialogue.run(meter, [request.kind], span=request.span)
                except LinkLost:
                    raise
                except MeterError as trouble:
                    failed[meter.config.point] = trouble
                    continue
                except Exception as trouble:
                    log.exception("%s: internal error", meter.config.point)
                    failed[meter.config.point] = Refused(f"internal error, see the log: {trouble!r}")
                    continue
                records += outcome.records
                failed.update((meter.config.point, reason) for reason in outcome.failed.values())
        except LinkLost as trouble:
            request.answer.set_exception(trouble)
            raise
        finally:
            self._link.trace = None
        request.answer.set_result((records, failed))


def _tracer(request: Request, point: str) -> Trace | None:
    trace = request.trace
    return (lambda message: trace(point, message)) if trace else None


def _periods(meters: Sequence[MeterState]) -> dict[tuple[int, str], float | None]:
    """Which kinds of which meter are polled how often; calendar kinds have no period."""
    periods: dict[tuple[int, str], float | None] = {}
    for index, meter in enumerate(meters):
        poll, can = meter.config.poll, meter.driver.capabilities
        for kind in ENERGY_KINDS:
            period = getattr(poll, kind)
            if kind in can and period is not None:
                periods[index, kind] = period
    return periods
