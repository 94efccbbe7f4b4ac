"""The installer's main file and its ``conf.d``."""

import os
from pathlib import Path

from drivers.files.faults import Fault
from drivers.files.source import Source, read

ADDED = ("bus", "meter")  # what a file of conf.d may add


def is_file(path: Path) -> bool:
    """Whether this is a file that this user may see; a folder that hides it raises nothing."""
    return os.path.isfile(path)  # noqa: PTH113 - Path's raises where it may not look


def read_all(file: Path) -> tuple[list[Source], list[Fault]]:
    """The file and what stands in ``conf.d/*.toml`` beside it, in the order of the names; what could be read of them,
    and all faults of encoding and syntax."""
    sources: list[Source] = []
    faults: list[Fault] = []
    directory = file.parent / "conf.d"
    added: list[Path] = []
    try:
        added = sorted(one for one in directory.iterdir() if one.name.endswith(".toml"))
    except (FileNotFoundError, NotADirectoryError):  # none beside this file
        pass
    except OSError as error:  # meters that cannot be seen must not be missing silently
        found = f"a folder that you may not read ({error.strerror})"
        faults.append(Fault(directory, 1, 1, "", found, "permission, for example by sudo", denied=True))
    for one in (file, *added):
        source, unread = read(one)
        faults += unread
        sources += [source] if source is not None else []
    return sources, faults
