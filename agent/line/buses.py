"""All buses of the gateway: one object owns their workers and meters, and is asked from other threads.

Each bus has a thread of its own (:mod:`agent.line.worker`), which alone talks to its meters. What is asked here is put
before that thread as a question; the caller waits, for ``ANSWER_LIMIT`` at most. A new configuration ends all workers
and makes new ones: what a meter must not forget by that is in the store's notes.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, time, timedelta
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Protocol

from agent.archive.filler import Filler
from agent.config.values import Config, Meter
from agent.events import gateway_event
from agent.host.clock import Clock
from agent.line.others import OtherMaster
from agent.line.port import Port
from agent.line.trace import TraceMessage
from agent.line.worker import Question, Worker
from agent.meters import build, clock_notes, foreign, passwords, pauses
from agent.meters.clock_state import Correction
from agent.meters.frame_counters import FrameCounters
from agent.meters.journal_cursors import JournalCursors
from agent.meters.state import MeterState
from buffer.faults import StoreError
from buffer.notes import PAUSED, SECOND_MASTER, UNEXPECTED
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.reading import Identity, Kind
from protocols.errors import LinkLost, MeterError

log = logging.getLogger("meterpost.line")

ANSWER_LIMIT = 570.0  # s; less than a client of the control socket waits
WORKERS_END = 10.0  # s that the workers have together to end the exchanges under way

Answer = tuple[list[Record], dict[str, MeterError]]
"""Records, and the points that brought an error instead."""


class Submit(Protocol):
    """Takes records on their way to the store, and notes for the same transaction."""

    def __call__(self, records: Sequence[Record], notes: Mapping[str, str | None] | None = None) -> None: ...


class Buses:
    """Workers run from ``start`` to ``stop``; ``use`` is both, with another configuration. ``filler`` keeps the
    archives whole."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        clock: Clock,
        submit: Submit,
        *,
        open_port: Callable[..., Any] = Port,
    ) -> None:
        self._config, self._store, self._writer, self._clock = config, store, writer, clock
        self._submit, self._open_port = submit, open_port
        self.filler = Filler(store, writer.call, clock)
        self._counters = FrameCounters(writer.call)
        self._cursors = JournalCursors(writer.call)
        self._unexpected = foreign.UnexpectedMeters(submit, store.notes(UNEXPECTED.key))
        self._others: dict[str, OtherMaster] = {}  # by bus
        self.workers: list[Worker] = []

    # ── workers and meters ───────────────────────────────────────────────

    def start(self) -> None:
        """Make the configuration's meters, with what the store knows of them, and let the workers run."""
        config = self._config
        groups = build.build(config, self._counters.of, build.time_of(self._clock))
        self._cursors.restore([meter for group in groups.values() for meter in group], self._store)
        self.filler.use(groups, config.gateway.keep_days)
        self._unexpected.use(config.meters)
        stopped = self._store.notes(PAUSED.key)
        workers = []
        for bus in config.buses:
            meters = groups[bus.name]
            clock_notes.restore(meters, self._store, self._writer, self._submit)
            for meter in meters:
                meter.paused = PAUSED.key + meter.config.point in stopped
                meter.denied_at = passwords.since(self._store, meter.config.point, self._clock.stamp())
            workers.append(
                Worker(
                    bus,
                    meters,
                    clock=self._clock,
                    submit=self._submit,
                    before=self._before,
                    denied=self._denied,
                    unexpected=self._unexpected,
                    filler=self.filler,
                    others=self._other_master(bus.name),
                    open_port=self._open_port,
                )
            )
        self.workers = workers
        for worker in workers:
            worker.start()

    def stop(self) -> None:
        """Each worker ends after the exchange under way; what takes longer than ``WORKERS_END`` is left behind."""
        for worker in self.workers:
            worker.ask_to_stop()
        end = monotonic() + WORKERS_END
        for worker in self.workers:
            worker.stop(max(0.0, end - monotonic()))
        self._cursors.save(self.meters(), timedelta())
        self.workers = []

    def use(self, config: Config) -> None:
        """Another configuration from now on."""
        self.stop()
        self._config = config
        self.start()

    def close(self) -> None:
        """The end; before that of the store's writer."""
        self.stop()
        self.filler.close()

    def tick(self) -> None:
        """Once a second: what no worker does by itself."""
        self.filler.tick()
        self._cursors.save(self.meters())
        remind(self.workers, self._clock.stamp().utc)

    def clock_moved(self) -> None:
        """The gateway's clock was set or moved: the meters' clocks are compared with it anew."""
        afresh(self.workers)

    def start_kind(self, kind: Kind, at: time) -> None:
        """A calendar kind is due now for the meters that have it at this local time."""
        for worker in self.workers:
            worker.start_kind(kind, at)

    def meters(self) -> list[MeterState]:
        """All meters, in the order of the buses."""
        return [meter for worker in self.workers for meter in worker.meters]

    def identities(self) -> dict[str, Identity]:
        """Which meter has answered at which point."""
        return {meter.config.point: meter.identity for meter in self.meters() if meter.identity is not None}

    def alive(self) -> dict[str, float]:
        """By bus the monotonic time of its worker's last progress. None while the disk takes nothing: a worker may wait
        for it, and no new start of the program makes it good."""
        return {} if self._writer.trouble is not None else {worker.bus.name: worker.alive for worker in self.workers}

    def points(self) -> list[str]:
        """The points that a gateway reads by itself."""
        return [meter.point for meter in self._config.meters if not meter.manual]

    def find(self, point: str) -> tuple[Worker, MeterState]:
        """Its bus's worker and its meter; ValueError that names those there are."""
        for worker in self.workers:
            for meter in worker.meters:
                if meter.config.point == point:
                    return worker, meter
        if any(meter.point == point and meter.manual for meter in self._config.meters):
            raise ValueError(f"{point} is on no bus: it is read by hand (meterpost enter)")
        raise ValueError(f"no point named {point!r}; there are: {', '.join(self.points())}")

    # ── questions to meters, from other threads ──────────────────────────

    def read(
        self,
        points: Sequence[str],
        kind: Kind,
        span: tuple[datetime, datetime] | None = None,
        trace: Callable[[str, TraceMessage], None] | None = None,
    ) -> Answer:
        """Ask these meters now, all buses at the same time; nothing is stored. ``trace`` is called with the point."""
        for point in points:
            self.find(point)
        questions = []
        for worker in self.workers:
            mine = [meter.config.point for meter in worker.meters if meter.config.point in points]
            if mine:
                questions.append(Question(mine, kind, span, trace))
                worker.ask(questions[-1])
        return _answers(questions)

    def read_in_place(self, point: str, other: Meter) -> Answer:
        """The registers of another meter than the configured one on this point's line; nothing is stored. A password
        that was refused at this point is not tried with it either."""
        worker, known = self.find(point)
        meter = build.state_of(other, self._config, self._counters.of, build.time_of(self._clock))
        meter.denied_at = known.denied_at
        question = Question([point], "now", meters=[meter])
        worker.ask(question)
        return _answers([question])

    def set_clocks(self, points: Sequence[str]) -> dict[str, Correction]:
        """Correct the clocks of these points now, all buses at the same time, within what each meter allows; what
        became of each."""
        orders = {}
        for point, (worker, meter) in {point: self.find(point) for point in points}.items():
            order, question = Future[Correction](), Question([point], "clock")
            meter.watch.orders.append(order)
            worker.ask(question)
            orders[point] = meter, order, question
        until = monotonic() + ANSWER_LIMIT
        return {point: _correction(*order, until) for point, order in orders.items()}

    def pause(self, points: Sequence[str], paused: bool) -> None:
        """Leave these points alone, or poll them again. Durable: work at a cabinet outlasts a restart."""
        meters = [self.find(point)[1] for point in points]
        self._writer.call(partial(pauses.keep, points=points, paused=paused))
        for meter in meters:
            meter.paused = paused

    def _other_master(self, bus: str) -> OtherMaster:
        """What is known of another master on this bus, also after a reload; its event outlasts a restart, too."""
        if bus not in self._others:
            note = self._store.notes(SECOND_MASTER.of(bus)).get(SECOND_MASTER.of(bus))
            known = note is not None and self._clock.stamp().utc - datetime.fromisoformat(note) < timedelta(days=1)
            told = self._clock.monotonic() if known else -inf
            self._others[bus] = OtherMaster(partial(self._second_master, bus), told)
        return self._others[bus]

    def _second_master(self, bus: str, text: str) -> None:
        stamp = self._clock.stamp()
        log.warning("%s: %s", bus, text)
        event = gateway_event("second-master", f"{bus}: {text}", stamp)
        self._submit([event], {SECOND_MASTER.of(bus): stamp.utc.isoformat()})

    # ── for the workers ──────────────────────────────────────────────────

    def _before(self, point: str, kind: Kind, serial: str) -> Record | None:
        """The newest record of this meter; None too where the store cannot say: polling goes on without it."""
        try:
            return self._store.last(point, kind, serial)
        except StoreError as trouble:
            log.error("%s: no earlier reading to compare with: %s", point, trouble)
            return None

    def _denied(self, point: str, refused: bool) -> None:
        when = self._clock.stamp().utc if refused else None
        try:
            self._writer.call(lambda store: passwords.keep(store, point, when))
        except StoreError as trouble:  # the worker itself remembers it until the next start
            log.error("%s: the refused password is not noted: %s", point, trouble)


