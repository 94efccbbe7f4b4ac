"""A DLMS meter's local time ↔ UTC: by the deviation that a stamp states, else by the meter's zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from protocols.dlms.cosem.stamp import SUMMER, UNSPECIFIED, Stamp, encode
from protocols.errors import Refused

NEAR = timedelta(minutes=15)  # a meter's clock may be so far off and still tell its zone


@dataclass(slots=True)
class MeterTime:
    """``zone``: the configured zone, for stamps that state no deviation. ``deviation``: what the meter's clock object
    says (UTC minus local, minutes), used where no zone is configured. ``reverse``: the meter means local minus UTC, as
    ГОСТ Р 58940-2020 words it, against IEC 62056-6-2. ``auto``: the clock object decides which. ``doubt``: neither sign
    comes near the gateway's time, so that the configured zone counts.
    """

    zone: ZoneInfo | None = None
    deviation: int | None = None
    reverse: bool = False
    auto: bool = False
    doubt: bool = False

    def decide(self, shown: Stamp, now: datetime | None) -> None:
        """Which sign the deviation has, by the meter's clock beside ours; never by the stamp of an archive."""
        if not self.auto or now is None or not shown.deviation or shown.wall is None:
            return
        near = [sign for sign in (False, True) if _near(shown.utc(None, sign), now)]
        self.doubt = not near
        if near and near[0] is not self.reverse:
            self.reverse = near[0]
            self.deviation = None if self.deviation is None else -self.deviation

    @property
    def fixed(self) -> ZoneInfo | None:
        """The zone, without daylight rule, of whole hours that the meter's clock object says; None where it says none
        or no one asked it."""
        hours, rest = divmod(self.deviation or 0, 60)
        if self.deviation is None or rest or not -14 <= hours <= 12:
            return None
        return ZoneInfo(f"Etc/GMT{hours:+d}" if hours else "Etc/GMT")  # in these names the west is positive

    @property
    def known(self) -> bool:
        return self.zone is not None or self.deviation is not None

    def utc(self, stamp: Stamp) -> datetime | None:
        """Aware UTC; None where the stamp has open parts or nothing says its zone."""
        stated = stamp.deviation is not None and not self.doubt
        if stated or self.zone is None or stamp.wall is None:
            return stamp.utc(self.deviation, self.reverse)
        # in the hour that comes twice the status tells summer from winter time
        second = stamp.status is not None and not stamp.status & SUMMER
        local = stamp.wall.replace(tzinfo=self.zone, fold=1 if second else 0)
        if second and local.utcoffset() == local.replace(fold=0).utcoffset():
            local = local.replace(fold=0)
        return local.astimezone(UTC)

    def wall(self, at: datetime) -> tuple[datetime, int]:
        """The meter's local time (naive) of an aware moment, and UTC minus local in minutes; Refused if unknown."""
        if self.zone is not None:
            local = at.astimezone(self.zone)
            offset = local.utcoffset() or timedelta(0)
            return local.replace(tzinfo=None), -int(offset.total_seconds() // 60)
        if self.deviation is None:
            raise Refused("the meter does not say its time zone; set timezone for it")
        return (at.astimezone(UTC) - timedelta(minutes=self.deviation)).replace(tzinfo=None), self.deviation

    def moment(self, wall: datetime) -> datetime:
        """Aware UTC of the meter's naive local time; Refused if its zone is unknown."""
        if self.zone is not None:
            return wall.replace(tzinfo=self.zone).astimezone(UTC)
        if self.deviation is None:
            raise Refused("the meter does not say its time zone; set timezone for it")
        return wall.replace(tzinfo=UTC) + timedelta(minutes=self.deviation)

    def stamp(self, at: datetime, stated: bool, status: int = 0) -> bytes:
        """The 12 octets of an aware moment; ``stated``: with its deviation, else unspecified."""
        wall, deviation = self.wall(at)
        return encode(wall, (-deviation if self.reverse else deviation) if stated else None, status)

    def learn(self, time_zone: object) -> None:
        """Take the deviation of the clock object's attribute 3; what is not a deviation is not taken."""
        if isinstance(time_zone, int) and time_zone != UNSPECIFIED and abs(time_zone) <= 15 * 60:
            self.deviation = -time_zone if self.reverse else time_zone


def _near(utc: datetime | None, now: datetime) -> bool:
    return utc is not None and abs(utc - now) <= NEAR
