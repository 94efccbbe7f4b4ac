"""What the utility may ask of a gateway (design §7, ``docs/schemas/command.json``)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.delivery.inbound import Ignored, is_number, opened, text_of
from drivers.reading import KINDS

LARGEST = 16 * 1024  # octets
FARTHEST = timedelta(days=7)  # how far ahead a command may expire; until then its id is remembered
MOST_POINTS = 1000

Reply = dict[str, Any]
"""``{"ok": True, "result": …}`` or ``{"ok": False, "error": "why"}``."""


@dataclass(frozen=True, slots=True)
class Command:
    """A well-formed command. ``args`` are checked: times are aware datetimes, ``points`` a tuple of names."""

    id: str
    op: str
    args: Mapping[str, Any]
    expires: datetime


def parse_command(payload: bytes) -> Command:
    """The command, or Ignored; with its ``id`` where there is one, so that a reply can say what is wrong."""
    message = opened(payload, "meterpost/command/1", LARGEST)
    command_id = text_of(message, "id", 64)
    try:
        op, args = text_of(message, "op", 32), message.get("args", {})
        if op not in ARGUMENTS:
            raise Ignored("malformed", f"op {op!r} is unknown, known are {', '.join(ARGUMENTS)}")
        if not isinstance(args, dict):
            raise Ignored("malformed", "args: an object is needed")
        expires = _moment(message, "expires")
        return Command(command_id, op, ARGUMENTS[op](args), expires)
    except Ignored as trouble:
        raise Ignored(trouble.reason, trouble.text, command_id) from None


def _only(args: Mapping[str, Any], *known: str) -> None:
    unknown = sorted(set(args) - set(known))
    if unknown:
        raise Ignored("malformed", f"args: {unknown[0][:60]!r} is unknown, known are {', '.join(known) or 'none'}")


def _none(args: Mapping[str, Any]) -> Mapping[str, Any]:
    _only(args)
    return {}


def _points(args: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The named points, None: all of them."""
    points = args.get("points")
    if points is None:
        return None
    if not isinstance(points, list) or not 1 <= len(points) <= MOST_POINTS:
        raise Ignored("malformed", f"args.points: a list of 1 to {MOST_POINTS} names is needed")
    if not all(isinstance(point, str) and 1 <= len(point) <= 64 for point in points):
        raise Ignored("malformed", "args.points: names are texts of 1 to 64 characters")
    return tuple(points)


def _kind(args: Mapping[str, Any], *default: str) -> str:
    kind = args.get("kind", *default)
    if kind not in KINDS:
        raise Ignored("malformed", f"args.kind: found {str(kind)[:60]!r}, expected one of {', '.join(KINDS)}")
    return str(kind)


def _moment(message: Mapping[str, Any], key: str) -> datetime:
    text = message.get(key)
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # said below, as for every other text that is no time
    raise Ignored("malformed", f"{key}: a time like 2026-11-21T10:15:00Z is needed")


def _period(args: Mapping[str, Any]) -> dict[str, datetime]:
    since, until = _moment(args, "from"), _moment(args, "to")
    if until < since:
        raise Ignored("malformed", "args: from lies behind to")
    return {"from": since, "to": until}


def _read(args: Mapping[str, Any]) -> Mapping[str, Any]:
    _only(args, "points", "kind")
    return {"points": _points(args), "kind": _kind(args, "now")}


def _fill(args: Mapping[str, Any]) -> Mapping[str, Any]:
    _only(args, "points", "kind", "from", "to")
    return {"points": _points(args), "kind": _kind(args), **_period(args)}


def _resend(args: Mapping[str, Any]) -> Mapping[str, Any]:
    if "from_seq" not in args and "to_seq" not in args:
        _only(args, "from", "to")
        return _period(args)
    _only(args, "from_seq", "to_seq")
    first, last = args.get("from_seq"), args.get("to_seq")
    if not (is_number(first) and is_number(last) and first <= last):  # type: ignore[operator]  # both are ints then
        raise Ignored("malformed", "args: from_seq and to_seq are whole numbers from 1, from_seq the lower one")
    return {"from_seq": first, "to_seq": last}


def _some_points(args: Mapping[str, Any]) -> Mapping[str, Any]:
    _only(args, "points")
    return {"points": _points(args)}


ARGUMENTS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "read": _read,
    "fill": _fill,
    "resend": _resend,
    "set-clock": _some_points,
    "pause": _some_points,
    "resume": _some_points,
    "statement": _some_points,
    "diagnose": _none,
}
"""Each op of the contract and the check of its ``args``."""
