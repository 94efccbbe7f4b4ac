"""Modbus meters with settable registers: a request in, an answer out.

Independent of the drivers: the registers are laid out and packed here from the makers' tables. Frames are those of
``protocols.modbus``, which recorded dialogues judge. ``simulators/line.py`` puts the meters on a pseudo-terminal.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from protocols.checksums import crc16_modbus
from protocols.modbus import mbap
from protocols.modbus.questions import DeviceIdentification
from protocols.modbus.rtu import seal
from protocols.modbus.wire import encode_exception, encode_identification, encode_registers

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q", "f32": ">f", "f64": ">d"}

Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Field:
    """A value's place: function, wire address, type, and how many units of the register one unit of the value is."""

    function: int
    address: int
    type: str
    per: Fraction = Fraction(1)
    low_word_first: bool = False


@dataclass
class ModbusMeter:
    """``registers[function][address]`` are plain 16-bit numbers; ``fields`` names what stands where.

    Silent on another unit, a wrong CRC or a wrong length. A read of more than ``max_read`` registers, or an odd one
    with ``even_only``, is an illegal value; a register that is not there is an illegal address, or reads as 0 with
    ``open_holes`` if registers lie around it. ``hook(function, address, count)`` may name an exception code instead.
    """

    unit: int
    fields: Mapping[str, Field] = field(default_factory=dict)
    max_read: int = 125
    even_only: bool = False
    open_holes: bool = False
    delay: float = 0.02  # s
    objects: Mapping[int, bytes] | None = None  # device identification (43/14)
    hook: Callable[[int, int, int], int | None] | None = None
    registers: dict[int, dict[int, int]] = field(default_factory=lambda: {3: {}, 4: {}})

    def answer(self, request: bytes) -> bytes:
        """The RTU answer; ``b""`` is silence."""
        if len(request) < 4 or crc16_modbus(request):
            return b""
        if request[0] != self.unit:
            return b""
        reply = self._reply(request[1:-2])
        return seal(request[:1] + reply) if reply else b""

    def answer_tcp(self, request: bytes) -> bytes:
        """The Modbus TCP answer to one request frame, under its transaction number."""
        if len(request) < 8 or request[2:4] != b"\0\0" or int.from_bytes(request[4:6], "big") != len(request) - 6:
            return b""
        if request[6] != self.unit:
            return b""
        reply = self._reply(request[7:])
        return mbap.wrap(request[:2], request[6:7] + reply) if reply else b""

    def put(self, name: str, value: Number) -> None:
        """Set a named value, in Wh, varh, W, var, VA, V, A, Hz; what the register cannot resolve is cut off."""
        place = self.fields[name]
        raw = Fraction(value) * place.per
        number = float(raw) if place.type[0] == "f" else int(raw)
        octets = struct.pack(FORMATS[place.type], number)
        words = [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)]
        if place.low_word_first:
            words.reverse()
        for offset, word in enumerate(words):
            self.registers[place.function][place.address + offset] = word

    def set_energy(self, energy: Mapping[str, int]) -> None:
        """Counters by name (``total``, ``T1``…, ``export``, ``reactive``, ``reactive export``) in Wh and varh; those
        that the meter does not have are left out."""
        self._put_all(energy)

    def set_network(self, network: Mapping[str, Number]) -> None:
        """``U1`` ``I1`` ``P1``…, ``P``, ``Q``, ``S``, ``PF``, ``f``; those that the meter lacks are left out."""
        self._put_all(network)

    def shown(self, name: str) -> Decimal:
        """What the registers of a name say, in its unit; a binary float as the shortest decimal that rounds to it."""
        place = self.fields[name]
        bank, form = self.registers[place.function], FORMATS[place.type]
        words = [bank[place.address + offset] for offset in range(struct.calcsize(form) // 2)]
        if place.low_word_first:
            words.reverse()
        octets = b"".join(word.to_bytes(2, "big") for word in words)
        (number,) = struct.unpack(form, octets)
        text = str(number)
        if place.type == "f32":
            text = next(t for t in (f"{number:.{n}g}" for n in range(1, 18)) if struct.pack(form, float(t)) == octets)
        exact = Fraction(Decimal(text)) / place.per
        return Decimal(exact.numerator) / Decimal(exact.denominator)

    def _put_all(self, values: Mapping[str, Number]) -> None:
        for name, value in values.items():
            if name in self.fields:
                self.put(name, value)

    def _reply(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function in (3, 4) and len(pdu) == 5:
            address, count = struct.unpack(">HH", pdu[1:])
            reply = self._read(function, address, count)
        elif function == 43 and len(pdu) == 4 and pdu[1] == 14 and self.objects is not None:
            return self._identification(pdu[2], pdu[3])
        else:
            reply = ILLEGAL_FUNCTION
        return encode_exception(function, reply) if isinstance(reply, int) else encode_registers(function, reply)

    def _read(self, function: int, address: int, count: int) -> bytes | int:
        code = self.hook(function, address, count) if self.hook else None
        if code is not None:
            return code
        if not 1 <= count <= self.max_read or (self.even_only and (count % 2 or address % 2)):
            return ILLEGAL_VALUE
        bank = self.registers[function]
        wanted = range(address, address + count)
        missing = [at for at in wanted if at not in bank]
        if missing and not (self.open_holes and address in bank):
            return ILLEGAL_ADDRESS
        return struct.pack(f">{count}H", *(bank.get(at, 0) for at in wanted))

    def _identification(self, code: int, first: int) -> bytes:
        objects = {number: text for number, text in sorted((self.objects or {}).items()) if number >= first}
        return encode_identification(DeviceIdentification(objects), code)


KILO = Fraction(1, 1000)


def _run(function: int, address: int, kind: str, per: Fraction, *names: str, low: bool = False) -> dict[str, Field]:
    """Values of one type that stand one behind the other; an empty name is a gap of one value."""
    size = struct.calcsize(FORMATS[kind]) // 2
    return {name: Field(function, address + size * number, kind, per, low) for number, name in enumerate(names) if name}


SDM630 = {
    **_run(4, 0x0000, "f32", Fraction(1), "U1", "U2", "U3", "I1", "I2", "I3", "P1", "P2", "P3", "S1", "S2", "S3"),
    **_run(4, 0x0018, "f32", Fraction(1), "Q1", "Q2", "Q3", "PF1", "PF2", "PF3"),
    **_run(4, 0x0034, "f32", Fraction(1), "P", "", "S", "", "Q", "PF", "", "", "", "f"),
    **_run(4, 0x0048, "f32", KILO, "total", "export", "reactive", "reactive export"),
}
B23 = {
    **_run(3, 0x8900, "u32", Fraction(1), "serial"),
    **_run(3, 0x5000, "u64", Fraction(1, 10), "total", "export", "", "reactive", "reactive export"),
    **_run(3, 0x5170, "u64", Fraction(1, 10), "T1", "T2", "T3", "T4"),
    **_run(3, 0x5B00, "u32", Fraction(10), "U1", "U2", "U3"),
    **_run(3, 0x5B0C, "u32", Fraction(100), "I1", "I2", "I3"),
    **_run(3, 0x5B14, "i32", Fraction(100), "P", "P1", "P2", "P3"),
    **_run(3, 0x5B2C, "u16", Fraction(100), "f"),
    **_run(3, 0x5B3A, "i16", Fraction(1000), "PF"),
}
ORNO517 = {
    **_run(3, 0x0000, "u32", Fraction(1), "serial"),
    **_run(3, 0x000E, "f32", Fraction(1), "U1", "U2", "U3", "f", "I1", "I2", "I3"),
    **_run(3, 0x001C, "f32", KILO, "P", "P1", "P2", "P3", "Q", "Q1", "Q2", "Q3", "S", "S1", "S2", "S3"),
    **_run(3, 0x0034, "f32", Fraction(1), "PF", "PF1", "PF2", "PF3"),
    **_run(3, 0x0108, "f32", KILO, "total", "", "", "", "export"),
    **_run(3, 0x0120, "f32", KILO, "reactive", "", "", "", "reactive export"),
    **{f"T{n}": Field(3, 0x0132 + 12 * (n - 1), "f32", KILO) for n in (1, 2, 3, 4)},
    **{f"export T{n}": Field(3, 0x0134 + 12 * (n - 1), "f32", KILO) for n in (1, 2, 3, 4)},
}
IEM3155 = {
    **_run(3, 129, "u32", Fraction(1), "serial"),
    **_run(3, 2999, "f32", Fraction(1), "I1", "I2", "I3"),
    **_run(3, 3027, "f32", Fraction(1), "U1", "U2", "U3"),
    **_run(3, 3053, "f32", KILO, "P1", "P2", "P3", "P"),
    **_run(3, 3083, "f32", Fraction(1), "PF"),
    **_run(3, 3109, "f32", Fraction(1), "f"),
    **_run(3, 3203, "i64", Fraction(1), "total", "export", "", "", "reactive", "reactive export"),
    **_run(3, 4195, "i64", Fraction(1), "T1", "T2", "T3", "T4"),
}
EM24 = {
    **_run(3, 0x0000, "i32", Fraction(10), "U1", "U2", "U3", low=True),
    **_run(3, 0x000C, "i32", Fraction(1000), "I1", "I2", "I3", low=True),
    **_run(3, 0x0028, "i32", Fraction(10), "P", low=True),
    **_run(3, 0x0037, "i16", Fraction(10), "f"),
    **_run(3, 0x003E, "i32", Fraction(1, 100), "total", "", "partial", low=True),
    **_run(3, 0x004C, "i32", Fraction(1, 100), "T1", "T2", "T3", "T4", low=True),
    **_run(3, 0x0054, "i32", Fraction(1, 100), "reactive T1", "reactive T2", "reactive T3", "reactive T4", low=True),
    **_run(3, 0x005C, "i32", Fraction(1, 100), "export", low=True),
}


def sdm630(unit: int) -> ModbusMeter:
    """Eastron SDM630: no tariffs, no serial register that is certain; reads of an even number of registers up to 60."""
    return _filled(ModbusMeter(unit, SDM630, max_read=60, even_only=True, open_holes=True))


def b23(unit: int, serial: int) -> ModbusMeter:
    """ABB B23 silver: steps of 10 Wh, any block from 0x1000 to 0x8EFF may be read."""
    return _filled(ModbusMeter(unit, B23, open_holes=True), serial)


def orno517(unit: int, serial: int) -> ModbusMeter:
    """Orno OR-WE-517: four tariffs, a dense table."""
    return _filled(ModbusMeter(unit, ORNO517, open_holes=True), serial)


def iem3155(unit: int, serial: int) -> ModbusMeter:
    """Schneider iEM3155: four rates, registers without values between them refuse."""
    objects = {0: b"Schneider Electric", 1: b"iEM3155", 2: b"1.0"}
    return _filled(ModbusMeter(unit, IEM3155, objects=objects), serial)


def em24(unit: int) -> ModbusMeter:
    """Carlo Gavazzi EM24-DIN: low word first, steps of 100 Wh, at most 50 registers; FC3 and FC4 are the same."""
    meter = _filled(ModbusMeter(unit, EM24, max_read=50, open_holes=True))
    meter.registers[3][0x000B] = 71  # not 1651, which is another layout; the real code of this model is not known
    meter.registers[4] = meter.registers[3]
    return meter


BUILDERS: Mapping[str, Callable[[int, int], ModbusMeter]] = {
    "sdm630": lambda unit, serial: sdm630(unit),
    "b23": b23,
    "orno517": orno517,
    "iem3155": iem3155,
    "em24": lambda unit, serial: em24(unit),
}
"""Model name → a meter of it, from unit and serial number (unused where the model has no register for it)."""


def _filled(meter: ModbusMeter, serial: int | None = None) -> ModbusMeter:
    """All named registers exist from the start, at 0."""
    for name in meter.fields:
        meter.put(name, 0)
    if serial is not None:
        meter.put("serial", serial)
    return meter
