"""A record as a compact row. What records have in common is written once and named by number (a *word*)."""

import json
import struct
import zlib
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from buffer import body
from buffer.record import ClockQuality, Record, as_number
from drivers.events import Flag
from drivers.reading import Kind
from drivers.times import MILLISECOND

_PACK = bytes.maketrans(b".-,", b"abc")
_UNPACK = bytes.maketrans(b"abc", b".-,")
_MIDDLE = 946_684_800_000  # 2000-01-01 in ms since 1970
KEY_BITS = 22
APART = 4099  # what ``n`` adds to an event's key: beyond the numbers that nearly all stores' series have
_LENGTH = struct.Struct("<I")


class Row(NamedTuple):
    """A line of the table ``records``, in its order. Times and spans in ms."""

    seq: int
    series: int
    at: int
    n: int
    lag: int
    form: int
    offset: int | str | None
    crc: int
    digits: bytes | None
    span: int | None
    rest: str | None


LONGEST_TEXT = body.LONGEST_NUMBER + 3  # characters of a number: sign, point and a zero before it


class Series(NamedTuple):
    """Point, meter and kind; of events the code too, so that it is part of the natural key."""

    point: str
    meter: str
    kind: Kind
    code: str


class Form(NamedTuple):
    """What the records of one poll have in common besides."""

    clock: ClockQuality
    flags: tuple[Flag, ...]
    codes: tuple[str, ...]


class Words:
    """The words of a store, both ways. Numbers count up from 1 and never change their meaning."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._series: dict[int, tuple[Series, str]] = {}
        self._forms: dict[int, tuple[Form, str, str]] = {}
        self.fresh: list[tuple[int, str, int]] = []  # not yet in the tables: number, text, crc

    def learn(self, number: int, text: str) -> None:
        """A word as the table has it; ValueError where the text is none."""
        parts = json.loads(text)
        word: Series | Form
        if len(parts) == 4:
            word = Series(*parts)
            self._series[number] = (word, body.head(word.kind, word.point, word.meter))
        else:
            clock, flags, codes = parts
            word = Form(clock, tuple(flags), tuple(codes))
            self._forms[number] = (word, body.template(word.codes), body.exact_json(word.flags))
        self._numbers[word] = number

    def number(self, word: tuple[Any, ...]) -> int:
        """The number of the Series or Form that equals this tuple; a new one is added to ``fresh``."""
        found = self._numbers.get(word)
        if found is None:
            found = max(self._numbers.values(), default=0) + 1
            text = json.dumps(word, ensure_ascii=False, separators=(",", ":"))
            self.learn(found, text)
            self.fresh.append((found, text, word_crc(found, text)))
        return found

    def series(self, number: int) -> tuple[Series, str]:
        """The word, and its piece of the JSON object. KeyError where it was lost."""
        return self._series[number]

    def form(self, number: int) -> tuple[Form, str, str]:
        """The word, its template of values, its flags as JSON. KeyError where it was lost."""
        return self._forms[number]

    def matching(self, point: str | None, kind: Kind, meter: str | None) -> list[int]:
        """The series of a point (None: of all) and kind, of one meter or of all that it had."""
        return [
            number
            for number, (word, _) in self._series.items()
            if point in (None, word.point) and word.kind == kind and meter in (None, word.meter)
        ]

    def of_kind(self, kind: Kind) -> dict[int, tuple[str, str]]:
        """Number → point and meter of the series of a kind."""
        return {number: (word.point, word.meter) for number, (word, _) in self._series.items() if word.kind == kind}


def moment_key(at: int, series: int, n: int) -> int:
    """A number that orders by time (ms since 1970) and nearly always tells natural keys apart: 42 bits of time around
    2000-01-01, 22 bits of the rest. Beyond 1930…2069 the time is clamped; the row itself has the last word."""
    time = max(-(1 << 41), min((1 << 41) - 1, at - _MIDDLE))
    return (time << KEY_BITS) + ((series + APART * n) & ((1 << KEY_BITS) - 1))


def moment_time(moment: int) -> int:
    """The ms since 1970 of a :func:`moment_key`."""
    return (moment >> KEY_BITS) + _MIDDLE


def word_crc(number: int, text: str) -> int:
    return signed(zlib.crc32(f"{number}:{text}".encode()))


def signed(crc: int) -> int:
    """A CRC-32 as SQLite stores it in 4 bytes."""
    return crc - (1 << 32) if crc >> 31 else crc


def pack(record: Record, words: Words) -> Row:
    """The row of a record. ValueError or TypeError for what :func:`body.record_json` refuses."""
    at, read_at = body.milliseconds(record.at), body.milliseconds(record.read_at)
    code, n = "", 0
    if record.event is not None:
        code, n = str(record.event.get("code", "")), int(record.event.get("n", 0))
    series = words.number((record.point, record.meter, record.kind, code))
    form = words.number((record.clock, tuple(record.flags), tuple(record.values)))
    numbers = [body.exact_number(value) for value in record.values.values()]
    offset = None if record.meter_offset is None else body.exact_number(record.meter_offset)
    span = None if record.start is None else at - body.milliseconds(record.start)
    rest = body.tail(record)
    whole = _assembled(words, record.seq, series, at, read_at, form, offset, numbers, span, rest)
    small = int(offset) if offset is not None and "." not in offset and len(offset) < 18 else offset
    digits = pack_digits(numbers)
    return Row(record.seq, series, at, n, read_at - at, form, small, crc_of(whole), digits, span, rest or None)


def text(row: Row, words: Words) -> str:
    """The contract's JSON object of a row. KeyError, TypeError or ValueError where the row was damaged."""
    offset = None if row.offset is None else str(row.offset)
    numbers = unpack_digits(row.digits)
    read_at = row.at + row.lag
    return _assembled(words, row.seq, row.series, row.at, read_at, row.form, offset, numbers, row.span, row.rest or "")


