"""What is wrong with this gateway and its wiring, from the file to the broker, each with what to do about it."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from agent.config.values import Bus, Config, Intake
from agent.control.unix_socket import NoAnswer, NotRunning, RequestRefused, ask_daemon
from agent.host.clock import SystemClock
from agent.line.others import as_text
from agent.report.days import HELD, ExchangeDays
from buffer.faults import StoreError
from buffer.store import Store

Level = Literal["ok", "look", "bad"]

GOOD: Final = "ok"
DOUBT: Final = "look"
BAD: Final = "bad"
LEAST_FREE = 64 << 20  # octets; below it the store is about to prune
HANDSHAKE = 12.0  # s for the broker to say yes or no
LATER = "ask again in a minute, or meterpost doctor --meters"
OLD = 2 * 3600.0  # s; pending records that are older have been waiting for something


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``level``: ok, look or bad; ``todo`` is empty where nothing has to be done."""

    what: str
    level: Level
    text: str
    todo: str = ""


def examine(config: Config) -> Iterator[Finding]:
    """Look at everything that can be looked at without asking a meter; each Finding as soon as it is known."""
    status, running = _ask(config)
    yield running
    yield from (_port(bus, status) for bus in config.buses)
    yield _clock(config, status)
    yield _folder(config.gateway.state_dir)
    yield from _store(config)
    if status is not None:
        yield _delivery(status)
        yield from of_meters(status)
    else:
        yield _broker(config.intake, f"{config.gateway.id}-doctor")


def _ask(config: Config) -> tuple[Mapping[str, Any] | None, Finding]:
    try:
        status = ask_daemon(config.gateway.state_dir, "status")
    except NotRunning:
        todo = "systemctl status meterpost says why; journalctl -u meterpost -n 50 has its last words"
        return None, Finding("daemon", BAD, "does not run", todo)
    except PermissionError:
        return None, Finding("daemon", DOUBT, "runs perhaps: you may not ask it", "the same with sudo")
    except (RequestRefused, NoAnswer) as trouble:
        return None, Finding("daemon", BAD, f"runs and does not answer: {trouble}", "systemctl restart meterpost")
    since = datetime.fromisoformat(status["since"]).astimezone(ZoneInfo(config.gateway.timezone))
    return status, Finding("daemon", GOOD, f"runs since {since:%Y-%m-%d %H:%M:%S}")


def _port(bus: Bus, status: Mapping[str, Any] | None) -> Finding:
    what = f"bus {bus.name}"
    told = next((one for one in (status or {}).get("buses", ()) if one["name"] == bus.name), None)
    if told is not None:
        if told["error"]:
            return Finding(what, BAD, told["error"], "meterpost ports lists the ports and who holds them")
        counts = told["counters"]
        asked, answered = counts.get("asked", 0), counts.get("answered", 0)
        if other := told.get("second_master"):
            return Finding(what, DOUBT, as_text(other), _TWO_MASTERS)
        if asked and counts.get("broken", 0) * 50 > asked:
            return Finding(
                what, DOUBT, f"{counts['broken']} of {asked} answers broken", "noise: shield, termination, A and B"
            )
        if not asked:
            return Finding(what, DOUBT, f"{bus.port} open, nothing was asked yet", LATER)
        if not answered:
            todo = "swap the wires A and B once; the meters' supply, speed and format, addresses"
            return Finding(what, DOUBT, f"{bus.port} open, none of {asked} questions answered", todo)
        return Finding(what, GOOD, f"{bus.port} open, {answered} of {asked} questions answered")
    if "://" in bus.port:
        return Finding(what, DOUBT, f"{bus.port}: not tried, the daemon does not run", "start it, or meterpost read")
    if not os.path.exists(bus.port):  # noqa: PTH110 - Path's raises where it may not look
        return Finding(what, BAD, f"{bus.port} is not there", "is the adapter plugged in? meterpost ports lists them")
    if not os.access(bus.port, os.R_OK | os.W_OK):
        return Finding(what, BAD, f"{bus.port}: no permission", "sudo usermod -aG dialout $USER, then log in again")
    return Finding(what, GOOD, f"{bus.port} is there")


_TWO_MASTERS = "switch the other one off, or shared = true in the [[bus]] table (docs/technician.md)"


def _clock(config: Config, status: Mapping[str, Any] | None) -> Finding:
    state = status["clock"] if status else SystemClock(trust=config.gateway.clock == "trust").stamp().state
    if state == "synced":
        return Finding("clock", GOOD, "synchronised")
    todo = "timedatectl shows the time service; it needs a way to an NTP server"
    if state == "holdover":
        return Finding("clock", DOUBT, "runs on its own since it was last set (holdover)", todo)
    return Finding("clock", BAD, "not set: records are held back until it is", todo)


def _folder(folder: Path) -> Finding:
    what = f"disk {folder}"
    try:
        free = shutil.disk_usage(folder).free
    except FileNotFoundError:
        return Finding(what, BAD, "is not there", "the service makes it when it starts: systemctl start meterpost")
    except OSError as trouble:
        return Finding(what, BAD, f"cannot be looked at: {trouble.strerror}", "the same with sudo")
    size = f"{free / (1 << 20):,.0f} MiB free".replace(",", " ")
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return Finding(what, BAD, "is mounted read-only", "a worn card does that: copy it and replace it")
    if free < LEAST_FREE:
        return Finding(what, BAD, size, "make space; the store deletes confirmed records to go on")
    return Finding(what, GOOD, size)


