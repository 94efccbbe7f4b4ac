"""Journals of a Mercury 23x, entry by entry, as documented events.

The numbers of the journals and what lies in them: «Описание системы команд», Incotex, version 05.2023, §4.3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import partial
from typing import NamedTuple

from drivers.mercury.learned import Learned
from drivers.mercury.meter_time import MeterTime
from drivers.reading import Ask, Reading
from protocols.errors import BadFrame
from protocols.mercury.archives import LATEST, Entry, ReadJournal, stamp
from protocols.mercury.frames import status_codes

RING, LONG_RING = 10, 100  # records that a journal keeps; those of the quality of supply keep more
NO_FAULTS = frozenset({40, 47})  # E-numbers that only note a broadcast and a running clock correction
COVERS, CLOCK, PROGRAMMED, STATUS = 0x12, 0x02, 0x13, 0x14  # journals that have a reading of their own
PROGRAMMED_N = 100  # its entries know the day alone: their count of requests tells them apart


class Journal(NamedTuple):
    """``begun`` and ``over``: event codes of its first and second stamp; no second: entries of one stamp."""

    begun: str
    over: str
    text: str
    phase: int = 0
    ring: int = RING

    @property
    def size(self) -> int:
        return 12 if self.over else 6


def _phases(first: int, begun: str, over: str, text: str) -> dict[int, Journal]:
    return {first + phase - 1: Journal(begun, over, f"phase {phase}: {text}", phase) for phase in (1, 2, 3)}


def _limits() -> dict[int, Journal]:
    """20h to 2Bh: four bounds of the voltage for each phase; 2Ch to 2Fh: of the frequency."""
    bounds = ("below the lowest", "below the normal", "above the normal", "above the highest")
    found = {}
    for number in range(16):
        phase, bound = divmod(number, 4)
        begun, over = "undervoltage" if bound < 2 else "overvoltage", "voltage-normal"
        what = f"phase {phase + 1}: voltage {bounds[bound]} bound"
        if phase == 3:
            begun, over, what, phase = "frequency-off", "frequency-normal", f"frequency {bounds[bound]} bound", -1
        found[0x20 + number] = Journal(begun, over, what, phase + 1, LONG_RING)
    return found


JOURNALS: Mapping[int, Journal] = {
    0x01: Journal("power-on", "power-off", "supply"),
    CLOCK: Journal("clock-set", "clock-set", "clock corrected or set"),
    **_phases(0x03, "phase-restored", "phase-lost", "voltage"),
    0x06: Journal("power-limit", "power-limit-end", "power above its limit"),
    0x07: Journal("settings-changed", "", "tariff schedule"),
    0x08: Journal("settings-changed", "", "holidays"),
    0x09: Journal("registers-cleared", "", "energy registers"),
    0x0A: Journal("archive-cleared", "", "load profile"),
    **{0x0B + n: Journal("power-limit", "", f"energy of T{n + 1} above its limit") for n in range(4)},
    0x0F: Journal("settings-changed", "", "power limit"),
    0x10: Journal("settings-changed", "", "energy limit"),
    0x11: Journal("settings-changed", "", "parameters of losses"),
    COVERS: Journal("cover-open", "cover-closed", "cover"),
    PROGRAMMED: Journal("settings-changed", "settings-changed", "requests that change the meter"),
    STATUS: Journal("fault", "fault-end", "the meter's own check"),
    0x15: Journal("settings-changed", "", "hours of the peaks"),
    0x16: Journal("archive-cleared", "", "maxima of power"),
    **_phases(0x17, "phase-current", "phase-current-end", "current"),
    0x1A: Journal("magnet", "magnet-end", "magnetic field"),
    **_limits(),
    **_phases(0x80, "reverse-flow", "reverse-flow-end", "current flows out"),
    **_phases(0x83, "voltage-circuit", "voltage-circuit-end", "current without voltage"),
    0x86: Journal("phase-order", "phase-order-end", "phases in the wrong order"),
}
"""All but those of dips and swells, whose depths do not belong to events, and of the load's control, whose bits no
paper at hand explains."""

CODES = frozenset(
    {code for journal in JOURNALS.values() for code in (journal.begun, journal.over) if code}
    | {"terminal-cover-open", "terminal-cover-closed"}
)
"""Every event code that the journals can give."""


def _sharing(journal: Journal) -> list[int]:
    """The journals that have a code with this one in common, itself among them."""
    codes = {journal.begun, journal.over} - {""}
    return [number for number, each in JOURNALS.items() if codes & {each.begun, each.over}]


_RANKS: Mapping[int, int] = {number: _sharing(journal).index(number) + 1 for number, journal in JOURNALS.items()}
"""A journal's place among those that share a code with it, from 1: two of them may speak of the same second."""


