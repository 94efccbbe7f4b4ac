"""A gateway's statements in fake time: a real store, a workflow on it, channels that only record what they carried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.config.utility import profile_file
from agent.config.utility.profile import Profile, SmsTemplate
from agent.config.values import Bus, Config, Gateway, Intake, MailSettings, Meter, ModemSettings, StatementSettings
from agent.host.clock import Stamp
from agent.statement import log as logs
from agent.statement.actions import StatementActions
from agent.statement.log import StatementLog
from agent.statement.outbound import StatementMessage
from agent.statement.workflow import StatementWorkflow
from buffer.record import ClockQuality, Record
from buffer.store import Store
from drivers.reading import Kind
from protocols.session import Line
from tests.support.stores import WatchedStore

SHIPPED = profile_file.load()
ACCOUNT = "230100456789"
SERIAL = "23456789"


def utc(text: str) -> datetime:
    """``"2026-10-15 00:00+03:00"`` or a UTC time without a zone."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def meter(point: str = "flat-12", serial: str = SERIAL, **more: Any) -> Meter:
    usual: dict[str, Any] = {
        "account": ACCOUNT,
        "utility": "mosenergosbyt",
        "tariffs": {"T1": "day", "T2": "night"},
        "installed": utc("2026-01-01").date(),
        "initial": {"T1": Decimal(0), "T2": Decimal(0)},
        "digits": 6,
    }
    return Meter(point, "riser", "mercury230", "45", serial, Line(), **(usual | more))


def reading(at: datetime, kind: Kind = "now", point: str = "flat-12", serial: str = SERIAL, **more: Any) -> Record:
    """``T1=2000100`` and so on in Wh, ``total`` likewise."""
    values = {f"1-0:1.8.{name[1]}": more.pop(name) for name in ("T1", "T2", "T3", "T4") if name in more}
    if "total" in more:
        values = {"1-0:1.8.0": more.pop("total"), **values}
    return Record(kind, point, serial, at, at, values=values, **more)


class Notes:
    """The notes of a store without a disk, for tests that take many."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def note(self, key: str, value: str) -> None:
        self.kept[key] = value

    def last(self, point: str, kind: str, meter: str | None = None) -> None:
        """No reading but those that a test hands over."""

    def noted(self, key: str) -> str | None:
        return self.kept.get(key)

    def notes(self, prefix: str) -> dict[str, str]:
        return {key: self.kept[key] for key in sorted(self.kept) if key.startswith(prefix)}


@dataclass
class FakeClock:
    now: datetime
    state: ClockQuality = "synced"

    def stamp(self) -> Stamp:
        return Stamp(self.now, self.state, "boot-1", 0.0)

    def monotonic(self) -> float:
        return 0.0

    def seen(self, moment: datetime) -> None:
        pass

    def synced_earlier(self) -> None:
        pass


@dataclass
class FakeWay:
    """``troubles`` are raised by the next calls, one each; None lets one through."""

    carried: list[StatementMessage] = field(default_factory=list)
    troubles: list[Exception | None] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None  # happens while a message leaves

    def send(self, message: StatementMessage) -> str:
        self.meanwhile()
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble
        self.carried.append(message)
        return str(len(self.carried))


class Killed(BaseException):
    """kill -9: nothing that follows happens."""


class Site:
    """One gateway. ``workflow`` is the running program; ``restart`` makes another on the same disk."""

    def __init__(
        self,
        folder: Path,
        meters: Sequence[Meter] = (),
        *,
        now: str = "2026-10-01 00:00",
        profiles: Mapping[str, Profile] | None = None,
        fallback_before: float = 86400.0,
        ways: Sequence[str] = (),
    ) -> None:
        self.clock = FakeClock(utc(now))
        self.profiles = SHIPPED if profiles is None else profiles
        self.ways = {name: FakeWay() for name in ways}
        self.config = Config(
            Gateway("gw-1", timezone="Europe/Moscow", state_dir=folder),
            Intake("broker", 1883, False, "mqtt://broker"),
            (Bus("riser", "/dev/null"),),
            tuple(meters) or (meter(),),
            statements=StatementSettings(fallback_before=fallback_before),
            modem=ModemSettings("/dev/null") if "sms" in ways else None,
            mail=MailSettings("mail.example.org", "gw@example.org") if "mail" in ways else None,
        )
        self.store = WatchedStore.open(folder, now=lambda: self.clock.now, reserve=0)
        self.die: Callable[[str], None] = lambda where: None  # called before and after each effect
        self.workflow = self.restart()

    def reopen(self) -> None:
        """The program and its store after a power cut."""
        folder = self.config.gateway.state_dir
        self.store = WatchedStore.open(folder, now=lambda: self.clock.now, reserve=0)
        self.restart()

    def restart(self) -> StatementWorkflow:
        self.workflow = StatementWorkflow(
            self.config,
            self.profiles,
            self.store,
            change=self._change,
            submit=self._submit,
            clock=self.clock,
            channels={name: _Mortal(way, self) for name, way in self.ways.items()},
        )
        return self.workflow

    def _change(self, work: Callable[[Store], Any]) -> Any:
        self.die("before a write")
        found = work(self.store)
        self.die("after a write")
        return found

    def _submit(self, records: Sequence[Record]) -> None:
        self.die("before a record")
        self.store.put(records)
        self.die("after a record")

    def put(self, *records: Record) -> None:
        self.store.put(records)

    def at(self, text: str) -> "Site":
        """The clock shows this; a look."""
        self.clock.now = utc(text)
        self.workflow.tick()
        return self

    def run(self, until: str, step: timedelta = timedelta(minutes=30)) -> None:
        """Looks until then."""
        end = utc(until)
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + step, end)
            self.workflow.tick()

    @property
    def actions(self) -> StatementActions:
        return StatementActions(self.workflow)

    def ask(self, do: str, *points: str, **more: Any) -> dict[str, Any]:
        asked = {"do": do, "points": points or ["flat-12"], "by": "ivanov", "why": "looked", **more}
        found: dict[str, Any] = self.actions.ask(asked)["statements"][0]
        return found

    def log(self, month: str = "2026-10", point: str = "flat-12") -> StatementLog:
        return logs.load(self.store, point, month) or StatementLog(point, month)

    def statements(self) -> list[Record]:
        """Records of statements in the store, in their order."""
        return [record for record, _, _ in self.store.rows(limit=100_000) if record.kind == "statement"]

    def events(self) -> list[str]:
        return [record.event["code"] for record, _, _ in self.store.rows(limit=100_000) if record.event]

    def intake(self, code: str | None = None, text: str = "") -> None:
        """Its word on everything pending: stored, or refused."""
        for record in self.statements():
            if code is None:
                self.store.confirm([(record.seq, record.seq)])
            else:
                self.store.refuse([(record.seq, code, text)])


@dataclass
class _Mortal:
    """A channel of a program that may be killed."""

    way: FakeWay
    site: Site

    def send(self, message: StatementMessage) -> str:
        self.site.die("before sending")
        found = self.way.send(message)
        self.site.die("after sending")
        return found


def with_sms(profile: str = "mosenergosbyt", text: str = "ACCOUNT#METER#T1#T2", **more: Any) -> dict[str, Profile]:
    """The shipped profiles, one of them with an SMS number as an installer would write it."""
    base = SHIPPED[profile]
    sms = SmsTemplate(text, number="+79990000001", **more)
    return {**SHIPPED, profile: replace(base, sms=sms, fallback=("sms",))}