def _assembled(
    words: Words,
    seq: int,
    series: int,
    at: int,
    read_at: int,
    form: int,
    offset: str | None,
    numbers: Sequence[str],
    span: int | None,
    rest: str,
) -> str:
    _, head = words.series(series)
    (clock, _, _), template, flags = words.form(form)
    start = "" if span is None else f',"from":"{body.time_text(at - span)}"'
    values = template % tuple(numbers)
    return body.assemble(seq, head, at, read_at, clock, offset or "null", values, flags, start + rest)


def crc_of(text: str) -> int:
    return signed(zlib.crc32(text.encode()))


def sound_text(row: Row, words: Words) -> str | None:
    """The JSON object of a row whose checksum holds and which can be read, else None."""
    found = _whole(row, words)
    if found is None or max(map(len, unpack_digits(row.digits)), default=0) > LONGEST_TEXT:
        return None
    return found


def is_whole(row: Row, words: Words) -> bool:
    """Whether its checksum holds: it is as it was written, whether anyone can read it or not."""
    return _whole(row, words) is not None


def _whole(row: Row, words: Words) -> str | None:
    try:
        found = text(row, words)
        return found if crc_of(found) == row.crc else None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):  # a damaged row may hold anything
        return None


def unpack(row: Row, words: Words, frames: bytes = b"") -> Record:
    """The record of a row whose checksum holds."""
    series, _ = words.series(row.series)
    form, _, _ = words.form(row.form)
    extra: dict[str, Any] = json.loads("{" + row.rest[1:] + "}", parse_float=Decimal) if row.rest else {}
    return Record(
        kind=series.kind,
        point=series.point,
        meter=series.meter,
        at=body.moment(row.at),
        read_at=body.moment(row.at + row.lag),
        clock=form.clock,
        meter_offset=as_number(row.offset) if isinstance(row.offset, str) else row.offset,
        values=dict(zip(form.codes, map(as_number, unpack_digits(row.digits)), strict=True)),
        flags=form.flags,
        start=None if row.span is None else body.moment(row.at - row.span),
        event=extra.get("event"),
        statement=extra.get("statement"),
        replaces=extra.get("replaces"),
        frames=frames,
        seq=row.seq,
    )


def stamped_by_meter(record: Record) -> bool:
    """Whether ``at`` is the meter's own stamp (an archive value, an entry of its journal), not the gateway's clock."""
    own_event = record.kind == "event" and record.at != record.read_at
    return own_event or record.kind in ("interval", "day", "month")


def held_boot(record: Record) -> str:
    """What is part of the natural key while the gateway's time is not known: the boot whose clock gave ``at``. Two
    boots may begin at the same millisecond. Empty for all other records."""
    if record.clock != "unset" or record.boot is None or stamped_by_meter(record):
        return ""
    return record.boot


def moved(record: Record, correction: timedelta) -> Record:
    """A record read with an unset clock, as it is known once the clock is set.

    ``at`` of an archive value or of the meter's own journal is the meter's stamp and stays; what the gateway's clock
    said moves, and the meter's offset against that clock with it.
    """
    shift = timedelta(0) if stamped_by_meter(record) else correction
    offset = record.meter_offset
    if offset is not None:
        offset = offset - Decimal(correction // MILLISECOND) / 1000
    return replace(
        record,
        at=record.at + shift,
        read_at=record.read_at + correction,
        clock="restamped",
        meter_offset=offset,
        start=None if record.start is None else record.start + shift,
    )


def pack_digits(numbers: Sequence[str]) -> bytes | None:
    """Decimal texts, two characters an byte; None where there are none."""
    if not numbers:
        return None
    nibbles = ",".join(numbers).encode().translate(_PACK)
    return unhexlify(nibbles + b"f" if len(nibbles) % 2 else nibbles)


def unpack_digits(packed: bytes | None) -> list[str]:
    return hexlify(packed).rstrip(b"f").translate(_UNPACK).decode().split(",") if packed else []


def pack_frames(frames: Sequence[bytes]) -> bytes | None:
    """The raw replies of consecutive records; zlib adds a checksum of its own. None where all are empty."""
    if not any(frames):
        return None
    return zlib.compress(b"".join([_LENGTH.pack(len(frame)) + frame for frame in frames]), 1)


def unpack_frames(packed: bytes) -> list[bytes]:
    """Damaged frames are not frames: they serve diagnosis only and never hold a record back."""
    try:
        data = zlib.decompress(packed)
        found, place = [], 0
        while place < len(data):
            (size,) = _LENGTH.unpack_from(data, place)
            found.append(data[place + 4 : place + 4 + size])
            place += 4 + size
    except (zlib.error, struct.error, TypeError):
        return []
    return found
