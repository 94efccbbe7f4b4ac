"""A DLMS model: which objects of a meter give which readings. Data in TOML files, ours and the installer's."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from protocols.dlms.apdu import Attribute, obis, obis_text
from protocols.dlms.cosem.objects import REGISTER, SCALER_ATTRIBUTE

SHIPPED = Path(__file__).parents[1] / "models" / "dlms"
DEEPEST = 1_000_000  # rows of a profile
PROFILES = ("network", "interval", "day", "month")
KEYS = frozenset(
    {"names", "help", "client", "serial", "model", "firmware", "ratios", "clock", "now", "network_registers"}
    | {"profile", "journal", "password"}
)


class ModelError(ValueError):
    """What is wrong in model files, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


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


def models(models_dir: Path | None = None) -> tuple[Model, ...]:
    """Shipped models and those of ``models_dir``/dlms (these go first where names are equal); ModelError with all
    faults. Files are parsed once, again when they change."""
    faults: list[str] = []
    found: dict[str, Model] = {}
    own = models_dir / "dlms" if models_dir is not None else None
    for folder in (own, SHIPPED):
        for path in sorted(folder.glob("*.toml")) if folder is not None else ():
            try:
                model = _load(path, path.stat().st_mtime_ns)
            except ModelError as wrong:
                faults += wrong.faults
                continue
            found.setdefault(model.names[0], model)
    if faults:
        raise ModelError(faults)
    return tuple(found[name] for name in sorted(found))


@lru_cache(maxsize=64)
def _load(path: Path, _changed: int) -> Model:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: TOML or UTF-8
        raise ModelError([f"{path}: {error}"]) from None
    faults = [f"{path}: {key}: unknown key, known are {', '.join(sorted(KEYS))}" for key in table.keys() - KEYS]
    try:
        model = _build(table)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError([*faults, f"{path}: {error}"]) from None
    if faults:
        raise ModelError(faults)
    return model


def _build(table: Mapping[str, Any]) -> Model:
    names = tuple(str(name) for name in table["names"])
    profiles = table.get("profile", {})
    for kind in profiles:
        if kind not in PROFILES:
            raise ValueError(f"profile.{kind}: unknown, known are {', '.join(PROFILES)}")
    client = int(table.get("client", 16))
    if not names or not 1 <= client <= 127:
        raise ValueError("names: one at least; client: 1 to 127")
    return Model(
        names=names,
        help=str(table.get("help", "")),
        client=client,
        password=table.get("password"),
        serial=obis(table.get("serial", "0.0.96.1.0.255")),
        model=obis(table["model"]) if "model" in table else None,
        firmware=obis(table["firmware"]) if "firmware" in table else None,
        ratios=tuple(obis(code) for code in table.get("ratios", ())),
        clock=obis(table.get("clock", "0.0.1.0.0.255")),
        now=tuple(_register(text) for text in table.get("now", ())),
        network=tuple(_register(text) for text in table.get("network_registers", ())),
        profiles={
            kind: Profile(
                obis(each["buffer"]), obis(each["scalers"]) if "scalers" in each else None, _depth(each.get("depth"))
            )
            for kind, each in profiles.items()
        },
        journals=tuple(_journal(name, each) for name, each in table.get("journal", {}).items()),
    )


def _depth(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 1 <= value <= DEEPEST):
        raise ValueError(f"depth: {value!r} stands there, 1 to {DEEPEST} rows may")
    return value


def _register(text: str) -> Register:
    """``1.0.1.8.0.255``, or ``4/1.0.1.6.0.255`` for another class than 3."""
    class_id, _, code = text.rpartition("/")
    register = Register(int(class_id) if class_id else REGISTER, obis(code))
    if register.class_id not in SCALER_ATTRIBUTE:
        raise ValueError(f"{text}: class 3, 4 or 5 is a register")
    return register


def _journal(name: str, table: Mapping[str, Any]) -> Journal:
    events = {int(number): (str(code), str(text)) for number, (code, text) in table.get("events", {}).items()}
    return Journal(name, obis(table["buffer"]), events)
