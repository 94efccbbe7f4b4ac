"""Registers become exact numbers."""

import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.values import TYPES, exact, low_word_first
from tests.support.present import present


def f32(value: float) -> bytes:
    return struct.pack(">f", value)


def shortest_float32(octets: bytes) -> Decimal | None:
    """The value of a model's row of type ``f32``, not yet an int where it is whole."""
    raw = TYPES["f32"][1](octets)
    return None if raw is None else Decimal(raw[0]).scaleb(raw[1])


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("43 66 33 34", "230.20001"),  # Eastron's paper prints its example as 230.2, which is the float before
        ("43 66 33 33", "230.2"),
        ("c9 aa d9 f2", "-1399614.2"),  # exactly .25: of the two nearest the even one
        ("44 9a 52 25", "1234.567"),
        ("48 00 00 01", "131072.02"),
        ("4b 80 00 00", "16777216"),
        ("3d cc cc cd", "0.1"),
        ("80 00 00 00", "0"),
        ("00 00 00 01", "1E-45"),
        ("7f 7f ff ff", "3.4028235E+38"),
        ("00 80 00 00", "1.1754944E-38"),
        ("c1 48 00 00", "-12.5"),
    ],
)
def test_a_float32_is_the_shortest_decimal_that_rounds_to_it(octets: str, value: str) -> None:
    assert shortest_float32(bytes.fromhex(octets)) == Decimal(value)


@pytest.mark.parametrize("octets", ["7f c0 00 00", "7f 80 00 00", "ff 80 00 00", "ff ff ff ff"])
def test_nan_and_infinity_are_no_numbers(octets: str) -> None:
    assert shortest_float32(bytes.fromhex(octets)) is None


def exactly(bits: int) -> Fraction:
    """A positive float32 as a fraction."""
    exponent, fraction = bits >> 23, bits & 0x7FFFFF
    return Fraction(fraction | 0x800000 if exponent else fraction) * Fraction(2) ** ((exponent or 1) - 150)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.integers(1, 0x7F7FFFFE) | st.integers(1, 254).map(lambda exponent: exponent << 23))
def test_no_shorter_decimal_rounds_to_the_float(bits: int) -> None:
    found = shortest_float32(bits.to_bytes(4, "big"))
    value = exactly(bits)
    low, high = (exactly(bits - 1) + value) / 2, (value + exactly(bits + 1)) / 2

    def inside(x: Fraction) -> bool:
        return low <= x <= high if bits % 2 == 0 else low < x < high

    assert inside(Fraction(present(found)))
    step = Fraction(10) ** (int(present(found).normalize().as_tuple().exponent) + 1)
    below = value // step * step
    assert not inside(below)
    assert not inside(below + step)
    assert struct.pack(">f", float(present(found))) == bits.to_bytes(4, "big")


@pytest.mark.parametrize("octets", ["7f f0 00 00 00 00 00 00", "ff f8 00 00 00 00 00 00"])
def test_a_double_without_a_value_is_no_number(octets: str) -> None:
    assert TYPES["f64"][1](bytes.fromhex(octets)) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_the_decimal_that_python_prints(value: float) -> None:
    digits, exponent = present(TYPES["f64"][1](struct.pack(">d", value)))
    assert Fraction(digits) * Fraction(10) ** exponent == Fraction(repr(value))


@given(st.integers(-(10**19), 10**19), st.integers(-8, 4))
def test_numbers_are_whole_ints_or_decimals_without_trailing_zeros(digits: int, exponent: int) -> None:
    number = exact(digits, exponent)
    assert Fraction(number) == Fraction(digits) * Fraction(10) ** exponent
    assert isinstance(number, int) == (Fraction(number).denominator == 1)


@pytest.mark.parametrize("name", ["u16", "i16", "u32", "i32", "u64", "i64"])
@given(data=st.data())
def test_integers_are_themselves(name: str, data: st._internal.core.DataObject) -> None:
    size = 2 * TYPES[name][0]
    octets = data.draw(st.binary(min_size=size, max_size=size))
    assert TYPES[name][1](octets) == (int.from_bytes(octets, "big", signed=name[0] == "i"), 0)


def test_the_low_word_first_is_turned_round_by_registers() -> None:
    assert low_word_first(bytes.fromhex("56 78 12 34")) == bytes.fromhex("12 34 56 78")
    assert low_word_first(bytes(range(8))) == bytes((6, 7, 4, 5, 2, 3, 0, 1))
