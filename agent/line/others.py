"""Another master on the pair: what was heard of it, and when it speaks.

Its frames are noted wherever they are heard. One that polls regularly is learnt from the beginnings of its bursts: what
comes less than APART after the frame before belongs to the same one. ``free`` then says when the line is ours.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from protocols.overheard import Overheard

APART = 2.0  # s
QUIET = 0.5  # s behind its last octet in which its meter may still answer it
MARGIN = 0.5  # s before and behind its next burst
BURSTS = 12  # that are remembered
LEAST = 3  # bursts that show a period
JITTER = 0.15  # of the period by which a burst may come early or late
PATIENCE = 60.0  # s
REMEMBERED = 86400.0  # s for which one that was heard is reckoned with


@dataclass(slots=True)
class Burst:
    """Monotonic seconds."""

    start: float
    end: float


class OtherMaster:
    """What is known of one line. Times are monotonic seconds. ``news`` is given the text of an event; ``told``: when
    one was raised."""

    def __init__(self, news: Callable[[str], None] = lambda text: None, told: float = -math.inf) -> None:
        self._news, self._told = news, told
        self.counts: dict[str, int] = {}  # frames by the address that was asked or that answered
        self.last: float | None = None  # when one was heard
        self._bursts: deque[Burst] = deque(maxlen=BURSTS)
        self._yielding = math.inf  # since when polls make way

    def heard(self, frames: Iterable[Overheard], now: float) -> None:
        """Foreign frames."""
        for one in frames:
            self.counts[one.address] = self.counts.get(one.address, 0) + 1
        self.last = now
        self.spoke(now)

    def spoke(self, now: float) -> None:
        """Octets came that we have not asked for."""
        if self._bursts and now - self._bursts[-1].end < APART:
            self._bursts[-1].end = now
        else:
            self._bursts.append(Burst(now, now))

    def lately(self, now: float) -> bool:
        """Whether its frames were heard within a day."""
        return self.last is not None and now - self.last < REMEMBERED

    def announce(self) -> None:
        """Its news is told once, until none was heard for a day."""
        if self.last is None or self.last <= self._told:
            return
        fresh = self.last - self._told > REMEMBERED
        self._told = self.last
        if fresh:
            self._news(self.words())

    def words(self) -> str:
        """Whose frames were heard, and how often."""
        most = sorted(self.counts.items(), key=lambda item: -item[1])[:5]
        return "frames of another master: " + ", ".join(
            f"address {address} {count} {'time' if count == 1 else 'times'}" for address, count in most
        )

    def document(self, now: float) -> dict[str, Any] | None:
        """For the status; None where none was heard within a day. ``ago``: since the last frame."""
        if self.last is None or not self.lately(now):
            return None
        period = self._period()
        return {
            "addresses": dict(self.counts),
            "ago": round(now - self.last),
            "period": None if period is None else round(period, 1),
        }

    def turn(self, now: float, need: float) -> float:
        """Seconds for which a poll that takes ``need`` makes way; not for longer than ``PATIENCE`` altogether."""
        free = self.free(now, need)
        if free <= now or now - self._yielding > PATIENCE:
            self._yielding = math.inf
            return 0.0
        self._yielding = min(self._yielding, now)
        return free - now

    def free(self, now: float, need: float) -> float:
        """From when on the line is ours for ``need`` seconds: ``now``, or a later moment. Where it leaves us less than
        half of the time, only what it says at this moment is waited for."""
        if not self._bursts:
            return now
        last = self._bursts[-1]
        if now < last.end + QUIET:
            return last.end + QUIET
        period = self._period()
        length = max(burst.end - burst.start for burst in self._bursts) + QUIET
        if period is None or length + 2 * MARGIN > period / 2:
            return now
        slack = MARGIN + JITTER * min(period, 10.0)
        begin = last.start + period * max(1, round((now - last.start) / period))
        if begin + length + slack < now:
            begin += period
        return begin + length + slack if now + need > begin - slack else now

    def _period(self) -> float | None:
        """Seconds from burst to burst; None where they are too few or irregular."""
        if len(self._bursts) < LEAST:
            return None
        starts = [burst.start for burst in self._bursts]
        steps = [later - earlier for earlier, later in pairwise(starts)]
        usual = median(steps)
        fitting = [step for step in steps if abs(step / usual - max(1, round(step / usual))) < JITTER]
        return usual if 3 * len(fitting) >= 2 * len(steps) else None


def as_text(document: Mapping[str, Any]) -> str:
    """A line of the status or the doctor."""
    whose = ", ".join(f"address {address} {count}×" for address, count in document["addresses"].items())
    every = f", about every {document['period']:g} s" if document["period"] else ""
    return f"another master speaks on this line: {whose}, last {document['ago']} s ago{every}"
