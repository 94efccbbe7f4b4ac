"""The live state as one document: ``meterpost status --json`` (design: schema ``meterpost/status/1``)."""

from typing import TYPE_CHECKING, Any

from buffer.body import time_text
from buffer.record import Record, number_text

if TYPE_CHECKING:
    from agent.daemon import Daemon
    from agent.line.worker import Worker


def document(daemon: "Daemon") -> dict[str, Any]:
    counts = daemon.store.counts()
    delivery = daemon.publisher.status()
    return {
        "schema": "meterpost/status/1",
        "gateway": daemon.config.gateway.id,
        "epoch": daemon.store.epoch,
        "since": time_text(daemon.started.utc),
        "online": bool(delivery.get("online")),
        "clock": daemon.clock.stamp().state,
        "last_seq": counts.last_seq,
        "pending": counts.pending,
        "held": counts.held,
        "refused": counts.refused,
        "confirmed": counts.confirmed,
        "oldest_pending": time_text(counts.oldest_pending) if counts.oldest_pending else None,
        "delivery": delivery,
        "buses": [_bus(worker) for worker in daemon.workers],
        "meters": [_meter(worker, index) for worker in daemon.workers for index in range(len(worker.meters))],
    }


def _bus(worker: "Worker") -> dict[str, Any]:
    return {
        "name": worker.bus.name,
        "port": worker.bus.port,
        "state": "lost" if worker.port_error else "open",
        "error": worker.port_error,
        "polled": worker.polled,
        "counters": worker.counters,
    }


def _meter(worker: "Worker", index: int) -> dict[str, Any]:
    meter = worker.meters[index]
    latest = meter.latest.get("now") or meter.latest.get("network")
    return {
        "point": meter.config.point,
        "bus": worker.bus.name,
        "driver": meter.config.driver,
        "address": meter.config.address,
        "serial": meter.config.serial,
        "state": worker.state(index),
        "error": meter.error,
        "last": time_text(meter.last_ok) if meter.last_ok else None,
        "meter_offset": None if meter.offset is None else float(meter.offset),
        "tariffs": dict(meter.config.tariffs or {}),
        "values": _values(latest) if latest else {},
        "flags": list(latest.flags) if latest else [],
    }


def _values(record: Record) -> dict[str, str]:
    """Exact decimal texts: JSON numbers would pass through binary floats in too many readers."""
    return {code: number_text(value) for code, value in record.values.items()}
