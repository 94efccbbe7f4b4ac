"""What people ask of statements: the technician by commands, the utility by its own."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.config.utility import window
from agent.config.utility.profile import Profile, channels_of, faults_of, profile_of
from agent.config.values import Config
from agent.statement.figures import NoReading
from agent.statement.log import StatementLog, Step
from agent.statement.making import Case
from agent.statement.view import document
from agent.statement.workflow import StatementWorkflow
from buffer.store import Store


class NotNow(ValueError):
    """It cannot be done, or must not; the text says why and what to do."""


class StatementActions:
    """Each method gives the documents of the statements that it concerned (:func:`agent.statement.view.document`)."""

    def __init__(self, workflow: StatementWorkflow) -> None:
        self._workflow = workflow

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A technician's request: ``do`` with ``points``, ``month``, ``by``, ``why`` and switches."""
        does = {"check": self.check, "confirm": self.confirm, "hold": self.hold, "send": self.send}
        do, month = str(asked.get("do")), asked.get("month")
        if do not in does:
            raise NotNow(f"statement {do}? There are: {', '.join(does)}")
        switches = {name: bool(asked[name]) for name in ("correct", "again", "late") if asked.get(name)}
        if asked.get("channel"):
            switches["channel"] = asked["channel"]
        found = []
        for point in asked.get("points") or []:
            with self._workflow.lock:
                case = self.case(str(point), None if month is None else str(month))
                log = does[do](case, str(asked.get("by") or "someone"), str(asked.get("why") or ""), **switches)
                found.append(self._document(case, log))
        return {"statements": found}

    def asked_by_utility(self, points: Sequence[str]) -> dict[str, Any]:
        """The utility's command ``statement``: the figures of these points (none named: of all) now, as a record."""
        workflow = self._workflow
        meters = workflow.config.meters
        named = points or [meter.point for meter in meters if profile_of(meter, workflow.profiles) is not None]
        found = []
        for point in named:
            try:
                with workflow.lock:
                    case = self.case(point, None)
                    log = self._for_utility(case, workflow.advance(case, asked=True))
                    found.append(self._short(case, log))
            except ValueError as trouble:
                found.append({"point": point, "error": str(trouble)})
        return {"statements": found}

    def _for_utility(self, case: Case, log: StatementLog) -> StatementLog:
        if log.attempt is None:
            log = self._workflow.make(case, log, "utility", "asked by the utility's command")
        log = self._workflow.advance(case, asked=True)
        if log.state == "checked":  # plausible, and only the window has passed: the utility itself asks for it
            log = self._workflow.publish(log, "utility", "asked by the utility's command", self._workflow.clock.stamp())
        return log

    def case(self, point: str, month: str | None) -> Case:
        """The point's statement of this month, of the window that opened last without one. NotNow with words."""
        workflow, now = self._workflow, self._workflow.clock.stamp()
        if now.state == "unset":
            raise NotNow("the gateway's clock is not set: no one knows which window is open (timedatectl)")
        return case_of(workflow.config, workflow.profiles, workflow.store, point, month, now.utc)

    def check(self, case: Case, by: str, why: str, *, correct: bool = False) -> StatementLog:
        """Figures now, or new ones in place of the present ones; what is plausible then leaves by itself."""
        workflow, log = self._workflow, self._workflow.log(case)
        try:
            if correct and log.attempt is None:
                raise NotNow(f"{log.point}: there are no figures of {log.month} to correct; leave --correct out")
            if correct:
                log = workflow.correct(case, log, by, why or "corrected")
                if log.happened("queued", "left", "unclear", any_attempt=True) and not _refused(log):
                    text = "the utility may have earlier figures of this month"
                    return workflow.held(log, text, by, workflow.clock.stamp())
            elif log.attempt is None:
                workflow.make(case, log, by, why)
        except NoReading as trouble:
            raise NotNow(f"{log.point}: {trouble}") from None
        return workflow.advance(case, asked=True)

    def confirm(self, case: Case, by: str, why: str, *, late: bool = False) -> StatementLog:
        """An operator answers for the figures; they leave at once where the window is open."""
        workflow, log = self._workflow, self._workflow.log(case)
        if log.attempt is None:
            raise NotNow(f"{log.point}: no figures of {log.month} yet; meterpost statement check makes them")
        if log.state not in ("held", "checked"):
            raise NotNow(f"{log.point}: the statement of {log.month} is {log.state}; there is nothing to confirm")
        self._in_time(case, late)
        stamp = workflow.clock.stamp()
        log = workflow.keep(log.with_step(Step(stamp.utc, "checked", "confirmed", by, why)))
        if case.window.passed(stamp.utc):
            return workflow.publish(log, by, "late", stamp)
        return workflow.advance(case, asked=True)

    def hold(self, case: Case, by: str, why: str) -> StatementLog:
        """Nothing leaves until someone confirms."""
        workflow, log = self._workflow, self._workflow.log(case)
        if log.state not in ("due", "checked", "held"):
            raise NotNow(f"{log.point}: the statement of {log.month} is {log.state}; it cannot be held any more")
        return workflow.held(log, why or "held by an operator", by, workflow.clock.stamp())

    def send(
        self,
        case: Case,
        by: str,
        why: str,
        *,
        channel: str | None = None,
        again: bool = False,
        late: bool = False,
    ) -> StatementLog:
        """Now, by MQTT or by the channel that is named; the same figures a second time only with ``again``."""
        workflow, log = self._workflow, self._workflow.log(case)
        way = channel or "mqtt"
        self._must_have(way, case)
        if log.attempt is None:
            log = self.check(case, by, why)
            if way == "mqtt" and log.state == "sent":
                return log
        if self._must_confirm(case, log):
            raise NotNow(f"{log.point}: {_why(log)}: look at it, then meterpost statement confirm")
        gone = _gone(log, way)
        if log.state == "refused" and not again:
            why_not = log.happened("refused")[-1].reason
            text = f"{log.point}: these figures were refused ({why_not}); statement check --correct makes new ones"
            raise NotNow(f"{text}; if the utility had the fault and mended it: send --again")
        if gone and not again:
            raise NotNow(f"{log.point}: by {gone.channel} on {gone.at:%Y-%m-%d %H:%M} UTC already; --again repeats it")
        self._in_time(case, late)
        stamp = workflow.clock.stamp()
        if way != "mqtt":
            return workflow.carry(case, log, way, by, why or "sent by an operator", stamp)
        return (workflow.publish_again if gone else workflow.publish)(log, by, why or "sent by an operator", stamp)

    def _must_confirm(self, case: Case, log: StatementLog) -> bool:
        """Whether an operator has to answer for the figures before they may leave."""
        doubted = _suspect(log) or self._workflow.rules(case.profile).always
        return log.waits or (doubted and not log.confirmed)

    def _must_have(self, way: str, case: Case) -> None:
        usable, whys = channels_of(case.profile, self._workflow.config)
        there = ["mqtt", *(name for name in usable if name in self._workflow.channels)]
        if way in there:
            return
        why = [text for text in whys if text.startswith(way)]
        reason = why[0] if why else f"{case.profile.name} and this gateway have: {', '.join(there)}"
        raise NotNow(f"{case.meter.point}: no way {way!r} ({reason})")

    def _in_time(self, case: Case, late: bool) -> None:
        now = self._workflow.clock.stamp().utc
        if case.window.passed(now) and not late:
            raise NotNow(f"{case.meter.point}: {_closed(case)}, then --late")

    def _document(self, case: Case, log: StatementLog) -> dict[str, Any]:
        over = case.window.passed(self._workflow.clock.stamp().utc) and log.state in ("checked", "held")
        do = "confirm" if self._must_confirm(case, log) else "send"
        text = f"{_closed(case)}, then meterpost statement {do} --late" if over else ""
        return document(case.meter, case.profile, case.window, log, self._workflow.config, text)

    def _short(self, case: Case, log: StatementLog) -> dict[str, Any]:
        """For the utility's reply: many points fit one message."""
        figures = dict(log.attempt.figures) if log.attempt else {}
        reason = log.steps[-1].reason if log.steps and log.state != "sent" else ""
        found = {"point": log.point, "month": log.month, "state": log.state, "figures": figures}
        return found | ({"reason": reason[:200]} if reason else {})


