"""The meters' clocks: how far each is off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from agent.clock import Clock
from agent.line.state import MeterState
from buffer.record import Record
from drivers.reading import Ask
from protocols.errors import AccessDenied, LinkLost, MeterError

CLOCK_EVERY = 3600.0  # s between two looks at a meter's clock


class ClockWatch:
    """Looks at a meter's clock within its dialogues."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def look(self, meter: MeterState, ask: Ask, serial: str) -> list[Record]:
        """Once an hour: the meter's clock minus ours, the time on the wire taken out by halving it. Its events."""
        driver: Any = meter.driver
        before = self._clock.stamp()
        if "clock" not in driver.capabilities:
            return []
        if meter.offset_at is not None and before.monotonic - meter.offset_at < CLOCK_EVERY:
            return []
        meter.offset_at = before.monotonic
        try:
            shown: datetime = driver.clock(ask)
        except (LinkLost, AccessDenied):
            raise
        except MeterError:
            meter.offset = None  # not known is not zero
            return []
        middle = before.utc + timedelta(seconds=(self._clock.monotonic() - before.monotonic) / 2)
        if shown.tzinfo is None and meter.zone is None:
            return []  # what the meter shows may be any zone's time: its offset cannot be told
        there = shown if shown.tzinfo else shown.replace(tzinfo=meter.zone)
        seconds = Decimal(round((there.astimezone(UTC) - middle).total_seconds() * 10)) / 10
        meter.offset = seconds if before.state != "unset" else None
        return []
