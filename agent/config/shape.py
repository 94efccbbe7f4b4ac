"""The shape of the file: which keys each table has and what may stand there.

One pydantic model a table. A field's description says what may stand there and becomes the ``expected`` of a fault; its
meaning and default are in docs/configuration.md. Absent is None here: the defaults are those of the frozen values.
Only agent.config.load leads here: pydantic costs memory that the daemon shall not carry.
"""

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from agent.config import checks
from agent.config.checks import choice, says
from agent.config.words import FORMATS
from drivers.files.words import one_of
from protocols.session import SPEEDS

OPS = ("read", "fill", "resend", "set-clock", "pause", "resume", "statement", "diagnose")
MANUAL = "manual"  # the driver of points that is read by hand
MEANINGS = ("day", "night", "peak", "half-peak")
NAME = r"[^\W_](?:[\w .:/+-]{0,62}[\w.+-])?"  # readable in a table, a log line and on a command line
NAMED = "a name of at most 64 letters, digits and . _ - + : / or blanks inside, beginning with a letter or digit"
POLL = 'a period from "1s" to "31d" such as "90s", "15m", "1h", or "off"'
TIME = 'a local time of day such as "00:10", or "off"'
FILE = 'the path of a file in quotes, or "credential:NAME" for a systemd credential'
KWH = "kWh per tariff such as { T1 = 12.4, T2 = 3.1 }, each from 0 to 999999999"

_ID = says(
    checks.text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "at most 64 letters, digits, . _ - beginning with a letter or digit: it is a part of the MQTT topics",
)
_ZONE = says(checks.zone, 'a zone of the tz database such as "Europe/Moscow"')
_PATH = says(checks.path, "a path in quotes")
_MAIL = says(checks.mail_address, 'an e-mail address such as "meters@example.org"')
_TITLE = says(checks.text(r"\S(?:.{0,198}\S)?"), "text of at most 200 characters in quotes")
_SECRET = says(checks.path, FILE)
_NAME = says(checks.text(NAME), NAMED)
_POLL = says(checks.within("1s", "31d", off=True), POLL)
_TIME = says(checks.clock_time, TIME)
_SPEED = says(checks.speed, "a speed in bit/s: " + ", ".join(map(str, SPEEDS)))
_FORMAT = choice(*FORMATS)
_SERIAL = says(
    checks.text(r"[A-Za-z0-9](?:[A-Za-z0-9 ./_-]{0,30}[A-Za-z0-9])?"), 'the serial number in quotes, such as "23456789"'
)
_KWH_VALUE = PlainValidator(checks.amount("0", "999999999"))
_MEANING = PlainValidator(checks.text(r"[a-z][a-z0-9-]{0,31}"))

Tariff = Literal["T1", "T2", "T3", "T4"]
Energies = dict[Tariff, Annotated[Decimal, _KWH_VALUE]]


