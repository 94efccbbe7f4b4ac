"""A DLMS model: which objects of a meter give which readings. :mod:`drivers.dlms.model_file` reads it from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.dlms.apdu import Attribute, obis, obis_text
from protocols.dlms.cosem.objects import SCALER_ATTRIBUTE

DEEPEST = 1_000_000  # rows of a profile
PROFILES = ("network", "interval", "day", "month")


@dataclass(frozen=True, slots=True)
class Register:
    """A register by class and OBIS. ``key`` is its name in a reading."""

    class_id: int
    code: bytes

    @property
    def key(self) -> str:
        return obis_text(self.code)

    @property
    def tariff(self) -> str | None:
        """``T1``… for a tariff register of an energy, else None."""
        return f"T{self.code[4]}" if self.code[3] == 8 and self.code[4] else None

    def value(self) -> Attribute:
        return Attribute(self.class_id, self.code, 2)

    def scale(self) -> Attribute:
        return Attribute(self.class_id, self.code, SCALER_ATTRIBUTE[self.class_id])


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile and, where the meter has one, the companion whose only row holds the scalers. ``depth``: rows that it
    keeps, for meters that do not say it themselves."""

    buffer: bytes
    scalers: bytes | None = None
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """An event journal: its own code → (our code, text)."""

    name: str
    buffer: bytes
    events: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Model:
    names: tuple[str, ...]
    help: str = ""
    client: int = 16
    password: str | None = None  # the maker's default, where there is one
    serial: bytes = obis("0.0.96.1.0.255")
    model: bytes | None = None
    firmware: bytes | None = None
    ratios: tuple[bytes, ...] = ()
    clock: bytes = obis("0.0.1.0.0.255")
    now: tuple[Register, ...] = ()
    network: tuple[Register, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    journals: tuple[Journal, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """What of now, network, interval, day, month, event this model can give."""
        found = {kind for kind in PROFILES if kind in self.profiles}
        found |= {"now"} if self.now else set()
        found |= {"network"} if self.network else set()
        return frozenset(found | ({"event"} if self.journals else set()))
