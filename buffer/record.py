"""The record: one point, one moment, one kind, whole or not at all (the unit of store, sequence number and receipt)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeGuard, get_args

from drivers.events import Flag
from drivers.reading import Kind, Number

ClockQuality = Literal["synced", "holdover", "unset", "restamped"]
CLOCK_QUALITIES: tuple[ClockQuality, ...] = get_args(ClockQuality)
"""How far the gateway's clock could be believed when a record was made."""


def is_quality(text: str) -> TypeGuard[ClockQuality]:
    return text in CLOCK_QUALITIES


@dataclass(frozen=True, slots=True)
class Record:
    """What the store keeps and the intake gets. All times are aware UTC with whole milliseconds.

    ``seq`` is 0 until the store has given it one. ``frames`` are the raw replies, kept for diagnosis and never
    published. ``boot`` and ``monotonic`` (seconds) are kept while the gateway's clock is unset, so that ``at`` and
    ``read_at`` can be corrected when it becomes set in the same boot.
    """

    kind: Kind
    point: str
    meter: str
    at: datetime
    read_at: datetime
    clock: ClockQuality = "synced"
    meter_offset: Number | None = None  # meter clock minus gateway clock, seconds
    values: Mapping[str, Number] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    start: datetime | None = None  # "from" of an interval
    event: Mapping[str, Any] | None = None  # {"code", "maker", "text", "n"}
    statement: Mapping[str, Any] | None = None
    replaces: int | None = None
    frames: bytes = b""
    boot: str | None = None
    monotonic: float | None = None
    seq: int = 0


def number_text(value: Number) -> str:
    """The shortest exact decimal text: 230.10 is "230.1", never an exponent, never "-0"."""
    if isinstance(value, int):
        return str(value)
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_number(text: str) -> Number:
    """The exact value of a decimal text: an int where it is whole, else a Decimal."""
    return Decimal(text) if "." in text or "e" in text.lower() else int(text)
