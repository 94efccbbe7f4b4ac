"""The polls of one bus: which meter and kinds come next, and what follows from how a dialogue ended.

Theory of operation. The worker asks ``next`` for a turn, holds its dialogue, and reports ``done`` (the meter has
answered, perhaps not everything) or ``failed`` (the dialogue as a whole ended in an error), then ``took``. Four
policies meet here, each with its reasons in a module of its own:

- :mod:`~agent.line.schedule`: when each kind of each meter is due, aligned to the clock, paced by monotonic time;
- :mod:`~agent.line.silent`: a meter that does not answer is left to rare trials, so that it costs the others nothing;
- :mod:`~agent.line.archive_share`: archives wait for live values, and yet come to their end on a busy bus;
- the table of ``_put_off``: after which pause a kind comes again, by the class of the error.

Nothing here asks, waits or reads a clock by itself: a test drives it as the worker does. All of it belongs to the
worker's thread, except for ``start`` and ``silent``, which others call through the worker.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import time

from agent.events import gateway_event
from agent.host.clock import Clock
from agent.judge.identity import WrongSerial
from agent.line.archive_share import FAIR_WAIT, LONGEST_HOLD, ArchiveShare
from agent.line.dialogue import ARCHIVES, Outcome
from agent.line.schedule import Schedule
from agent.line.silent import RETRY, Health, TrialBudget
from agent.meters.foreign import UnexpectedMeters
from agent.meters.passwords import PASSWORD_PAUSE, PasswordPaused
from agent.meters.state import MeterState
from buffer.record import Record
from drivers.reading import Kind, is_kind
from protocols.errors import AccessDenied, BadFrame, Busy, MeterError, NoReply, Refused, SecondMaster, SessionHeld

log = logging.getLogger("meterpost.line")

REFUSED_PAUSE = 3600.0  # s until a kind that the meter refuses is asked again
ARCHIVES_AFTER = 30.0  # s after the start: the first readings of all meters come before any archive
ARCHIVE_BUSY = 60.0  # s until an archive that cannot be read just now (midnight, a clock not set) is tried again
FIRST_COST = 0.3  # s that a dialogue takes before one was measured
CALENDAR = ("day", "month")
LIVE: tuple[Kind, ...] = ("now", "network")
"""What no one can read later: no archive keeps it waiting."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A dialogue that is due. ``trial``: with a silent meter, one question until it answers;
    ``piece``: seconds for which its archive may keep others waiting; ``rest``: the archives of a dialogue whose other
    kinds are done."""

    meter: MeterState
    kinds: tuple[Kind, ...]
    trial: bool = False
    piece: float = 0.0
    rest: bool = False

    def split(self) -> tuple["Turn", "Turn"]:
        """Without its archives, and these alone."""
        live = tuple(kind for kind in self.kinds if kind not in ARCHIVES)
        archives = tuple(kind for kind in self.kinds if kind in ARCHIVES)
        return replace(self, kinds=live), replace(self, kinds=archives, rest=True)


@dataclass(slots=True)
class Standing:
    """How one meter answers, and what a dialogue with it takes of the bus: seconds, as measured."""

    health: Health = field(default_factory=Health)
    cost: float = FIRST_COST


class Rounds:
    """``submit`` takes events of this bus; ``denied(point, refused)`` makes a refused password durable."""

    def __init__(
        self,
        bus: str,
        meters: Sequence[MeterState],
        *,
        clock: Clock,
        submit: Callable[[Sequence[Record]], None],
        denied: Callable[[str, bool], None],
        unexpected: UnexpectedMeters,
    ) -> None:
        self._bus, self._clock = bus, clock
        self._submit, self._denied, self._unexpected = submit, denied, unexpected
        now = clock.monotonic()
        self._schedule = Schedule(periods(meters), now)
        for meter in meters:
            for kind in self._schedule.kinds(meter):
                if kind in ARCHIVES:
                    self._schedule.later(meter, kind, now + ARCHIVES_AFTER)
        self._standings = {meter: Standing() for meter in meters}
        self._budget = TrialBudget()
        self._archive_share = ArchiveShare(now)

    # ── what comes next ──────────────────────────────────────────────────

    def next(self) -> Turn | None:
        """What is due now. A trial goes first, within its small budget: a busy bus would never come to it; so does an
        archive's piece. Other archives wait until nothing else is due: they lose nothing by that."""
        now = self._clock.monotonic()
        skip = self._left_out()
        silent = self._due_trial(now) if skip else None
        if silent is not None:
            kinds = self._schedule.of_meter(silent, now) or self._schedule.kinds(silent)[:1]
            return Turn(silent, tuple(kinds), trial=True)
        waiting = self._schedule.longest(now, skip, ARCHIVES) if self._archive_share.over(now) else None
        if waiting is not None and now - waiting.due > FAIR_WAIT:
            return Turn(waiting.meter, (waiting.kind,), piece=self._archive_share.piece((waiting.meter, waiting.kind)))
        job = self._schedule.due(now, skip, LIVE)
        if job is None and now >= self._archive_share.blocked_until:
            job = self._schedule.due(now, skip, ARCHIVES)
        return None if job is None else Turn(job.meter, tuple(self._schedule.of_meter(job.meter, now)))

    def next_moment(self) -> float:
        """Monotonic time at which something is due; infinity if nothing ever is."""
        skip = self._left_out()
        archives = max(self._archive_share.blocked_until, self._schedule.next_due(skip, ARCHIVES))
        silent = self._silent() if skip else ()
        trials = [max(self._standings[meter].health.next_trial, self._budget.allowed) for meter in silent]
        return min(self._schedule.next_due(skip, LIVE), archives, *trials)

    def live_moment(self) -> float:
        """Monotonic time at which something is due that no archive keeps waiting; infinity if nothing ever is."""
        return self._schedule.next_due(self._left_out(), LIVE)

    def longest_cost(self) -> float:
        """Seconds that a dialogue of this bus takes at most, as measured."""
        return max((standing.cost for standing in self._standings.values()), default=FIRST_COST)

    def fillable(self) -> list[MeterState]:
        """The meters that may be asked for what is missing: those that answer soundly in this run."""
        return [meter for meter, standing in self._standings.items() if meter.sound and not standing.health.failures]

    def start(self, kind: Kind, at: time) -> None:
        """A calendar kind is due now for the meters that have it at this local time."""
        for meter in self._standings:
            if kind in self._schedule.kinds(meter) and getattr(meter.config.poll, kind) == at:
                self._schedule.later(meter, kind, self._clock.monotonic())

    def silent(self, meter: MeterState) -> bool:
        """Whether it counts as silent."""
        return self._standings[meter].health.silent

    def _silent(self) -> list[MeterState]:
        return [meter for meter, standing in self._standings.items() if standing.health.silent and not meter.paused]

    def _left_out(self) -> set[MeterState]:
        """Those that are polled by trials or not at all."""
        return {meter for meter, standing in self._standings.items() if standing.health.silent or meter.paused}

    def _due_trial(self, now: float) -> MeterState | None:
        if not self._budget.open(now):
            return None
        trials = {meter: self._standings[meter].health.next_trial for meter in self._silent()}
        ready = [meter for meter, moment in trials.items() if moment <= now]
        return min(ready, key=lambda meter: trials[meter], default=None)

    # ── what follows ─────────────────────────────────────────────────────

    def took(self, turn: Turn, seconds: float) -> None:
        """The dialogue is over; what a trial that stayed unanswered has cost comes off the budget."""
        standing = self._standings[turn.meter]
        if turn.trial and standing.health.silent:
            self._budget.spent(self._clock.monotonic(), seconds)
        elif not standing.health.failures:
            standing.cost = seconds
        if turn.piece:
            self._archive_share.spent(seconds, self._clock.monotonic())

    def done(self, turn: Turn, outcome: Outcome) -> None:
        """The meter has answered, though perhaps not everything: when each kind comes again."""
        broken = None if outcome.verdict is None or turn.rest else self._answered(turn, outcome)
        for kind in turn.kinds:
            if kind in outcome.ended:
                continue  # due still
            if kind not in outcome.failed:
                self._next_slot(turn.meter, kind)
            elif kind in ARCHIVES or broken is None:
                self._put_off(turn.meter, kind, outcome.failed[kind])
        self._archives_done(turn, outcome)

    def _answered(self, turn: Turn, outcome: Outcome) -> MeterError | None:
        """What its answers say of the meter; the silence in which they ended, if they did."""
        meter = turn.meter
        meter.foreign = None
        self._unexpected.cleared(meter.config.point)
        if meter.trouble == "access":
            self._denied(meter.config.point, False)
        urgent = {kind: trouble for kind, trouble in outcome.failed.items() if is_kind(kind) and kind not in ARCHIVES}
        broken = next((trouble for trouble in urgent.values() if isinstance(trouble, (NoReply, BadFrame))), None)
        if broken is not None:
            self.failed(Turn(turn.meter, tuple(urgent)), broken)
        else:
            self._recovered(turn.meter, next(iter(urgent.values()), None))
        return broken

    def _archives_done(self, turn: Turn, outcome: Outcome) -> None:
        now = self._clock.monotonic()
        for kind in turn.kinds:
            if kind in outcome.ended:
                self._archive_share.ended((turn.meter, kind), turn.piece > 0)
            elif kind in ARCHIVES:
                self._archive_share.done((turn.meter, kind))
                self._archive_share.further = now
        if any(outcome.ended.values()):
            self._archive_share.further = now
        if outcome.ended:
            moment = self.live_moment()
            self._archive_share.blocked_until = min(moment, now + LONGEST_HOLD)

    def failed(self, turn: Turn, trouble: MeterError) -> None:
        """The dialogue as a whole ended in this."""
        meter = turn.meter
        if str(trouble) != meter.error:
            log.warning("%s: %s", meter.config.point, trouble)
        meter.error, meter.hint, meter.trouble = str(trouble), trouble.hint, trouble.word
        if isinstance(trouble, (NoReply, BadFrame)):
            self._no_answer(meter)
        else:
            self._standings[meter].health.answered()
        if isinstance(trouble, WrongSerial):
            self._foreign(meter, trouble)
        elif isinstance(trouble, AccessDenied):
            self._denied(meter.config.point, True)
        for kind in turn.kinds:
            self._put_off(turn.meter, kind, trouble)
            self._archive_share.done((turn.meter, kind))

    def _put_off(self, meter: MeterState, kind: Kind, trouble: MeterError) -> None:
        now = self._clock.monotonic()
        if isinstance(trouble, WrongSerial):
            self._next_slot(meter, kind)
        elif isinstance(trouble, (AccessDenied, PasswordPaused)):
            self._schedule.later(meter, kind, now + PASSWORD_PAUSE)
        elif isinstance(trouble, SessionHeld) or (kind in ARCHIVES and isinstance(trouble, (Busy, SecondMaster))):
            self._schedule.later(meter, kind, now + ARCHIVE_BUSY)
        elif kind not in ARCHIVES and isinstance(trouble, (NoReply, BadFrame, Busy, SecondMaster)):
            self._schedule.later(meter, kind, now + RETRY)
        else:  # refused; or an archive that brings silence (old firmware does that) must not cost the other kinds
            self._schedule.later(meter, kind, now + REFUSED_PAUSE)

    def _next_slot(self, meter: MeterState, kind: Kind) -> None:
        stamp = self._clock.stamp()
        self._schedule.done(meter, kind, stamp.monotonic, stamp.utc.timestamp())

    def _recovered(self, meter: MeterState, refused: MeterError | None) -> None:
        health = self._standings[meter].health
        if health.silent:
            log.info("%s: answers again", meter.config.point)
        health.answered()
        meter.error = str(refused) if refused else None
        meter.hint = refused.hint if refused else None
        meter.trouble = refused.word if refused else None

    def _no_answer(self, meter: MeterState) -> None:
        stamp = self._clock.stamp()
        one_round = sum(standing.cost for standing in self._standings.values())
        if self._standings[meter].health.failed(stamp.monotonic, one_round):
            log.warning("%s: counts as silent: %s", meter.config.point, meter.error)
            text = f"address {meter.config.address} on {self._bus}: {meter.error}"
            serial = meter.identity.serial if meter.identity and meter.identity.serial else ""
            self._submit([gateway_event("meter-silent", text, stamp, point=meter.config.point, serial=serial)])

    def _foreign(self, meter: MeterState, trouble: WrongSerial) -> None:
        """No reading of this point until the right meter answers."""
        meter.latest.clear()
        meter.foreign = trouble.answered
        self._unexpected.seen(meter.config, trouble, self._clock.stamp())


def periods(meters: Sequence[MeterState]) -> dict[tuple[MeterState, Kind], float | None]:
    """Which kinds of which meter are polled how often; calendar kinds have no period."""
    found: dict[tuple[MeterState, Kind], float | None] = {}
    for meter in meters:
        for kind in (*LIVE, *ARCHIVES):
            wanted = getattr(meter.config.poll, kind)
            if kind in meter.driver.capabilities and wanted is not None:
                found[meter, kind] = None if kind in CALENDAR else wanted
    return found


def refused_words(trouble: Exception) -> Refused:
    """A mistake of ours with one meter, so that it costs no other one its readings."""
    return Refused(f"internal error, see the log: {trouble!r}")
