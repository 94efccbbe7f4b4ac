"""A Mercury's wall clock ↔ UTC: its stamps state no zone, so the configuration must."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from drivers.reading import MeterPlan
from protocols.errors import Refused


@dataclass(frozen=True, slots=True)
class MeterTime:
    """Conversion in one zone, daylight saving or not. In Russia none has been kept since 26.10.2014."""

    zone: ZoneInfo

    @classmethod
    def of(cls, plan: MeterPlan) -> "MeterTime":
        """The meter's own setting ``timezone``, else the gateway's zone; Refused where neither says one."""
        name = plan.settings.get("timezone") or plan.zone
        if not name:
            raise Refused("the meter does not say its time zone; set timezone for it")
        try:
            return cls(ZoneInfo(name))
        except (KeyError, OSError, ValueError):
            raise Refused(f"timezone: {name!r} is not a zone such as Europe/Moscow") from None

    def utc(self, wall: datetime, winter: bool = False) -> datetime:
        """Aware UTC of the meter's naive wall time. In the hour that comes twice ``winter`` means the second; outside
        it the meter's season mark says nothing (Russian meters stand on winter all the year)."""
        first, second = (wall.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        twice = first.astimezone(UTC) < second.astimezone(UTC)
        return (second if twice and winter else first).astimezone(UTC)

    def wall(self, at: datetime) -> datetime:
        """The meter's naive wall time of an aware moment."""
        return at.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def midnight(self, day: date) -> datetime:
        """Aware UTC of 00:00 of that day."""
        return self.utc(datetime.combine(day, time()))
