"""Archives and journals of a Mercury 23x: what they can be asked, and what their answers hold.

Sections (§) are those of «Описание системы команд», Incotex, version 05.2023. A cell of an archive that was never
written, or holds what no calendar knows, is None: one bad record must not cost the sound ones beside it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from protocols.errors import BadFrame
from protocols.mercury import frames
from protocols.mercury.frames import Energy, sized
from protocols.session import Read

RECORD = 15  # octets of a profile record that are sent; records lie 16 apart
EMPTY = b"\xff" * RECORD
LONG = 17  # records in one long answer, 255 octets
MEMORY = 3  # number of the memory with the main profile
LATEST = 0xFF

INITIALISED, INCOMPLETE, WINTER = 0x04, 0x02, 0x08  # bits of a state octet (§4.4.16)


@dataclass(frozen=True, slots=True)
class LastRecord:
    """Where the load profile stands. ``place`` as sent: the memory address, from firmware 7.1.0 on a sixteenth of it;
    ``at`` the stamp of that record, naive, the meter's own zone (None: nothing recorded yet); ``period`` in minutes;
    ``initialising``: the memory is just being cleared."""

    place: int
    at: datetime | None
    winter: bool
    period: int
    initialising: bool

    def to_bytes(self) -> bytes:
        state = INITIALISED * self.initialising | WINTER * self.winter
        return self.place.to_bytes(2, "big") + bytes((state,)) + encode_stamp(self.at, 5) + bytes((self.period,))


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """One interval. ``counts`` of A+, A−, R+, R−, None where the meter marks one as absent: energy in kWh or kvarh is
    count / (2 × the meter's constant) (§4.4.16). ``at`` is naive, the meter's own zone; ``period`` in minutes."""

    at: datetime
    period: int
    counts: tuple[int | None, int | None, int | None, int | None]
    incomplete: bool
    winter: bool

    def to_bytes(self) -> bytes:
        state = INCOMPLETE * self.incomplete | WINTER * self.winter
        counts = b"".join((0xFFFF if count is None else count).to_bytes(2, "little") for count in self.counts)
        return bytes((state,)) + encode_stamp(self.at, 5) + bytes((self.period,)) + counts


Records = tuple[ProfileRecord | None, ...]


def stamp(data: bytes) -> datetime | None:
    """5 octets hh mm dd MM yy (profile) or 6 octets ss mm hh dd MM yy (journals), BCD; None for what is not a date and
    time, zeros above all."""
    try:
        fields = [frames.bcd(octet) for octet in sized(data, 5, 6)]
        day, month, year = fields[-3:]
        second, minute, hour = fields[:3] if len(fields) == 6 else (0, fields[1], fields[0])
        return datetime(2000 + year, month, day, hour, minute, second)
    except (BadFrame, ValueError):
        return None


def encode_stamp(at: datetime | None, size: int = 6) -> bytes:
    """What :func:`stamp` reads: of 5 or 6 octets, zeros for None."""
    if at is None:
        return bytes(size)
    head = (at.hour, at.minute) if size == 5 else (at.second, at.minute, at.hour)
    return bytes(map(frames.to_bcd, (*head, at.day, at.month, at.year % 100)))


def last_record(data: bytes) -> LastRecord:
    """9 octets: place (high octet first), state, hh mm dd MM yy, period (§4.4.16)."""
    sized(data, 9)
    state = data[2]
    place = int.from_bytes(data[:2], "big")
    return LastRecord(place, stamp(data[3:8]), bool(state & WINTER), data[8], bool(state & INITIALISED))


def profile_record(data: bytes) -> ProfileRecord | None:
    """15 octets: state, hh mm dd MM yy, period, four counts, each low octet first; None where nothing was recorded."""
    at = stamp(sized(data, RECORD)[1:6])
    if at is None:
        return None
    values = [int.from_bytes(data[place : place + 2], "little") for place in (7, 9, 11, 13)]
    a, b, c, d = (None if value == 0xFFFF else value for value in values)
    state = data[0]
    return ProfileRecord(at, data[6], (a, b, c, d), bool(state & INCOMPLETE), bool(state & WINTER))


def profile_records(data: bytes) -> Records:
    """Records one behind the other, as a long answer brings them."""
    return tuple(profile_record(data[place : place + RECORD]) for place in range(0, len(data), RECORD))


def encode_records(records: Records) -> bytes:
    """What :func:`profile_records` reads; a place where nothing was recorded is all ones."""
    return b"".join(EMPTY if record is None else record.to_bytes() for record in records)


@dataclass(frozen=True, slots=True)
class ReadSnapshot(Read):
    """Registers at 00:00 of ``day``, or of the first of its month: one row, 0 total, 1 to 4 tariffs (code 18h).

    The meter keeps 123 days and 36 months, where bit 6 of its sixth variant byte says that it has them at all.
    """

    day: date
    tariff: int = 0
    month: bool = False

    sizes: ClassVar[tuple[int, ...]] = (16,)

    def __post_init__(self) -> None:
        if not 0 <= self.tariff <= 5 or not 2000 <= self.day.year < 2100:
            raise ValueError(f"no such row: {self}")

    def encode(self) -> bytes:
        fields = map(frames.to_bcd, (self.day.day, self.day.month, self.day.year % 100))
        return bytes((0x18, int(self.month), *fields, self.tariff))

    def decode(self, data: bytes) -> Energy:
        return frames.energy(data)


@dataclass(frozen=True, slots=True)
class ReadLastRecord(Read):
    """Where the main load profile stands (08 13)."""

    sizes: ClassVar[tuple[int, ...]] = (9,)

    def encode(self) -> bytes:
        return b"\x08\x13"

    def decode(self, data: bytes) -> LastRecord:
        return last_record(data)


@dataclass(frozen=True, slots=True)
class ReadRecords(Read):
    """One record of the load profile by its memory ``address``, or the 17 from there on in one ``long`` answer.

    Address bit 16 goes into the octet of the memory number (§4.4.16). A count of octets other than these two makes
    the meter set an error, so none can be asked.
    """

    address: int
    long: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.address < 0x20000 or self.address % 16:
            raise ValueError(f"no record of a load profile lies at {self.address:X}h")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (LONG * RECORD,) if self.long else (RECORD,)

    def encode(self) -> bytes:
        memory = (self.address >> 16) << 7 | MEMORY
        return bytes((0x06, memory)) + (self.address & 0xFFFF).to_bytes(2, "big") + (b"\xff" if self.long else b"\x0f")

    def decode(self, data: bytes) -> Records:
        return profile_records(sized(data, *self.sizes))


@dataclass(frozen=True, slots=True)
class ReadBack(Read):
    """The record that lies ``offset`` behind the last one recorded (16 03, manual of 2023). In which direction more
    than one would count is not said, so one is asked."""

    offset: int

    sizes: ClassVar[tuple[int, ...]] = (RECORD,)

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= 0xFFFF:
            raise ValueError(f"no such record: {self}")

    def encode(self) -> bytes:
        return bytes((0x16, MEMORY)) + self.offset.to_bytes(2, "big") + b"\x01"

    def decode(self, data: bytes) -> Records:
        return profile_records(sized(data, RECORD))


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal record as it lies in the meter: ``number`` is its place in the ring (asked for the latest, the meter
    says it; else the one that was asked)."""

    number: int
    data: bytes

    def to_bytes(self, latest: bool = False) -> bytes:
        """``latest``: as the answer to a question for the latest one, which says its number."""
        return self.data + bytes((self.number,)) if latest else self.data


@dataclass(frozen=True, slots=True)
class ReadJournal(Read):
    """One record of a journal (04h): ``number`` its place in the ring, or :data:`LATEST`. ``size`` octets: 12, or 6
    where the record is one stamp alone."""

    journal: int
    number: int = LATEST
    size: int = 12

    def __post_init__(self) -> None:
        if not 1 <= self.journal <= 0xFF or self.size not in (6, 12) or not 0 <= self.number <= 0xFF:
            raise ValueError(f"no such journal record: {self}")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.size + 1,) if self.number == LATEST else (self.size,)

    def encode(self) -> bytes:
        return bytes((0x04, self.journal, self.number))

    def decode(self, data: bytes) -> Entry:
        sized(data, *self.sizes)
        return Entry(data[-1], data[:-1]) if self.number == LATEST else Entry(self.number, data)
