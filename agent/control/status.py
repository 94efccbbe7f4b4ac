"""The live state as one document: ``meterpost status --json`` (design: schema ``meterpost/status/1``)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.archive.filler import Filler
from agent.config.values import Bus, Config, Meter
from agent.host.clock import Stamp, SystemClock
from agent.line.buses import Buses
from agent.line.worker import Worker
from agent.meters.state import MeterState
from buffer.body import exact, when
from buffer.faults import StoreError
from buffer.record import Record
from buffer.store import Store


@dataclass(frozen=True, slots=True)
class Live:
    """What of a running daemon the document shows. ``delivery``: the publisher's own words; ``manual``: points that a
    person reads, the newest reading of each and whether the next one is due."""

    config: Config
    store: Store
    clock: Stamp
    since: Stamp
    disk: str | None
    delivery: Mapping[str, Any]
    buses: Buses
    manual: Iterable[tuple[Meter, Record | None, bool]]


def document(live: Live) -> dict[str, Any]:
    filler, workers = live.buses.filler, live.buses.workers
    return {
        **_head(live.config, live.store, live.clock.state),
        "since": when(live.since.utc),
        "online": bool(live.delivery.get("online")),
        "delivery": dict(live.delivery),
        "disk": live.disk,
        "exchange": _exchange(live.config, live.store),
        "buses": [of_bus(worker, filler) for worker in workers],
        "meters": [
            *(of_meter(worker, meter, filler) for worker in workers for meter in worker.meters),
            *(_manual(*reading) for reading in live.manual),
        ],
    }


def without_daemon(config: Config, store: Store | None) -> dict[str, Any]:
    """What can be said when nothing runs: the store's counts and each point's newest reading."""
    from agent.manual.reminder import Reminder

    stamp = SystemClock(trust=config.gateway.clock == "trust").stamp()
    return {
        **_head(config, store, stamp.state),
        "since": None,
        "online": False,
        "delivery": {"online": False, "broker": "the daemon is not running"},
        "disk": None,
        "exchange": _exchange(config, store),
        "buses": [_closed(bus) for bus in config.buses],
        "meters": [
            {
                "point": meter.point,
                "bus": meter.bus,
                "driver": meter.driver,
                "address": meter.address,
                "serial": meter.serial,
                "state": "silent",
                "error": None,
                "hint": None,
                "meter_offset": None,
                "tariffs": dict(meter.tariffs or {}),
                **_newest(store.last(meter.point, "now") if store else None),
            }
            for meter in config.meters
            if not meter.manual
        ]
        + [_manual(*reading) for reading in Reminder(config).readings(store, stamp.utc)],
    }


def _head(config: Config, store: Store | None, clock: str) -> dict[str, Any]:
    counts = store.counts() if store else None
    return {
        "schema": "meterpost/status/1",
        "gateway": config.gateway.id,
        "epoch": store.epoch if store else None,
        "clock": clock,
        "last_seq": counts.last_seq if counts else 0,
        "pending": counts.pending if counts else 0,
        "held": counts.held if counts else 0,
        "refused": counts.refused if counts else 0,
        "confirmed": counts.confirmed if counts else 0,
        "oldest_pending": when(counts.oldest_pending) if counts and counts.oldest_pending else None,
    }


def _exchange(config: Config, store: Store | None) -> dict[str, Any] | None:
    """How the exchange files stand; None where the gateway makes none."""
    if config.exchange is None:
        return None
    from agent.report.days import ExchangeDays, in_short  # most gateways make no such files

    sends = bool(config.exchange.to) and config.mail is not None
    try:
        return in_short(ExchangeDays(store, _nothing).recent() if store else [], sends)
    except StoreError as trouble:  # the rest of the status is what an operator needs then
        return in_short([], sends) | {"error": {"day": None, "state": "unknown", "text": str(trouble)}}


def _nothing(key: str, text: str | None) -> None:
    """A status writes no note."""


def _closed(bus: Bus) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "error": None,
        "asking": None,
        "polled": 0,
        "filling": None,
        "counters": {},
        "second_master": None,
    }
    return {"name": bus.name, "port": bus.port, "state": "closed", **nothing}


def of_bus(worker: Worker, filler: Filler) -> dict[str, Any]:
    """A bus as its worker and the archives stand."""
    progress = filler.progress(worker.bus.name)
    done = progress["done_at"]
    return {
        "name": worker.bus.name,
        "port": worker.bus.port,
        "state": "lost" if worker.port_error else "open",
        "error": worker.port_error,
        "asking": worker.asking,
        "polled": worker.polled,
        "filling": {"point": worker.filling, **progress, "done_at": when(done) if done else None},
        "counters": worker.counters,
        "second_master": worker.second_master,
    }


def of_meter(worker: Worker, meter: MeterState, filler: Filler) -> dict[str, Any]:
    """A meter that the gateway reads, as it stands."""
    newest = _newest(meter.latest.get("now") or meter.latest.get("network"))
    return {
        "point": meter.config.point,
        "bus": worker.bus.name,
        "driver": meter.config.driver,
        "address": meter.config.address,
        "serial": meter.config.serial,
        "state": worker.state(meter),
        "error": meter.error,
        "hint": meter.hint,
        "meter_offset": None if meter.offset is None else exact(meter.offset),
        "tariffs": dict(meter.config.tariffs or {}),
        "missing": filler.missing(meter.config.point),
        **newest,
        "last": when(meter.last_ok) if meter.last_ok else newest["last"],
    }


def _manual(meter: Meter, last: Record | None, due: bool) -> dict[str, Any]:
    """A point that is read by hand: ``last`` reading of its meter, and whether the next one is ``due``."""
    return {
        "point": meter.point,
        "bus": "",
        "driver": meter.driver,
        "address": "",
        "serial": meter.serial,
        "state": "ok",
        "error": None,
        "hint": None,
        "meter_offset": None,
        "tariffs": dict(meter.tariffs or {}),
        **_newest(last),
        "due": due,
    }


def _newest(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"last": None, "values": {}, "flags": []}
    values = {code: exact(value) for code, value in record.values.items()}
    return {"last": when(record.at), "values": values, "flags": list(record.flags)}
