"""One dialogue with one meter: log in, prove its identity, read what is due, judge it, say goodbye.

The worker's thread runs it, one at a time on a port; nothing here starts another thread. A dialogue goes ``open`` →
``identify`` → the clock → live kinds → archives → ``close``; an error of one kind leaves the others as they are,
silence or noise ends the live ones, a lost port or a refused password ends all. With others waiting, archives end
between two exchanges (:class:`~agent.line.exchanger.Preempted`) and what came is kept.
:class:`~agent.line.recording.Recorder` makes the records.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from math import ceil
from typing import TypeGuard, TypeVar

from agent.archive.slots import live_since
from agent.host.clock import Clock
from agent.judge.identity import IdentityVerdict, WrongSerial, judge
from agent.judge.plausible import (
    far_off,
)
from agent.line.clocks import ClockWatch
from agent.line.exchanger import Costs, Exchanger, Preempted, PreemptibleExchanger, ShouldYield
from agent.line.link import Link, Stopping
from agent.line.recording import Before, Recorder
from agent.meters.passwords import PASSWORD_PAUSE, PasswordPaused
from agent.meters.state import MeterState
from buffer.record import Record
from drivers.events import Flag
from drivers.reading import Ask, Driver, Kind, Number, Reading, Topic, has_clock, read
from protocols.errors import AccessDenied, BadFrame, Busy, LinkLost, MeterError, NoReply, NotLoggedIn, SecondMaster
from protocols.session import Session

log = logging.getLogger("meterpost.line")

ARCHIVES: tuple[Kind, ...] = ("interval", "day", "month", "event")
"""Kinds that the meter keeps itself. A poll reads the newest of them; what is older is filled (agent.archive)."""
OVERLAP = timedelta(hours=1)  # journals are stamped by the meter's clock, which may be behind ours
FARTHEST_BEHIND = 26  # h; a clock in the wrong zone is less than that behind, and what is more is work for an operator
FIRST_LOOK = timedelta(days=62)  # into the journals of a meter that no one has read yet

REGISTERS: tuple[Kind, ...] = ("now", "day", "month")
GROWN = 2000  # Wh that tariffs which are not read may have grown by since the reading before
PASSES = 3  # readings that are begun where another master speaks into them

T = TypeVar("T")


def is_archive(kind: Topic) -> TypeGuard[Kind]:
    return kind in ARCHIVES


@dataclass(slots=True)
class Outcome:
    """Records of the kinds that were read, and the trouble of those that were not. ``looked``: until when the meter's
    journals were read (aware UTC), None where they were not: true for the next poll once the records are kept.
    ``ended``: archives that made way for others, and whether they came any further; ``verdict``: None where that was
    before the meter had named itself."""

    records: list[Record]
    failed: dict[Topic, MeterError]
    verdict: IdentityVerdict | None
    journals_until: datetime | None = None
    ended: dict[Topic, bool] = field(default_factory=dict)


class Dialogue:
    """Runs dialogues over one Link. Nothing here waits, except for the line itself."""

    def __init__(self, link: Link, clock: Clock, before: Before) -> None:
        self._link = link
        self._clock = clock
        self._before = before
        self._recorder = Recorder(clock, before)
        self._watch = ClockWatch(clock)
        self._costs: dict[str, Costs] = {}  # by point

    def run(
        self,
        meter: MeterState,
        kinds: Iterable[Topic],
        *,
        span: tuple[datetime, datetime] | None = None,
        trial: bool = False,
        wanted: ShouldYield | None = None,
        between: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Outcome:
        """Read these kinds; ``span`` for archive kinds; ``trial``: the first question is asked once only.

        With ``wanted`` archives end as soon as others want the line; what they brought is kept. They come last then,
        and ``between`` is given the outcome of the kinds before them, which are not in the one that is returned.
        Raises what ends a dialogue as a whole: LinkLost, NoReply, BadFrame, AccessDenied, WrongSerial.
        """
        kinds = list(kinds)
        if wanted is None:
            return self.visit(
                meter,
                lambda ask, verdict: self._read(meter, kinds, span, ask, verdict),
                lambda link, session: Exchanger(link, session, trial),
            )
        live = [kind for kind in kinds if not is_archive(kind)]
        archives = [kind for kind in kinds if is_archive(kind)]
        costs = self.costs(meter, kinds[0])

        def preemptible(link: Link, session: Session) -> PreemptibleExchanger:
            ask = PreemptibleExchanger(link, session, self._clock, wanted, costs, trial)
            ask.preemptible = not live and not trial
            return ask

        def talk(ask: Exchanger, verdict: IdentityVerdict) -> Outcome:
            ask.look()
            ask.preemptible = False  # a check of the clock, and what may follow from it, is not cut in two
            outcome = self._read(meter, live, span, ask, verdict)
            broken = [trouble for trouble in outcome.failed.values() if isinstance(trouble, (NoReply, BadFrame))]
            if broken:
                outcome.failed.update(dict.fromkeys(archives, broken[0]))
            elif archives:
                if live:
                    between(outcome)
                    outcome = Outcome([], {}, verdict)
                ask.preemptible = True
                self._read_kinds(meter, archives, span, ask, outcome)
            return outcome

        try:
            return self.visit(meter, talk, preemptible)
        except Preempted:
            return Outcome([], {}, None, ended=dict.fromkeys(archives, False))

    def costs(self, meter: MeterState, kind: Topic) -> Costs:
        """What exchanges with this meter take, as measured in all dialogues."""
        known = self._costs.get(meter.config.point)
        if known is None:
            known = self._costs[meter.config.point] = Costs(meter, kind)
        return known

    def visit(
        self,
        meter: MeterState,
        talk: Callable[[Exchanger, IdentityVerdict], T],
        asker: Callable[[Link, Session], Exchanger],
    ) -> T:
        """Log in, prove the meter's identity, talk, say goodbye however the talk ends; raises as ``run``."""
        now = self._clock.monotonic()
        if meter.denied_at is not None and 0 <= now - meter.denied_at < PASSWORD_PAUSE:
            rest = round((PASSWORD_PAUSE - (now - meter.denied_at)) / 60)
            raise PasswordPaused(f"the password was refused; it is tried again in {rest} minutes (some meters lock)")
        self._link.begin(meter.line, meter.margin)
        ask = asker(self._link, meter.driver.session())
        try:
            outcome = talk(ask, self._undisturbed(lambda: self._greet(meter, ask)))
        except LinkLost:
            raise
        except (MeterError, Preempted):
            self._goodbye(meter, ask)
            raise
        self._goodbye(meter, ask)
        return outcome

    def _undisturbed(self, read: Callable[[], T]) -> T:
        """All of it anew where another master spoke meanwhile: no one can tell then whose answers these were."""
        for _ in range(PASSES - 1):
            try:
                return read()
            except SecondMaster as trouble:
                log.debug("once more: %s", trouble)
        return read()

    def _greet(self, meter: MeterState, ask: Ask) -> IdentityVerdict:
        self._log_in(meter, ask)
        return self._identify(meter, ask)

    def _log_in(self, meter: MeterState, ask: Ask) -> None:
        try:
            meter.driver.open(ask)
        except AccessDenied:
            meter.denied_at = self._clock.monotonic()
            raise
        meter.denied_at = None

    def _identify(self, meter: MeterState, ask: Ask) -> IdentityVerdict:
        identity = self._again_if_forgotten(meter, ask, lambda: meter.driver.identify(ask))
        verdict = judge(meter.config.serial, identity)
        if not verdict.right:
            raise WrongSerial(meter.config.serial, verdict.serial)
        meter.identity = identity
        return verdict

    def _again_if_forgotten(self, meter: MeterState, ask: Ask, read: Callable[[], T]) -> T:
        """A meter may drop its session at any moment: log in and ask once more, once."""
        try:
            return read()
        except NotLoggedIn:
            self._log_in(meter, ask)
            return read()

    def _read(
        self,
        meter: MeterState,
        kinds: Iterable[Topic],
        span: tuple[datetime, datetime] | None,
        ask: Exchanger,
        verdict: IdentityVerdict,
    ) -> Outcome:
        outcome = Outcome(self._watch.look(meter, ask, verdict.serial), {}, verdict)
        self._read_kinds(meter, kinds, span, ask, outcome)
        return outcome

    def _read_kinds(
        self,
        meter: MeterState,
        kinds: Iterable[Topic],
        span: tuple[datetime, datetime] | None,
        ask: Exchanger,
        outcome: Outcome,
    ) -> None:
        broken: MeterError | None = None
        for kind in kinds:
            if outcome.ended:
                outcome.ended[kind] = False
            elif broken is not None:
                outcome.failed[kind] = broken
            else:
                try:
                    self._read_kind(meter, kind, span, ask, outcome)
                except (LinkLost, AccessDenied):
                    raise
                except MeterError as trouble:
                    outcome.failed[kind] = trouble
                    if isinstance(trouble, (NoReply, BadFrame)) and kind not in ARCHIVES:
                        broken = trouble  # what was read stays read; the rest would only cost the others their time

    def _read_kind(
        self, meter: MeterState, kind: Topic, span: tuple[datetime, datetime] | None, ask: Exchanger, outcome: Outcome
    ) -> None:
        """Its records; where others want the line, those that came until then. Events come all at once: the driver
        remembers those that it has read, and gives them again when it has been through all journals."""
        assert outcome.verdict is not None
        start, answers = 0, ask.answers
        due = (span or self._span(meter, kind, outcome.verdict.serial)) if is_archive(kind) else None
        readings: list[Reading] = []
        flowing: Mapping[str, Number] = {}

        def whole() -> None:
            nonlocal start
            start = len(self._link.frames)
            self._again_if_forgotten(meter, ask, partial(_read_all, readings, meter.driver, kind, ask, due))
            self._link.settle()

        try:
            self._undisturbed(whole)
            if kind in REGISTERS and self._torn(meter, readings):
                log.info("%s: its rows disagree with their total: read once more", meter.config.point)
                self._undisturbed(whole)
                self._torn(meter, readings)  # what is the same again is so in the meter
            if kind == "now" and any(reading.values.get("1-0:1.8.0") == 0 for reading in readings):
                flowing = self._flowing(meter, ask)
        except Preempted:
            outcome.ended[kind] = ask.answers > answers if kind == "event" else bool(readings)
            if kind == "event":
                return
        stamp = self._clock.stamp()
        if kind == "event" and due is not None and span is None:
            outcome.journals_until = due[1]
        frames = b"".join(self._link.frames[start:])
        for reading in readings:
            outcome.records += self._recorder.made(meter, reading, stamp, frames, outcome.verdict, flowing)

    def _flowing(self, meter: MeterState, ask: Exchanger) -> Mapping[str, Number]:
        """The values of the moment beside a total that counts nothing; none where the meter does not give them."""
        found: list[Reading] = []
        try:
            if "network" in meter.driver.capabilities:
                _read_all(found, meter.driver, "network", ask, None)
        except (LinkLost, AccessDenied):
            raise
        except MeterError as trouble:
            log.debug("%s: no values of the moment: %s", meter.config.point, trouble)
        return {code: value for reading in found for code, value in reading.values.items()}

    def _torn(self, meter: MeterState, readings: Iterable[Reading]) -> bool:
        """Whether rows disagree with their total by far more than rounding, and otherwise than known of this meter: a
        second master's answer may be among them, which nothing else tells."""
        torn = False
        for reading in readings:
            traits = meter.driver.traits
            for total, off in far_off(reading.values, traits.resolution, traits.mismatch).items():
                known = meter.remainders.get((reading.kind, total))
                torn |= known is None or abs(Decimal(off) - known) > GROWN
                meter.remainders[reading.kind, total] = Decimal(off)
        return torn

    def _span(self, meter: MeterState, kind: Kind, serial: str) -> tuple[datetime, datetime]:
        """What a poll of this archive has to ask for: from the newest record of it on, bounded; aware UTC."""
        stamp = self._clock.stamp()
        if stamp.state == "unset":
            raise Busy("the gateway's clock is not set: it cannot say for which time to ask")
        if kind == "event":
            since = meter.journals_until - OVERLAP if meter.journals_until else stamp.utc - FIRST_LOOK
            return since - _behind(meter.offset), stamp.utc
        since = live_since(kind, getattr(meter.config.poll, kind), stamp.utc, meter.calendar(stamp.utc))
        newest = self._before(meter.config.point, kind, serial)
        return max(since, newest.at) if newest else since, stamp.utc

    def restored(self, meter: MeterState, reading: Reading, frames: bytes, verdict: IdentityVerdict) -> Record:
        """The record of an archive's row that is read later."""
        flags: tuple[Flag, ...] = (*reading.flags, "restored")
        (record,) = self._recorder.made(meter, replace(reading, flags=flags), self._clock.stamp(), frames, verdict)
        return record

    def _goodbye(self, meter: MeterState, ask: Exchanger) -> None:
        if not ask.heard:
            return
        ask.leave()
        try:
            meter.driver.close(ask)
        except Stopping:
            return  # what was read stays read, and whoever asked us to stop has not forgotten it
        except LinkLost:
            raise
        except MeterError:
            return  # what was read stays read


def _read_all(
    found: list[Reading], driver: Driver, kind: Topic, ask: Ask, span: tuple[datetime, datetime] | None
) -> None:
    """Everything into ``found``, one by one: there is what came, however it ends."""
    found.clear()
    if kind == "clock" and has_clock(driver):
        return  # the watch has looked at it before anything else
    for reading in read(driver, kind, ask, span):
        if kind == "event" or reading.at is None or span is None or span[0] <= reading.at <= span[1]:
            found.append(reading)


def _behind(offset: Decimal | None) -> timedelta:
    """By how much a journal has to be looked into further back because the meter's clock is slow: whole hours, so that
    the span of a poll that goes on does not change with each tenth of a second."""
    hours = ceil((max(0, -float(offset or 0)) - OVERLAP.total_seconds() / 2) / 3600)
    return timedelta(hours=min(max(0, hours), FARTHEST_BEHIND))
