"""What goes up: batches of records, the gateway's state, its inventory, replies (design §7, ``docs/schemas``)."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agent.config.values import Config, Meter
from buffer.body import exact_json, when
from drivers.reading import Identity

LARGEST = 64 * 1024  # bytes of a batch before it is deflated
DEFLATE_FROM = 8  # records; a smaller batch gains little and stays readable on the wire
LEVEL = 5  # measured: 7.7 bytes a value; level 6 takes 7.4 in 1.4 times the time, level 3 takes 8.6 in half of it


@dataclass(frozen=True, slots=True)
class Batch:
    """Records on their way: the payload, and which they are (ascending)."""

    payload: bytes
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all batches of a gateway have in common."""

    gateway: str
    epoch: str
    compress: str = "auto"
    largest: int = LARGEST

    def batch(self, bodies: Sequence[tuple[int, str]], sent_at: datetime) -> Batch:
        """As many of the records as fit, from the first on; none where even the first is too large."""
        head = (
            f'{{"schema":"meterpost/records/1","gateway":{exact_json(self.gateway)},"epoch":{exact_json(self.epoch)},'
            f'"sent_at":"{when(sent_at)}","records":['
        )
        parts: list[str] = []
        capacity = self.largest - _octets(head) - len("]}")
        for _, body in bodies:
            capacity -= _octets(body) + 1  # its comma; the last has none, which leaves one byte unused
            if capacity < 0:
                break
            parts.append(body)
        if not parts:
            return Batch(b"", ())
        payload = f"{head}{','.join(parts)}]}}".encode()
        if self.compress != "never" and len(parts) >= DEFLATE_FROM:
            payload = zlib.compress(payload, LEVEL)
        return Batch(payload, tuple(seq for seq, _ in bodies[: len(parts)]))


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def online_state(
    *, since: datetime, version: str, epoch: str, last_seq: int, pending: int, refused: int, clock: str
) -> bytes:
    """The state of a connected gateway; ``since`` is the moment at which it connected."""
    state = {
        "schema": "meterpost/state/1",
        "online": True,
        "since": when(since),
        "version": version,
        "epoch": epoch,
        "last_seq": last_seq,
        "pending": pending,
        "refused": refused,
        "clock": clock,
    }
    return exact_json(state).encode()


def offline_state(*, reason: str, version: str, epoch: str, since: datetime | None = None) -> bytes:
    """``reason`` is ``stopped`` (``since`` says when) or ``lost`` (the will, sent by the broker: no one knows when)."""
    state: dict[str, Any] = {"schema": "meterpost/state/1", "online": False, "reason": reason}
    if since is not None:
        state["since"] = when(since)
    return exact_json(state | {"version": version, "epoch": epoch}).encode()


def inventory(config: Config, identities: Mapping[str, Identity]) -> bytes:
    """What the records speak of. ``identities``: point → what its meter said of itself, where it has answered yet."""
    return exact_json(
        {
            "schema": "meterpost/inventory/1",
            "gateway": config.gateway.id,
            "timezone": config.gateway.timezone,
            "buses": [{"name": bus.name, "speed": bus.line.speed, "format": bus.line.format} for bus in config.buses],
            "points": [_point(meter, identities.get(meter.point)) for meter in config.meters],
        }
    ).encode()


def _point(meter: Meter, identity: Identity | None) -> dict[str, Any]:
    point: dict[str, Any] = {
        "point": meter.point,
        "bus": meter.bus,
        "driver": meter.driver,
        "address": meter.address,
        "serial": meter.serial,
        "account": meter.account,
        "utility": meter.utility,
        "ratio": meter.ratio,
        "tariffs": meter.tariffs,
        "installed": meter.installed and meter.installed.isoformat(),
        "initial": meter.initial,
        "before": [
            {"serial": old.serial, "removed": old.removed.isoformat(), "final": old.final} for old in meter.before
        ],
    }
    if identity is not None:
        point["identity"] = {
            "serial": identity.serial,
            "model": identity.model,
            "firmware": identity.firmware,
            "ratio": identity.ratio,
        }
    return {key: value for key, value in point.items() if value is not None and value != [] and value != {}}


def reply(command_id: str, answer: Mapping[str, Any]) -> bytes:
    """``answer`` is ``{"ok": True, "result": …}`` or ``{"ok": False, "error": "…"}``."""
    return exact_json({"schema": "meterpost/reply/1", "id": command_id, **_exact(answer)}).encode()


def _exact(value: Any) -> Any:
    """Binary floats as the shortest decimals that round to them: ages and offsets in a status are not registers."""
    match value:
        case float():
            return Decimal(str(value))
        case Mapping():
            return {key: _exact(item) for key, item in value.items()}
        case list() | tuple():
            return [_exact(item) for item in value]
    return value
