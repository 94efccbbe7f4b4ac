"""What a Modbus meter can be asked. Nothing here changes a meter: writing is not offered at all, since on some meters
writing 0 to an energy register clears it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from protocols.session import Read


@dataclass(frozen=True, slots=True)
class ReadRegisters(Read):
    """``count`` registers from ``address`` (as on the wire, from 0). The reply is ``bytes``: the registers' octets.

    ``octets`` is what the answer must hold, two a register unless a meter counts objects of another size (the EDP Box
    answers 12 octets to a count of 3). Modbus Application Protocol V1.1b3 §6.3, §6.4.
    """

    address: int
    count: int
    octets: int | None = None
    function: ClassVar[int] = 0

    @property
    def expected(self) -> int:
        """Octets of data that the one right answer has."""
        return 2 * self.count if self.octets is None else self.octets


@dataclass(frozen=True, slots=True)
class ReadHolding(ReadRegisters):
    """Function 3."""

    function: ClassVar[int] = 3


@dataclass(frozen=True, slots=True)
class ReadInput(ReadRegisters):
    """Function 4."""

    function: ClassVar[int] = 4


@dataclass(frozen=True, slots=True)
class ReadDeviceIdentification(Read):
    """Function 43/14, the basic objects from ``first`` on. Modbus Application Protocol V1.1b3 §6.21."""

    first: int = 0
    function: ClassVar[int] = 43


@dataclass(frozen=True, slots=True)
class DeviceIdentification:
    """Objects as sent: 0 is the maker, 1 the product code, 2 the revision. ``more``: the object to ask on from."""

    objects: Mapping[int, bytes]
    more: int | None = None


Question = ReadHolding | ReadInput | ReadDeviceIdentification