class Table(BaseModel):
    """A table of the file; unknown keys are faults.

    ``required`` keys have a default of None anyway, so that what is sound in a faulty table can still be judged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    required: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def needed(cls, raw: Mapping[str, Any]) -> tuple[str, ...]:
        """The keys that must stand in this table."""
        return cls.required


class GatewayTable(Table):
    required: ClassVar[tuple[str, ...]] = ("id",)
    id: Annotated[str | None, *_ID] = None
    timezone: Annotated[str | None, *_ZONE] = None
    state_dir: Annotated[Path | None, *_PATH] = None
    clock: Annotated[str | None, *choice("auto", "trust")] = None
    hold: Annotated[float | None, *says(checks.within("1s", "31d"), 'a period from "1s" to "31d" such as "24h"')] = None
    keep_days: Annotated[int | None, *says(checks.whole(1, 36500), "whole days from 1 to 36500")] = None
    keep_frames_days: Annotated[int | None, *says(checks.whole(0, 36500), "whole days from 0 to 36500")] = None
    models_dir: Annotated[Path | None, *_PATH] = None
    utilities_dir: Annotated[Path | None, *_PATH] = None


class IntakeTable(Table):
    required: ClassVar[tuple[str, ...]] = ("url",)
    url: Annotated[
        str | None,
        *says(checks.url, '"mqtts://HOST:PORT" or "mqtt://HOST:PORT", user and password in their own keys'),
    ] = None
    username: Annotated[
        str | None, *says(checks.text(r".{1,256}"), "the broker's name for this gateway, in quotes")
    ] = None
    password_file: Annotated[Path | None, *_SECRET] = None
    ca_file: Annotated[Path | None, *_PATH] = None
    cert_file: Annotated[Path | None, *_PATH] = None
    key_file: Annotated[Path | None, *_PATH] = None
    receipts: Annotated[str | None, *choice("intake", "broker")] = None
    receipt_timeout: Annotated[
        float | None, *says(checks.within("100ms", "6h"), 'a period up to "6h" such as "10m"')
    ] = None
    compress: Annotated[str | None, *choice("auto", "never")] = None
    backlog_rate: Annotated[
        int | None, *says(checks.whole(0, 1_000_000), "records a second from 0 (no limit) to 1000000")
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


class StatementsTable(Table):
    fallback_before: Annotated[
        float | None, *says(checks.within("1m", "15d"), 'a period from "1m" to "15d" such as "24h"')
    ] = None


class ModemTable(Table):
    required: ClassVar[tuple[str, ...]] = ("port",)
    port: Annotated[
        str | None,
        *says(checks.serial_port, 'a device such as "/dev/serial/by-id/…", or a URL such as "socket://host:port"'),
    ] = None
    speed: Annotated[int | None, *_SPEED] = None
    pin_file: Annotated[Path | None, *_SECRET] = None
    centre: Annotated[
        str | None, *says(checks.text(r"\+?[0-9]{3,20}"), 'a telephone number in quotes such as "+79180000000"')
    ] = None


class MailTable(Table):
    required: ClassVar[tuple[str, ...]] = ("host", "sender")
    host: Annotated[str | None, *says(checks.host, 'the name of the mail server such as "smtp.example.org"')] = None
    port: Annotated[int | None, *says(checks.whole(1, 65535), "a port from 1 to 65535")] = None
    tls: Annotated[str | None, *choice("starttls", "tls", "none")] = None
    username: Annotated[str | None, *says(checks.text(r".{1,256}"), "the name at the mail server, in quotes")] = None
    password_file: Annotated[Path | None, *_SECRET] = None
    sender: Annotated[str | None, *_MAIL] = None
    ca_file: Annotated[Path | None, *_PATH] = None


class ExchangeTable(Table):
    required: ClassVar[tuple[str, ...]] = ("inn", "name", "area_inn", "area_name")
    inn: Annotated[
        str | None, *says(checks.inn, "the sender's INN in quotes, 10 or 12 digits with right check digits")
    ] = None
    name: Annotated[str | None, *_TITLE] = None
    area_inn: Annotated[str | None, *says(checks.area_inn, "the area's number in quotes, 10 or 12 digits")] = None
    area_name: Annotated[str | None, *_TITLE] = None
    area_timezone: Annotated[int | None, *says(checks.whole(0, 99), "a whole number from 0 to 99")] = None
    to: Annotated[
        list[Annotated[str, PlainValidator(checks.mail_address)]] | None,
        Field(description='an array of e-mail addresses such as ["askue@example.org"]'),
    ] = None
    at: Annotated[time | None, *says(checks.daily, 'a local time of day such as "01:30"')] = None


class BusTable(Table):
    required: ClassVar[tuple[str, ...]] = ("name", "port")
    name: Annotated[str | None, *_NAME] = None
    port: Annotated[
        str | None,
        *says(
            checks.port,
            'a device such as "/dev/serial/by-id/…", or a URL such as "socket://host:port", "tcp://host:502"',
        ),
    ] = None
    speed: Annotated[int | None, *_SPEED] = None
    format: Annotated[str | None, *_FORMAT] = None
    shared: Annotated[bool | None, *says(checks.truth, "true or false")] = None


class EarlierTable(Table):
    serial: Annotated[str, *_SERIAL]
    removed: Annotated[date, *says(checks.day, "a date without quotes such as 2024-03-01")]
    final: Annotated[Energies, Field(description=KWH)]


class MeterTable(Table):
    """Other keys are the driver's own; they are judged by its list of settings. A point that is read by hand is on no
    bus."""

    model_config = ConfigDict(extra="allow", frozen=True)
    required: ClassVar[tuple[str, ...]] = ("point", "bus", "driver", "address", "serial")
    of_lines: ClassVar[tuple[str, ...]] = ("bus", "address", "speed", "format", "timeout", "poll", "password_file")
    point: Annotated[str | None, *_NAME] = None
    bus: Annotated[str | None, *_NAME] = None
    driver: Annotated[str | None, *says(checks.text(r".{1,64}"), "a driver or model that meterpost drivers lists")] = (
        None
    )
    address: Annotated[str | None, *says(checks.address, "the meter's address, a number or text")] = None
    serial: Annotated[str | None, *_SERIAL] = None
    speed: Annotated[int | None, *_SPEED] = None
    format: Annotated[str | None, *_FORMAT] = None
    timeout: Annotated[float | None, *says(checks.within("10ms", "60s"), 'a period up to "60s" such as "500ms"')] = None
    poll: Annotated[PollTable | None, Field(description='a table such as { now = "5m", network = "off" }')] = None
    account: Annotated[
        str | None, *says(checks.text(r"[\w][\w ./-]{0,31}"), 'the account in quotes, such as "230100456789"')
    ] = None
    utility: Annotated[
        str | None, *says(checks.text(r"[a-z0-9][a-z0-9-]{0,63}"), 'a utility such as "nesk-krasnodar"')
    ] = None
    tariffs: Annotated[
        dict[Tariff, Annotated[str, _MEANING]] | None,
        Field(description='tariff registers with their meaning, such as { T1 = "day", T2 = "night" }', min_length=1),
    ] = None
    ratio: Annotated[Decimal | None, *says(checks.amount("0.001", "1000000"), "a number from 0.001 to 1000000")] = None
    password_file: Annotated[Path | None, *_SECRET] = None
    installed: Annotated[date | None, *says(checks.day, "a date without quotes such as 2024-03-01")] = None
    initial: Annotated[Energies | None, Field(description=KWH)] = None
    before: Annotated[
        list[EarlierTable] | None, Field(description="[[meter.before]] tables, one for each earlier meter")
    ] = None
    limit_kw: Annotated[Decimal | None, *says(checks.amount("0.001", "1000000"), "kW from 0.001 to 1000000")] = None
    set_clock: Annotated[bool | None, *says(checks.truth, "true or false")] = None
    digits: Annotated[int | None, *says(checks.whole(4, 9), "4 to 9 whole digits of the display")] = None
    region: Annotated[str | None, *_NAME] = None
    place: Annotated[str | None, *_TITLE] = None
    plan: Annotated[Path | None, *says(checks.path, "the path of a CSV file in quotes")] = None
    plan_limit: Annotated[Decimal | None, *says(checks.amount("0", "1000"), "percent from 0 to 1000")] = None
    exchange_code: Annotated[
        str | None, *says(checks.text(r"[A-Za-z0-9._-]{1,64}"), "the measuring point's code in quotes")
    ] = None

    @classmethod
    def needed(cls, raw: Mapping[str, Any]) -> tuple[str, ...]:
        manual = raw.get("driver") == MANUAL
        return tuple(key for key in cls.required if not (manual and key in cls.of_lines))
