"""The installer's file as frozen values. Times are seconds, ``day`` and ``month`` polls are local times of day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from protocols.session import Line


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's text; it never shows itself."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Gateway:
    id: str
    timezone: str = "UTC"
    state_dir: Path = Path("/var/lib/meterpost")
    clock: str = "auto"  # or "trust"
    hold: float = 86400.0  # how long records read with an unset clock wait for it
    keep_days: int = 400  # confirmed records stay readable
    keep_frames_days: int = 30  # raw frames of them
    models_dir: Path | None = None
    utilities_dir: Path | None = None  # the installer's own utility profiles


@dataclass(frozen=True, slots=True)
class Intake:
    host: str
    port: int
    tls: bool
    url: str
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    receipts: str = "intake"  # or "broker"
    receipt_timeout: float = 600.0
    compress: str = "auto"  # or "never"
    backlog_rate: int = 2000  # records a second at most while an outage is made good; 0: as fast as it goes
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Poll:
    """Periods in seconds, None where switched off."""

    now: float | None = 900.0
    network: float | None = 300.0
    interval: float | None = 1800.0
    day: time | None = time(0, 10)
    month: time | None = time(0, 15)
    event: float | None = 3600.0


@dataclass(frozen=True, slots=True)
class Bus:
    name: str
    port: str  # a device or any pyserial URL; "tcp://host:502" for frames that are made for TCP
    line: Line = field(default_factory=Line)
    where: str = ""  # FILE:LINE:COL of the table
    shared: bool = False  # another master speaks there too: polls yield to it


@dataclass(frozen=True, slots=True)
class StatementSettings:
    """``[statements]``: how the monthly figures leave."""

    fallback_before: float = 86400.0  # s before the window closes without a receipt: SMS and e-mail take over


@dataclass(frozen=True, slots=True)
class ModemSettings:
    """``[modem]``: a GSM modem that speaks AT commands."""

    port: str  # a device or any pyserial URL
    speed: int = 115200
    pin: Secret | None = None  # of the SIM
    centre: str | None = None  # number of the short message centre; None: the SIM's own


@dataclass(frozen=True, slots=True)
class MailSettings:
    """``[mail]``: the SMTP server that takes our e-mails."""

    host: str
    sender: str
    port: int = 587
    tls: str = "starttls"  # or "tls" (from the first octet), or "none" on this very host
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """``[exchange]``: the half-hour exchange file (Макет 80020) and who gets it."""

    inn: str  # of the sender
    name: str
    area_inn: str
    area_name: str
    area_timezone: int = 1  # as the receiver numbers time zones; 1 is Moscow
    to: tuple[str, ...] = ()  # e-mail addresses; none: the files are only written
    at: time = time(1, 30)  # local time at which yesterday's file is made


@dataclass(frozen=True, slots=True)
class EarlierMeter:
    serial: str
    removed: date
    final: Mapping[str, Decimal]  # kWh per T register


@dataclass(frozen=True, slots=True)
class Meter:
    point: str
    bus: str
    driver: str  # the model as written
    address: str
    serial: str
    line: Line  # the bus's, unless the meter has its own
    poll: Poll = Poll()
    timeout: float | None = None
    account: str | None = None
    utility: str | None = None
    tariffs: Mapping[str, str] | None = None  # {"T1": "day"}; None: all that the meter has, without a meaning
    ratio: Decimal = Decimal(1)
    password: bytes | None = field(default=None, repr=False)  # wire bytes
    installed: date | None = None
    initial: Mapping[str, Decimal] = field(default_factory=dict)
    before: tuple[EarlierMeter, ...] = ()
    limit_kw: Decimal | None = None  # what the connection can carry; None: the judge's default
    set_clock: bool = False  # the meter's clock may be corrected
    digits: int | None = None  # whole kWh digits of the meter's display: it rolls over after that many nines
    region: str | None = None  # which of the utility's windows counts here
    place: str | None = None  # the address, where the utility asks for it
    plan: Path | None = None  # CSV of planned consumption
    plan_limit: Decimal = Decimal(10)  # percent of the plan by which the fact may exceed it
    exchange_code: str | None = None  # of the measuring point in Макет 80020
    settings: Mapping[str, Any] = field(default_factory=dict)  # the driver's own, checked against its Settings
    where: str = ""

    @property
    def manual(self) -> bool:
        """An operator reads this meter (driver "manual"): it is on no bus, its bus and address are empty."""
        return not self.bus


@dataclass(frozen=True, slots=True)
class Config:
    gateway: Gateway
    intake: Intake
    buses: tuple[Bus, ...]
    meters: tuple[Meter, ...]
    statements: StatementSettings = StatementSettings()
    modem: ModemSettings | None = None
    mail: MailSettings | None = None
    exchange: ExchangeSettings | None = None
    files: tuple[Path, ...] = ()
    defaults: tuple[str, ...] = ()  # dotted keys that were not written (for ``check --explain``)
    warnings: tuple[str, ...] = ()  # what is allowed and yet worth a look, each with its place
