"""Reading without a daemon: the command opens the ports itself, one thread a bus. Nothing is stored."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agent.config.values import Bus, Config
from agent.host.clock import SystemClock
from agent.line.dialogue import Dialogue
from agent.line.link import Link
from agent.line.port import Port
from agent.line.trace import TraceMessage
from agent.meters import build, passwords
from agent.meters.frame_counters import FrameCounters
from agent.meters.state import MeterState
from buffer.faults import StoreError
from buffer.files import hand_over
from buffer.record import Record
from buffer.store import Store
from drivers.reading import Kind
from protocols.errors import AccessDenied, LinkLost, MeterError

log = logging.getLogger("meterpost.read")

CTRL_C = 0.3  # s at most until an interruption is noticed

T = TypeVar("T")

Trace = Callable[[str, TraceMessage], None]
"""Called with the point."""


def read(
    config: Config,
    points: Sequence[str],
    kind: Kind,
    span: tuple[datetime, datetime] | None = None,
    trace: Trace | None = None,
    *,
    open_port: Callable[..., Any] = Port,
) -> tuple[list[Record], dict[str, MeterError]]:
    """Records of the points that answered, troubles of those that did not, in the order of the file.

    An exception in the calling thread (Ctrl-C) ends it after the exchange under way on each bus.
    """
    counters = FrameCounters(partial(change, config.gateway.state_dir))
    clock = SystemClock(trust=config.gateway.clock == "trust")
    groups, links = build.build(config, counters.of, build.time_of(clock)), list[Link]()

    for group in groups.values():
        _remember_refusals(config.gateway.state_dir, group, clock)

    def one_bus(bus: Bus) -> tuple[list[Record], dict[str, MeterError]]:
        mine = [meter for meter in groups[bus.name] if meter.config.point in points]
        if not mine:
            return [], {}
        try:
            port = open_port(bus.port, bus.line)
        except LinkLost as trouble:
            return [], {meter.config.point: trouble for meter in mine}
        link = Link(port)
        links.append(link)
        try:
            dialogue = Dialogue(link, clock, _nothing_before)
            found, troubles = _read_meters(link, dialogue, mine, kind, span, trace)
            _keep_refusals(config.gateway.state_dir, troubles, clock)
            return found, troubles
        finally:
            port.close()

    records: list[Record] = []
    failed: dict[str, MeterError] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(config.buses))) as pool:
        try:
            answers = [pool.submit(one_bus, bus) for bus in config.buses]
            while wait(answers, CTRL_C).not_done:  # a signal that comes just before a wait does not end it
                continue
        except BaseException:  # Ctrl-C: the pool waits for its threads, and they for the exchange under way only
            for link in links:
                link.stopping = True
            raise
    for found, troubles in (answer.result() for answer in answers):
        records += found
        failed |= troubles
    return records, failed


def change(directory: Path, work: Callable[[Store], T]) -> T:
    """The store opened for a moment: numbers that are taken here must not be given again by a daemon that starts later.

    StoreBusy where one has just started.
    """
    store = Store.open(directory, now=lambda: datetime.now(UTC))
    try:
        if store.events:
            store.put(store.events)
        return work(store)
    finally:
        store.close()
        _hand_over(directory)


def _hand_over(directory: Path) -> None:
    """What root has made belongs to the folder's owner, or the service could not open its store."""
    for file in directory.glob("store.*"):
        hand_over(file)


def _remember_refusals(directory: Path, group: Sequence[MeterState], clock: SystemClock) -> None:
    """A password that was refused within the hour, by whatever command, is not tried again."""
    try:
        store = Store.open(directory, now=lambda: datetime.now(UTC), read_only=True)
    except (StoreError, OSError):
        return  # no store, or none that this user may read: nothing is known
    try:
        for meter in group:
            meter.denied_at = passwords.since(store, meter.config.point, clock.stamp())
    finally:
        store.close()


def _keep_refusals(directory: Path, troubles: Mapping[str, MeterError], clock: SystemClock) -> None:
    refused = [point for point, trouble in troubles.items() if isinstance(trouble, AccessDenied)]
    for point in refused:
        try:
            change(directory, partial(passwords.keep, point=point, at=clock.stamp().utc))
        except (StoreError, OSError) as trouble:
            log.warning("%s: the refused password cannot be noted, do not try it again for an hour: %s", point, trouble)


def _nothing_before(point: str, kind: Kind, meter: str) -> None:
    return None


def _read_meters(
    link: Link,
    dialogue: Dialogue,
    mine: Sequence[MeterState],
    kind: Kind,
    span: tuple[datetime, datetime] | None,
    trace: Trace | None,
) -> tuple[list[Record], dict[str, MeterError]]:
    records: list[Record] = []
    failed: dict[str, MeterError] = {}
    for meter in mine:
        point = meter.config.point
        if trace is not None:
            link.trace = partial(trace, point)
        try:
            outcome = dialogue.run(meter, [kind], span=span)
        except LinkLost as trouble:
            failed |= {left.config.point: trouble for left in mine if left.config.point not in failed}
            failed = {key: value for key, value in failed.items() if key not in {r.point for r in records}}
            return records, failed
        except MeterError as trouble:
            failed[point] = trouble
            continue
        records += outcome.records
        failed.update((point, reason) for reason in outcome.failed.values())
    return records, failed
