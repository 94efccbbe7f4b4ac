"""The shape of the file: which keys each table has and what may stand there.

One pydantic model a table. A field's description says what may stand there and becomes the ``expected`` of a fault; its
meaning and default are in docs/configuration.md. Absent is None here: the defaults are those of the frozen values.
Only agent.config.load leads here: pydantic costs memory that the daemon shall not carry.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from agent.config.words import FORMATS, SPEEDS, one_of, seconds, time_of_day

OPS = ("read", "fill", "resend", "set-clock", "pause", "resume", "statement", "diagnose")
MEANINGS = ("day", "night", "peak", "half-peak")
SCHEMES = ("tcp", "socket", "rfc2217", "loop", "spy", "alt", "hwgrep", "cp2110")  # pyserial's, and ours for Modbus TCP
OFF = "off"


def _text(pattern: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or not value.isprintable():
            raise ValueError
        return value

    return check


def _period(low: str, high: str, off: bool = False) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        if off and value == OFF:
            return None
        if not isinstance(value, str) or not seconds(low) <= seconds(value) <= seconds(high):
            raise ValueError
        return float(seconds(value))

    return check


def _clock_time(value: Any) -> time | None:
    if value == OFF:
        return None
    if not isinstance(value, str):
        raise ValueError
    return time_of_day(value)


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return check


def _speed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in SPEEDS:
        raise ValueError
    return value


def _amount(low: str, high: str) -> Callable[[Any], Decimal]:
    """An exact number between the two, both allowed; a TOML integer is one too."""

    def check(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError
        number = Decimal(value)
        if not number.is_finite() or not Decimal(low) <= number <= Decimal(high):
            raise ValueError
        return number

    return check


def _zone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    try:
        ZoneInfo(value)
    except (KeyError, OSError) as error:  # unknown, or the name of a folder of zones
        raise ValueError from error
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return Path(value)


def _address(value: Any) -> str:
    """A number, or text where a protocol has text addresses; what it means is the driver's to say."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isprintable():
        raise ValueError
    text = str(value)
    if len(text) > 32:
        raise ValueError
    return text