class _Told(NamedTuple):
    at: datetime  # naive, the meter's own zone
    code: str
    text: str
    n: int


def journals(single_phase: bool) -> list[int]:
    """The numbers of the journals to read, rising: a single-phase meter has none of other phases."""
    return sorted(n for n, each in JOURNALS.items() if not (single_phase and (each.phase > 1 or n == 0x86)))


@dataclass(frozen=True, slots=True)
class Journals:
    """What to read of one meter."""

    learned: Learned
    time: MeterTime

    def read(self, ask: Ask, since: datetime, until: datetime, single_phase: bool) -> Iterator[Reading]:
        """Events of the span, both ends included, journal by journal, oldest first. Where nothing is new a journal
        costs one question; one that the meter refuses is asked again after 100 polls. A poll that was ended midway is
        gone on with by the next one: entries that it had read are not asked for again.

        ``maker`` is the journal's number in hex, ``n`` the same whenever the same entry is read again.
        """
        unfinished = self.learned.events
        unfinished.begin(since, until)
        for number in journals(single_phase):
            told = [each for entry in self._entries(ask, number, since) for each in self._told(number, entry)]
            for each in sorted(set(told)):
                at = self.time.utc(each.at)
                if since <= at <= until:
                    event = {"code": each.code, "maker": f"{number:02X}h", "text": each.text, "n": each.n}
                    yield Reading("event", {}, (), at=at, event=event)
        unfinished.done()

    def _entries(self, ask: Ask, number: int, since: datetime) -> list[Entry]:
        """From the latest back, until one is empty, older than ``since``, or all of the ring has been seen."""
        journal = JOURNALS[number]
        found: list[Entry] = []
        entry = self._entry(ask, ReadJournal(number, LATEST, journal.size))
        if entry is not None and entry.number >= journal.ring:
            raise BadFrame(f"journal {number:02X}h has {journal.ring} records, the meter names number {entry.number}")
        while entry is not None:
            stamps = _stamps(number, entry.data)
            if not stamps or all(self.time.utc(at) < since for at in stamps):
                break
            found.append(entry)
            if len(found) == journal.ring:
                break
            place = (found[0].number - len(found)) % journal.ring
            entry = self._entry(ask, ReadJournal(number, place, journal.size))
        return found

    def _entry(self, ask: Ask, question: ReadJournal) -> Entry | None:
        return self.learned.events.get(question, partial(self.learned.unless_refused, ask, question))

    def _told(self, number: int, entry: Entry) -> list[_Told]:
        journal, rank = JOURNALS[number], _RANKS[number]
        stamps = _stamps(number, entry.data)
        match number:
            case _ if not stamps:
                return []
            case 0x13:
                count = entry.data[3]
                return [_Told(stamps[0], journal.begun, f"{count} {journal.text}", PROGRAMMED_N + count)]
            case 0x14:
                return _status(stamps[0], entry.data[6:])
            case 0x02:
                before, after = stamp(entry.data[:6]), stamp(entry.data[6:])
                text = f"{journal.text}: {before or 'unknown'} → {after or 'unknown'}"
                return [_Told(after or stamps[0], journal.begun, text, rank)]
            case _:
                codes = (journal.begun, journal.over) if number != COVERS else self._covers(entry.number)
                both = (stamp(entry.data[:6]), stamp(entry.data[6:]) if journal.over else None)
                pairs = zip(both, codes, strict=True)
                return [_Told(at, code, journal.text, rank) for at, code in pairs if at is not None]

    def _covers(self, place: int) -> tuple[str, str]:
        """A meter that watches both has the terminals' cover in the first five places, its own in the others."""
        details = self.learned.details
        terminals, own = details.seals if details is not None else (False, True)
        if terminals and (not own or place < 5):
            return "terminal-cover-open", "terminal-cover-closed"
        return "cover-open", "cover-closed"


def _stamps(number: int, data: bytes) -> list[datetime]:
    """The moments that an entry holds; none in an empty one."""
    if number == PROGRAMMED:
        day = stamp(bytes(3) + data[:3])
        return [] if day is None else [datetime.combine(day, time())]
    parts = [data[:6]] if number == STATUS else [data[at : at + 6] for at in range(0, len(data), 6)]
    return [at for part in parts if (at := stamp(part)) is not None]


def _status(at: datetime, word: bytes) -> list[_Told]:
    codes = status_codes(word)
    faults = [f"E-{code:02d}" for code in codes if code not in NO_FAULTS]
    if faults:
        return [_Told(at, "fault", ", ".join(faults), 1)]
    return [] if codes else [_Told(at, "fault-end", "no faults", 1)]
