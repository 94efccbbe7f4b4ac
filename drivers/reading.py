"""The words that every driver, the store and the daemon share."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from protocols.session import Line, Session

Number = int | Decimal
"""Exact, never a binary float. Energy in Wh and varh, power in W, var, VA, voltage in V, current in A, Hz."""

Ask = Callable[[Any], Any]
"""One question, one reply; raises MeterError. A driver cannot tell a wire from a test."""

KINDS = ("now", "network", "interval", "day", "month", "event", "statement")

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

    kind: str
    values: Mapping[str, Number] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    at: datetime | None = None
    start: datetime | None = None
    event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that a driver understands in ``[[meter]]`` beside the common ones; shown by ``meterpost drivers NAME``."""

    name: str
    kind: str  # "int", "text", "bool", "choice", "duration" (seconds as Decimal), "secret" (a file's line, as octets)
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    check: Callable[[str], Any] | None = None  # of a secret's text: ValueError in words that do not show it


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


class Driver(Protocol):
    """One meter. Questions in, readings out; never retries, sleeps, rounds, logs or touches a port.

    ``capabilities`` declares which of ``identify now network interval day month event clock set_clock`` it has;
    ``now(ask)`` and ``network(ask)`` give one Reading each, ``interval/day/month/event(ask, since, until)`` (aware
    UTC) yield Readings, ``clock(ask)`` gives the meter's own wall clock (naive), ``set_clock(ask, wanted)``.
    ``reach(kind, now)`` (aware UTC) says how far an archive goes back, None while the meter has not told what that
    depends on; a driver without archives need not have it.
    """

    capabilities: frozenset[str]

    def session(self) -> Session: ...

    def open(self, ask: Ask) -> None:
        """Log in where the meter wants it; AccessDenied if it refuses."""

    def identify(self, ask: Ask) -> Identity: ...

    def now(self, ask: Ask) -> Reading: ...

    def close(self, ask: Ask) -> None:
        """Say goodbye; errors here never harm what was read."""

    def exchanges(self, kind: str) -> tuple[Exchange, ...]:
        """What one poll of this kind puts on the wire, log-in and identification included; for ``check``."""


@dataclass(frozen=True, slots=True)
class Family:
    """A driver as the registry knows it."""

    name: str
    models: tuple[str, ...]  # every name that may stand in ``driver =``, the family's own included if it is one
    capabilities: frozenset[str]
    settings: tuple[Setting, ...]
    protocol: str  # "mercury23x", "modbus", …: what shares a line with what
    line: Line  # the usual line settings of this family
    address: Callable[[str], int]  # ValueError with words: what stands there, what may stand there
    password: Callable[[str, Mapping[str, Any]], bytes] | None  # text of the password file, settings → wire bytes
    default_password: str | None
    build: Callable[[MeterPlan], Driver]
    help: str = ""
    # settings and the keys that are set at all (a credential's text is not known to ``check``) → key and what it needs
    missing: Callable[[Mapping[str, Any], Collection[str]], Sequence[tuple[str, str]]] | None = None


Readings = Iterator[Reading]
