"""Registers as exact numbers: integers as they are, binary floats as the shortest decimal that rounds to them.

A raw number is a pair (digits, exponent): digits × 10^exponent, both int; None is a float that is not a number.
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from math import isfinite

from drivers.reading import Number

Raw = tuple[int, int]

_DOUBLE = struct.Struct(">d")


def _float32(octets: bytes) -> Raw | None:
    """Exact integer arithmetic after Steele and White: the multiple of the largest power of ten that still lies within
    half a unit of the last place of the float."""
    bits = int.from_bytes(octets, "big")
    biased, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
    if biased == 0xFF:
        return None
    mantissa, power = (fraction | 0x800000, biased - 150) if biased else (fraction, -149)
    if not mantissa:
        return 0, 0
    # In quarters of the last place: the float, and the bounds that still round to it. Below a power of two the floats
    # lie twice as close.
    low, high = 4 * mantissa - (2 if fraction or biased < 2 else 1), 4 * mantissa + 2
    digits, exponent = _shortest(low, 4 * mantissa, high, power - 2, closed=not mantissa & 1)
    return (-digits if bits >> 31 else digits), exponent


def _shortest(low: int, middle: int, high: int, power: int, closed: bool) -> Raw:
    """The number with fewest digits between low and high, the nearest to the middle; all are × 2^power.

    ``closed``: the bounds themselves round to the float too, since a tie goes to the even mantissa.
    """
    # 10^exponent well below the width of the interval has a multiple in it; ever larger powers are tried.
    exponent = ((high - low).bit_length() - 1 + power) * 30103 // 100000 - 1
    above, below = (1 << power, 1) if power >= 0 else (1, 1 << -power)
    if exponent >= 0:
        below *= 10**exponent
    else:
        above *= 10**-exponent
    best = 0
    while True:
        if closed:
            first, last = -(-low * above // below), high * above // below
        else:
            first, last = low * above // below + 1, -(-high * above // below) - 1
        if first > last:
            return best, exponent - 1
        nearest, rest = divmod(2 * middle * above + below, 2 * below)
        if not rest:
            nearest &= -2  # half way between two: the even one, as printers of floats do
        best = min(max(nearest, first), last)
        below *= 10
        exponent += 1


def _float64(octets: bytes) -> Raw | None:
    """Python's repr of a double is the shortest decimal that rounds to it."""
    (value,) = _DOUBLE.unpack(octets)
    if not isfinite(value):
        return None
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    number = int("".join(map(str, digits)))
    return (-number if sign else number), int(exponent)


def _integer(signed: bool) -> Callable[[bytes], Raw]:
    return lambda octets: (int.from_bytes(octets, "big", signed=signed), 0)


TYPES: dict[str, tuple[int, Callable[[bytes], Raw | None]]] = {
    "u16": (1, _integer(False)),
    "i16": (1, _integer(True)),
    "u32": (2, _integer(False)),
    "i32": (2, _integer(True)),
    "u64": (4, _integer(False)),
    "i64": (4, _integer(True)),
    "f32": (2, _float32),
    "f64": (4, _float64),
}
"""Name in a model file → number of registers, and the octets (high word first) as a raw number."""


def low_word_first(octets: bytes) -> bytes:
    """The registers in reverse order, each still high octet first."""
    return b"".join(octets[at : at + 2] for at in range(len(octets) - 2, -1, -2))


def exact(digits: int, exponent: int) -> Number:
    """digits × 10^exponent: an int where it is whole, else a Decimal without trailing zeros."""
    while exponent < 0 and digits % 10 == 0 and digits:
        digits //= 10
        exponent += 1
    if not digits:
        return 0
    return digits * 10**exponent if exponent >= 0 else Decimal(digits).scaleb(exponent)
