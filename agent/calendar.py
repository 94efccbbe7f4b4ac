"""Jobs by the local calendar: each runs once per local day, daylight saving or not, whatever the clock does."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from buffer.store import Store
from buffer.writer import Writer

DONE = "calendar:"  # note: the local day on which a job last ran


class Calendar:
    """APScheduler with ``coalesce`` and no misfire limit: what was missed while the machine slept runs once."""

    def __init__(
        self, zone: ZoneInfo, store: Store, writer: Writer, daily: Mapping[str, tuple[str, Callable[[], None]]]
    ) -> None:
        """``daily``: name → (local time "HH:MM", what to do)."""
        self._zone, self._store, self._writer = zone, store, writer
        self._scheduler = BackgroundScheduler(
            timezone=zone, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        for name, (at, action) in daily.items():
            hour, minute = at.split(":")
            trigger = CronTrigger(hour=hour, minute=minute, timezone=zone)
            self._scheduler.add_job(self.once, trigger, [name, action], id=name)
        self._scheduler.start()

    def replan(self) -> None:
        """The wall clock was moved: work out the next times anew from the time it shows now."""
        now = datetime.now(self._zone)
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))

    def once(self, name: str, action: Callable[[], None]) -> None:
        """Run it, unless it has run on this local day (the clock may have gone back, an hour may come twice)."""
        today = datetime.now(self._zone).date().isoformat()
        if self._store.noted(DONE + name) == today:
            return
        self._writer.call(lambda store: store.note(DONE + name, today))
        action()

    def close(self) -> None:
        self._scheduler.shutdown(wait=False)
