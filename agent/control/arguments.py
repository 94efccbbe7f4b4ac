"""The arguments of operations, checked: the same for both doors.

A parser takes the object that came from outside and gives values of the types that it names. It raises ValueError with
the reason for everything else, and nothing has changed then.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from agent.delivery.inbound import is_number
from buffer.body import moment_of
from drivers.reading import KINDS

Args = Mapping[str, Any]

MOST_POINTS = 1000
LONGEST = 64  # characters of a name or number
LONGEST_TEXT = 1000  # characters of what an operator writes


def nothing(args: Args) -> Args:
    """No argument at all."""
    _only(args)
    return {}


def points(args: Args) -> Args:
    """``points``: a tuple of names, None for all."""
    _only(args, "points")
    return {"points": _points(args)}


def read(args: Args) -> Args:
    """``points`` and ``kind`` (``now`` without it)."""
    _only(args, "points", "kind")
    return {"points": _points(args), "kind": _kind(args, "now")}


def peek(args: Args) -> Args:
    """As ``read``; ``span``: ``from`` and ``to`` as two aware times, None without them; ``trace``: a switch."""
    _only(args, "points", "kind", "from", "to", "trace")
    span = _period(args) if "from" in args or "to" in args else None
    return {"points": _points(args), "kind": _kind(args, "now"), "span": span, "trace": _switch(args, "trace")}


def fill(args: Args) -> Args:
    """``points``, ``kind``, and ``span``: two aware times."""
    _only(args, "points", "kind", "from", "to")
    return {"points": _points(args), "kind": _kind(args), "span": _period(args)}


def resend(args: Args) -> Args:
    """``seqs``: the first and last number; or ``span``: two aware times. The other one is None."""
    if "from_seq" not in args and "to_seq" not in args:
        _only(args, "from", "to")
        return {"seqs": None, "span": _period(args)}
    _only(args, "from_seq", "to_seq")
    first, last = args.get("from_seq"), args.get("to_seq")
    if not (is_number(first) and is_number(last) and first <= last):  # type: ignore[operator]  # both are ints then
        raise ValueError("args: from_seq and to_seq are whole numbers from 1, from_seq the lower one")
    return {"seqs": (first, last), "span": None}


def read_new(args: Args) -> Args:
    """``point``, the new meter's ``serial``, and its ``address`` (None: that of the meter before)."""
    _only(args, "point", "serial", "address")
    address = None if args.get("address") is None else _text(args, "address")
    return {"point": _text(args, "point"), "serial": _text(args, "serial"), "address": address}


def statement_action(args: Args) -> Args:
    """``do`` what with the statements of ``points``, of which ``month``, ``by`` whom and ``why``, and the switches of
    :class:`agent.statement.actions.StatementActions`."""
    _only(args, "do", "points", "month", "by", "why", "correct", "again", "late", "channel")
    texts = {key: _text(args, key) for key in ("month", "by", "channel") if args.get(key) is not None}
    why = _text(args, "why", LONGEST_TEXT) if args.get("why") else ""
    switches = {key: _switch(args, key) for key in ("correct", "again", "late")}
    return {"do": _text(args, "do"), "points": _points(args) or (), "why": why, **texts, **switches}


def exchange(args: Args) -> Args:
    """``verb`` make, send or answer; the first two with their ``day`` (send: ``again``), the last with the file's
    ``data`` in hex digits."""
    _only(args, "verb", "day", "again", "data")
    verb = _text(args, "verb")
    if verb == "answer":
        return {"verb": verb, "data": _bytes(args, "data")}
    return {"verb": verb, "day": _day(args, "day"), "again": _switch(args, "again")}


def enter(args: Args) -> Args:
    """``point``, ``figures`` (T1… → text as the display shows it), ``at`` (aware, None: now), ``serial`` (or None),
    ``by``, and the switches ``corrects`` and ``sure``."""
    _only(args, "point", "figures", "at", "serial", "by", "corrects", "sure")
    figures = args.get("figures")
    if not isinstance(figures, dict) or not all(isinstance(text, str) for text in figures.values()):
        raise ValueError('args.figures: an object of texts is needed, such as {"T1": "12345,6"}')
    return {
        "point": _text(args, "point"),
        "figures": dict(figures),
        "at": None if args.get("at") is None else _moment(args, "at"),
        "serial": None if args.get("serial") is None else _text(args, "serial"),
        "by": _text(args, "by", LONGEST_TEXT) if args.get("by") else "",
        "corrects": _switch(args, "corrects"),
        "sure": _switch(args, "sure"),
    }


# ── one argument each ────────────────────────────────────────────────────


def _only(args: Args, *known: str) -> None:
    unknown = sorted(set(args) - set(known))
    if unknown:
        raise ValueError(f"args: {unknown[0][:60]!r} is unknown, known are {', '.join(known) or 'none'}")


def _points(args: Args) -> tuple[str, ...] | None:
    names = args.get("points")
    if names is None:
        return None
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_POINTS:
        raise ValueError(f"args.points: a list of 1 to {MOST_POINTS} names is needed")
    if not all(isinstance(name, str) and 1 <= len(name) <= LONGEST for name in names):
        raise ValueError(f"args.points: names are texts of 1 to {LONGEST} characters")
    return tuple(names)


def _kind(args: Args, *default: str) -> str:
    kind = args.get("kind", *default)
    if kind not in KINDS:
        raise ValueError(f"args.kind: found {str(kind)[:60]!r}, expected one of {', '.join(KINDS)}")
    return str(kind)


def _moment(args: Args, key: str) -> datetime:
    try:
        return moment_of(args.get(key))
    except ValueError:
        raise ValueError(f"args.{key}: a time like 2026-11-21T10:15:00Z is needed") from None


def _period(args: Args) -> tuple[datetime, datetime]:
    since, until = _moment(args, "from"), _moment(args, "to")
    if until < since:
        raise ValueError("args: from lies behind to")
    return since, until


def _day(args: Args, key: str) -> date:
    try:
        return date.fromisoformat(_text(args, key))
    except ValueError:
        raise ValueError(f"args.{key}: a day like 2026-11-21 is needed") from None


def _text(args: Args, key: str, longest: int = LONGEST) -> str:
    text = args.get(key)
    if not isinstance(text, str) or not 1 <= len(text) <= longest:
        raise ValueError(f"args.{key}: a text of 1 to {longest} characters is needed")
    return text


def _switch(args: Args, key: str) -> bool:
    switch = args.get(key, False)
    if not isinstance(switch, bool):
        raise ValueError(f"args.{key}: true or false is needed")
    return switch


def _bytes(args: Args, key: str) -> bytes:
    try:
        return bytes.fromhex(args.get(key))  # type: ignore[arg-type]  # the TypeError is answered below
    except (TypeError, ValueError):
        raise ValueError(f"args.{key}: hex digits are needed") from None
