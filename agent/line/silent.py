"""Meters that do not answer: when one counts as silent, and when it may be tried again.

A dead meter must not cost the living ones their round. After two silent rounds and three seconds it gets one short
trial at a time (one request, no retry), after a pause that starts at one round and grows by half to five minutes; all
silent meters of a bus together may use at most SHARE of its time. The first answer makes it normal again.
"""

from dataclasses import dataclass, field

ROUNDS = 2
SECONDS = 3.0
LONGEST_PAUSE = 300.0
GROWTH = 1.5
SHARE = 0.04  # of the bus time; the promise is 10 %, and healthy rounds stretched by at most 5 %
RETRY = 1.6  # s after which a poll that failed is tried again while the meter does not count as silent yet


@dataclass(slots=True)
class Health:
    """One meter's answering. Times are monotonic seconds."""

    failures: int = 0  # rounds without an answer in a row
    since: float = 0.0  # the first of them
    pause: float = 0.0
    next_trial: float = 0.0
    silent: bool = False

    def answered(self) -> None:
        self.failures, self.since, self.pause, self.next_trial, self.silent = 0, 0.0, 0.0, 0.0, False

    def failed(self, now: float, one_round: float) -> bool:
        """A round, or a trial, ended without an answer. True when the meter counts as silent from now on."""
        if self.silent:
            self.pause = min(self.pause * GROWTH, LONGEST_PAUSE)
            self.next_trial = now + self.pause
            return False
        if not self.failures:
            self.since = now
        self.failures += 1
        if self.failures < ROUNDS or now - self.since < SECONDS:
            return False
        self.pause = min(max(one_round, 1.0), LONGEST_PAUSE)
        self.next_trial = now + self.pause
        self.silent = True
        return True


@dataclass(slots=True)
class TrialBudget:
    """What the silent meters of one bus may spend together."""

    allowed: float = field(default=0.0)  # monotonic time of the next trial of any of them

    def spent(self, now: float, seconds: float) -> None:
        self.allowed = max(self.allowed, now) + seconds / SHARE

    def open(self, now: float) -> bool:
        return now >= self.allowed
