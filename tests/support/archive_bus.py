"""A gateway in fake time whose meters keep archives: outages, restarts and power cuts, with a real store.

Each meter's truth is a function of time. Months of it are seconds: what a stopped gateway does not ask costs nothing.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.archive.filler import Filler
from agent.config.values import Bus, Meter, Poll
from agent.line.worker import Worker
from agent.meters.state import MeterState
from buffer.record import Record
from buffer.store import Store
from drivers.mercury.driver import Mercury230 as Driver
from drivers.reading import Kind, MeterPlan
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators.mercury230 import Mercury230 as Simulated
from simulators.mercury_archive import Archive
from tests.support.bus import FakeClock
from tests.support.wire import ScriptedPort, Time

HALF = timedelta(minutes=30)
DAY = timedelta(days=1)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
SETTINGS = {"multiplier": 5}  # long answers: 17 intervals in one
POLL = Poll(now=900.0, network=None, interval=1800.0, day=time(0, 10), month=time(0, 15), event=None)


class Counted:
    """Wh of day (T1) and night (T2) that one meter has counted by the end of each half-hour since :data:`BEGIN`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rows = [Energy(seed * 1500, None, seed * 500, None)], [(seed * 1000, seed * 500)]

    def __call__(self, at: datetime) -> dict[int, Energy]:
        """Registers in the middle of a half-hour are those of its start: all of it is counted at its end."""
        number = max(0, (at - BEGIN) // HALF)
        totals, parts = self._rows
        while len(totals) <= number:
            slot = len(totals)
            amount = 20 + (slot * 7919 + self._seed * 104729) % 900
            day, night = parts[-1]
            # By UTC; whose hours they are does not matter here.
            parts.append((day + amount, night) if 14 <= slot % 48 < 46 else (day, night + amount))
            totals.append(Energy(sum(parts[-1]), None, sum(parts[-1]) // 3, None))
        day, night = parts[number]
        return {0: totals[number], 1: Energy(day, None, day // 3, None), 2: Energy(night, None, night // 3, None)}


class House:
    """``count`` Mercury meters on one bus, and a gateway that is started, stopped and cut off at will.

    ``zone`` is the meters' and the gateway's; ``changes`` go into each meter's :class:`Archive`. Starts at ``now``
    with the gateway off.
    """

    def __init__(
        self,
        folder: Path,
        now: datetime,
        count: int = 1,
        *,
        zone: str = "Europe/Moscow",
        poll: Poll = POLL,
        keep_days: int = 400,
        installed: date | None = None,
        limit_kw: Decimal | None = None,
        archive: dict[str, Any] | None = None,
        **meter: Any,
    ) -> None:
        self.time = Time()
        self.clock = FakeClock(self.time)
        self.clock.offset = now.timestamp() - self.time.now
        self.true_offset = self.clock.offset  # of the world; the gateway's own clock may step away from it
        self.zone = ZoneInfo(zone)
        self.folder, self.poll, self.keep_days = folder, poll, keep_days
        self.config: dict[str, Any] = {"installed": installed, "limit_kw": limit_kw}
        self.dead: set[int] = set()
        self.truth = [Counted(number) for number in range(1, count + 1)]
        self.simulated = [self._meter(number, archive or {}, meter) for number in range(1, count + 1)]
        self.worker: Worker | None = None
        self.exchanges: list[tuple[float, int, bytes]] = []  # when, which meter, what
        self.listen: Callable[[bytes], bytes | None] = lambda request: None  # what a fault answers instead
        self._copies = 0

    # ── the world ────────────────────────────────────────────────────────

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(round(self.time.now + self.true_offset, 3), UTC)

    def pass_by(self, time: timedelta) -> None:
        """The gateway is off, or hangs, so long."""
        self.time.now += time.total_seconds()

    def _meter(self, number: int, archive: dict[str, Any], meter: dict[str, Any]) -> Any:
        kept = Archive(self.truth[number - 1], lambda: self.now, self.zone.key, **{"since": BEGIN} | archive)
        given: dict[str, Any] = {
            "address": number,
            "serial": f"{20000000 + number}",
            "now": lambda: self.now.astimezone(self.zone).replace(tzinfo=None),
            "archive": kept,
        }
        return Simulated(**given | meter)

    def _answer(self, request: bytes) -> list[tuple[float, bytes]]:
        meter = self._asked(request)
        if meter is None or self.simulated.index(meter) + 1 in self.dead:
            return []
        self.exchanges.append((self.time.now, self.simulated.index(meter) + 1, request))
        instead = self.listen(request)
        reply = meter.answer(request) if instead is None else instead
        return [(meter.delay + len(reply) * Line().character, reply)] if reply else []

    def _asked(self, request: bytes) -> Any:
        """The meter that this is meant for; its registers are those of this moment."""
        meter = next((meter for meter in self.simulated if meter.address == request[0]), None)
        if meter is not None:
            meter.registers = meter.archive.rows(self.now)
        return meter

    # ── the gateway ──────────────────────────────────────────────────────

    def start(self) -> None:
        """Open the store, begin to poll and to fill."""
        self.store = Store.open(self.folder, now=lambda: self.clock.stamp().utc, monotonic=self.clock.monotonic)
        self.waiting: list[Record] = []
        self.filler = Filler(self.store, self._call, self.clock)
        self.meters = [self._state(number) for number in range(1, len(self.simulated) + 1)]
        self.filler.use({"riser": self.meters}, self.keep_days)
        self.worker = Worker(
            Bus("riser", "/dev/fake"),
            self.meters,
            clock=self.clock,
            submit=self.waiting.extend,
            before=self.store.last,
            denied=lambda point, refused: None,
            filler=self.filler,
            open_port=lambda url, line: ScriptedPort(self.time, self._answer),
            sleep=self.time.sleep,
        )
        self._last_flush, self._today = self.time.now, self.now.astimezone(self.zone).date()

    def _state(self, number: int) -> MeterState:
        serial = self.simulated[number - 1].serial
        config = Meter(f"flat-{number}", "riser", "mercury230", str(number), serial, Line(), self.poll, **self.config)
        plan = MeterPlan("mercury230", str(number), serial, Line(), settings=SETTINGS, zone=self.zone.key)
        return MeterState(config, Driver(plan), Line(), self.zone)

    def _call(self, function: Callable[[Store], Any]) -> Any:
        self.flush()
        return function(self.store)

    def flush(self) -> None:
        """What the writer does once a second."""
        self._last_flush = self.time.now
        records, self.waiting[:] = list(self.waiting), []
        if records:
            self.filler.stored(self.store.put(records))

    def stop(self) -> None:
        """A clean stop."""
        self.filler.close()
        self.flush()
        self.store.close()
        self.worker = None

    def cut(self) -> None:
        """kill -9, or no power: what was not on the disk is gone, and nothing says goodbye."""
        self._copies += 1
        copy = self.folder.with_name(f"{self.folder.name}-{self._copies}")
        shutil.copytree(self.folder, copy)
        self.store.close()
        self.folder, self.worker = copy, None

    def run(self, time: timedelta, until: Callable[[], bool] = lambda: False, nap: float = 5.0) -> None:
        """Let the gateway work for so long, or until this holds (looked at about once a second). ``nap``: seconds that
        it sleeps at most, while it has nothing to do."""
        end = self.time.now + time.total_seconds()
        while self.time.now < end:
            assert self.worker is not None
            rest = self.worker.step()
            self.time.now += min(rest, end - self.time.now, nap) if rest else 0.0001
            if self.time.now - self._last_flush >= 1.0:
                self.flush()
                self.filler.tick()
                self._calendar()
                if until():
                    return

    def _calendar(self) -> None:
        """Day and month polls at their local times."""
        local = self.clock.stamp().utc.astimezone(self.zone)
        assert self.worker is not None and self.poll.day is not None and self.poll.month is not None
        if local.date() != self._today and local.time() >= self.poll.month:
            self._today = local.date()
            self.worker.start_kind("day", self.poll.day)
            if local.day == 1:
                self.worker.start_kind("month", self.poll.month)

    # ── what is there ────────────────────────────────────────────────────

    def whole(self) -> bool:
        """Nothing is missing as far as the gateway knows."""
        return all(count == 0 for meter in self.meters for count in self.filler.missing(meter.config.point).values())

    def records(self, kind: Kind, number: int = 1) -> list[Record]:
        since, until = BEGIN - DAY, self.now + 400 * DAY
        return list(self.store.find(f"flat-{number}", (kind,), since, until))

    def moments(self, kind: Kind, number: int = 1) -> list[datetime]:
        return [at for point, _, at in self.store.present(kind, BEGIN, self.now + DAY) if point == f"flat-{number}"]


def intervals(since: datetime, until: datetime) -> list[datetime]:
    """Ends of the half-hours with since < end ≤ until."""
    first = (since - BEGIN) // HALF + 1
    return [BEGIN + number * HALF for number in range(first, (until - BEGIN) // HALF + 1)]


def midnights(zone: ZoneInfo, since: datetime, until: datetime) -> list[datetime]:
    """Local midnights with since ≤ at ≤ until, UTC."""
    days = (since.astimezone(zone).date() + timedelta(days=number) for number in range((until - since) // DAY + 3))
    found = [datetime.combine(day, time(), zone).astimezone(UTC) for day in days]
    return [at for at in found if since <= at <= until]


def energies(records: Sequence[Record], code: str) -> list[Any]:
    return [record.values[code] for record in records]
