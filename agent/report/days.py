"""What has become of each day's exchange file: durable notes, one a day.

One note holds a file's number, its state and what it left over, and is written in one transaction, so that a power cut
leaves either the old day or the new one. The left-over energies (``balance``) of the highest number are the running
remainder of the sender: Σ energy − Σ kWh over all days as they were last made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from agent.meters.sealed import checksummed, verified
from buffer.notes import EXCHANGE
from buffer.store import Store

CATCH_UP = 45  # days back that a round of the service covers
ExchangeState = Literal["made", "sending", "unclear", "sent", "accepted", "in-part", "refused", "unknown"]

STATES: Mapping[ExchangeState, str] = {
    "made": "the file is written and has not left",
    "sending": "it is being sent, or the power went meanwhile",
    "unclear": "no one knows whether the mail server has taken it; it is not sent again unless an operator says so",
    "sent": "the mail server has taken it; the receiver has not answered",
    "accepted": "the receiver took it",
    "in-part": "the receiver took it and some of it is not commercial",
    "refused": "the receiver did not take it",
    "unknown": "the note of this day was damaged",
}
LEFT: tuple[ExchangeState, ...] = ("sent", "accepted", "in-part", "refused")
HELD: tuple[ExchangeState, ...] = (
    "refused",
    "unclear",
    "unknown",
)  # nothing of these leaves by itself until an operator or better values come
Note = Callable[[str, str | None], None]
Left = Mapping[str, Mapping[str, Decimal]]
"""Wh (varh) by measuring point's code and channel."""


@dataclass(frozen=True, slots=True)
class ExchangeDay:
    """``since``: when it came into this state (aware UTC). ``gaps``: half hours of all channels that are not
    commercial, ``reason`` why; ``trouble``: why it did not leave. ``digest`` of its values and statuses. ``carry`` and
    ``left``: what its half hours began and ended with; ``balance``: what all days had left over when it was made.
    ``earlier``: numbers of this day's files before."""

    day: date
    number: int
    file: str
    state: ExchangeState
    since: datetime
    gaps: int = 0
    reason: str = ""
    digest: str = ""
    carry: Left = field(default_factory=dict)
    left: Left = field(default_factory=dict)
    balance: Left = field(default_factory=dict)
    earlier: tuple[int, ...] = ()
    trouble: str = ""

    def turned(self, state: ExchangeState, since: datetime, reason: str = "", trouble: str = "") -> "ExchangeDay":
        return replace(self, state=state, since=since, reason=reason, trouble=trouble)

    @property
    def words(self) -> str:
        """What an operator has to know first."""
        return self.trouble or self.reason


class ExchangeDays:
    """The notes of one store. ``note`` writes one; what it has answered is on the disk."""

    def __init__(self, store: Store, note: Note) -> None:
        self._store, self._note = store, note

    def all(self) -> list[ExchangeDay]:
        """By day. A damaged note is a day in the state ``unknown``: it may have left, no one knows."""
        return [_day(key, note) for key, note in sorted(self._store.notes(EXCHANGE.key).items())]

    def recent(self) -> list[ExchangeDay]:
        """By day, the newest 45 at most: what a status may open each second."""
        return [_day(key, note) for key, note in sorted(self._store.notes(EXCHANGE.key).items())[-CATCH_UP:]]

    def get(self, day: date) -> ExchangeDay | None:
        key = EXCHANGE.of(day.isoformat())
        note = self._store.noted(key)
        return None if note is None else _day(key, note)

    def keep(self, day: ExchangeDay) -> ExchangeDay:
        self._note(EXCHANGE.of(day.day.isoformat()), checksummed(_document(day)))
        return day

    def forget(self, day: date) -> None:
        self._note(EXCHANGE.of(day.isoformat()), None)


def balance(days: list[ExchangeDay]) -> Left:
    """What the files made so far have left over."""
    return max(days, key=lambda one: one.number).balance if days else {}


def in_short(days: Sequence[ExchangeDay], sends: bool) -> dict[str, Any]:
    """What ``status`` tells of these days: the newest that was made and that has left; how many wait to leave (none
    where the service ``sends`` nothing), for an answer, for an operator; the newest trouble."""
    states = [one.state for one in days]
    troubled = [one for one in days if one.state in HELD or one.trouble]
    return {
        "last_made": max((one.day.isoformat() for one in days if one.number), default=None),
        "last_sent": max((one.day.isoformat() for one in days if one.state in LEFT), default=None),
        "waiting": states.count("made") if sends else 0,
        "unanswered": states.count("sent"),
        "held": sum(states.count(state) for state in HELD),
        "error": _error(max(troubled, key=lambda one: one.day)) if troubled else None,
    }


def _error(day: ExchangeDay) -> dict[str, Any]:
    return {"day": day.day.isoformat(), "state": day.state, "text": day.words}


def _day(key: str, note: str) -> ExchangeDay:
    day = date.fromisoformat(key.removeprefix(EXCHANGE.key))
    document = verified(note)
    if document is None:
        return ExchangeDay(day, 0, "", "unknown", datetime.fromtimestamp(0, UTC), reason=STATES["unknown"])
    return ExchangeDay(
        day,
        document["number"],
        document["file"],
        document["state"],
        datetime.fromisoformat(document["since"]),
        document["gaps"],
        document["reason"],
        document["digest"],
        _left(document["carry"]),
        _left(document["left"]),
        _left(document["balance"]),
        tuple(document["earlier"]),
        document.get("trouble", ""),  # notes of earlier versions have none
    )


def _document(day: ExchangeDay) -> dict[str, Any]:
    return {
        "number": day.number,
        "file": day.file,
        "state": day.state,
        "since": day.since.isoformat(),
        "gaps": day.gaps,
        "reason": day.reason,
        "digest": day.digest,
        **{name: _plain(getattr(day, name)) for name in ("carry", "left", "balance")},
        "earlier": list(day.earlier),
        "trouble": day.trouble,
    }


def _plain(energies: Left) -> dict[str, dict[str, Decimal]]:
    return {code: dict(channels) for code, channels in energies.items()}


def _left(document: Mapping[str, Mapping[str, Any]]) -> Left:
    return {code: {name: Decimal(wh) for name, wh in channels.items()} for code, channels in document.items()}
