"""What is known of a meter's clock between dialogues and across restarts, and who waits for its correction."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from buffer.record import Record


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What must survive a restart. Days are those of the meter's own calendar."""

    serial: str = ""
    off: bool = False  # meter-clock-off was told and not taken back
    tried: date | None = None  # the day of the newest correction that was sent, heard or not
    before: Decimal | None = None  # s; the offset before a correction whose outcome no one has told yet
    told: date | None = None  # the day of the newest meter-clock-not-corrected
    zone_doubt: bool = False  # meter-zone-doubtful was told and has not ended


class KeepsClockFacts(Protocol):
    """The durable facts of one point."""

    facts: ClockFacts

    def keep(self, facts: ClockFacts, events: Sequence[Record] = ()) -> None:
        """Both are on the disk when it returns, the events first; StoreError if they cannot be."""


@dataclass(frozen=True, slots=True)
class Correction:
    """How a correction ended; offsets in seconds, None: not known. ``reason``: why none was made, else None.
    ``needed``: False where the clock was right already."""

    before: Decimal | None
    after: Decimal | None
    reason: str | None = None
    needed: bool = True


@dataclass(slots=True)
class ClockState:
    """``orders``: who has ordered a correction and waits for its outcome; the next check at the clock answers them all.
    ``due``: gateway time (aware UTC) from which a correction that is due may be made, None: none is deferred."""

    notes: KeepsClockFacts | None = None
    orders: "deque[Future[Correction]]" = field(default_factory=deque)
    due: datetime | None = None
    limit: date | None = None  # the meter's day on which its driver said that the move is more than the meter takes
