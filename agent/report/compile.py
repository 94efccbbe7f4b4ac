"""A day's message from the records: half hours × ratio as whole kWh, the remainder carried on."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.values import Config, ExchangeSettings, Meter
from agent.report.days import ExchangeDay, Left
from agent.report.half_hours import nothing, of_day
from agent.report.layout80020 import Channel, ExchangeDocument, LayoutError, MeasuringPoint, Party, whole
from buffer.store import Store

IMPORT = "01"  # every measuring point has it, whatever its meter has told


@dataclass(frozen=True, slots=True)
class Compiled:
    """``carry`` and ``left``: what its half hours began and ended with; ``balance``: what all days have left over.
    ``gaps``: half hours of all channels that are not commercial; ``reason``: how many for which reason."""

    points: tuple[MeasuringPoint, ...]
    carry: Left
    left: Left
    balance: Left
    gaps: int
    reason: str

    @property
    def digest(self) -> str:
        """Equal where codes, values and statuses are."""
        content = [
            (point.code, [(one.code, one.values, one.statuses) for one in point.channels]) for point in self.points
        ]
        return hashlib.sha256(repr(content).encode()).hexdigest()[:32]

    def message(
        self, number: int, day: date, made: datetime, exchange: ExchangeSettings, zone: ZoneInfo
    ) -> ExchangeDocument:
        """``made``: aware. Daylight saving is what holds at noon."""
        return ExchangeDocument(
            number=number,
            day=day,
            made=made.astimezone(zone),
            summer=bool(datetime.combine(day, time(12), zone).dst()),
            sender=Party(exchange.inn, exchange.name),
            area=Party(exchange.area_inn, exchange.area_name),
            timezone=exchange.area_timezone,
            points=self.points,
        )


def coded(config: Config) -> tuple[list[Meter], list[str]]:
    """The meters of measuring points, and the points without a code, which the file leaves out.

    LayoutError where two points have one code or none has any.
    """
    meters = [meter for meter in config.meters if meter.exchange_code]
    codes = [str(meter.exchange_code) for meter in meters]
    for code in codes:
        if codes.count(code) > 1:
            same = ", ".join(meter.point for meter in meters if meter.exchange_code == code)
            raise LayoutError(f"exchange_code {code!r} is written at {same}; each measuring point has its own")
    return meters, [meter.point for meter in config.meters if not meter.exchange_code]


def compiled(
    store: Store, meters: Sequence[Meter], day: date, zone: ZoneInfo, balance: Left, before: ExchangeDay | None
) -> Compiled:
    """``balance``: left over of all days so far; ``before``: this day as it was made before. A day that is made again
    begins with what it began with then, so that the same records give the same values. A channel that a meter has
    told by the day on which the file is first made stays in it."""
    points: list[MeasuringPoint] = []
    carry = {} if before is None else _copy(before.carry)
    left: dict[str, dict[str, Decimal]] = {}
    after = _copy(balance)
    reasons: Counter[str] = Counter()
    for meter in meters:
        code = str(meter.exchange_code)
        found = of_day(store, meter.point, day, zone)
        told, began, ended = after.setdefault(code, {}), carry.setdefault(code, {}), left.setdefault(code, {})
        channels = []
        for name in sorted({IMPORT} | set(found) | set(told if before is None else began)):
            slots = found.get(name, nothing())
            reasons.update(slot.reason for slot in slots if slot.reason)
            known = told.get(name, Decimal(0))
            start = began.setdefault(name, known if before is None else Decimal(0))
            values, ended[name] = whole([slot.energy * meter.ratio for slot in slots], start)
            spent = start if before is None else before.left.get(code, {}).get(name, start)
            told[name] = known + ended[name] - spent
            channels.append(Channel(name, values, tuple(int(bool(slot.reason)) for slot in slots)))
        points.append(MeasuringPoint(code, meter.place or meter.point, tuple(channels)))
    words = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    return Compiled(tuple(points), carry, left, after, reasons.total(), words)


def _copy(energies: Left) -> dict[str, dict[str, Decimal]]:
    return {code: dict(channels) for code, channels in energies.items()}
