"""An examination of statements that changes nothing: what is in the logs, and what would be made now."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from agent.config.utility.profile import Profile, profile_of
from agent.config.utility.window import following
from agent.config.values import Config
from agent.host.clock import Stamp
from agent.statement import log as logs
from agent.statement.actions import NotNow, case_of
from agent.statement.figures import NoReading, Taken
from agent.statement.log import StatementLog, Step
from agent.statement.making import Case, attempt, reading
from buffer.store import Store

Found = tuple[Case, StatementLog, str]
"""The statement, its log, and what is waited for as text."""


class Preview:
    """At one moment, on a store that may be open for reading only."""

    def __init__(self, config: Config, profiles: Mapping[str, Profile], store: Store, now: datetime) -> None:
        self._config, self._profiles, self._store, self._now = config, profiles, store, now

    def points(self) -> list[str]:
        """Those with an account and a known utility; NotNow if there is none."""
        found = [one.point for one in self._config.meters if profile_of(one, self._profiles) is not None]
        if not found:
            raise NotNow("no meter has an account and a utility: write both into its [[meter]]")
        return found

    def look(self, point: str, month: str | None) -> Found:
        """As it stands."""
        case = case_of(self._config, self._profiles, self._store, point, month, self._now)
        log = logs.load(self._store, point, case.window.month) or StatementLog(point, case.window.month)
        return case, log, "" if log.attempt else self._waiting(case)

    def _waiting(self, case: Case) -> str:
        """What keeps the figures from being there."""
        if case.window.passed(self._now):
            zone = self._config.gateway.timezone
            coming = following(case.profile.rule_of(case.meter), self._now, zone)
            return f"the window closed on {case.window.last_day}; the next opens on {coming.day(coming.opens)}"
        try:
            self._reading(case, patient=True)
        except NoReading as trouble:
            return str(trouble)
        return ""

    def made(self, point: str, month: str | None) -> Found:
        """With the figures that would be made now, where there are none yet."""
        case, log, waiting = self.look(point, month)
        if log.attempt is not None:
            return case, log, waiting
        stamp = Stamp(self._now, "synced", "", 0.0)
        try:
            found = self._reading(case, patient=False)
        except NoReading as trouble:
            return case, log, str(trouble)
        figures = attempt(case, found, stamp, 1)
        step = Step(self._now, log.state, "made", reason="not kept: this is what a check would find now")
        return case, replace(log, attempts=(figures,), steps=(*log.steps, replace(step, attempt=1))), waiting

    def logs(self, point: str) -> list[StatementLog]:
        """Every month of this point; NotNow for one that is not known at all."""
        found = logs.of_point(self._store, point)
        if not found and point not in [one.point for one in self._config.meters]:
            raise NotNow(f"no point named {point!r}; there are: {', '.join(one.point for one in self._config.meters)}")
        return found

    def _reading(self, case: Case, *, patient: bool) -> Taken:
        before = timedelta(seconds=self._config.statements.fallback_before)
        return reading(case, self._now, before, patient=patient)