def _url(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ValueError
    parts = urlsplit(value)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.username is not None:
        raise ValueError
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.port == 0:
        raise ValueError
    return value


def _port(value: Any) -> str:
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


def _day(value: Any) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError
    return value


def _choice(*words: str) -> tuple[Any, Any]:
    """The check of a word out of several, and the field that says so."""

    def check(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return PlainValidator(check), Field(description=one_of(words), json_schema_extra={"choices": list(words)})


def _says(check: Callable[[Any], Any], description: str) -> tuple[Any, Any]:
    return PlainValidator(check), Field(description=description)


NAME = r"[^\W_](?:[\w .:/+-]{0,62}[\w.+-])?"  # readable in a table, a log line and on a command line
NAMED = "a name of at most 64 letters, digits and . _ - + : / or blanks inside, beginning with a letter or digit"
POLL = 'a period from "1s" to "31d" such as "90s", "15m", "1h", or "off"'
TIME = 'a local time of day such as "00:10", or "off"'
FILE = 'the path of a file in quotes, or "credential:NAME" for a systemd credential'
KWH = "kWh per tariff such as { T1 = 12.4, T2 = 3.1 }, each from 0 to 999999999"

_ID = _says(
    _text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "at most 64 letters, digits, . _ - beginning with a letter or digit: it is a part of the MQTT topics",
)
_ZONE = _says(_zone, 'a zone of the tz database such as "Europe/Moscow"')
_PATH = _says(_path, "a path in quotes")
_SECRET = _says(_path, FILE)
_NAME = _says(_text(NAME), NAMED)
_POLL = _says(_period("1s", "31d", off=True), POLL)
_TIME = _says(_clock_time, TIME)
_SPEED = _says(_speed, "a speed in bit/s: " + ", ".join(map(str, SPEEDS)))
_FORMAT = _choice(*FORMATS)
_SERIAL = _says(
    _text(r"[A-Za-z0-9](?:[A-Za-z0-9 ./_-]{0,30}[A-Za-z0-9])?"), 'the serial number in quotes, such as "23456789"'
)
_KWH_VALUE = PlainValidator(_amount("0", "999999999"))
_MEANING = PlainValidator(_text(r"[a-z][a-z0-9-]{0,31}"))

Tariff = Literal["T1", "T2", "T3", "T4"]
Energies = dict[Tariff, Annotated[Decimal, _KWH_VALUE]]


class Table(BaseModel):
    """A table of the file; unknown keys are faults.

    ``required`` keys have a default of None all the same, so that what is sound in a faulty table can still be judged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    required: ClassVar[tuple[str, ...]] = ()


class GatewayTable(Table):
    required: ClassVar[tuple[str, ...]] = ("id",)
    id: Annotated[str | None, *_ID] = None
    timezone: Annotated[str | None, *_ZONE] = None
    state_dir: Annotated[Path | None, *_PATH] = None
    clock: Annotated[str | None, *_choice("auto", "trust")] = None
    hold: Annotated[float | None, *_says(_period("1s", "31d"), 'a period from "1s" to "31d" such as "24h"')] = None
    keep_days: Annotated[int | None, *_says(_whole(1, 36500), "whole days from 1 to 36500")] = None
    keep_frames_days: Annotated[int | None, *_says(_whole(0, 36500), "whole days from 0 to 36500")] = None
    models_dir: Annotated[Path | None, *_PATH] = None


class IntakeTable(Table):
    required: ClassVar[tuple[str, ...]] = ("url",)
    url: Annotated[
        str | None,
        *_says(_url, '"mqtts://HOST:PORT" or "mqtt://HOST:PORT", user and password in their own keys'),
    ] = None
    username: Annotated[str | None, *_says(_text(r".{1,256}"), "the broker's name for this gateway, in quotes")] = None
    password_file: Annotated[Path | None, *_SECRET] = None
    ca_file: Annotated[Path | None, *_PATH] = None
    cert_file: Annotated[Path | None, *_PATH] = None
    key_file: Annotated[Path | None, *_PATH] = None
    receipts: Annotated[str | None, *_choice("intake", "broker")] = None
    receipt_timeout: Annotated[float | None, *_says(_period("100ms", "6h"), 'a period up to "6h" such as "10m"')] = None
    compress: Annotated[str | None, *_choice("auto", "never")] = None
    backlog_rate: Annotated[
        int | None, *_says(_whole(0, 1_000_000), "records a second from 0 (no limit) to 1000000")
    ] = None
    allow: Annotated[
        list[Literal["read", "fill", "resend", "set-clock", "pause", "resume", "statement", "diagnose"]] | None,
        Field(description=f"an array of {one_of(OPS)}", json_schema_extra={"choices": list(OPS)}),
    ] = None


class PollTable(Table):
    now: Annotated[float | None, *_POLL] = None
    network: Annotated[float | None, *_POLL] = None
    interval: Annotated[float | None, *_POLL] = None
    day: Annotated[time | None, *_TIME] = None
    month: Annotated[time | None, *_TIME] = None
    event: Annotated[float | None, *_POLL] = None


class BusTable(Table):
    required: ClassVar[tuple[str, ...]] = ("name", "port")
    name: Annotated[str | None, *_NAME] = None
    port: Annotated[
        str | None,
        *_says(
            _port, 'a device such as "/dev/serial/by-id/…", or a URL such as "socket://host:port", "tcp://host:502"'
        ),
    ] = None
    speed: Annotated[int | None, *_SPEED] = None
    format: Annotated[str | None, *_FORMAT] = None


class EarlierTable(Table):
    serial: Annotated[str, *_SERIAL]
    removed: Annotated[date, *_says(_day, "a date without quotes such as 2024-03-01")]
    final: Annotated[Energies, Field(description=KWH)]


class MeterTable(Table):
    """Other keys are the driver's own; they are judged by its list of settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    required: ClassVar[tuple[str, ...]] = ("point", "bus", "driver", "address", "serial")
    point: Annotated[str | None, *_NAME] = None
    bus: Annotated[str | None, *_NAME] = None
    driver: Annotated[str | None, *_says(_text(r".{1,64}"), "a driver or model that meterpost drivers lists")] = None
    address: Annotated[str | None, *_says(_address, "the meter's address, a number or text")] = None
    serial: Annotated[str | None, *_SERIAL] = None
    speed: Annotated[int | None, *_SPEED] = None
    format: Annotated[str | None, *_FORMAT] = None
    timeout: Annotated[float | None, *_says(_period("10ms", "60s"), 'a period up to "60s" such as "500ms"')] = None
    poll: Annotated[PollTable | None, Field(description='a table such as { now = "5m", network = "off" }')] = None
    account: Annotated[
        str | None, *_says(_text(r"[\w][\w ./-]{0,31}"), 'the account in quotes, such as "230100456789"')
    ] = None
    utility: Annotated[str | None, *_says(_text(r"[a-z0-9][a-z0-9-]{0,63}"), 'a utility such as "nesk-krasnodar"')] = (
        None
    )
    tariffs: Annotated[
        dict[Tariff, Annotated[str, _MEANING]] | None,
        Field(description='tariff registers with their meaning, such as { T1 = "day", T2 = "night" }', min_length=1),
    ] = None
    ratio: Annotated[Decimal | None, *_says(_amount("0.001", "1000000"), "a number from 0.001 to 1000000")] = None
    password_file: Annotated[Path | None, *_SECRET] = None
    installed: Annotated[date | None, *_says(_day, "a date without quotes such as 2024-03-01")] = None
    initial: Annotated[Energies | None, Field(description=KWH)] = None
    before: Annotated[
        list[EarlierTable] | None, Field(description="[[meter.before]] tables, one for each earlier meter")
    ] = None
    limit_kw: Annotated[Decimal | None, *_says(_amount("0.001", "1000000"), "kW from 0.001 to 1000000")] = None


TABLES: dict[str, type[Table]] = {
    "gateway": GatewayTable,
    "intake": IntakeTable,
    "poll": PollTable,
    "bus": BusTable,
    "meter": MeterTable,
    "meter.before": EarlierTable,
}
"""Every table of the file; docs/configuration.md has a section for each."""
