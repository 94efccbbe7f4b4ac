"""The demo's house: simulated meters, a broker, an intake and the real daemon, and the verdict over them."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.control.unix_socket import NoAnswer, NotRunning, RequestRefused, ask_daemon
from protocols.session import Line
from simulators import models
from simulators.broker import BrokerProcess
from simulators.intake.service import Intake
from simulators.model import PlannedMeter
from simulators.plant import Plant, PlantMeter, load

GATEWAY = "gw-demo"
PERIOD = "2s"
OPTICAL = ("5s", 1200)  # period of a meter whose sign-on alone, below this many bit/s, takes a second
DRAIN = 15.0  # s for the last polls to end and the last records to be confirmed
QUIET = 8  # checks in a row at which nothing is under way
TARIFFS = {"T1": "day", "T2": "night", "T3": "peak"}


@dataclass
class DemoVerdict:
    """What came of it. ``wrong`` names every record that differs from what the meters said, and every one missing."""

    polled: int = 0
    stored: int = 0
    delivered: int = 0
    confirmed: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.confirmed > 0 and not self.lost and not self.wrong


class House:
    """Everything that runs, in one folder. Context manager."""

    def __init__(self, plant_file: Path, folder: Path) -> None:
        self.folder = folder
        self.plant: Plant = load(plant_file, folder)
        self.broker = BrokerProcess(folder)
        self.intake = Intake(self.broker.url, folder / "intake.db", client_id="demo-intake")
        self.config = folder / "meterpost.toml"
        self.log = folder / "daemon.log"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "House":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.broker)
            stack.enter_context(self.plant)
            self.intake.start(wait=10)
            stack.callback(self.intake.stop)
            self.config.write_text(configuration(self.plant, self.broker.url, self.folder / "state"), encoding="utf-8")
            write_passwords(self.plant, self.folder)
            with self.log.open("wb") as log:
                command = [sys.executable, "-m", "agent", "run", "-c", str(self.config)]
                self._daemon = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            stack.callback(self._end_daemon)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def running(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def status(self) -> dict[str, Any] | None:
        """The daemon's own word; None while it is not up yet."""
        try:
            answer: dict[str, Any] = ask_daemon(self.folder / "state", "status")
        except (NotRunning, RequestRefused, NoAnswer, OSError):
            return None
        return answer

    def finish(self) -> DemoVerdict:
        """Stop asking the meters, let the rest be confirmed, end the daemon, compare."""
        with contextlib.suppress(NotRunning, RequestRefused, NoAnswer, OSError):
            ask_daemon(self.folder / "state", "pause")
        status, end, quiet = self.status(), time.monotonic() + DRAIN, 0
        while status and time.monotonic() < end and quiet < QUIET:
            time.sleep(0.2)
            status = self.status() or status
            # A poll under way goes on to its end, and a transaction holds what was read within a second.
            quiet = 0 if status["pending"] or any(bus["asking"] for bus in status["buses"]) else quiet + 1
        code = self._end_daemon()
        verdict = self._verdict(status or {})
        if code:
            verdict.wrong.append(f"the daemon ended with code {code}: {self.log.read_text(errors='replace')[-400:]}")
        return verdict

    def _end_daemon(self) -> int | None:
        if self._daemon is None or self._daemon.poll() is not None:
            return self._daemon.returncode if self._daemon else None
        self._daemon.send_signal(signal.SIGTERM)
        try:
            return self._daemon.wait(15)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            return self._daemon.wait()

    def _verdict(self, status: dict[str, Any]) -> DemoVerdict:
        rows = self.intake.rows()
        verdict = DemoVerdict(
            polled=sum(bus["polled"] for bus in status.get("buses", [])),
            stored=status.get("last_seq", 0),
            delivered=len(rows),
            confirmed=status.get("confirmed", 0),
        )
        verdict.lost = verdict.stored - verdict.confirmed
        seqs = [row.seq for row in rows]
        if seqs != list(range(1, verdict.stored + 1)):
            verdict.wrong.append(f"the intake's numbers are not 1…{verdict.stored} without holes")
        for row in rows:
            if row.record["kind"] == "now":
                verdict.wrong += differences(self.plant, row.record)
        heard = {row.record["meter"] for row in rows}
        verdict.wrong += [f"meter {plan.serial}: nothing arrived" for plan in missing(self.plant, heard)]
        return verdict


