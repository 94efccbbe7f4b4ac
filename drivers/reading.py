"""The words that every driver, the store and the daemon share."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeGuard, get_args
from zoneinfo import ZoneInfo

from drivers.events import Flag
from protocols.errors import Refused
from protocols.session import Line, Session

Number = int | Decimal
"""Exact, never a binary float. Energy in Wh and varh, power in W, var, VA, voltage in V, current in A, Hz."""

Ask = Callable[[Any], Any]
"""One question, one reply; raises MeterError. A driver cannot tell a wire from a test."""

Kind = Literal["now", "network", "interval", "day", "month", "event", "statement"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a record may be (the contract's ``kind``)."""


def is_kind(text: str) -> TypeGuard[Kind]:
    return text in KINDS


Topic = Literal["identify", "clock"] | Kind
"""What one dialogue may be about: a kind of record, the meter's identity or its clock alone."""

TARIFFS = ("T1", "T2", "T3", "T4")


@dataclass(frozen=True, slots=True)
class Identity:
    """What the meter says of itself. ``serial`` is None where the model has no serial register."""

    serial: str | None
    model: str | None = None
    firmware: str | None = None
    ratio: Decimal | None = None  # current × voltage transformer ratio, where the meter keeps one


@dataclass(frozen=True, slots=True)
class Reading:
    """What one poll brought: registers by OBIS code ("1-0:1.8.1"), as the meter has them (secondary values).

    ``at`` is the meter's own stamp of an archive value (UTC), None where the values belong to the moment of reading.
    ``start`` is the start of an interval. ``event`` is {"code", "maker", "text", "n"} for journal entries.
    """

    kind: Kind
    values: Mapping[str, Number] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    at: datetime | None = None
    start: datetime | None = None
    event: Mapping[str, Any] | None = None


class FrameCounter(Protocol):
    """The numbers of one key's ciphered frames: a number that was given once is never given again, whatever happens.

    ``next`` returns only after the number is durable (a reserved block will do), Busy where it cannot be; ``skip_to``
    makes the next number ``value`` or higher, it never steps back.
    """

    def next(self) -> int: ...

    def skip_to(self, value: int) -> None: ...


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """What the configuration says of one meter, as its driver needs it."""

    model: str
    address: str  # as written; the family's ``address`` check turns it into a number
    serial: str
    line: Line
    tariffs: tuple[str, ...] | None = None  # T registers to read; None: all that the meter has
    password: bytes | None = field(default=None, repr=False)  # as on the wire, decoded by the family's ``password``
    timeout: float | None = None  # seconds to the first byte; None: the driver's own value
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)  # secrets may be among them
    zone: str | None = None  # the gateway's, for meters whose stamps state none and that have no setting of their own
    # name of a key (the driver's word, it tells nothing of the key) → its counter, the same for all meters that share
    # it; None: nothing durable is at hand, and whoever builds this driver will send nothing that is ciphered
    counter: Callable[[str], FrameCounter] | None = None
    now: Callable[[], datetime | None] | None = None  # the gateway's time (aware UTC), None while it is not known


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, for the bus-time budget: octets out, octets in, quiet seconds around them."""

    request: int
    answer: int
    quiet: float


@dataclass(frozen=True, slots=True)
class Reach:
    """What of one archive kind a meter can still tell. ``oldest``: the earliest ``at`` that it may hold (aware UTC);
    ``step``: length of an interval's slot, None for days and months and while it is not known yet."""

    oldest: datetime
    step: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """What a meter's values are judged by."""

    resolution: Number = 1  # Wh, varh: one step of the coarsest energy register
    mismatch: Number | None = None  # Wh by which the total may differ from its tariffs; None: by the usual rounding
    identified: bool = True  # the model tells a serial number, as far as is known
    zone_doubt: bool = False  # its clock states a deviation that cannot be: neither sign comes near the gateway's time
    zone: ZoneInfo | None = None  # of its days and months, as the meter itself says; None: it does not, or not yet


