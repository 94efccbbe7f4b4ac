"""What is wrong in a configuration, and where: kind to the technician."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to put right. ``line`` and ``column`` count from 1; ``key`` counts tables of an array from 1.

    ``found`` says what stands there (never a secret), ``expected`` what may stand there. ``denied``: the reader may
    not look, which root or the service's user may.
    """

    file: Path
    line: int
    column: int
    key: str
    found: str
    expected: str
    denied: bool = False

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}found {self.found}, expected {self.expected}"


class ConfigError(ValueError):
    """Every fault of a configuration at once, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = list(faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

    @property
    def exit(self) -> int:
        """The documented exit code: 77 where only permission is missing, else 78."""
        return 77 if self.denied else 78

    @property
    def denied(self) -> bool:
        """Nothing is wrong but that this user may not read it."""
        return all(fault.denied for fault in self.faults)


def once(first: Sequence[Fault], more: Sequence[Fault]) -> list[Fault]:
    """``first``, then the others but those in the same lines: what is wrong with a line's syntax or encoding is told,
    and not what came of it."""
    lines = {(fault.file, fault.line) for fault in first}
    return [*first, *(fault for fault in more if (fault.file, fault.line) not in lines)]
