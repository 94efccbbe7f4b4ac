"""A record as the contract's JSON object, and back. Numbers stay exact: a binary float is a TypeError."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from buffer.record import CLOCK_QUALITIES, Record, is_quality, number_text
from drivers.reading import KINDS, Kind, Number, is_kind
from drivers.times import EPOCH, MILLISECOND

MINUTE = 60_000
LONGEST_NUMBER = 48  # digits and zeros of a number that a record may have; the largest register has twenty

_string = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each word

REQUIRED = ("seq", "kind", "point", "meter", "at", "read_at", "clock", "meter_offset", "values", "flags")
OPTIONAL = ("from", "event", "statement", "replaces")


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down; ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a stored time needs its zone: {moment.isoformat()}")
    return (moment - EPOCH) // MILLISECOND


def moment(ms: int) -> datetime:
    """Aware UTC from a count of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def moment_of(text: Any) -> datetime:
    """The time that ISO 8601 text with its offset says, as aware UTC; ValueError for everything else."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"not a time with its offset: {str(text)[:60]!r}")


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    return (EPOCH + timedelta(minutes=minutes)).isoformat(timespec="minutes").removesuffix("+00:00")


def time_text(ms: int) -> str:
    """2026-11-21T10:15:00.000Z. Records come minute by minute: what a minute has in common is written once."""
    minutes, rest = divmod(ms, MINUTE)
    return f"{_minute(minutes)}:{rest // 1000:02}.{rest % 1000:03}Z"


def exact_number(value: Number) -> str:
    """The shortest exact decimal text; TypeError for a binary float, ValueError for NaN, infinities and numbers of
    more digits than :data:`LONGEST_NUMBER`: what could be written and never read again must not be stored."""
    if type(value) is int:
        if value.bit_length() > LONGEST_NUMBER * 3:
            raise ValueError(f"a number of {value.bit_length()} bits is not a reading")
        return str(value)
    if not isinstance(value, Decimal):
        raise TypeError(f"a stored number is an int or a Decimal, not {value!r}")
    if not value.is_finite():
        raise ValueError(f"{value} is not a reading")
    _, digits, exponent = value.as_tuple()
    if len(digits) + abs(int(exponent)) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits and the exponent {exponent} is not a reading")
    return number_text(value)


def exact_json(value: Any) -> str:
    """Compact JSON text with exact numbers; TypeError for what the contract has no word for."""
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{exact_json(str(key))}:{exact_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(exact_json, value)) + "]"
    return exact_number(value)


def check(record: Record) -> None:
    """TypeError or ValueError for a record that the store would refuse, in a fraction of the time of packing it."""
    for when in (record.at, record.read_at, record.start):
        if when is not None:
            milliseconds(when)
    for value in record.values.values():
        exact_number(value)
    if record.meter_offset is not None:
        exact_number(record.meter_offset)
    words = (record.kind, record.point, record.meter, record.clock, *record.flags, *record.values, tail(record))
    "".join(words).encode()  # TypeError for what is not text, UnicodeEncodeError (a ValueError) for half a character
    if record.event is not None and not 0 <= int(record.event.get("n", 0)) < 1 << 31:
        raise ValueError(f"an event's n is a small number, not {record.event['n']!r}")


def head(kind: Kind, point: str, meter: str) -> str:
    """What all records of one series have in common, as a piece of the JSON object."""
    return f'"kind":{exact_json(kind)},"point":{exact_json(point)},"meter":{exact_json(meter)}'


def template(codes: Sequence[str]) -> str:
    """The ``values`` object with a ``%s`` for each number, in this order."""
    return "{" + ",".join(exact_json(code).replace("%", "%%") + ":%s" for code in codes) + "}"


def tail(record: Record) -> str:
    """What only some records have, each piece with its leading comma; without ``from``."""
    if record.event is None and record.statement is None and record.replaces is None:
        return ""
    pieces = {"event": record.event, "statement": record.statement, "replaces": record.replaces}
    return "".join(f',"{name}":{exact_json(piece)}' for name, piece in pieces.items() if piece is not None)


def assemble(
    seq: int, head: str, at: int, read_at: int, clock: str, offset: str, values: str, flags: str, rest: str
) -> str:
    """The one place that writes the object. Times in ms; all other pieces are JSON text already."""
    return (
        f'{{"seq":{seq},{head},"at":"{time_text(at)}","read_at":"{time_text(read_at)}","clock":"{clock}",'
        f'"meter_offset":{offset},"values":{values},"flags":{flags}{rest}}}'
    )


def record_json(record: Record) -> str:
    """The contract's object. TypeError for a binary float, ValueError for NaN or a time without a zone."""
    start = "" if record.start is None else f',"from":"{time_text(milliseconds(record.start))}"'
    return assemble(
        record.seq,
        head(record.kind, record.point, record.meter),
        milliseconds(record.at),
        milliseconds(record.read_at),
        record.clock,
        "null" if record.meter_offset is None else exact_number(record.meter_offset),
        template(tuple(record.values)) % tuple(map(exact_number, record.values.values())),
        exact_json(record.flags),
        start + tail(record),
    )


