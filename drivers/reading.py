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

FLAGS: Mapping[str, str] = {
    "sum-mismatch": "the total differs from the sum of its tariffs by more than their resolution and at least 3 Wh",
    "backwards": "a register is lower than in the reading before",
    "step-too-large": "a register grew by more than the connection can carry",
    "meter-clock-off": "the meter's clock is off by more than 5 s",
    "clock-unset": "the gateway's clock was not set when this was read, and could not be corrected later",
    "restored": "read later from the meter's archive",
    "wrong-serial": "another meter answered than the configured one (events only)",
    "unidentified": "the model has no serial register; the serial number is the configured one",
    "partial": "a register was refused or marked absent by the meter, or the interval is incomplete",
    "manual": "typed in by a person",
}
"""The documented list (at most 16) of what may stand in a record's ``flags``."""

EVENTS: Mapping[str, str] = {
    # The gateway's own; the text says what, how many, which.
    "port-lost": "a serial port or its server went away",
    "port-back": "it can be opened again",
    "meter-silent": "a meter stopped answering",
    "wrong-serial": "another meter answers than the configured one",
    "store-damaged": "the store's file was damaged; it was set aside and a new epoch begun",
    "store-tail-lost": "the store held fewer commits than its high-water mark says; a new epoch was begun",
    "store-mark-lost": "the high-water mark was missing or damaged; it was written anew",
    "store-full": "the disk was full; unconfirmed records were deleted, the text says how many",
    "record-damaged": "a record's checksum failed; it stays in the store and is never sent",
    "meter-clock-off": "a meter's clock is off by more than 5 s",
    "meter-clock-right": "it is right again",
    "meter-clock-corrected": "the gateway corrected a meter's clock; before and after are its offsets in seconds",
    "meter-clock-not-corrected": "it should have been corrected and could not be; the text says why",
    "meter-replaced": "a point has another meter now; the text has final and initial readings",
    "plan-exceeded": "a point used more than its plan and the limit allow",
    "reading-due": "a reading has to be typed in by a person",
    "statement-held": "a month's figures are doubtful and wait for a person; the text has the reasons",
    "statement-missed": "a window closed before a month's figures could leave",
    "exchange-refused": "an exchange file was refused by its receiver, or its letter did not leave; the text says why",
    # From the meters' journals; maker and text have the meter's own words.
    "power-off": "the meter lost its supply",
    "power-on": "the meter's supply came back",
    "power-changed": "the supply went or came back; the meter's own code says which",
    "power-backup": "the meter runs on its backup supply",
    "power-backup-end": "the meter left its backup supply",
    "phase-lost": "a phase lost its voltage",
    "phase-restored": "the phase has voltage again",
    "overvoltage": "the voltage rose above its bound",
    "undervoltage": "the voltage fell below its bound",
    "voltage-normal": "the voltage is within its bounds again",
    "voltage-changed": "voltage or frequency left its bounds or came back; the meter's own code says which",
    "asymmetry": "voltages or currents of the phases differ too much",
    "asymmetry-end": "they no longer do",
    "phase-order": "the phases are in the wrong order",
    "phase-order-end": "their order is right again",
    "reverse-flow": "energy flows out",
    "reverse-flow-end": "it no longer does",
    "current-circuit": "a current transformer's circuit is open or shorted",
    "current-circuit-end": "it is sound again",
    "overcurrent": "the current rose above its bound",
    "overcurrent-end": "it is below its bound again",
    "neutral-break": "the neutral is broken",
    "neutral-break-end": "it is whole again",
    "relay-open": "the meter's relay switched the load off",
    "relay-closed": "the meter's relay switched the load on",
    "relay-allowed": "the load may be switched on at the meter",
    "relay-changed": "the meter's relay switched; the meter's own code says which way",
    "magnet": "a magnet is near the meter",
    "magnet-end": "the magnet is gone",
    "magnet-changed": "a magnet came near the meter or went; the meter's own code says which",
    "radio-field": "a strong radio field is near the meter",
    "radio-field-end": "the radio field is gone",
    "cover-open": "the meter's body was opened",
    "cover-closed": "the meter's body was closed again",
    "terminal-cover-open": "the cover of the terminals was opened",
    "terminal-cover-closed": "the cover of the terminals was closed again",
    "cover-changed": "the seal of the meter's body was broken or closed; the meter's own code says which",
    "terminal-cover-changed": "the seal of the terminals was broken or closed; the meter's own code says which",
    "external-sensor": "a contact at the meter's input changed",
    "seal-armed": "the electronic seals were armed again",
    "flags-cleared": "alarm marks were cleared",
    "clock-set": "the meter's clock was set or corrected",
    "settings-changed": "the meter's settings were changed",
    "password-changed": "a password or key of the meter was changed",
    "ratio-changed": "a transformer ratio kept in the meter was changed",
    "archive-cleared": "a profile or journal of the meter was cleared",
    "registers-cleared": "the meter's energy registers were set to zero",
    "month-frozen": "the month's registers were frozen by command",
    "firmware-updated": "the meter has new firmware",
    "firmware-rejected": "new firmware did not pass the meter's check",
    "session-opened": "somebody logged in to the meter",
    "session-closed": "somebody logged out",
    "access-denied": "the meter turned somebody away",
    "access-blocked": "the meter locked itself after wrong passwords",
    "self-test": "the meter started and tested itself",
    "fault": "the meter found a fault in itself",
    "fault-end": "that fault is gone",
    "tangent": "the reactive power factor rose above its bound",
    "tangent-end": "it is below its bound again",
    "power-limit": "a limit of power or energy was crossed",
    "power-limit-end": "the power is below its limit again",
    "frequency-off": "the frequency left its bounds",
    "frequency-normal": "the frequency is within its bounds again",
    "phase-current": "a phase began to draw current",
    "phase-current-end": "it no longer does",
    "voltage-circuit": "a phase draws current without voltage",
    "voltage-circuit-end": "it has voltage again",
    "other": "what no table of ours knows; maker has the meter's own code",
}
"""The documented list of event codes (a record's ``event.code``) and what they mean. An installer's own register list
(``models_dir``/dlms) may name further ones."""


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
