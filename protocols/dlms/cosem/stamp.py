"""COSEM date-time, 12 octets (IEC 62056-6-2, clause 4.1.6.1).

The deviation is UTC minus local time in minutes: Moscow, UTC+3, has −180.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from protocols.errors import BadFrame

UNSPECIFIED = -0x8000  # the deviation's mark
WIDEST = 15 * 60  # minutes; no place on earth is farther from UTC

INVALID, DOUBTFUL, OTHER_BASE, INVALID_STATUS, SUMMER = 0x01, 0x02, 0x04, 0x08, 0x80
STATUS_WORDS = {
    INVALID: "clock invalid",
    DOUBTFUL: "clock doubtful",
    OTHER_BASE: "different clock base",
    INVALID_STATUS: "invalid clock status",
    SUMMER: "daylight saving active",
}


class Stamp(NamedTuple):
    """One date-time. ``wall`` is None where a part of date or time is a wildcard or impossible.

    ``deviation`` in minutes, None where unspecified or out of range (``odd_deviation`` tells the two apart).
    ``status`` holds the clock's status bits, None where unspecified.
    """

    raw: bytes
    wall: datetime | None
    deviation: int | None
    odd_deviation: bool
    status: int | None

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Stamp":
        """Any 12 octets; BadFrame for any other number of them."""
        if len(raw) != 12:
            raise BadFrame(f"date-time of {len(raw)} octets: {raw[:32].hex(' ')}")
        wall = _wall(raw)
        minutes = int.from_bytes(raw[9:11], "big", signed=True)
        sound = abs(minutes) <= WIDEST
        odd = not sound and minutes != UNSPECIFIED
        return cls(raw, wall, minutes if sound else None, odd, None if raw[11] == 0xFF else raw[11])

    def utc(self, otherwise: int | None = None, reverse: bool = False) -> datetime | None:
        """Aware UTC, None where that cannot be said. ``otherwise``: the deviation of a stamp that states none.
        ``reverse``: this meter means local minus UTC."""
        deviation = otherwise if self.deviation is None else (-self.deviation if reverse else self.deviation)
        if self.wall is None or deviation is None:
            return None
        try:
            return (self.wall + timedelta(minutes=deviation)).replace(tzinfo=UTC)
        except OverflowError:
            return None

    def words(self) -> str:
        """For people: the local time, its deviation and what the status says."""
        if self.wall is None:
            return f"date-time with open parts {self.raw.hex(' ')}"
        zone = "" if self.deviation is None else f" UTC{-self.deviation / 60:+g}"
        if self.odd_deviation:
            zone = " (deviation out of range)"
        said = [text for bit, text in STATUS_WORDS.items() if self.status is not None and self.status & bit]
        return f"{self.wall:%Y-%m-%d %H:%M:%S}{zone}" + (f" ({', '.join(said)})" if said else "")


def _wall(raw: bytes) -> datetime | None:
    hundredths = 0 if raw[8] == 0xFF else raw[8]
    try:
        return datetime(int.from_bytes(raw[:2], "big"), raw[2], raw[3], raw[5], raw[6], raw[7], hundredths * 10_000)
    except ValueError:
        return None


def encode(wall: datetime, deviation: int | None, status: int = 0x00, weekday: bool = False) -> bytes:
    """The 12 octets of a naive local time; ``deviation`` None is written as unspecified."""
    return (
        wall.year.to_bytes(2, "big")
        + bytes((wall.month, wall.day, wall.isoweekday() if weekday else 0xFF, wall.hour, wall.minute, wall.second, 0))
        + (UNSPECIFIED if deviation is None else deviation).to_bytes(2, "big", signed=True)
        + bytes((status,))
    )