def _store(config: Config) -> Iterator[Finding]:
    try:
        store = Store.open(config.gateway.state_dir, now=lambda: datetime.now(UTC), read_only=True)
    except FileNotFoundError:
        yield Finding("store", DOUBT, "there is none yet", "the daemon makes it with its first start")
        return
    except (StoreError, OSError) as trouble:
        yield Finding("store", BAD, str(trouble), "docs/store.md says what each fault means")
        return
    with closing(store):
        counts, days = store.counts(), ExchangeDays(store, lambda key, text: None).all()
    yield Finding("store", GOOD, f"{counts.last_seq} records, {counts.pending} pending, {counts.confirmed} confirmed")
    if counts.refused:
        todo = "meterpost records list --state refused shows why; records resend sends them again"
        yield Finding("refused", DOUBT, f"{counts.refused} records were refused by the intake", todo)
    if counts.oldest_pending:
        waits = (datetime.now(UTC) - counts.oldest_pending).total_seconds()
        if waits > OLD:
            todo = "is the broker reached, and does the intake send receipts?"
            yield Finding("pending", DOUBT, f"the oldest waits for {_long(waits)}", todo)
    stuck = [one for one in days if one.state in HELD]
    if stuck:
        todo = "meterpost exchange list shows why; docs/reports.md says what happens next"
        newest = stuck[-1]
        text = f"{len(stuck)} files wait for an operator, the newest of {newest.day}: {newest.state}"
        yield Finding("exchange", DOUBT, text, todo)


def _long(seconds: float) -> str:
    """Hours, from two days on days."""
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _delivery(status: Mapping[str, Any]) -> Finding:
    delivery = status["delivery"]
    if status["online"]:
        return Finding("broker", GOOD, "connected")
    return Finding("broker", BAD, str(delivery.get("broker")), "url, ca_file, username and password_file of [intake]")


def of_meters(status: Mapping[str, Any]) -> Iterator[Finding]:
    well = 0
    asked = [meter for meter in status["meters"] if "due" not in meter]  # an operator reads the others
    for meter in status["meters"]:
        if meter.get("due"):
            todo = f"meterpost enter {quote(meter['point'])}"
            yield Finding(f"meter {meter['point']}", DOUBT, "its reading has to be typed in", todo)
    for meter in asked:
        if meter["state"] == "ok":
            well += 1
        elif meter["state"] != "waiting":
            level: Level = DOUBT if meter["state"] == "paused" else BAD
            text = f"{meter['state']}: {meter['error']}" if meter["error"] else meter["state"]
            yield Finding(f"meter {meter['point']}", level, text, _remedy(meter))
        offset = meter.get("meter_offset")
        if offset is not None and abs(offset) > 5:
            todo = "set_clock = true lets the gateway correct it"
            yield Finding(f"meter {meter['point']}", DOUBT, f"its clock is off by {offset:+g} s", todo)
    waiting = sum(meter["state"] == "waiting" for meter in asked)
    paused = sum(meter["state"] == "paused" for meter in asked)
    text = f"{well} of {len(asked)} answer" + (f", {waiting} not asked yet" if waiting else "")
    todo = LATER if waiting else ""
    yield Finding("meters", GOOD if well + paused == len(asked) else DOUBT, text, todo)


def _remedy(meter: Mapping[str, Any]) -> str:
    point = quote(meter["point"])  # names may have blanks
    match meter["state"]:
        case "paused":
            return f"meterpost resume {point}"
        case "wrong-serial":
            return f"meterpost replace {point} if it was; else its address is wrong"
    return meter.get("hint") or f"meterpost read {point} --trace"


def _broker(intake: Intake, client_id: str, *, monotonic: Callable[[], float] = time.monotonic) -> Finding:
    """Connect as the daemon would, under a name of our own so that a running gateway is not thrown out."""
    from agent.delivery.mqtt import Connection, ConnectionFailed, Will

    todo = "url, ca_file, username and password_file of [intake]"
    ours, theirs = socket.socketpair()
    connection = Connection(
        intake,
        client_id,
        Will(f"meterpost/1/{client_id}/up/state", b""),
        (f"meterpost/1/{client_id}/down/receipt",),
        version=5,
        heard=lambda topic, payload: None,
        acknowledged=lambda answer: None,
    )
    try:
        connection.open()
        end = monotonic() + HANDSHAKE
        while not connection.online and connection.lost is None and monotonic() < end:
            connection.poll(0.2, ours)
        if connection.online:
            connection.goodbye()
            return Finding("broker", GOOD, f"{intake.host}:{intake.port} lets us in")
        return Finding("broker", BAD, connection.lost or f"no answer within {HANDSHAKE:.0f} s", todo)
    except ConnectionFailed as trouble:
        return Finding("broker", BAD, str(trouble), todo)
    finally:
        connection.close()
        for end_of in (ours, theirs):
            with suppress(OSError):
                end_of.close()
