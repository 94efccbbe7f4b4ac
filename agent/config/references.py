"""Meters against the utilities that they name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.config.clashes import MeterEntry
from agent.config.utility import profile_file
from agent.config.utility.profile import Profile, faults_of
from agent.config.values import Meter
from drivers.files.faults import ConfigError, Fault
from protocols.session import Line

OF_STATEMENTS = ("account", "utility", "region", "place", "tariffs", "digits")


def of_utilities(meters: Sequence[MeterEntry], directory: Path | None, said: Sequence[Fault]) -> list[Fault]:
    """Meters that do not suit their utilities, and the faults of the installer's own profiles in ``directory``.

    Keys that have a fault already (``said``) are not judged again.
    """
    if directory is None and not any(meter.table.utility for meter in meters):
        return []
    try:
        profiles = profile_file.load(directory)
    except ConfigError as error:
        return error.faults
    faults = [fault for meter in meters for fault in _of_meter(meter, profiles)]
    return [fault for fault in faults if not any(_of_this(one, fault) for one in said)]


def _of_this(said: Fault, fault: Fault) -> bool:
    """Whether something has been said of this key, or of one inside its table."""
    return said.file == fault.file and (said.key == fault.key or said.key.startswith(f"{fault.key}."))


def _of_meter(entry: MeterEntry, profiles: Mapping[str, Profile]) -> list[Fault]:
    table = entry.table
    written = {key: getattr(table, key) for key in OF_STATEMENTS}
    meter = Meter(table.point or "", "", table.driver or "", "", table.serial or "", Line(), **written)
    faults = []
    for key, found, expected in faults_of(meter, profiles):
        if key == "account" and table.account is None:
            continue  # a warning says so: no statement is made
        missing = getattr(table, key) is None
        faults.append(entry.source.fault((*entry.path, key), found, expected, at_key=missing))
    return faults