class Driver(Protocol):
    """One meter. Questions in, readings out; never retries, sleeps, rounds, logs or touches a port.

    ``capabilities`` declares which of ``identify now network interval day month event clock set_clock`` this meter
    has. Each word beside the first two stands for one of the protocols below, which the driver's class names as its
    base, so that the type checker proves it. ``traits`` may become finer with each dialogue.
    """

    capabilities: frozenset[str]
    traits: Traits

    def session(self) -> Session: ...

    def open(self, ask: Ask) -> None:
        """Log in where the meter wants it; AccessDenied if it refuses."""

    def identify(self, ask: Ask) -> Identity: ...

    def now(self, ask: Ask) -> Reading: ...

    def close(self, ask: Ask) -> None:
        """Say goodbye; errors here never harm what was read."""

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        """What one poll of this kind puts on the wire, log-in and identification included; () for a kind it has not."""


class ReadsNetwork(Driver, Protocol):
    """``network``: what the meter measures at this moment."""

    def network(self, ask: Ask) -> Reading: ...


class ReadsArchives(Driver, Protocol):
    """``interval``, ``day``, ``month``: what the meter itself keeps; Refused for one that it has not.

    Each yields the readings whose ``at`` lies within ``since`` to ``until`` (aware UTC, both included).
    """

    def interval(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]: ...

    def day(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]: ...

    def month(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]: ...

    def reach(self, kind: Kind, now: datetime) -> Reach | None:
        """How far this archive goes back at ``now`` (aware UTC); None while the meter has not told what that depends
        on."""


class ReadsJournals(Driver, Protocol):
    """``event``: entries of the meter's journals within the span (aware UTC), see :mod:`drivers.events`."""

    def event(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]: ...


class HasClock(Driver, Protocol):
    """``clock``: the meter's clock, aware where the meter states its offset, else its wall time (naive)."""

    def clock(self, ask: Ask) -> datetime: ...


class SetsClock(HasClock, Protocol):
    """``set_clock``: correct it to ``wanted``, aware or the meter's own wall time as ``clock`` gave it.

    ValueError with words, and nothing sent: this meter cannot be moved so far, or not now.
    """

    def set_clock(self, ask: Ask, wanted: datetime) -> None: ...


def reads_archives(driver: Driver, kind: Topic) -> TypeGuard[ReadsArchives]:
    return kind in ("interval", "day", "month") and kind in driver.capabilities


def has_clock(driver: Driver) -> TypeGuard[HasClock]:
    return "clock" in driver.capabilities


def sets_clock(driver: Driver) -> TypeGuard[SetsClock]:
    return "set_clock" in driver.capabilities


def _reads_network(driver: Driver) -> TypeGuard[ReadsNetwork]:
    return "network" in driver.capabilities


def _reads_journals(driver: Driver) -> TypeGuard[ReadsJournals]:
    return "event" in driver.capabilities


def read(driver: Driver, kind: Topic, ask: Ask, span: tuple[datetime, datetime] | None = None) -> Iterator[Reading]:
    """One poll of this kind, as the driver gives it; Refused for a kind that it has not. Archives and journals are
    asked for a ``span`` (aware UTC)."""
    match kind:
        case "now" if "now" in driver.capabilities:
            yield driver.now(ask)
        case "network" if _reads_network(driver):
            yield driver.network(ask)
        case "interval" if reads_archives(driver, kind):
            yield from driver.interval(ask, *_needed(span))
        case "day" if reads_archives(driver, kind):
            yield from driver.day(ask, *_needed(span))
        case "month" if reads_archives(driver, kind):
            yield from driver.month(ask, *_needed(span))
        case "event" if _reads_journals(driver):
            yield from driver.event(ask, *_needed(span))
        case _:
            able = ", ".join(sorted(driver.capabilities & set(KINDS)))
            raise Refused(f"this driver reads no {kind!r}; it reads: {able}")


def _needed(span: tuple[datetime, datetime] | None) -> tuple[datetime, datetime]:
    if span is None:
        raise RuntimeError("an archive is read for a span of time")
    return span
