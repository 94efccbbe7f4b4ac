"""The utility's commands end to end: a daemon in this process, a real broker, a real intake, simulated meters."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from datetime import time as day_time
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Poll
from protocols.mercury.frames import Energy
from simulators.mercury230 import Mercury230
from simulators.mercury_archive import Archive
from tests.agent.test_daemon_faults import registers
from tests.support.broker import needs_mosquitto
from tests.support.site import GATEWAY, OneMeter

pytestmark = [pytest.mark.slow, needs_mosquitto]

WRONG = timedelta(seconds=42)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OPS = ("read", "fill", "set-clock", "pause", "resume", "diagnose")


class Site(OneMeter):
    """One meter whose clock is 42 s fast, with a day archive; the gateway's clock stands in the middle of a slot."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.ahead = (600 - time.time() % 1800) % 1800  # to ten minutes past a half hour
        self.meter = Mercury230(address=1, serial="20000001", registers=registers(1000), now=lambda: self.now() + WRONG)
        self.meter.archive = Archive(counted, lambda: self.now().replace(tzinfo=UTC), "UTC", since=BEGIN)
        poll = Poll(now=1.0, network=None, interval=None, day=day_time(0, 10), month=None, event=None)
        self.start(folder, stack, poll, OPS)

    def ask(self, name: str, op: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        """The gateway's reply."""
        self.utility.command(GATEWAY, name, op, args or {}, ttl=7200)
        reply: dict[str, Any] = self.until(lambda: self.utility.document(GATEWAY, "reply", name))
        return reply

    def events(self) -> list[dict[str, Any]]:
        return [row.record["event"] for row in self.utility.rows() if row.record["kind"] == "event"]


def counted(at: datetime) -> dict[int, Energy]:
    """A kilowatt all the time, on the first tariff."""
    energy = Energy(*[int((at - BEGIN).total_seconds() / 3.6)] * 4)
    return {0: energy, 1: energy} | {tariff: Energy(0, 0, 0, 0) for tariff in (2, 3, 4)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        made = Site(tmp_path, stack)
        made.until(lambda: made.daemon.buses.workers[0].meters[0].last_ok)
        yield made


def test_the_utility_sets_a_clock_once_and_the_event_has_before_and_after(site: Site) -> None:
    reply = site.ask("c-1", "set-clock", {"points": ["flat-1"]})
    (made,) = reply["result"]["corrected"]
    assert reply["ok"] and 41 <= made["before"] <= 43 and abs(made["after"]) <= 1
    assert site.meter.correction != timedelta() and reply["result"]["failed"] == []
    again = site.ask("c-2", "set-clock")
    assert again["result"]["corrected"] == []
    assert [right["point"] for right in again["result"]["right"]] == ["flat-1"] and not again["result"]["failed"]
    site.until(lambda: len(site.events()) >= 3)
    told = site.events()
    assert [event["code"] for event in told] == ["meter-clock-off", "meter-clock-corrected", "meter-clock-right"]
    assert 41 <= told[1]["before"] <= 43 and abs(told[1]["after"]) <= 1


def test_the_utility_has_missing_days_filled_first(site: Site) -> None:
    until = site.now().replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC) - timedelta(days=5)
    since = until - timedelta(days=9)
    period = {"from": since.isoformat(), "to": until.isoformat()}
    reply = site.ask("c-1", "fill", {"points": ["flat-1"], "kind": "day", **period})
    assert reply["result"] == {"slots": {"flat-1": 10}, "failed": []}

    def days() -> list[dict[str, Any]]:
        found = [row.record for row in site.utility.rows() if row.record["kind"] == "day"]
        return [day for day in found if since <= datetime.fromisoformat(day["at"]) <= until]

    site.until(lambda: len(days()) >= 10)
    assert all("restored" in day["flags"] for day in days())
    first, *_, last = sorted(days(), key=lambda day: day["at"])
    assert last["values"]["1-0:1.8.0"] - first["values"]["1-0:1.8.0"] == 9 * 24 * 1000
    nothing = site.ask("c-2", "fill", {"kind": "day", **period})
    assert nothing["result"] == {"slots": {"flat-1": 0}, "failed": []}


def test_what_cannot_be_filled_is_answered_with_its_reason(site: Site) -> None:
    period = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}
    failed = site.ask("c-1", "fill", {"kind": "interval", **period})["result"]["failed"]
    assert failed[0]["point"] == "flat-1" and "not kept" in failed[0]["error"]
    reply = site.ask("c-2", "fill", {"points": ["flat-9"], "kind": "day", **period})
    assert not reply["ok"] and "no point named 'flat-9'" in reply["error"]


def test_pause_resume_and_diagnose_are_answered_and_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "meterpost.delivery")
    assert site.ask("c-1", "pause", {"points": ["flat-1"]})["result"] == {"points": ["flat-1"], "paused": True}
    diagnosis = site.ask("c-2", "diagnose")["result"]
    assert diagnosis["meters"] == {"paused": 1} and diagnosis["trouble"][0]["point"] == "flat-1"
    assert site.ask("c-3", "resume")["ok"]
    assert not site.ask("c-4", "statement")["ok"]
    logged = [record.getMessage() for record in caplog.records if record.getMessage().startswith("command ")]
    assert logged == [
        "command c-1: pause flat-1: done",
        "command c-2: diagnose -: done",
        "command c-3: resume everywhere: done",
        "command c-4: statement everywhere: not done: statement is not allowed by this gateway's configuration",
    ]
