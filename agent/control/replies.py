"""Results of operations: as documents, and cut to what one message holds (design §7)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agent import VERSION
from agent.delivery.payload import LARGEST
from agent.meters.clock_state import Correction
from buffer.body import exact, exact_json

ENVELOPE = 4096  # bytes of a message that are left for what is around a result: its schema, the command's id
TEXT = 200  # characters of an error that a diagnosis keeps


def clocks_set(outcomes: Mapping[str, Correction]) -> dict[str, Any]:
    """What became of each point's clock: ``corrected``, ``right`` already, or ``failed``; ``before``, ``after`` and
    ``offset`` in seconds, None: not known."""
    corrected = [
        {"point": point, "before": _seconds(made.before), "after": _seconds(made.after)}
        for point, made in outcomes.items()
        if made.reason is None and made.needed
    ]
    right = [{"point": point, "offset": _seconds(made.before)} for point, made in outcomes.items() if not made.needed]
    failed = [
        {"point": point, "error": made.reason, "before": _seconds(made.before)}
        for point, made in outcomes.items()
        if made.reason is not None
    ]
    return {"corrected": corrected, "right": right, "failed": failed}


def diagnosis(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status document cut to what is worth a message: counters, buses, how many meters are in which state, and those
    with trouble."""
    meters = status["meters"]
    states = [meter["state"] for meter in meters]
    return {
        **{key: value for key, value in status.items() if key not in ("schema", "buses", "meters")},
        "version": VERSION,
        "buses": [_cut(bus) for bus in status["buses"]],
        "meters": {state: states.count(state) for state in sorted(set(states))},
        "trouble": [_trouble(meter) for meter in meters if _is_troubled(meter)],
    }


def fitted(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result that fits one message, whatever the house: of lists that are too long the first ones, and in
    ``left_off`` how many of each are not there. ValueError where that does not help."""
    found = dict(result)
    while (size := len(exact_json(_plain(found)).encode())) > LARGEST - ENVELOPE:
        lists = [name for name, value in found.items() if isinstance(value, list)]
        longest = max(lists, key=lambda name: len(found[name]), default=None)
        if longest is None or not found[longest]:
            raise ValueError(f"the answer takes {size} bytes, at most {LARGEST - ENVELOPE} are sent")
        kept = found[longest][: len(found[longest]) // 2]
        found[longest] = kept
        found["left_off"] = {**found.get("left_off", {}), longest: len(result[longest]) - len(kept)}
    return found


def _is_troubled(meter: Mapping[str, Any]) -> bool:
    well = meter["state"] in ("ok", "waiting")
    return bool(not well or meter.get("error") or "meter-clock-off" in (meter.get("flags") or ()))


def _trouble(meter: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of one meter."""
    known = ("point", "serial", "state", "error", "hint", "last", "meter_offset", "flags", "missing")
    return _cut({key: meter[key] for key in known if meter.get(key)})


def _cut(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value[:TEXT] if isinstance(value, str) else value for key, value in part.items()}


def _seconds(offset: Decimal | None) -> int | float | str | None:
    return None if offset is None else exact(offset)


def _plain(value: Any) -> Any:
    """As text of about the same length: only its size is wanted."""
    match value:
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float():
            return str(value)
    return value
