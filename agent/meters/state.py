"""What the daemon knows of one meter between dialogues, and the events that it raises itself."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from agent.config.values import Meter
from agent.meters.clock_state import ClockState
from buffer.record import Record
from drivers.reading import Driver, Identity, Kind
from protocols.errors import Word
from protocols.session import Line

MeterStanding = Literal["ok", "waiting", "silent", "wrong-serial", "refused", "paused"]
"""A meter's ``state`` in status and on MQTT (the contract)."""


@dataclass(slots=True, eq=False)
class MeterState:
    """What the daemon knows of one meter between dialogues. It is equal to itself only, and can be a key."""

    config: Meter
    driver: Driver
    line: Line
    zone: ZoneInfo | None = None  # of the meter's own clock as configured; None: no one has said
    margin: float = 0.0  # s that an answer may take longer than its protocol says, by the way to it
    identity: Identity | None = None
    offset: Decimal | None = None
    offset_at: float | None = None  # monotonic
    last_ok: datetime | None = None
    error: str | None = None  # the last trouble as text, None after a success
    hint: str | None = None  # what to do about it
    trouble: Word | None = None  # its class
    foreign: str | None = None  # serial of the meter that answers instead
    denied_at: float | None = None  # monotonic time of the last refused password
    paused: bool = False
    latest: dict[str, Record] = field(default_factory=dict)  # by kind
    remainders: dict[tuple[Kind, str], Decimal] = field(default_factory=dict)  # Wh that tariffs lack of a total
    journals_until: datetime | None = None  # the end of the last check into its journals
    watch: ClockState = field(default_factory=ClockState)

    def calendar(self, now: datetime) -> ZoneInfo | None:
        """The zone in which its days and months begin, None while no one has said one. A meter that states its own
        offset goes before the gateway's zone, unless that has the same one: then the daylight rule is known too."""
        told = self.driver.traits.zone
        if told is None or self.zone is None:
            return self.zone or told
        local = now.astimezone(self.zone)
        offset, summer = local.utcoffset() or timedelta(), local.dst() or timedelta()
        return self.zone if now.astimezone(told).utcoffset() in (offset, offset - summer) else told

    @property
    def sound(self) -> bool:
        """It answers in this run, is the right one, and no one has told us to leave it alone."""
        hindered = self.paused or self.foreign or self.trouble or self.denied_at is not None
        return self.identity is not None and not hindered