def record_from_json(text: str | bytes) -> Record:
    """The inverse of :func:`record_json`; ValueError says what is missing, unknown or of the wrong type."""
    found = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise ValueError(f"a record is a JSON object, not {type(found).__name__}")
    missing = [key for key in REQUIRED if key not in found]
    unknown = [key for key in found if key not in REQUIRED and key not in OPTIONAL]
    if missing or unknown:
        raise ValueError(f"a record's keys: missing {missing}, unknown {unknown}")
    offset, values, flags = found["meter_offset"], found["values"], found["flags"]
    if not isinstance(values, dict) or not all(map(_is_number, values.values())):
        raise ValueError(f"values: found {values!r}, expected numbers by OBIS code")
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise ValueError(f"flags: found {flags!r}, expected a list of texts")
    if offset is not None and not _is_number(offset):
        raise ValueError(f"meter_offset: found {offset!r}, expected seconds or null")
    kind, clock = _text(found, "kind"), _text(found, "clock")
    if not is_kind(kind):
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(KINDS)}")
    if not is_quality(clock):
        raise ValueError(f"clock: found {clock!r}, expected one of {', '.join(CLOCK_QUALITIES)}")
    return Record(
        kind=kind,
        point=_text(found, "point"),
        meter=_text(found, "meter"),
        at=_time(found, "at"),
        read_at=_time(found, "read_at"),
        clock=clock,
        meter_offset=offset,
        values=values,
        flags=tuple(flags),
        start=_time(found, "from") if "from" in found else None,
        event=_object(found, "event"),
        statement=_object(found, "statement"),
        replaces=_whole(found, "replaces") if "replaces" in found else None,
        seq=_whole(found, "seq"),
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of the contract")


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _text(found: dict[str, Any], key: str) -> str:
    value = found[key]
    if not isinstance(value, str):
        raise ValueError(f"{key}: found {value!r}, expected a text")
    return value


def _whole(found: dict[str, Any], key: str) -> int:
    value = found[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key}: found {value!r}, expected a whole number")
    return value


def _object(found: dict[str, Any], key: str) -> dict[str, Any] | None:
    value = found.get(key)
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{key}: found {value!r}, expected an object")
    return value


def _time(found: dict[str, Any], key: str) -> datetime:
    text = _text(found, key)
    try:
        when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{key}: found {text!r}, expected a time as 2026-11-21T10:15:00.000Z") from None
    if time_text(milliseconds(when)) != text:
        raise ValueError(f"{key}: found {text!r}, expected whole milliseconds")
    return when


def when(moment: datetime) -> str:
    """``2026-11-21T10:15:00.000Z``, of an aware time."""
    return time_text(milliseconds(moment))


def exact(value: Number) -> int | float | str:
    """A JSON number that is written with exactly these digits; as text where a float could not keep them."""
    if isinstance(value, int):
        return value
    text = number_text(value)
    return float(text) if number_text(type(value)(repr(float(text)))) == text else text
