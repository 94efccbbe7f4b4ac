"""The fields of a DLMS model file, and a Model of what stands in them.

Model files are ours, under ``drivers/models/dlms``, and the installer's, in the folder ``dlms`` of ``models_dir``.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers import model_file
from drivers.dlms.model import DEEPEST, PROFILES, Journal, Model, Profile, Register
from drivers.events import METER_EVENTS
from drivers.files.fields import NEEDED, Field, Fields, Section, text, texts, whole
from drivers.files.words import meant, one_of, plain, shown
from protocols.dlms.apdu import obis
from protocols.dlms.cosem.objects import REGISTER, SCALER_ATTRIBUTE

SHIPPED = Path(__file__).parents[1] / "models" / "dlms"
NUMBER = re.compile(r"0|-?[1-9][0-9]{0,4}")  # of an event in a journal


def _code(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError
    return obis(value)


def _codes(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(map(_code, value))


def _register(value: Any) -> Register:
    """``1.0.1.8.0.255``, or ``4/1.0.1.6.0.255`` for another class than 3."""
    match = re.fullmatch(r"(?:([0-9]{1,5})/)?([^/]+)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    register = Register(int(match[1] or REGISTER), obis(match[2]))
    if register.class_id not in SCALER_ATTRIBUTE:
        raise ValueError
    return register


def _registers(value: Any) -> tuple[Register, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(map(_register, value))


def _obis(default: Any = NEEDED) -> Field:
    return Field(_code, 'an OBIS code such as "1.0.1.8.0.255"', default)


REGISTERS = Field(
    _registers, 'a list of OBIS codes such as "1.0.1.8.0.255", or "4/1.0.1.6.0.255" for a register of class 4 or 5', ()
)
FILE: Fields = {
    "names": texts("a list of names that may stand in driver = …", pattern=r"\S+"),
    "help": text("a line about the meter", "", "(?s).*"),
    "client": whole(1, 127, "a client from 1 to 127", 16),
    "password": text("the password as delivered", None, "(?s).*"),
    "serial": _obis(obis("0.0.96.1.0.255")),
    "model": _obis(None),
    "firmware": _obis(None),
    "ratios": Field(_codes, "a list of OBIS codes", ()),
    "clock": _obis(obis("0.0.1.0.0.255")),
    "now": REGISTERS,
    "network_registers": REGISTERS,
}
TABLES = ("profile", "journal")
PROFILE: Fields = {
    "buffer": _obis(),
    "scalers": _obis(None),
    "depth": whole(1, DEEPEST, f"rows that the meter keeps, 1 to {DEEPEST}", None),
}
JOURNAL: Fields = {"buffer": _obis()}


def models(models_dir: Path | None = None) -> tuple[Model, ...]:
    """Our models and the installer's from ``models_dir``/dlms that hold, by name
    (:func:`drivers.model_file.in_force`); ConfigError with the faults of all files."""
    own = models_dir / "dlms" if models_dir is not None else None
    found = model_file.in_force(own, SHIPPED, load, lambda model: model.names)
    return tuple(replace(model, names=names) for names, model in found)


def load(file: Path) -> Model:
    """The model of this file; ConfigError with every fault in it."""
    return model_file.load(file, _model)


def _model(top: Section) -> Model | None:
    found = top.read(FILE, TABLES)
    found["network"] = found.pop("network_registers")
    profiles, journals = _profiles(top), _journals(top)
    return Model(**found, profiles=profiles, journals=journals) if top.sound else None


def _profiles(top: Section) -> Mapping[str, Profile]:
    found = {}
    for kind, section in top.named("profile"):
        if kind not in PROFILES:
            section.fault_here(shown(kind), one_of(PROFILES) + meant(kind, PROFILES))
            continue
        values = section.read(PROFILE)
        if section.sound:
            found[kind] = Profile(**values)
    return found


def _journals(top: Section) -> tuple[Journal, ...]:
    found = []
    for name, section in top.named("journal"):
        values = section.read(JOURNAL, ("events",))
        events = _events(section.section("events"))
        if section.sound:
            found.append(Journal(name, values["buffer"], events))
    return tuple(found)


def _events(section: Section | None) -> Mapping[int, tuple[str, str]]:
    """The meter's own code → (our code, text)."""
    found: dict[int, tuple[str, str]] = {}
    if section is None:
        return found
    for number, value in section.content.items():
        if not NUMBER.fullmatch(number):
            section.fault_at_key(number, shown(number), "the number of an event, -99999 to 99999")
        elif not isinstance(value, list) or len(value) != 2 or not all(isinstance(one, str) for one in value):
            section.fault(number, plain(value), 'a code and a text such as ["power-off", "power off"]')
        elif value[0] not in METER_EVENTS:
            section.fault(number, shown(value[0]), one_of(METER_EVENTS) + meant(value[0], METER_EVENTS))
        else:
            found[int(number)] = value[0], value[1]
    return found
