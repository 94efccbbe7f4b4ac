"""When the reading of a point that is read by hand is due: an event once a month, and ``due`` in the status.

What it needs of the statements is imported when there is such a point: most gateways have none.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from agent.config.values import Config, Meter
from agent.events import gateway_event
from agent.host.calendar import Job
from agent.host.clock import Clock, Stamp
from buffer.notes import READING_DUE
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.files.faults import ConfigError

if TYPE_CHECKING:
    from agent.config.utility.profile import Profile, Rule
    from agent.config.utility.window import Window
    from agent.manual.entry import Judged

log = logging.getLogger("meterpost.manual")

REMIND_AT = time(8, 0)  # local
WITHOUT_UTILITY = (20, 31)  # first and last day where no utility says when it wants figures


class Reminder:
    """The manual points of one configuration. Profiles that cannot be read count as none: the log says so."""

    def __init__(self, config: Config) -> None:
        self._zone = config.gateway.timezone
        self._meters = [meter for meter in config.meters if meter.manual]
        profiles = _profiles(config) if any(meter.utility for meter in self._meters) else {}
        self._rules = {meter.point: _rule(meter, profiles) for meter in self._meters}

    def due(self, meter: Meter, last: Record | None, now: datetime) -> "Window | None":
        """The window that a reading is missing for; None before it opens, once there is one, and for other points.

        ``last``: the newest reading of this meter. A reading counts from the day on from which the statement takes it.
        """
        rule = self._rules.get(meter.point)
        if rule is None:
            return None
        from agent.config.utility.window import latest
        from agent.statement.figures import EARLY

        window = latest(rule, now, self._zone)
        counts = window.reporting - EARLY
        if now < counts or (last is not None and last.at >= counts):
            return None
        if meter.installed is not None and meter.installed > window.last_day:
            return None  # it was not there yet
        return window

    def readings(self, store: Store | None, now: datetime) -> Iterator[tuple[Meter, Record | None, bool]]:
        """Each point with the newest reading of its meter, and whether the next one is due."""
        for meter in self._meters:
            last = store.last(meter.point, "now", meter.serial) if store else None
            yield meter, last, self.due(meter, last, now) is not None


class ManualPoints:
    """What the daemon does for them: the request ``enter``, the daily reminder, their rows in the status."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        clock: Clock,
        submit: Callable[[Sequence[Record], Mapping[str, str | None]], None],
    ) -> None:
        """``submit`` takes records on their usual way, and notes for the same transaction."""
        self._config, self._store, self._writer, self._clock, self._submit = config, store, writer, clock, submit
        self._known: tuple[Config, Reminder] | None = None

    def use(self, config: Config) -> None:
        """Another configuration from now on."""
        self._config = config

    def jobs(self) -> list[Job]:
        return [Job("manual readings", REMIND_AT, self.remind)] if any(self._points()) else []

    def enter(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The request ``enter`` with its arguments as parsed: what it stores is on the disk, and leaves like any other
        record."""
        from agent.manual import entry

        typed = entry.Typed(args["figures"], args["at"], args["serial"], args["by"], args["corrects"])
        stamp = self._clock.stamp()
        return entry.answer(self._config, args["point"], typed, args["sure"], stamp, self._look, self._put)

    def remind(self) -> None:
        """An event for each reading that is due and was not asked for this month. Not while the clock is unset."""
        stamp = self._clock.stamp()
        if stamp.state == "unset":
            return
        for meter in self._points():
            last = self._store.last(meter.point, "now", meter.serial)
            window = self._due().due(meter, last, stamp.utc)
            if window is None or self._store.noted(READING_DUE.of(meter.point)) == window.month:
                continue
            text = f"meter {meter.serial}: read its display, then meterpost enter {meter.point}{_until(window, stamp)}"
            log.warning("%s: %s", meter.point, text)
            event = gateway_event("reading-due", text, stamp, point=meter.point, serial=meter.serial)
            self._submit([event], {READING_DUE.of(meter.point): window.month})
        self._writer.flush()

    def readings(self) -> Iterator[tuple[Meter, Record | None, bool]]:
        """As :meth:`Reminder.readings`, by what the store has now."""
        return self._due().readings(self._store, self._clock.stamp().utc)

    def _look(self, question: "Callable[[Store], Judged]") -> "Judged":
        """On the asker's thread: an old reading is compared with a year of records, and the writer has others to
        serve."""
        self._writer.flush()
        return question(self._store)

    def _put(self, record: Record) -> None:
        self._submit([record], {})
        self._writer.flush()

    def _points(self) -> Iterator[Meter]:
        return (meter for meter in self._config.meters if meter.manual)

    def _due(self) -> Reminder:
        """Of the configuration in use, made when it is first needed."""
        config, known = self._config, self._known
        if known is None or known[0] is not config:
            known = self._known = config, Reminder(config)
        return known[1]


def _profiles(config: Config) -> "dict[str, Profile]":
    from agent.config.utility import profile_file

    try:
        return profile_file.load(config.gateway.utilities_dir)
    except ConfigError as trouble:
        log.error("utility profiles cannot be read, readings are asked for from the 20th on: %s", trouble)
        return {}


def _rule(meter: Meter, profiles: "Mapping[str, Profile]") -> "Rule":
    from agent.config.utility.profile import Rule, profile_of

    profile = profile_of(meter, profiles)
    return profile.rule_of(meter) if profile is not None else Rule(*WITHOUT_UTILITY)


def _until(window: "Window", stamp: Stamp) -> str:
    return "" if window.passed(stamp.utc) else f", by {window.last_day}"
