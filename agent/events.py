"""The events that the gateway itself raises."""

from collections.abc import Mapping
from typing import Any

from agent.host.clock import Stamp
from buffer.record import Record


def gateway_event(
    code: str,
    text: str,
    stamp: Stamp,
    *,
    point: str = "",
    serial: str = "",
    flags: tuple[str, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Record:
    """An event that the gateway itself raises; of a point if one is named."""
    return Record(
        kind="event",
        point=point,
        meter=serial,
        at=stamp.utc,
        read_at=stamp.utc,
        clock=stamp.state,
        flags=flags,
        event={"code": code, "maker": "", "text": text, "n": 1, **(extra or {})},
        boot=stamp.boot if stamp.state == "unset" else None,
        monotonic=stamp.monotonic if stamp.state == "unset" else None,
    )
