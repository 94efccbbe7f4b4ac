"""What a plant has to know of a kind of simulated meter: how its table is judged, how a meter is built and moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from protocols.session import Line
from simulators.household import Household
from simulators.pair import SimulatedMeter

Clock = Callable[[], datetime]
Registers = Mapping[str, int | Decimal]  # by OBIS code, as the meter shows them: Wh and varh
Refresh = Callable[[datetime], Registers]
"""Moves a meter to a moment (aware) and says what its registers show then."""


@dataclass(frozen=True, slots=True)
class PlannedMeter:
    """A meter. ``household`` is the seed of the load behind it; a ``dead`` one is there and never answers.

    ``address``: a text where the protocol has text addresses (``""`` has none), else a number. ``line``: that of the
    sign-on where the meter changes its speed in mid-dialogue.
    """

    bus: str
    model: str
    address: int | str
    serial: str
    line: Line
    household: int = 0
    tariffs: tuple[str, ...] = ("T1", "T2", "T3")
    dead: bool = False


Build = Callable[[PlannedMeter, Household, Clock, ZoneInfo], tuple[SimulatedMeter, Refresh]]


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model that may stand in PLANT.toml."""

    build: Build
    address: Callable[[object], int | str]  # as the file has it; ValueError: what may stand there
    digits: int = 9  # of a serial number, at most
    form: str = "octet"  # of its addresses: meters of one line whose addresses have the same form need different ones
    driver: str = ""  # the name that may stand in ``driver =`` to read it; empty: the model's own
    password: str | None = None  # needed for reading, where drivers know none as delivered


def numbers(low: int, high: int) -> Callable[[object], int]:
    """The address check of a model whose addresses are numbers."""

    def address(found: object) -> int:
        if not isinstance(found, int) or not low <= found <= high:
            raise ValueError(f"{low} to {high}")
        return found

    return address