def missing(plant: Plant, heard: set[str]) -> list[Any]:
    return [meter.plan for meter in plant.meters if not meter.plan.dead and meter.plan.serial not in heard]


def differences(plant: Plant, record: dict[str, Any]) -> list[str]:
    """Registers of a delivered record that the simulated meter did not show at that time."""
    name = f"{record['point']} at {record['at']}"
    try:
        meter: PlantMeter = plant.meter(record["meter"])
    except KeyError:
        return [f"{name}: no meter {record['meter']} in the house"]
    at = datetime.fromisoformat(record["at"])
    return [
        f"{name}: {code} = {value} was never shown"
        for code, value in record["values"].items()
        if not meter.showed(code, value, at)
    ]


def configuration(plant: Plant, broker: str, state_dir: Path, *, period: str = PERIOD, intake: str = "") -> str:
    """The installer's file for this house: what an installer would write, with a short period. ``intake``: more lines
    of that table. Passwords lie beside it (``write_passwords``)."""
    parts = [
        f'[gateway]\nid = "{GATEWAY}"\ntimezone = "{plant.plan.timezone}"\n'
        f'state_dir = "{state_dir}"\nclock = "trust"\n',
        f'[intake]\nurl = "{broker}"\n{intake}',
        f'[poll]\nnow = "{period}"\nnetwork = "off"\ninterval = "off"\nday = "off"\nmonth = "off"\nevent = "off"\n',
    ]
    for bus in plant.plan.buses:
        port = plant.ports[bus.name]
        parts.append(
            f'[[bus]]\nname = "{bus.name}"\nport = "{port}"\nspeed = {bus.line.speed}\nformat = "{bus.line.format}"\n'
        )
    lines = {bus.name: bus.line for bus in plant.plan.buses}
    parts += [_meter(number, plan, lines[plan.bus]) for number, plan in enumerate(plant.plan.meters, 1)]
    return "\n".join(parts)


def write_passwords(plant: Plant, folder: Path) -> None:
    """The meters' password files, for their owner alone."""
    for model in {meter.plan.model for meter in plant.meters}:
        password = models.find(model).password
        if password is None:
            continue
        file = folder / f"{model}.secret"
        file.touch(mode=0o600)
        file.write_text(f"{password}\n", encoding="utf-8")


def _meter(number: int, plan: PlannedMeter, bus: Line) -> str:
    model = models.find(plan.model)
    address = f'"{plan.address}"' if isinstance(plan.address, str) else plan.address
    lines = [
        "[[meter]]",
        f'point = "flat-{number}"',
        f'bus = "{plan.bus}"',
        f'driver = "{model.driver or plan.model}"',
        f"address = {address}",
        f'serial = "{plan.serial}"',
        f'account = "2301004567{number:02d}"',
    ]
    if plan.line.speed != bus.speed:
        lines.append(f"speed = {plan.line.speed}")
    if plan.line.format != bus.format:
        lines.append(f'format = "{plan.line.format}"')
    if model.password is not None:
        lines.append(f'password_file = "{plan.model}.secret"')
    if plan.line.speed < OPTICAL[1]:
        lines.append(f'poll = {{ now = "{OPTICAL[0]}" }}')
    if len(plan.tariffs) > 1:
        lines.append("tariffs = {" + ", ".join(f'{name} = "{TARIFFS[name]}"' for name in plan.tariffs) + "}")
    return "\n".join(lines) + "\n"


def confirmed_by_point(rows: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.record["point"]] = counts.get(row.record["point"], 0) + 1
    return counts
