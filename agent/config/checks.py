"""What may stand under a key: each check gives the value as the rest of the program has it, ValueError for another.

:func:`says` makes a field of a table out of a check and the words for what may stand there.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator

from agent.config.words import seconds, time_of_day
from drivers.files.words import one_of
from protocols.session import SPEEDS

SCHEMES = ("tcp", "socket", "rfc2217", "loop", "spy", "alt", "hwgrep", "cp2110")  # tcp is ours, the others pyserial's
OFF = "off"
INN_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)  # of a check digit's predecessors, counted from the right


def text(pattern: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or not value.isprintable():
            raise ValueError
        return value

    return check


def within(low: str, high: str, off: bool = False) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        if off and value == OFF:
            return None
        if not isinstance(value, str) or not seconds(low) <= seconds(value) <= seconds(high):
            raise ValueError
        return float(seconds(value))

    return check


def clock_time(value: Any) -> time | None:
    return None if value == OFF else daily(value)


def daily(value: Any) -> time:
    if not isinstance(value, str):
        raise ValueError
    return time_of_day(value)


def whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return check


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def speed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in SPEEDS:
        raise ValueError
    return value


def amount(low: str, high: str) -> Callable[[Any], Decimal]:
    """An exact number between the two, both allowed; a TOML integer is one too."""

    def check(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError
        number = Decimal(value)
        if not number.is_finite() or not Decimal(low) <= number <= Decimal(high):
            raise ValueError
        return number

    return check


def zone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    try:
        ZoneInfo(value)
    except (KeyError, OSError) as error:  # unknown, or the name of a folder of zones
        raise ValueError from error
    return value


def path(value: Any) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return Path(value)


def address(value: Any) -> str:
    """A number, or text where a protocol has text addresses; what it means is the driver's to say."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isprintable():
        raise ValueError
    text = str(value)
    if len(text) > 32:
        raise ValueError
    return text


def url(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ValueError
    parts = urlsplit(value)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.username is not None:
        raise ValueError
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.port == 0:
        raise ValueError
    return value


def port(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or " " in value or not value:
        raise ValueError
    if "://" not in value:
        if not value.startswith("/"):
            raise ValueError
        return value
    parts = urlsplit(value)
    if parts.scheme not in SCHEMES:
        raise ValueError
    if parts.scheme in ("tcp", "socket", "rfc2217") and (not parts.hostname or not parts.port):
        raise ValueError
    return value


def serial_port(value: Any) -> str:
    """A port that carries what is written to it, as ``tcp://`` ports do not promise."""
    found = port(value)
    if found.startswith("tcp://"):
        raise ValueError
    return found


def host(value: Any) -> str:
    """A host's name or address, without port or scheme."""
    if not isinstance(value, str):
        raise ValueError
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", value):
        ip_address(value)
    return value


def mail_address(value: Any) -> str:
    """One address as SMTP takes it (RFC 5321 §4.1.2), without a name around it."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[\w.-]{1,253}", value):
        raise ValueError
    return value


def inn(value: Any) -> str:
    """A taxpayer's number with its check digits: 10 of a legal entity, 12 of a person."""
    digits = area_inn(value)
    for position in (9,) if len(digits) == 10 else (10, 11):
        weights = INN_WEIGHTS[-position:]
        total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False))
        if total % 11 % 10 != int(digits[position]):
            raise ValueError
    return digits


def area_inn(value: Any) -> str:
    """As many digits as a taxpayer's number; receivers give areas numbers of their own, which have no check digits."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{10}|[0-9]{12}", value):
        raise ValueError
    return value


def day(value: Any) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError
    return value


def choice(*words: str) -> tuple[Any, Any]:
    """The check of a word out of several, and the field that says so."""

    def check(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return PlainValidator(check), Field(description=one_of(words), json_schema_extra={"choices": list(words)})


def says(check: Callable[[Any], Any], description: str) -> tuple[Any, Any]:
    return PlainValidator(check), Field(description=description)
