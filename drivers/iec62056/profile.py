"""The load profile of an IEC 62056-21 meter: energy of each interval from the average powers that it keeps by the day.

Energomera CE301 and CE303 (``GRAPE``, kW) and Neva MT 3xx (``630100nn``, W), as several independent public programs
read them: docs/meters/iec62056-21.md names them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056 import obis
from drivers.iec62056.archive import ABSENT
from drivers.iec62056.parts import PERIODS, Profile
from drivers.reading import Number, Reach
from protocols.errors import BadFrame, Refused
from protocols.iec62056.block import Value

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
EDGE = MINUTE
"""After an interval's end until it is asked for: the meter has to write it. Around midnight days are left alone that
are counted back from now."""
Read = Callable[[str, str], Sequence[Value]]
"""Parameter and arguments → its values; Refused where the meter has none."""

_POWER = re.compile(r"(?P<number>\d+(?P<point>\.\d+)?)[,;]?(?P<mark>[A-Za-z]?)")
NEVER, PARTLY = "A", "I"
"""Marks behind a power: nothing was measured, not for the whole interval (a CE303's manual, quoted by a public
driver). What another mark means no one says: its power is taken for missing."""


class Power(NamedTuple):
    """An interval in UTC and its energy in Wh. ``incomplete``: the meter did not measure all of it."""

    start: datetime
    end: datetime
    energy: Number
    incomplete: bool


def period(profile: Profile, read: Read) -> timedelta:
    """The length of an interval. Refused where energies of that length are not exact numbers."""
    if profile.minutes:
        return timedelta(minutes=profile.minutes)
    values = read(profile.period, "")
    text = values[0].text if len(values) == 1 else ""
    if not text.isdecimal():
        raise BadFrame(f"{profile.period}: no number of minutes: {text[:40]!r}")
    if int(text) not in PERIODS:
        raise Refused(f"a load profile of {int(text)} minutes: only {sorted(PERIODS)} give exact energies")
    return timedelta(minutes=int(text))


def profile_reach(profile: Profile | None, step: timedelta | None, zone: ZoneInfo, now: datetime) -> Reach | None:
    """How far back it goes at ``now`` (aware); None if there is none or its intervals' length is not known yet."""
    if profile is None:
        return None
    step = step or (timedelta(minutes=profile.minutes) if profile.minutes else None)
    if step is None:
        return None
    oldest = now.astimezone(zone).date() - (profile.depth - 1) * DAY
    return Reach(datetime.combine(oldest, time(), zone).astimezone(UTC) + step, step)


def unsteady(shown: datetime, step: timedelta) -> bool:
    """Whether days that are counted back may mean others by now: a Neva counts on when the first interval of a day has
    ended (matrix-mx), if not at midnight."""
    since = shown - datetime.combine(shown.date(), time())
    return since < step + EDGE or since >= DAY - EDGE


def powers(
    profile: Profile, step: timedelta, shown: datetime, zone: ZoneInfo, span: tuple[datetime, datetime], read: Read
) -> Iterator[Power]:
    """The intervals that end within ``span`` (both ends included), the newest day first, each day's in order.

    ``shown``: the meter's wall clock; what had not ended a minute before it is not asked for. What the meter marks as
    not measured is left out, and so is an hour that a clock change repeats or leaves out. A whole day before this one
    that holds nothing but zeros is missing: days that were never filled look like that. Refused where the meter
    refuses this day too."""
    known = False  # it has a profile
    for back in range(profile.depth):
        day = shown.date() - back * DAY
        wanted = _slots(day, step, shown - EDGE, zone, span)
        if not wanted:
            if datetime.combine(day, time(), zone) < span[0]:
                return
            continue
        first, last = min(wanted), max(wanted)
        try:
            texts = _texts(profile, DAY // step, back, day, (first, last), read)
        except Refused as no:
            if no.code not in ABSENT and not known:
                _texts(profile, DAY // step, 0, shown.date(), (1, 1), read)
            texts = {}
        known = True
        for number, (start, end) in wanted.items():
            if (found := _power(profile, texts.get(number, ""))) is not None:
                energy = found[0] * (step // MINUTE) / 60
                yield Power(start, end, obis.plain(energy), incomplete=found[1])


def _slots(
    day: date, step: timedelta, ended: datetime, zone: ZoneInfo, span: tuple[datetime, datetime]
) -> dict[int, tuple[datetime, datetime]]:
    """Number, from 1, → start and end in UTC of the day's intervals that are wanted."""
    midnight = datetime.combine(day, time())
    found = {}
    for number in range(1, DAY // step + 1):
        start, end = (_utc(midnight + each * step, zone) for each in (number - 1, number))
        if midnight + number * step > ended or start is None or end is None or end - start != step:
            continue
        if span[0] <= end <= span[1]:
            found[number] = (start, end)
    return found


def _utc(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """None for a wall time that does not exist or exists twice."""
    local = wall.replace(tzinfo=zone)
    return local.astimezone(UTC) if local.utcoffset() == local.replace(fold=1).utcoffset() else None


def _texts(profile: Profile, count: int, back: int, day: date, wanted: tuple[int, int], read: Read) -> dict[int, str]:
    """Number → value as it came, of these intervals of a day (of all of it where it comes as a whole)."""
    first, due = 1, count
    if profile.names:
        name = profile.names[back]
        values = read(name, "")
    else:
        name, first, due = profile.name, wanted[0], wanted[1] - wanted[0] + 1
        values = read(name, profile.asked(day, first, due))
    texts = [value.text + value.unit for value in values]
    if profile.split and len(texts) == 1:
        texts = texts[0].split(profile.split)
    if len(texts) != due:
        raise BadFrame(f"{name}: {len(texts)} powers came, {due} are due: {', '.join(texts)[:80]}")
    if profile.names and back and not any(re.search("[1-9]", text) for text in texts):
        return {}
    return dict(enumerate(texts, first))


def _power(profile: Profile, text: str) -> tuple[Decimal, bool] | None:
    """W, and whether the interval was measured in part; None where it was not, or no one knows."""
    match = _POWER.fullmatch(text.strip())
    if match is None or match["mark"].upper() not in ("", PARTLY):
        return None
    if profile.whole and match["point"]:
        raise BadFrame(f"{profile.name}: {text[:20]!r} is not a whole number: its unit is not known")
    return Decimal(match["number"]) * profile.factor, bool(match["mark"])
