"""Model files, ours and the installer's: read with every fault at once, and which of them hold.

One rule for all families: a model of the installer's goes before a shipped one for each name that both list. The
other names of the shipped one stay its own.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from drivers.files.faults import ConfigError, Fault, once
from drivers.files.fields import Section
from drivers.files.source import read
from drivers.files.words import shown

M = TypeVar("M")


def load(file: Path, build: Callable[[Section], M | None]) -> M:
    """What ``build`` makes of the file's top table; ConfigError with every fault. It gives None after a fault."""
    source, unread = read(file)
    if source is None:
        raise ConfigError(unread)
    faults: list[Fault] = []
    model = build(Section(source, (), source.data, faults))
    if unread or faults or model is None:
        raise ConfigError(sorted(once(unread, faults), key=lambda fault: (fault.line, fault.column)))
    return model


def in_force(
    own: Path | None,
    shipped: Path,
    load: Callable[[Path], M],
    names: Callable[[M], tuple[str, ...]],
    key: str = "names",
) -> list[tuple[tuple[str, ...], M]]:
    """Each model with the names that are its own, by the first of them; ConfigError with the faults of all files.

    ``own``: the installer's folder, which need not be there. ``key`` is the one under which a file lists its names.
    Files are parsed once, again when they change.
    """
    faults: list[Fault] = []
    found: dict[str, tuple[tuple[str, ...], M]] = {}
    taken: dict[str, Path] = {}
    for folder in (own, shipped):
        here: dict[str, Path] = {}
        for file in _files(folder):
            try:
                model: M = _load(load, file, _changed(file))
            except ConfigError as wrong:
                faults += wrong.faults
                continue
            for name in names(model):
                if here.setdefault(name, file) is not file:
                    faults += _taken(file, key, name, here[name])
            left = tuple(dict.fromkeys(name for name in names(model) if name not in taken))
            if left:
                found[left[0]] = left, model
        taken |= here
    if faults:
        raise ConfigError(faults)
    return [found[name] for name in sorted(found)]


def _files(folder: Path | None) -> Iterator[Path]:
    return iter(sorted(folder.glob("*.toml"))) if folder is not None else iter(())


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # a link to nothing, no permission: reading says so
        return 0


def _taken(file: Path, key: str, name: str, other: Path) -> list[Fault]:
    source, _ = read(file)
    expected = f"a name that {other} does not have"
    return [source.fault((key,), shown(name), expected)] if source is not None else []


@lru_cache(maxsize=256)
def _load(load: Callable[[Path], Any], file: Path, _changed: int) -> Any:
    return load(file)
