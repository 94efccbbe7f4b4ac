"""No value is believed before the meter's identity is."""

from dataclasses import dataclass

from drivers.reading import Identity
from protocols.errors import MeterError


@dataclass(frozen=True, slots=True)
class IdentityVerdict:
    """``serial`` goes into the records; ``known`` is False where the model has no serial register."""

    serial: str
    right: bool
    known: bool


def judge(configured: str, answered: Identity) -> IdentityVerdict:
    """Compare the serial number that the meter answers with the configured one.

    Leading zeros and blanks do not count: nameplates, acts and registers pad differently.
    """
    if answered.serial is None:
        return IdentityVerdict(configured, right=True, known=False)
    return IdentityVerdict(answered.serial, right=_plain(answered.serial) == _plain(configured), known=True)


def _plain(serial: str) -> str:
    return serial.strip().lstrip("0").upper()


def same(one: str, other: str) -> bool:
    """Serial numbers as people and meters write them: leading zeros and blanks do not count."""
    return one.strip().lstrip("0").upper() == other.strip().lstrip("0").upper()


class WrongSerial(MeterError):
    """Another meter answers than the configured one: nothing it says is a reading of this point."""

    word = "wrong-serial"
    layer = "address"
    hint = "compare the number on the meter with serial in the configuration; a replaced meter needs its act"

    def __init__(self, expected: str, answered: str) -> None:
        super().__init__(f"meter {answered} answers, {expected} is configured: was the meter replaced?")
        self.expected, self.answered = expected, answered
