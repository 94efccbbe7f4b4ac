"""Families that other Python packages bring: entry points of the group ``meterpost.families``.

``toy = "toy_meter.driver"`` in a package's ``[project.entry-points."meterpost.families"]`` says that ``driver = "toy"``
is one of the models of that module's ``FAMILY`` (or ``FAMILIES``). The packages are scanned only when a name is
asked for that none of ours has, and a module is imported only when its name is.
"""

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from drivers.family import Family

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "meterpost.families"

OfModule = Callable[[str], tuple[Family, ...]]


class BrokenPlugin(ImportError):
    """The module of a package's entry point cannot be used."""

    def __init__(self, entry: "EntryPoint", trouble: Exception) -> None:
        package = entry.dist.name if entry.dist is not None else "?"
        super().__init__(f"{entry.value} of package {package} cannot be used: {trouble}")


def names() -> tuple[str, ...]:
    """What may stand in ``driver =`` beside our own, without importing anything."""
    return tuple(entry.name for entry in _entries(tuple(sys.path)))


def find(name: str, of_module: OfModule) -> Family | None:
    """The family that brings this name; None without one, BrokenPlugin where its module cannot be used."""
    for entry in _entries(tuple(sys.path)):
        if entry.name == name:
            for family in _families(entry, of_module):
                if name in family.models:
                    return family
            raise BrokenPlugin(entry, LookupError(f"no family of it has the model {name!r}"))
    return None


def families(of_module: OfModule) -> Iterator[Family]:
    """All that can be used, each once. A broken package does not take the others away: ``find`` says what is wrong."""
    seen: set[str] = set()
    for entry in _entries(tuple(sys.path)):
        if entry.value in seen:
            continue
        seen.add(entry.value)
        try:
            yield from _families(entry, of_module)
        except BrokenPlugin:
            continue


def _families(entry: "EntryPoint", of_module: OfModule) -> tuple[Family, ...]:
    try:
        return of_module(entry.module)
    except Exception as trouble:  # someone else's code: whatever it raises, our meters are read
        raise BrokenPlugin(entry, trouble) from trouble


@lru_cache(maxsize=4)
def _entries(path: tuple[str, ...]) -> "tuple[EntryPoint, ...]":
    """Of the packages on this search path, which is scanned once. The daemon of most gateways never gets here
    and need not load what searches packages."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))
