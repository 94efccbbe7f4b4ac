"""What is due when. Polls are aligned to the clock (:00, :15, …) and paced by monotonic time.

A due time is fixed in monotonic time when the poll before it is done, so a step of the wall clock neither stops the
polls nor brings a flood of them: at most the distance to the next slot changes.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from drivers.reading import Kind

PRIORITY: Mapping[Kind, int] = {"event": 6, "month": 2, "day": 3, "now": 4, "interval": 5, "network": 6}
"""Lower goes first. 0 is a technician's question, 1 a statement near its deadline; filling gaps is 7."""


MeterT = TypeVar("MeterT")
"""Whatever stands for a meter; it has to be hashable."""


@dataclass(slots=True)
class DueKind(Generic[MeterT]):
    """One kind of poll of one meter. ``period`` in seconds; None for calendar kinds, which are started by name."""

    meter: MeterT
    kind: Kind
    period: float | None
    due: float  # monotonic; infinity: nothing planned
    priority: int


_urgency = attrgetter("priority", "due")


class Schedule(Generic[MeterT]):
    """The polls of one bus."""

    def __init__(self, periods: Mapping[tuple[MeterT, Kind], float | None], now: float) -> None:
        """``periods`` by (meter, kind). Everything with a period is due at once: the first values come at the start."""
        self._jobs = {
            (meter, kind): DueKind(meter, kind, period, now if period is not None else math.inf, PRIORITY[kind])
            for (meter, kind), period in periods.items()
        }
        # A bus may have hundreds of jobs, and is asked several times for each dialogue.
        self._of_kind: dict[Kind, list[DueKind[MeterT]]] = {}
        self._of_meter: dict[MeterT, list[DueKind[MeterT]]] = {}
        for job in self._jobs.values():
            self._of_kind.setdefault(job.kind, []).append(job)
            self._of_meter.setdefault(job.meter, []).append(job)

    def due(
        self, now: float, skip: Collection[MeterT] = (), kinds: tuple[Kind, ...] = tuple(PRIORITY)
    ) -> DueKind[MeterT] | None:
        """The most urgent job of these kinds that is due, by priority, then the earliest deadline."""
        return min(self._ready(now, skip, kinds), key=_urgency, default=None)

    def longest(self, now: float, skip: Collection[MeterT], kinds: tuple[Kind, ...]) -> DueKind[MeterT] | None:
        """The job of these kinds that has been due for longest."""
        return min(self._ready(now, skip, kinds), key=lambda job: job.due, default=None)

    def _ready(self, now: float, skip: Collection[MeterT], kinds: tuple[Kind, ...]) -> list[DueKind[MeterT]]:
        return [
            job for kind in kinds for job in self._of_kind.get(kind, ()) if job.due <= now and job.meter not in skip
        ]

    def of_meter(self, meter: MeterT, now: float) -> list[Kind]:
        """All kinds of this meter that are due: one log-in serves them all."""
        ready = [job for job in self._of_meter.get(meter, ()) if job.due <= now]
        return [job.kind for job in sorted(ready, key=_urgency)]

    def next_due(self, skip: Collection[MeterT] = (), kinds: tuple[Kind, ...] = tuple(PRIORITY)) -> float:
        jobs = (job for kind in kinds for job in self._of_kind.get(kind, ()))
        return min((job.due for job in jobs if job.meter not in skip), default=math.inf)

    def done(self, meter: MeterT, kind: Kind, now: float, wall: float) -> None:
        """Plan the next slot: the first multiple of the period in wall-clock time (epoch seconds) after now."""
        job = self._jobs[meter, kind]
        if job.period is None:
            job.due = math.inf
            return
        slot = (math.floor(wall / job.period) + 1) * job.period
        job.due = now + max(slot - wall, min(job.period, 0.05))

    def later(self, meter: MeterT, kind: Kind, due: float) -> None:
        """Put one poll off (a meter that did not answer, a register that was refused)."""
        self._jobs[meter, kind].due = due

    def kinds(self, meter: MeterT) -> list[Kind]:
        return [job.kind for job in self._of_meter.get(meter, ())]
