"""Modbus models are data: one TOML file says which registers a meter has and how they are read.

``docs/adding-a-modbus-meter.md`` explains the file to whoever writes one; the shipped ones are in ``models/modbus``.
"""

from dataclasses import dataclass
from decimal import Decimal

from drivers.modbus.values import TYPES, exact, low_word_first
from drivers.reading import Kind, Number
from protocols.modbus.questions import ReadHolding, ReadInput
from protocols.session import Line
from protocols.texts import meter_text

UNITS = {
    "kWh": 3, "Wh": 0, "kvarh": 3, "varh": 0, "kW": 3, "W": 0, "kvar": 3, "var": 0, "kVA": 3, "VA": 0,
    "V": 0, "A": 0, "Hz": 0, "1": 0,
}  # fmt: skip
"""Unit of a row → power of ten to the unit of a record (Wh, varh, W, var, VA, V, A, Hz; "1" is a plain number)."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Where a value stands: function 3 or 4, wire address, number of registers, type ("ascii": text)."""

    function: int
    address: int
    count: int
    type: str
    status: str = "driver"  # "official" (maker's document), "driver" (working code of others), "unverified"

    @property
    def end(self) -> int:
        return self.address + self.count

    def question(self) -> ReadHolding | ReadInput:
        return read(self.function, self.address, self.count)

    def text(self, octets: bytes, low_first: bool) -> str:
        """Identification as text: ASCII without padding, an integer in decimal digits."""
        if self.type == "ascii":
            return meter_text(octets.strip(b"\0 \xff")).strip("\ufffd")
        number = TYPES[self.type][1](low_word_first(octets) if low_first else octets)
        return "" if number is None else str(exact(*number))


@dataclass(frozen=True, slots=True, eq=False)
class Row(Cell):
    """A register of a record. Its value is raw × factor × 10^exponent, in the record's units."""

    obis: str = ""
    kind: Kind = "now"
    factor: int = 1
    exponent: int = 0
    optional: bool = False  # some variants lack it: its absence makes no partial record
    absent: frozenset[bytes] = frozenset()  # octets (high word first) that mean: not available
    rule: str = ""  # how a number has to be read: "quadrants" (Schneider iEM3000's power factor)

    def value(self, octets: bytes, low_first: bool) -> Number | None:
        """The exact number, None where the meter says that it has none (a marked value, NaN, infinity)."""
        if low_first:
            octets = low_word_first(octets)
        raw = None if octets in self.absent else TYPES[self.type][1](octets)
        if raw is None:
            return None
        number = exact(raw[0] * self.factor, raw[1] + self.exponent)
        return quadrants(number) if self.rule == "quadrants" else number

    @property
    def group(self) -> str | None:
        """The quantity whose total and tariffs belong together ("1" for A+); None for what has no tariffs."""
        quantity, processing, _ = self.obis.removeprefix("1-0:").split(".")
        return quantity if processing == "8" else None

    @property
    def tariff(self) -> str | None:
        """ "T1" to "T4", None for a total."""
        _, processing, number = self.obis.split(".")
        return f"T{number}" if processing == "8" and number != "0" else None


def quadrants(number: Number) -> Number | None:
    """A power factor that runs from -2 to 2: beyond 1 it is 2 - x, beyond -1 it is -2 - x, of a capacitive load or
    source (Schneider iEM3000 user manual DOCA0005EN-04, p. 109). None for what is farther out."""
    exactly = Decimal(number)
    if abs(exactly) <= 1:
        return number
    return (2 if exactly > 0 else -2) - exactly if abs(exactly) <= 2 else None


@dataclass(frozen=True, slots=True)
class Check:
    """A register that tells this model from others that would answer at the same addresses.

    The text must begin with one of ``expected`` (if any) and must equal none of ``never``.
    """

    cell: Cell
    expected: tuple[str, ...]
    never: tuple[str, ...]

    def allows(self, text: str) -> bool:
        return text not in self.never and (not self.expected or text.startswith(self.expected))


@dataclass(frozen=True, slots=True)
class Model:
    """A model file as frozen values. Times in seconds; ``resolution`` in Wh, of the coarsest energy register."""

    names: tuple[str, ...]
    maker: str
    title: str
    sources: tuple[str, ...]
    line: Line
    low_first: bool
    word_order_settable: bool
    max_read: int
    holes: int  # unused registers that one read may run over; 0: none
    unit_pause: Decimal
    timeout: Decimal | None
    resolution: Decimal
    serial: Cell | None
    check: Check | None
    rows: tuple[Row, ...]


def read(function: int, address: int, count: int) -> ReadHolding | ReadInput:
    """The question for these registers."""
    return ReadHolding(address, count) if function == 3 else ReadInput(address, count)
