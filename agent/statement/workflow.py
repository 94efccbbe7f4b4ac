"""Runs the life of every statement: a check once a minute. Each step is on the disk before it has an effect."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, assert_never

from agent.channels.errors import ChannelError
from agent.config.utility import window
from agent.config.utility.profile import Profile, channels_of, faults_of, profile_of
from agent.config.values import Config, Meter
from agent.events import gateway_event
from agent.host.clock import Clock, Stamp
from agent.statement import life, listen
from agent.statement import log as logs
from agent.statement.figures import KINDS, NoReading, Taken, ripe
from agent.statement.life import Decision, ReceiptState, Rules
from agent.statement.log import Attempt, StatementLog, StatementState, Step
from agent.statement.making import Case, attempt, later_reading, nearest, reading
from agent.statement.outbound import Listening, OutboundChannel, message
from buffer.faults import StoreError
from buffer.notes import STATEMENTS_EPOCH, STATEMENTS_SINCE
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Change
from drivers.times import MILLISECOND

logger = logging.getLogger("meterpost.statement")

MOST_ACTS = 8  # of one statement in one check; a life has fewer steps


class StatementWorkflow:
    """``change`` runs a function on the store and returns when its writes are on the disk. ``submit`` takes records
    for the store. One thing at a time: the checks of its thread and what people ask for wait for one another."""

    def __init__(
        self,
        config: Config,
        profiles: Mapping[str, Profile],
        store: Store,
        *,
        change: Change,
        submit: Callable[[Sequence[Record]], object],
        clock: Clock,
        channels: Mapping[str, OutboundChannel],
        resent: Callable[[], None] = lambda: None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        """``resent`` is called after a record that the intake had was made pending again. ``lock``: of the workflow
        before this one, where the configuration was read anew."""
        self.config, self.profiles, self.store = config, profiles, store
        self._change, self._submit, self.clock, self.channels = change, submit, clock, channels
        self._resent = resent
        self.lock: AbstractContextManager[Any] = lock or threading.RLock()
        self.waiting: dict[tuple[str, str], str] = {}  # point and month → what is waited for, as text
        self._seen: dict[tuple[str, str], tuple[object, Taken | None]] = {}  # what the store had, and what was found
        self._listened = life.LONG_AGO
        self._told: set[tuple[str, str]] = set()  # events that a power cut may have swallowed are raised once more

    # ── ticks ────────────────────────────────────────────────────────────

    def tick(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Every point's present window and the one before it, once; not to the end where the service is ``stopping``:
        a hundred messages take an hour."""
        stamp = self.clock.stamp()
        if stamp.state == "unset":
            return  # no one knows which window is open
        lost = self.store.noted(STATEMENTS_EPOCH.key) not in (None, self.store.epoch)
        looked: list[Case] = []
        for meter in self.config.meters:
            if stopping():
                return
            profile = profile_of(meter, self.profiles)
            if profile is not None and not faults_of(meter, self.profiles):
                looked += self._visit(meter, profile, stamp, lost)
        with self.lock:
            self._listen(looked)
        if self.store.noted(STATEMENTS_EPOCH.key) != self.store.epoch:
            self._change(lambda store: store.note(STATEMENTS_EPOCH.key, store.epoch))

    def _visit(self, meter: Meter, profile: Profile, stamp: Stamp, lost: bool) -> list[Case]:
        zone = self.config.gateway.timezone
        rule = profile.rule_of(meter)
        newest = window.latest(rule, stamp.utc, zone)
        looked: list[Case] = []
        for one in (window.before(newest, rule, zone), newest):
            case = Case(self.store, meter, profile, one)
            try:
                with self.lock:
                    if lost:
                        self._doubt(case, self.log(case), stamp)
                    self.advance(case)
                looked.append(case)
            except StoreError as trouble:
                logger.error("%s: the statement of %s has to wait: %s", meter.point, one.month, trouble)
            except Exception:  # a fault of ours, or in one point's log, must not keep all others from their windows
                logger.exception("%s: the statement of %s", meter.point, one.month)
        return looked

    def advance(self, case: Case, *, asked: bool = False) -> StatementLog:
        """As far as it goes now; the log after it. ``asked``: by an operator, whose look at a month that is over is no
        reason to tell that it was missed; the program's own checks are."""
        log = self.log(case)
        if not asked:
            self._tell_again(case, log)
        for _ in range(MOST_ACTS):
            now = self.clock.stamp()
            act = life.decide(log, case.window, now.utc, self.receipt(log), self.rules(case.profile))
            if act is None or (act.what == "miss" and (asked or not self._watched(case))):
                break
            changed = self._do(case, log, act, now)
            if changed is log:
                break
            log = changed
        return log

    def _doubt(self, case: Case, log: StatementLog, stamp: Stamp) -> None:
        """The store began a new epoch: the card may have lost the last steps, a message that left among them."""
        rules, settled = self.rules(case.profile), log.happened("left", "unclear", "damaged")
        at_stake = rules.ways and case.window.closes - rules.before <= stamp.utc < case.window.closes
        if not at_stake or settled or log.state in ("accepted", "refused"):
            return
        text = "the card lost what was written last: whether a message left is not known"
        if log.state == "sent":
            step = Step(stamp.utc, "sent", "unclear", reason=text, channel=rules.ways[0])
        else:
            step = Step(stamp.utc, "held", "damaged", reason=text, channel=rules.ways[0])
        self._event_held(self.keep(log.with_step(step)), stamp)

    def _listen(self, looked: Sequence[Case]) -> None:
        """For delivery reports and the utilities' confirming messages, where statements wait for one; not with every
        look, for a modem is slow. Once a day otherwise: what strangers send must not fill its memory."""
        way: object = self.channels.get("sms")
        if not isinstance(way, Listening):
            return
        now = self.clock.stamp().utc
        waiting = [case for case in looked if listen.expected(case, self.log(case), now)]
        if now < self._listened + (listen.EVERY if waiting else listen.TIDY):
            return
        self._listened = now
        try:
            messages, reports = way.look()
            told = [one for one in messages if self._noted(waiting, partial(listen.answered, one))]
            gone = [one for one in reports if self._noted(waiting, partial(listen.reported, one))]
            old = [one for one in reports if one not in gone and listen.stale(one, now)]
            numbers = self._utilities()
            strange = [one for one in messages if one not in told and listen.unwanted(one, numbers, now)]
            way.forget([*told, *gone, *old, *strange])
        except ChannelError as trouble:
            logger.warning("no check for the utility's messages: %s", trouble)

    def _utilities(self) -> set[str]:
        """The numbers from which the utilities of this gateway write."""
        profiles = [profile_of(meter, self.profiles) for meter in self.config.meters]
        forms = [profile.sms for profile in profiles if profile is not None and profile.sms is not None]
        return {number for form in forms for number in (form.number, form.answer_from) if number}

    def _noted(self, waiting: Sequence[Case], step_of: Callable[[Case, StatementLog, datetime], Step | None]) -> bool:
        """Whether it belongs to a statement; it stands in the log then."""
        stamp = self.clock.stamp()
        for case in waiting:
            log = self.log(case)
            step = step_of(case, log, stamp.utc)
            if step is not None:
                changed = self.keep(log.with_step(step))
                if step.what == "undelivered":
                    self._event_held(changed, stamp)
                return True
        return False

    def rules(self, profile: Profile) -> Rules:
        usable = [way for way in channels_of(profile, self.config)[0] if way in self.channels]
        before = timedelta(seconds=self.config.statements.fallback_before)
        return Rules(before, profile.confirm == "always", tuple(usable))

    def log(self, case: Case) -> StatementLog:
        """The log as it stands on the disk; a damaged one with the time at which that was found."""
        found = logs.load(self.store, case.meter.point, case.window.month)
        if found is None:
            return StatementLog(case.meter.point, case.window.month)
        if [step.what for step in found.steps] == ["damaged"] and found.steps[0].at.year == logs.UNKNOWN.year:
            return self.keep(replace(found, steps=(replace(found.steps[0], at=self.clock.stamp().utc),)))
        return found

    def keep(self, log: StatementLog) -> StatementLog:
        """On the disk when it returns."""
        self._change(lambda store: logs.save(store, log))
        return log

    def receipt(self, log: StatementLog) -> ReceiptState | None:
        """What the store says of the present figures' record; None where they were never given to it."""
        if log.attempt is None or log.state == "accepted" or not log.happened("queued"):
            return None
        record = self.record(log)
        if record is None:
            return ReceiptState("absent")
        for _, state, reason in self.store.rows("all", record.seq, 1):
            return ReceiptState(state, reason or "")
        return ReceiptState("absent")

    def record(self, log: StatementLog) -> Record | None:
        """The stored record of the present figures, whatever number a new epoch gave it."""
        assert log.attempt is not None  # asked for figures only
        at = log.attempt.at
        return next(self.store.find(log.point, ("statement",), at, at + MILLISECOND), None)

    def _watched(self, case: Case) -> bool:
        """Whether the gateway already had this point while that window was open; notes the beginning."""
        key = STATEMENTS_SINCE.of(case.meter.point)
        noted = self.store.noted(key)
        if noted is None:
            noted = self.clock.stamp().utc.isoformat()
            since = noted
            self._change(lambda store: store.note(key, since))
        return datetime.fromisoformat(noted) < case.window.closes

    # ── acts ─────────────────────────────────────────────────────────────

    def _do(self, case: Case, log: StatementLog, act: Decision, stamp: Stamp) -> StatementLog:
        match act.what:
            case "open":
                self._watched(case)
                return self.keep(log.with_step(Step(stamp.utc, "due", "opened")))
            case "make":
                return self._make(case, log, stamp)
            case "hold":
                return self.held(log, act.reason, "meterpost", stamp)
            case "send":
                return self.publish(log, "meterpost", "", stamp)
            case "put":
                self._put(log)
                return log
            case "accept":
                return self.keep(log.with_step(Step(stamp.utc, "accepted", "accepted", "intake", act.reason)))
            case "refuse":
                changed = self.keep(log.with_step(Step(stamp.utc, "refused", "refused", "intake", act.reason)))
                self._event_held(changed, stamp)
                return changed
            case "doubt":
                step = Step(stamp.utc, log.state, "unclear", reason=act.reason, channel=act.channel)
                changed = self.keep(log.with_step(step))
                self._event_held(changed, stamp)
                return changed
            case "fall":
                return self.carry(case, log, act.channel, "meterpost", act.reason, stamp)
            case "miss":
                waited = self.waiting.get((log.point, log.month), "") if log.attempt is None else ""
                reason = "; ".join(filter(None, (act.reason, waited)))
                changed = self.keep(log.with_step(Step(stamp.utc, log.state, "missed", reason=reason)))
                self._event_missed(changed, stamp)
                return changed
        assert_never(act.what)

    def _make(self, case: Case, log: StatementLog, stamp: Stamp) -> StatementLog:
        """Figures, once there is a reading for them and nothing better has to be waited for."""
        key = (case.meter.point, case.window.month)
        before = timedelta(seconds=self.config.statements.fallback_before)
        try:
            found = ripe(self._nearest(case, stamp.utc), case.window, stamp.utc, before)
        except NoReading as trouble:
            self.waiting[key] = str(trouble)
            return log
        self.waiting.pop(key, None)
        self._seen.pop(key, None)
        return self.made(log, attempt(case, found, stamp, len(log.attempts) + 1), "meterpost", "", stamp)

    def _nearest(self, case: Case, now: datetime) -> Taken | None:
        """The store is searched only after a record of the point has come, or the moment of one that a meter had
        stamped ahead: a month of records is long, and a dead meter has none."""
        if now < case.window.reporting:
            return None
        key, point = (case.meter.point, case.window.month), case.meter.point
        revision = self.store.revision(point, KINDS)
        newest = [self.store.last(point, kind) for kind in KINDS]
        there = revision, [last is not None and last.at > now for last in newest]
        if key not in self._seen or self._seen[key][0] != there:
            self._seen[key] = there, nearest(case, now)
        return self._seen[key][1]

    def make(self, case: Case, log: StatementLog, by: str, reason: str) -> StatementLog:
        """Figures now, for an operator who does not want to wait; NoReading where there are none."""
        stamp = self.clock.stamp()
        found = reading(case, stamp.utc, timedelta(), patient=False)
        return self.made(log, attempt(case, found, stamp, len(log.attempts) + 1), by, reason, stamp)

    def correct(self, case: Case, log: StatementLog, by: str, reason: str) -> StatementLog:
        """New figures of a newer reading in place of the present ones; NoReading if there is none."""
        stamp, old = self.clock.stamp(), log.attempt
        assert old is not None and old.read_at is not None  # figures that are corrected exist
        found = later_reading(case, old.read_at, stamp.utc)
        record = self.record(log) if log.happened("queued") else None
        replaces = record.seq if record is not None else None
        return self.made(log, attempt(case, found, stamp, len(log.attempts) + 1, replaces), by, reason, stamp)

    def made(self, log: StatementLog, figures: Attempt, by: str, reason: str, stamp: Stamp) -> StatementLog:
        texts = "; ".join(one["text"] for one in figures.statement["reasons"])
        words = ": ".join(filter(None, (reason, f"suspect: {texts}" if texts else "plausible")))
        return self.keep(log.tried(figures, Step(stamp.utc, "checked", "made", by, words)))

    def held(self, log: StatementLog, reason: str, by: str, stamp: Stamp) -> StatementLog:
        changed = self.keep(log.with_step(Step(stamp.utc, "held", "held", by, reason)))
        self._event_held(changed, stamp)
        return changed

    def publish(self, log: StatementLog, by: str, reason: str, stamp: Stamp) -> StatementLog:
        """The log says so first: after a power cut in between the same record is put once more."""
        changed = self.keep(log.with_step(Step(stamp.utc, "sent", "queued", by, reason, "mqtt")))
        self._put(changed)
        return changed

    def publish_again(self, log: StatementLog, by: str, reason: str, stamp: Stamp) -> StatementLog:
        """The same record under the same number, whatever the intake said of it."""
        record = self.record(log)
        if record is None:
            return self.publish(log, by, reason, stamp)
        state: StatementState = "accepted" if log.state == "accepted" else "sent"
        seq = record.seq
        changed = self.keep(log.with_step(Step(stamp.utc, state, "queued", by, reason, "mqtt")))
        self._change(lambda store: store.resend(seq, seq))
        self._resent()
        return changed

    def _put(self, log: StatementLog) -> None:
        assert log.attempt is not None  # only figures are put
        self._submit([log.attempt.record(log.point)])

    def carry(self, case: Case, log: StatementLog, channel: str, by: str, reason: str, stamp: Stamp) -> StatementLog:
        """By a channel beside MQTT. That it is about to leave is on the disk before it does."""
        email = message(channel, self.config.gateway.id, case.meter, case.profile, case.window, log)
        before = log.state
        state: StatementState = "accepted" if before == "accepted" else "sent"
        log = self.keep(log.with_step(Step(stamp.utc, state, "leaving", by, reason, channel)))
        try:
            step = Step(stamp.utc, state, "left", by, "", channel, self.channels[channel].send(email))
        except ChannelError as trouble:
            step = Step(stamp.utc, before, "failed", by, f"{trouble}; {trouble.hint}", channel)
            if trouble.unclear:
                step = replace(step, state=state, what="unclear")
        logger.info("%s: statement of %s by %s: %s %s", log.point, log.month, channel, step.what, step.reason)
        log = self.keep(log.with_step(replace(step, at=self.clock.stamp().utc)))
        if step.what == "unclear":
            self._event_held(log, stamp)
        return log

    # ── events ───────────────────────────────────────────────────────────

    def _event_held(self, log: StatementLog, stamp: Stamp) -> None:
        self._told.add((log.point, log.month))
        text = f"statement of {log.month}: {log.steps[-1].what}: {log.steps[-1].reason}"
        at = replace(stamp, utc=log.steps[-1].at)
        self._submit([gateway_event("statement-held", text, at, point=log.point, serial=_meter(log))])

    def _event_missed(self, log: StatementLog, stamp: Stamp) -> None:
        self._told.add((log.point, log.month))
        text = f"statement of {log.month}: {log.steps[-1].reason}"
        at = replace(stamp, utc=log.steps[-1].at)
        self._submit([gateway_event("statement-missed", text, at, point=log.point, serial=_meter(log))])

    def _tell_again(self, case: Case, log: StatementLog) -> None:
        """After a start: the event of the last step, whose key the store knows if it was stored then."""
        if (log.point, log.month) in self._told:
            return
        self._told.add((log.point, log.month))
        last = log.steps[-1].what if log.steps else ""
        if last in ("held", "refused", "unclear", "undelivered"):
            self._event_held(log, self.clock.stamp())
        elif last == "missed":
            self._event_missed(log, self.clock.stamp())


def _meter(log: StatementLog) -> str:
    return log.attempt.meter if log.attempt else ""