def _refused(log: StatementLog) -> bool:
    """The last figures before these were refused."""
    number = len(log.attempts) - 1
    return any(step.attempt == number and step.what == "refused" for step in log.steps)


def _suspect(log: StatementLog) -> bool:
    return log.attempt is not None and log.attempt.suspect


def _why(log: StatementLog) -> str:
    return log.steps[-1].reason or "not confirmed"


def _closed(case: Case) -> str:
    last = case.window.last_day
    return f"the window of {case.window.month} closed on {last}; ask the utility whether it still takes the figures"


def _gone(log: StatementLog, way: str) -> Step | None:
    """The step by which the present figures left, or may have left; of the ways beside MQTT any counts."""
    if way == "mqtt":
        return next(reversed(log.happened("queued")), None)
    last = log.happened("leaving", "left", "failed", "unclear")
    found = [step for step in last if step.what in ("left", "unclear")]
    found += [last[-1]] if last and last[-1].what == "leaving" else []
    return next(reversed(found), None)


def case_of(
    config: Config, profiles: Mapping[str, Profile], store: Store, point: str, month: str | None, now: datetime
) -> Case:
    """Whose statement of which month (None: of the window that opened last); NotNow where there can be none."""
    meter = next((one for one in config.meters if one.point == point), None)
    if meter is None:
        raise NotNow(f"no point named {point!r}; there are: {', '.join(one.point for one in config.meters)}")
    for key, found, expected in faults_of(meter, profiles):
        raise NotNow(f"{point}: {key}: found {found}, expected {expected}")
    profile = profile_of(meter, profiles)
    if profile is None:
        raise NotNow(f"{point}: its meter has no account and utility, so there is no statement of it")
    rule, zone = profile.rule_of(meter), config.gateway.timezone
    if month is None:
        return Case(store, meter, profile, window.latest(rule, now, zone))
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise NotNow(f"--month: found {month!r}, expected a month such as 2026-10")
    wanted = window.window_of(rule, month, zone)
    if wanted.opens > now:
        raise NotNow(f"{point}: the window of {month} opens on {wanted.day(wanted.opens)}")
    return Case(store, meter, profile, wanted)
