"""The variant bytes, asked rarely.

They are stated with construct, which is loaded only when they are read: a daemon need not carry it.
"""

from dataclasses import dataclass
from typing import Any

from construct import BitsInteger, BitStruct, Flag, Padding

from protocols.mercury.frames import sized
from protocols.mercury.identity import CONSTANTS

_VARIANT = BitStruct(  # Incotex command system 05.2023, §4.4.15, the six bytes that all firmware sends
    "class_active" / BitsInteger(2),
    "class_reactive" / BitsInteger(2),
    "voltage" / BitsInteger(2),
    "current" / BitsInteger(2),
    "one_direction" / Flag,
    "to_minus_40" / Flag,
    "profile" / Flag,
    "single_phase" / Flag,
    "constant" / BitsInteger(4),
    "sum_by_modulus" / Flag,
    "tariff_unit" / Flag,
    "active_only" / BitsInteger(2),
    "execution" / BitsInteger(4),
    "memory_128k" / Flag,
    Padding(3),
    "port" / BitsInteger(2),
    Padding(2),
    "relay" / Flag,
    Padding(6),
    "per_phase_energy" / Flag,
    "neutral_current" / Flag,
    "extended_arrays" / Flag,
    Padding(6),
)
_CLASSES_ACTIVE = ("0.2S", "0.5S", "1.0", "2.0")
_CLASSES_REACTIVE = ("0.2", "0.5", "1.0", "2.0")
_VOLTAGES = ("57.7", "230")
_CURRENTS = ("5", "1", "10")
_PORTS = ("CAN", "RS-485", None, None)
_CODED: tuple[tuple[str, tuple[Any, ...], int], ...] = (  # field, meanings of its codes, the highest code
    ("class_active", _CLASSES_ACTIVE, 3),
    ("class_reactive", _CLASSES_REACTIVE, 3),
    ("voltage", _VOLTAGES, 3),
    ("current", _CURRENTS, 3),
    ("constant", CONSTANTS, 15),
    ("port", _PORTS, 3),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """How the meter was built; None where a field holds a reserved code. ``constant`` in imp/kWh (the A of profile
    and maxima), ``voltage`` in V and ``current`` in A as text, nominal."""

    class_active: str
    class_reactive: str
    voltage: str | None
    current: str | None
    constant: int | None
    port: str | None
    one_direction: bool
    single_phase: bool
    active_only: bool
    sum_by_modulus: bool
    tariff_unit: bool
    profile: bool
    relay: bool
    per_phase_energy: bool
    extended_arrays: bool

    @classmethod
    def from_bytes(cls, data: bytes) -> "Variant":
        """From the 6 bytes of 08 12, or the 8 or 12 of the extended forms; BadFrame for another length."""
        bits = _VARIANT.parse(sized(data, 6, 8, 12)[:6])
        return cls(
            class_active=_CLASSES_ACTIVE[bits.class_active],
            class_reactive=_CLASSES_REACTIVE[bits.class_reactive],
            voltage=_known(_VOLTAGES, bits.voltage),
            current=_known(_CURRENTS, bits.current),
            constant=CONSTANTS[bits.constant] if bits.constant < len(CONSTANTS) else None,
            port=_PORTS[bits.port],
            one_direction=bits.one_direction,
            single_phase=bits.single_phase,
            active_only=bits.active_only == 1,
            sum_by_modulus=bits.sum_by_modulus,
            tariff_unit=bits.tariff_unit,
            profile=bits.profile,
            relay=bits.relay,
            per_phase_energy=bits.per_phase_energy,
            extended_arrays=bits.extended_arrays,
        )

    def to_bytes(self) -> bytes:
        """The 6 bytes; bits that are not kept are 0, None is the highest code of its field, a reserved one."""
        bits: dict[str, Any] = dict.fromkeys(("to_minus_40", "execution", "memory_128k", "neutral_current"), 0)
        bits |= {name: getattr(self, name) for name in self.__slots__}
        for name, known, reserved in _CODED:
            value = bits[name]
            bits[name] = reserved if value is None else known.index(value)
        return bytes(_VARIANT.build(bits | {"active_only": int(self.active_only)}))


def _known(names: tuple[str, ...], code: int) -> str | None:
    return names[code] if code < len(names) else None