def remind(workers: Iterable[Worker], now: datetime) -> None:
    """Look at the clocks whose correction was deferred to about now: polls may be rarer than such moments."""
    for worker in workers:
        for meter in worker.meters:
            if meter.watch.due is not None and now >= meter.watch.due and not meter.paused:
                meter.watch.due, meter.offset_at = None, None
                worker.ask(Question([meter.config.point], "clock"))


def afresh(workers: Iterable[Worker]) -> None:
    """What was measured against the gateway's clock before is void, the next poll measures."""
    for worker in workers:
        for meter in worker.meters:
            meter.offset_at = None


def _answers(questions: Iterable[Question]) -> Answer:
    """Wait for all of them."""
    records: list[Record] = []
    failed: dict[str, MeterError] = {}
    for question in questions:
        try:
            found, troubles = question.answer.result(ANSWER_LIMIT)
        except LinkLost as trouble:
            found, troubles = [], dict.fromkeys(question.points, trouble)
        except TimeoutError:
            found, troubles = [], dict.fromkeys(question.points, LinkLost("the bus is busy; try again later"))
        records += found
        failed |= troubles
    return records, failed


def _correction(meter: MeterState, order: "Future[Correction]", question: Question, until: float) -> Correction:
    """What became of an order. One that no dialogue has taken up is withdrawn: it must not be carried out hours
    later."""
    trouble: BaseException | None
    try:
        _, failed = question.answer.result(max(0.0, until - monotonic()))
        trouble = failed.get(meter.config.point)
    except TimeoutError:
        trouble = LinkLost("the bus is busy; an event tells whether it was corrected")
    except LinkLost as lost:
        trouble = lost
    with contextlib.suppress(ValueError):
        meter.watch.orders.remove(order)
    if order.done():
        trouble = order.exception()
        if trouble is None:
            return order.result()
    return Correction(None, None, str(trouble))
