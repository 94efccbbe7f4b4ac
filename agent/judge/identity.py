"""No value is believed before the meter's identity is."""

from dataclasses import dataclass

from drivers.reading import Identity


@dataclass(frozen=True, slots=True)
class Verdict:
    """``serial`` goes into the records; ``known`` is False where the model has no serial register."""

    serial: str
    right: bool
    known: bool


def judge(configured: str, answered: Identity) -> Verdict:
    """Compare the serial number that the meter answers with the configured one.

    Leading zeros and blanks do not count: nameplates, acts and registers pad differently.
    """
    if answered.serial is None:
        return Verdict(configured, right=True, known=False)
    return Verdict(answered.serial, right=_plain(answered.serial) == _plain(configured), known=True)


def _plain(serial: str) -> str:
    return serial.strip().lstrip("0").upper()
