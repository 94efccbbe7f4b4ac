"""Name in the configuration → family of drivers. Only the module that a name needs is imported.

``SHIPPED`` says which module has which of our names without importing any of them. Every other name is an installer's
(a file in ``models_dir``, see ``FOLDERS``) or another package's (:mod:`drivers.plugins`).
"""

import difflib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from drivers import known_names, plugins
from drivers.family import Family, Language
from drivers.files.faults import ConfigError, Fault
from drivers.files.letters import latin

SHIPPED: Mapping[str, tuple[str, ...]] = {
    "drivers.mercury.driver": (
        *("mercury203.2td", "mercury204", "mercury208", "mercury230", "mercury231", "mercury233", "mercury234"),
        *("mercury236", "mercury238"),
    ),
    "drivers.modbus.driver": (
        *("a43", "a44", "b21", "b21-steel", "b23", "b23-steel", "b24", "b24-steel", "dtsu666", "dtsu666-401e", "em24"),
        *("em24-e1", "em330", "em340", "et330", "et340", "iem3155", "iem3255", "iem3355", "or-we-516"),
        *("or-we-517", "orno516", "orno517", "pac2200", "pac3200", "pac4200", "pro1", "pro2", "pro380"),
        *("sdm120", "sdm220", "sdm230", "sdm630", "sdm72", "wago-879"),
    ),
    "drivers.iec62056.driver": (
        *("ce102m", "ce102m-list", "ce207", "ce208", "ce301", "ce301-group", "ce303", "ce303-group", "ce307", "ce308"),
        *("iec-readout", "neva", "neva-mt113", "neva-mt114", "neva-mt123", "neva-mt124", "neva-mt124-7109"),
        *("neva-mt3", "neva-mt313", "neva-mt314", "neva-mt315", "neva-mt323", "neva-mt324"),
    ),
    "drivers.push": ("d0", "dsmr", "p1", "sml"),
    "drivers.dlms.driver": ("dlms", "spodes"),
    "drivers.manual": ("manual",),
}
"""Module → every name of it that may stand in ``driver =``. A test keeps it equal to what the modules declare."""

FOLDERS: Mapping[str, str] = {
    "drivers.iec62056.driver": "iec",
    "drivers.dlms.driver": "dlms",
    "drivers.modbus.driver": ".",
}
"""Module → where in ``models_dir`` the installer's files for it lie."""

LANGUAGES: Mapping[str, str] = {
    "mercury": "drivers.mercury.driver",
    "modbus": "drivers.modbus.driver",
    "iec": "drivers.iec62056.driver",
    "dlms": "drivers.dlms.driver",
    "sml": "drivers.push",
    "p1": "drivers.push",
    "d0": "drivers.push",
}
"""What ``decode`` calls the frames of a protocol → module whose families speak it. A test keeps it equal to them."""


