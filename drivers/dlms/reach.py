"""How far back the profiles of a DLMS meter go."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.dlms.meter_time import MeterTime
from drivers.reading import Kind, Reach
from drivers.times import EPOCH
from protocols.errors import Refused

USUAL_PERIOD = 1800  # s between rows of a load profile, until the meter has told its own


@dataclass(frozen=True, slots=True)
class Depth:
    """Rows that a profile keeps and the seconds between them, 0 where these are not known or not periodic."""

    rows: int
    period: int


def reach(kind: Kind, depth: Depth, time: MeterTime, now: datetime) -> Reach | None:
    """The oldest row that the meter may hold at ``now`` (aware), were there one for each slot; None for a kind that
    is not an archive, or where days are asked for and nothing says the meter's zone."""
    if kind == "interval":
        step = timedelta(seconds=depth.period or USUAL_PERIOD)
        newest = now - (now - EPOCH) % step
        return Reach(newest - (depth.rows - 1) * step, step if depth.period else None)
    try:
        today = time.wall(now)[0].replace(hour=0, minute=0, second=0, microsecond=0)
    except Refused:
        return None
    match kind:
        case "day":
            oldest = today - timedelta(days=depth.rows - 1)
        case "month":
            count = max(today.year * 12 + today.month - depth.rows, 12)
            oldest = datetime(count // 12, count % 12 + 1, 1)
        case _:
            return None
    return Reach(time.moment(oldest))
