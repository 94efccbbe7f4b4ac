"""Journals of IEC 62056-21 meters as events: pages ``LOEzz(k,n)`` and ``LOPzz(k,n)`` of Energomera CE207, CE208, CE307
and CE308, and rings (:mod:`drivers.iec62056.ring`).

Energomera CE208/CE308, protocol IEC, ``LOEzz`` events, ``LOPzz`` programming: entries come newest first,
``record,dd.mm.yy,hh:mm:ss,state[,more]``. What the state's hexadecimal digits mean is not public; they travel as the
maker's code.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056.archive import ABSENT
from drivers.iec62056.parts import Journal
from drivers.iec62056.ring import Kept, ring
from drivers.reading import Reading
from drivers.unfinished import Unfinished
from protocols.errors import BadFrame, Refused
from protocols.iec62056.block import Value

PAGE = 10  # entries in one question
PAGES = 64  # more than a journal holds: a meter that repeats itself is not asked permanently

Read = Callable[[str, str], Sequence[Value]]
"""Parameter and arguments → its values; Refused where the meter has none."""

_ENTRY = re.compile(
    r"(?P<record>\d+),(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d\d),(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r",(?P<state>[0-9A-Fa-f]{1,8})(?:,(?P<more>.*))?"
)


class Entry(NamedTuple):
    """One line of a journal. ``at`` in UTC; ``state`` and ``more`` as the meter writes them; a ring's have no record
    number."""

    record: int
    at: datetime
    state: str
    more: str


def events(
    journals: Sequence[Journal],
    zone: ZoneInfo,
    span: tuple[datetime, datetime],
    read: Read,
    leave: set[str],
    unfinished: Unfinished[Sequence[Value]] | None = None,
    rings: dict[str, Kept] | None = None,
) -> Iterator[Reading]:
    """The entries within ``span`` (both ends included), oldest first. A poll that was ended midway is gone on with:
    pages that are in ``unfinished`` are not asked for again, and a ring of ``rings`` only when it was written to.

    ``leave``: journals that are not asked for; those that the meter does not have are added. Refused where it has
    none at all."""
    unfinished = unfinished or Unfinished()
    unfinished.begin(*span)
    found: list[tuple[datetime, Journal, Entry]] = []
    denied: Refused | None = None
    for journal in journals:
        if journal.name in leave:
            continue
        try:
            if journal.ring:
                kept = ring(journal, zone, read, unfinished, {} if rings is None else rings)
                entries = [Entry(0, at, state, "") for at, state in reversed(kept)]
            else:
                entries = _entries(journal.name, zone, span[0], read, unfinished)
        except Refused as no:
            leave.add(journal.name)
            denied = no
            continue
        found += [(entry.at, journal, entry) for entry in reversed(entries) if span[0] <= entry.at <= span[1]]
    unfinished.done()
    if denied is not None and leave >= {journal.name for journal in journals}:
        raise denied
    counted: dict[tuple[datetime, str], int] = {}
    for at, journal, entry in sorted(found, key=lambda each: each[0]):  # stable: one second keeps the journals' order
        n = counted[at, journal.code] = counted.get((at, journal.code), 0) + 1
        text = f"{journal.text}: {entry.state}" + (f", {entry.more}" if entry.more else "")
        maker = f"{journal.name}.{entry.state}".rstrip(".")
        told = {"code": journal.code, "maker": maker, "text": text, "n": n}
        yield Reading("event", at=at, event=told)


def _entries(
    name: str, zone: ZoneInfo, since: datetime, read: Read, unfinished: Unfinished[Sequence[Value]]
) -> list[Entry]:
    """Newest first, from the newest back to the first page that reaches behind ``since``; each record once."""
    found: dict[int, Entry] = {}
    for page in range(PAGES):
        try:
            arguments = f"{page * PAGE + 1},{PAGE}"
            values = unfinished.get((name, arguments), partial(read, name, arguments))
        except Refused as no:
            if no.code not in ABSENT:
                raise
            break
        entries = [entry for value in values if value.text and (entry := _entry(name, value.text, zone))]
        new = {entry.record: entry for entry in entries if entry.record not in found}
        found |= new
        if len(values) < PAGE or not new or min(entry.at for entry in entries) < since:
            break
    return list(found.values())


def _entry(name: str, text: str, zone: ZoneInfo) -> Entry | None:
    """None where the stamp is not a date: such an entry has no moment. BadFrame where the text is not an entry."""
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise BadFrame(f"{name}: no journal entry: {text[:60]!r}")
    month, day, hour, minute, second = (int(match[part]) for part in ("month", "day", "hour", "minute", "second"))
    try:
        wall = datetime(2000 + int(match["year"]), month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return Entry(int(match["record"]), wall.astimezone(UTC), match["state"].upper(), match["more"] or "")