class UnknownDriver(KeyError):
    """No family has this name; ``likely`` are the names that were perhaps meant, the best first. ``trouble``: what is
    known of such a meter, or why a package that has the name cannot be used."""

    def __init__(self, name: str, likely: tuple[str, ...], trouble: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.likely = likely
        self.trouble = trouble

    def __str__(self) -> str:
        if self.trouble:
            return f"driver {self.name!r}: {self.trouble}"
        hint = f"; did you mean {' or '.join(self.likely)}?" if self.likely else ""
        return f"no driver is called {self.name!r}{hint}"


class BrokenModels(ConfigError):
    """Files in ``models_dir`` that cannot be used: every fault of all of them."""


def families(models_dir: Path | None = None) -> tuple[Family, ...]:
    """Every family, by name. ``models_dir`` adds an installer's models; BrokenModels with the faults of all files."""
    found: list[Family] = []
    faults: list[Fault] = []
    for module in SHIPPED:
        try:
            found += of_module(module, models_dir)
        except BrokenModels as broken:
            faults += broken.faults
    if faults := faults or list(_shared(found, models_dir)):
        raise BrokenModels(faults)
    taken = {name for family in found for name in family.models}
    found += [family for family in plugins.families(of_module) if taken.isdisjoint(family.models)]
    return tuple(sorted(found, key=lambda family: family.name))


def find(name: str, models_dir: Path | None = None) -> Family:
    """The family that has this name among its models; UnknownDriver with the likely names if none has, BrokenModels
    if the installer's files that may have it cannot be used."""
    own = [module for module, names in SHIPPED.items() if name in names]
    for module in own or list(_with_files(models_dir)):
        for family in of_module(module, models_dir):
            if name in family.models:
                return family
    try:
        if (brought := plugins.find(name, of_module)) is not None:
            return brought
    except plugins.BrokenPlugin as broken:
        raise UnknownDriver(name, (), str(broken)) from broken
    known = {_plain(model): model for family in families(models_dir) for model in family.models}
    spellings = [_plain(one) for one in (name, *known_names.folded(name))]
    for one in spellings:
        if one in known:
            raise UnknownDriver(name, (known[one],))
    if (asked := known_names.known(name)) is not None:
        raise UnknownDriver(name, asked.drivers, asked.says)
    close = [each for one in spellings for each in difflib.get_close_matches(one, known, n=3, cutoff=0.6)]
    raise UnknownDriver(name, tuple(known[one] for one in dict.fromkeys(close))[:3])


def languages() -> tuple[str, ...]:
    """What ``decode`` can say as text, ours first."""
    more = {family.language.name for family in plugins.families(of_module) if family.language is not None}
    return (*LANGUAGES, *sorted(more - LANGUAGES.keys()))


def language(name: str) -> Language:
    """How frames of this name are put into words; KeyError without it."""
    spoken = of_module(LANGUAGES[name]) if name in LANGUAGES else tuple(plugins.families(of_module))
    for family in spoken:
        if family.language is not None and family.language.name == name:
            return family.language
    raise KeyError(name)


def expect(text: str) -> None:
    """Import the drivers that a configuration's text seems to name, while someone else still reads it properly."""
    for module, names in SHIPPED.items():
        if any(f'"{name}"' in text for name in names):
            of_module(module)


def of_module(module: str, models_dir: Path | None = None) -> tuple[Family, ...]:
    """The families of one module, with the installer's models for it; BrokenModels with the faults of its files."""
    if module not in FOLDERS:
        models_dir = None
    return _load(module, models_dir, tuple(_files(module, models_dir)))


@lru_cache(maxsize=64)
def _load(module: str, models_dir: Path | None, _files: tuple[tuple[Path, int], ...]) -> tuple[Family, ...]:
    """Read once for all meters, and again when an installer's file has come, gone or changed."""
    loaded = import_module(module)
    if module not in FOLDERS:
        fixed: tuple[Family, ...] = getattr(loaded, "FAMILIES", None) or (loaded.FAMILY,)
        return fixed
    try:
        found: tuple[Family, ...] = loaded.families(models_dir)
    except ConfigError as broken:
        raise BrokenModels(broken.faults) from None
    return found


def _files(module: str, models_dir: Path | None) -> list[tuple[Path, int]]:
    """The installer's files for this module, with the time of their last change (0: cannot be had)."""
    found = sorted((models_dir / FOLDERS[module]).glob("*.toml")) if models_dir is not None else []
    return [(file, _changed(file)) for file in found]


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # a link to nothing, no permission: the module says so
        return 0


def _with_files(models_dir: Path | None) -> Iterator[str]:
    return (module for module in FOLDERS if _files(module, models_dir))


def _shared(found: list[Family], models_dir: Path | None) -> Iterator[Fault]:
    """An installer's name that a driver of another kind has already: which one is meant could not be told."""
    first: dict[str, Family] = {}
    for family in found:
        for name in family.models:
            if (other := first.setdefault(name, family)) is not family:
                both = f'"{name}" in {other.name} and {family.name}'
                yield Fault(models_dir or Path(), 1, 1, "", both, "a name of one driver")


def _plain(name: str) -> str:
    """A name without what hands and eyes confuse: capitals, dashes, O for 0, l for 1, Cyrillic letters."""
    return latin(name).lower().translate(str.maketrans("ol", "01", "-_ "))
