"""Journals that an IEC 62056-21 meter keeps as a ring: ``PHASE(first.count)`` of Energomera CE301 and CE303.

Entries are ``d-m-yy-h-m-state`` without seconds, as a public driver (Psxbox.Protocols) reads them from a recorded
dialogue and a public simulator (SimulatorMeter) writes them. Where the ring begins no one says for certain: all of it
is read and put in order by its times.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056.archive import ABSENT
from drivers.iec62056.parts import Journal
from drivers.unfinished import Unfinished
from protocols.errors import BadFrame, Refused
from protocols.iec62056.block import Value

PAGE = 10  # entries in one question
PAGES = 20  # the longest ring that is known holds 200

Read = Callable[[str, str], Sequence[Value]]
"""Parameter and arguments → its values; Refused where the meter has none."""

_ENTRY = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/](\d{1,2})[-/](\d{1,2})[-/](\d{1,2})(?:[-/](\w{1,16}))?")


class Kept(NamedTuple):
    """A ring as it was when its pointer stood there: nothing has been written since while it still does."""

    pointer: str
    entries: list[tuple[datetime, str]]


def ring(
    journal: Journal, zone: ZoneInfo, read: Read, unfinished: Unfinished[Sequence[Value]], kept: dict[str, Kept]
) -> list[tuple[datetime, str]]:
    """Moment in UTC and state, as the meter writes it, of all entries, oldest first. Refused where it has no such
    journal. ``kept``: rings by journal, of the polls before."""
    pointer = _pointer(journal, read, unfinished)
    if pointer and journal.name in kept and kept[journal.name].pointer == pointer:
        return kept[journal.name].entries
    texts: list[list[str]] = []
    for page in range(PAGES):
        arguments = f"{page * PAGE + 1}.{PAGE}"
        try:
            values = unfinished.get((journal.name, arguments), partial(read, journal.name, arguments))
        except Refused as no:
            if no.code not in ABSENT and not texts:
                raise
            break
        said = [value.text for value in values]
        if not any(said) or said in texts:
            break
        texts.append(said)
        if len(said) != PAGE:
            break
    entries = [entry for page in texts for text in page if text and (entry := _entry(journal.name, text))]
    found = [(wall.replace(tzinfo=zone).astimezone(UTC), state) for wall, state in _unrolled(entries)]
    if found:  # the first entry may leave the pointer where it stood
        kept[journal.name] = Kept(pointer, found)
    return found


def _pointer(journal: Journal, read: Read, unfinished: Unfinished[Sequence[Value]]) -> str:
    """ "" if there is none."""
    if not journal.pointer:
        return ""
    try:
        values = unfinished.get((journal.pointer, ""), partial(read, journal.pointer, ""))
    except Refused:
        return ""
    return values[0].text if len(values) == 1 and values[0].text.isdecimal() else ""


def _entry(name: str, text: str) -> tuple[datetime, str] | None:
    """None where the stamp is not a date: such an entry has no moment. BadFrame where the text is not an entry."""
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise BadFrame(f"{name}: no journal entry: {text[:60]!r}")
    day, month, year, hour, minute = (int(match[n]) for n in range(1, 6))
    try:
        return datetime(2000 + year, month, day, hour, minute), match[6] or ""
    except ValueError:
        return None


def _unrolled(entries: list[tuple[datetime, str]]) -> list[tuple[datetime, str]]:
    """From the oldest entry on: behind the newest one time falls back furthest. Entries of one minute keep their
    order in the ring."""
    falls = [later[0] - earlier[0] for earlier, later in pairwise([*entries, *entries[:1]])]
    begin = max(range(len(falls)), key=lambda n: (-falls[n], n), default=-1) + 1
    return sorted(entries[begin:] + entries[:begin], key=lambda entry: entry[0])
