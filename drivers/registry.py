"""Name in the configuration → family of drivers. Only the module that a name needs is imported.

A family that is one Python file is found by the first letters of its names; every other name is a Modbus model, a TOML
file of its own (drivers/models/modbus, and the installer's ``models_dir``).
"""

import difflib
from importlib import import_module
from pathlib import Path

from drivers.reading import Family

MODULES = {"mercury": "drivers.mercury230"}
"""First letters of the names → the module whose FAMILY has them. Adding a family is one line here."""


class UnknownDriver(KeyError):
    """No family has this name; ``likely`` are the names that were perhaps meant, the best first."""

    def __init__(self, name: str, likely: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.likely = likely

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.likely)}?" if self.likely else ""
        return f"no driver is called {self.name!r}{hint}"


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """Every family, by name. ``models_dir`` adds an installer's Modbus models."""
    own = [_family(module) for module in MODULES.values()]
    return tuple(sorted([*own, *_modbus(models_dir)], key=lambda family: family.name))


def find(name: str, models_dir: Path | None = None) -> Family:
    """The family that has this name among its models; UnknownDriver with the likely names if none has."""
    for letters, module in MODULES.items():
        if name.startswith(letters) and name in _family(module).models:
            return _family(module)
    for family in _modbus(models_dir):
        if name in family.models:
            return family
    known = {_plain(model): model for family in families(models_dir) for model in family.models}
    close = difflib.get_close_matches(_plain(name), known, n=3, cutoff=0.6)
    raise UnknownDriver(name, tuple(known[one] for one in close))


def _plain(name: str) -> str:
    """A name without what hands and eyes confuse: capitals, dashes, O for 0, l for 1."""
    return name.lower().translate(str.maketrans("ol", "01", "-_ "))


def _family(module: str) -> Family:
    family: Family = import_module(module).FAMILY
    return family


def _modbus(models_dir: Path | None) -> tuple[Family, ...]:
    """The Modbus models; the module says what is wrong in an installer's file."""
    modbus: tuple[Family, ...] = import_module("drivers.modbus").families(models_dir)
    return modbus
