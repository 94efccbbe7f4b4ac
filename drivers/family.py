"""What the program knows of a family of drivers: its names, its settings, and how its meters are treated on a line.

Everything outside ``drivers/`` that differs from family to family is a field here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from drivers.reading import Driver, MeterPlan
from protocols.session import Line

SettingKind = Literal["int", "text", "bool", "choice", "duration", "secret"]
"""``duration``: seconds as Decimal; ``secret``: a file's line, as octets."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that a driver understands in ``[[meter]]`` beside the common ones; shown by ``meterpost drivers NAME``."""

    name: str
    kind: SettingKind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    check: Callable[[str], Any] | None = None  # of a secret's text: ValueError whose text does not show it


@dataclass(frozen=True, slots=True)
class ScanProfile:
    """How a family's meters are looked for: one short question an address, without a password."""

    addresses: str  # where they usually are, as ``--addresses`` writes it
    opened: bool = False  # they must be greeted before they say who they are
    settings: Mapping[str, Any] = field(default_factory=dict)  # what keeps passwords out of it
    speeds: tuple[int, ...] = ()  # bit/s that are usual beside the family's own
    numbering: str = ""  # what is said of addresses where no one answers


Explain = Callable[[bytes, bytes | None], list[str]]
"""Octets and, where there is one, the question that they answer → lines for an operator. Never raises."""


@dataclass(frozen=True, slots=True)
class FrameKeys:
    """What opens ciphered frames, as an operator writes it. They never show themselves."""

    block: str | None = field(default=None, repr=False)  # encryption key
    authentication: str | None = field(default=None, repr=False)
    title: str = ""  # the sender's system title in hex, where the octets lack it


@dataclass(frozen=True, slots=True)
class Language:
    """How ``meterpost decode NAME`` puts a protocol's frames into words. Both functions import what they need."""

    name: str
    explain: Callable[[], Explain]
    unlocked: Callable[[FrameKeys], Explain] | None = None  # ValueError with words; None: frames are never ciphered


@dataclass(frozen=True, slots=True)
class Family:
    """A driver as the registry knows it."""

    name: str
    models: tuple[str, ...]  # every name that may stand in ``driver =``, the family's own included if it is one
    capabilities: frozenset[str]
    settings: tuple[Setting, ...]
    protocol: str  # meters of one protocol share their addresses on a line
    line: Line  # the usual line settings of this family
    address: Callable[[str], int]  # ValueError with words: what stands there, what may stand there
    password: Callable[[str, Mapping[str, Any]], bytes] | None  # text of the password file, settings → wire bytes
    default_password: str | None
    build: Callable[[MeterPlan], Driver]
    help: str = ""
    # settings and the keys that are set at all (a credential's text is not known to ``check``) → key and what it needs
    missing: Callable[[Mapping[str, Any], Collection[str]], Sequence[tuple[str, str]]] | None = None
    language: Language | None = None  # None: ``decode`` has no words for its frames
    scan: ScanProfile | None = None  # None: these meters cannot be looked for
    states_zone: bool = False  # the meter's stamps may state their own offset from UTC
    tcp_framing: str | None = None  # value of the setting ``framing`` on a ``tcp://`` port; None: not for such ports
    # Which meters one line can bear:
    alone: bool = False  # the meter talks unasked, into the others' answers
    universal: int | None = None  # the address that every meter of this protocol answers
    # Address → first byte of a frame, where frames begin with an address and end in the CRC-16 of Modbus: a meter hears
    # the question of another such protocol as its own if that byte is its address.
    first_byte: Callable[[int], int] | None = None
    not_beside: tuple[str, ...] = ()  # protocols that may take its frames for theirs, whatever the addresses
