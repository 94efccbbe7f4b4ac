"""Jobs by the local calendar: each runs once per local day, daylight saving or not, whatever the clock does."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from buffer.notes import CALENDAR
from buffer.store import Store
from buffer.writer import Writer


@dataclass(frozen=True, slots=True)
class Job:
    """What happens at this local time, every day or on this day of each month."""

    name: str
    at: time
    action: Callable[[], None]
    day: int | None = None


class _Threads(BaseExecutor):  # type: ignore[misc]  # apscheduler has no types
    """A thread for each run. APScheduler's own pool is waited for when the program ends, and a mail server may take
    minutes: a job that is left behind has noted what it was about."""

    def _do_submit_job(self, job: Any, run_times: Sequence[datetime]) -> None:
        Thread(target=self._run, args=(job, run_times), name=f"calendar-{job.id}", daemon=True).start()

    def _run(self, job: Any, run_times: Sequence[datetime]) -> None:
        try:
            events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        except BaseException:  # as the pools of APScheduler: it is logged, and the job may run again
            self._run_job_error(job.id, *sys.exc_info()[1:])
        else:
            self._run_job_success(job.id, events)


class Calendar:
    """APScheduler with ``coalesce`` and no misfire limit: what was missed while the machine slept runs once."""

    def __init__(self, zone: ZoneInfo, store: Store, writer: Writer, jobs: Sequence[Job]) -> None:
        self._zone, self._store, self._writer = zone, store, writer
        self._scheduler = BackgroundScheduler(
            executors={"default": _Threads()},
            timezone=zone,
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        for job in jobs:
            trigger = CronTrigger(day=job.day, hour=job.at.hour, minute=job.at.minute, timezone=zone)
            self._scheduler.add_job(self.once, trigger, [job], id=job.name)
        self._scheduler.start()

    def replan(self) -> None:
        """The wall clock was moved: work out the next times anew from the time it shows now."""
        now = datetime.now(self._zone)
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))

    def once(self, job: Job) -> None:
        """Run it, unless it has run on this local day (the clock may have gone back, an hour may come twice)."""
        today = datetime.now(self._zone).date().isoformat()
        if self._store.noted(CALENDAR.of(job.name)) == today:
            return
        self._writer.call(lambda store: store.note(CALENDAR.of(job.name), today))
        job.action()

    def close(self) -> None:
        self._scheduler.shutdown(wait=False)
