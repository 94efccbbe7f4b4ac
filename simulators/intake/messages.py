"""A batch of records as it comes from a gateway: unpacked, taken apart, each record with its own exact text."""

import json
import re
import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

LARGEST = 64 * 1024  # bytes of a batch, unpacked (the contract's limit)
SCHEMA = "meterpost/records/1"
KINDS = frozenset(("now", "network", "interval", "day", "month", "event", "statement"))
WHITESPACE = re.compile(r"[ \t\n\r]*")


class BadMessage(ValueError):
    """The whole message cannot be read; no receipt can name anything of it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record: its ``seq``, its JSON text as the gateway wrote it, and that text as values (decimals exact)."""

    seq: int
    text: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    gateway: str
    epoch: str
    items: tuple[Item, ...]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def unpacked(payload: bytes) -> str:
    """The JSON text; a first byte of 78 says zlib, 7B JSON. BadMessage beyond 64 KiB: no zip bomb gets through."""
    if payload[:1] == b"\x78":
        inflater = zlib.decompressobj()
        try:
            payload = inflater.decompress(payload, LARGEST + 1)
        except zlib.error as trouble:
            raise BadMessage(f"zlib: {trouble}") from None
        if len(payload) <= LARGEST and not inflater.eof:
            raise BadMessage("zlib: the end is missing")
    if len(payload) > LARGEST:
        raise BadMessage(f"more than {LARGEST} bytes")
    try:
        return payload.decode()
    except UnicodeDecodeError as trouble:
        raise BadMessage(str(trouble)) from None


def parse(payload: bytes, gateway: str) -> Message:
    """The batch of this gateway (its name is in the topic); BadMessage with the reason on any other bytes."""
    try:
        fields, items = _object(unpacked(payload))
    except BadMessage:
        raise
    except (ValueError, RecursionError, IndexError) as trouble:
        raise BadMessage(f"no JSON: {trouble}") from None
    if fields.get("schema") != SCHEMA:
        raise BadMessage(f"schema {str(fields.get('schema'))[:60]!r}, this intake knows {SCHEMA!r}")
    if fields.get("gateway") != gateway:
        raise BadMessage(f"gateway {str(fields.get('gateway'))[:60]!r} on the topic of {gateway!r}")
    epoch = fields.get("epoch")
    if not isinstance(epoch, str) or not 1 <= len(epoch) <= 64:
        raise BadMessage("epoch: a text of 1 to 64 characters is needed")
    return Message(gateway, epoch, tuple(items))


def _object(text: str) -> tuple[dict[str, Any], list[Item]]:
    """The members of the outer object; of ``records`` each element with the slice of text that it came from."""
    fields: dict[str, Any] = {}
    items: list[Item] = []
    place = _after(text, 0, "{")
    while True:
        key, place = DECODER.raw_decode(text, _skip(text, place))
        place = _skip(text, _after(text, place, ":"))
        if key == "records":
            items, place = _records(text, place)
        else:
            fields[key], place = DECODER.raw_decode(text, place)
        place = _skip(text, place)
        if text[place] != ",":
            break
        place += 1
    if _skip(text, _after(text, place, "}")) != len(text):
        raise ValueError("something follows the object")
    return fields, items


def _records(text: str, place: int) -> tuple[list[Item], int]:
    items: list[Item] = []
    place = _skip(text, _after(text, place, "["))
    while text[place] != "]":
        record, end = DECODER.raw_decode(text, place)
        seq = record.get("seq") if isinstance(record, dict) else None
        if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq < 2**63:
            raise BadMessage("a record without its seq: no receipt could name it")
        items.append(Item(seq, text[place:end], record))
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return items, place + 1


def _skip(text: str, place: int) -> int:
    found = WHITESPACE.match(text, place)
    assert found is not None  # the pattern matches nothing, too
    return found.end()


def _after(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place] != sign:
        raise ValueError(f"{sign!r} is missing at {place}")
    return place + 1


def objection(record: dict[str, Any]) -> str | None:
    """Why a record cannot be stored, None where it can. Strict where an intake counts on it, blind to the rest."""
    for key in ("point", "meter", "at", "read_at", "clock"):
        value = record.get(key)
        if not isinstance(value, str) or len(value) > 128 or not value.isprintable():
            return f"{key}: a text is needed"
    if record.get("kind") not in KINDS:
        return f"kind: {str(record.get('kind'))[:40]!r} is unknown"
    values = record.get("values")
    if not isinstance(values, dict) or not all(_is_number(value) for value in values.values()):
        return "values: an object of numbers is needed"
    event = record.get("event")
    if record["kind"] == "event" and not (isinstance(event, dict) and isinstance(event.get("code"), str)):
        return "event: an object with a code is needed"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
