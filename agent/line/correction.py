"""When a meter's clock may be moved: never across the end of an interval or a day, nor near one."""

from datetime import datetime, time, timedelta
from decimal import Decimal

SLOT = timedelta(minutes=30)  # a tariff, an interval or a day changes on a half hour, unless the meter's step is less
EDGE = timedelta(minutes=5)  # from both ends of a slot; a quarter of slots that are shorter than 20 minutes
QUARTERS = ((timedelta(minutes=5), timedelta(minutes=14)), (timedelta(minutes=16), timedelta(minutes=25)))
"""Of a half hour: where a short move keeps clear of a quarter's end too, for meters that hold quarters of an hour."""
FARTHEST = Decimal(900)  # s; more than that is a wrong zone or a dead battery, and work for an operator


def safe_window(shown: datetime, wanted: datetime, step: timedelta | None) -> datetime | None:
    """The meter's own time from which it may be moved by ``wanted − shown``; ``shown`` itself: now.

    Wall times of one zone. ``step`` is the meter's interval, None: not known. Time before and after lie in one slot,
    :data:`EDGE` away from its ends. None where so large a move fits into no slot.
    """
    slot = min(step or SLOT, SLOT)
    edge = min(EDGE, slot / 4)
    windows = [(edge, slot - edge)]
    move = wanted - shown
    if slot == SLOT and abs(move) <= QUARTERS[0][1] - QUARTERS[0][0]:
        windows = [*QUARTERS]
    if abs(move) > windows[0][1] - windows[0][0]:
        return None
    midnight = datetime.combine(shown, time())
    start = midnight + (shown - midnight) // slot * slot
    while True:
        for low, high in windows:
            first = start + low - min(move, timedelta())  # the time before and the time after are both in this window
            if shown <= start + high - max(move, timedelta()):
                return max(shown, first)
        start += slot


def as_text(offset: Decimal) -> str:
    """ "12.3 s fast", "2 min 5 s slow", "3 h 2 min fast"."""
    way = "slow" if offset < 0 else "fast"
    size = abs(offset)
    if size < 120:
        return f"{size} s {way}"
    minutes, seconds = divmod(int(size), 60)
    if minutes < 120:
        return f"{minutes} min {seconds} s {way}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {way}" if hours < 48 else f"{hours // 24} days {way}"
