"""HDLC frames and A-XDR data under everything a line can do to them."""

import contextlib
import struct
from decimal import Decimal
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.dlms import axdr
from protocols.dlms.hdlc import Address, Deframer, Frame, Limits
from protocols.errors import BadFrame
from tests.support.present import present

H = bytes.fromhex
SOUND = H("7EA01C000246CF4132E5BCE6E600C001C100030100010801FF020089747E")


def frames(data: bytes, piece: int = 4096) -> list[Frame]:
    deframer, found = Deframer(), []
    for at in range(0, len(data), piece):
        deframer.feed(data[at : at + piece])
        while (frame := deframer.frame()) is not None:
            found.append(frame)
    while (frame := deframer.frame(silent=True)) is not None:
        found.append(frame)
    return found


@pytest.mark.parametrize("piece", [1, 3, 64])
def test_a_frame_full_of_flags_is_ended_by_its_length_alone(piece: int) -> None:
    frame = Frame(Address(16).to_bytes(), Address(1, 17, 2).to_bytes(), 0x30, b"\xe6\xe7\x00" + b"\x7e" * 200)
    assert frames(frame.to_bytes() * 2, piece) == [frame, frame]


@pytest.mark.parametrize("noise", [b"\x00", b"\x7e", b"\x7e\xa7\xff", b"\x7e\xa0\x07\x03", b"\xff" * 300, b"\x7e\xa0"])
def test_noise_before_and_behind_hides_no_frame(noise: bytes) -> None:
    assert frames(noise + SOUND + noise) == [Frame.from_bytes(SOUND)]


def test_one_flag_may_close_a_frame_and_open_the_next() -> None:
    assert len(frames(SOUND + SOUND[1:] + SOUND[1:])) == 3


def test_an_endless_babble_takes_bounded_memory() -> None:
    deframer = Deframer()
    for _ in range(200):
        deframer.feed(b"\x7e\xa7\xff" * 100)
        while deframer.frame() is not None:
            pass
    assert len(deframer._buffer) < 4200


@pytest.mark.parametrize("size", [0, 3, 5])
def test_an_address_of_an_impossible_length_is_refused(size: int) -> None:
    with pytest.raises(BadFrame):
        Address.from_bytes(b"\x01" * size)


@pytest.mark.parametrize(
    ("upper", "lower", "size"), [(0x80, 0, 1), (1, 0x80, 2), (1, 0x4000, 4), (1, 1, 1), (1, 1, 3), (-1, 0, 1)]
)
def test_an_address_that_does_not_fit_is_our_own_mistake(upper: int, lower: int, size: int) -> None:
    with pytest.raises(ValueError, match="HDLC address"):
        Address(upper, lower, size)


@pytest.mark.parametrize(
    "field",
    ["81", "818001", "81800105", "8180020501", "818003050100", "818006070400000008", "81800605010006010507040000"],
)
def test_parameters_that_are_cut_or_out_of_range_are_refused(field: str) -> None:
    with pytest.raises(BadFrame):
        Limits.from_bytes(H(field))


def test_an_unknown_parameter_of_ua_is_skipped() -> None:
    assert Limits.from_bytes(H("818009050190200101060190")) == Limits(0x90, 0x90)


DATA = st.recursive(
    st.one_of(
        st.just(axdr.null()),
        st.booleans().map(axdr.boolean),
        *(
            st.integers(-(1 << 8 * octets - 1) if signed else 0, (1 << 8 * octets - signed) - 1).map(
                partial(axdr.number, tag)
            )
            for tag, (octets, signed) in axdr.INTEGERS.items()
        ),
        st.binary(max_size=300).map(axdr.octets),
        st.text(st.characters(max_codepoint=127), max_size=20).map(axdr.visible),
        st.text("01", max_size=40).map(lambda text: axdr.bits(axdr.Bits(text))),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8).map(axdr.array), st.lists(inner, max_size=8).map(lambda each: axdr.structure(*each))
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(DATA)
def test_what_is_written_is_read_back_wholly(octets: bytes) -> None:
    value, end = axdr.decode_at(octets + b"\x11", 0)  # what stands behind is not touched
    assert end == len(octets)
    assert value == axdr.decode(octets)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (axdr.long64(-(2**63)), -(2**63)),
        (axdr.long64_unsigned(2**64 - 1), 2**64 - 1),
        (axdr.octets(bytes(200)), bytes(200)),
        (H("0d42"), 42),
        (H("0c03e282ac"), "€"),
        (H("1a07ea030aff"), H("07ea030aff")),
        (H("1b0c223800"), H("0c223800")),
        (H("ff"), None),
        (H("177fc00000"), None),  # a float that is not a number is absent
        (H("17ff800000"), None),
        (H("17449a5225"), Decimal("1234.567")),
        (H("183ff3c083126e978d"), Decimal("1.2345")),
        (H("13010003120c000100020003000400050006"), [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_values_at_the_edges_are_exact(octets: bytes, value: object) -> None:
    assert axdr.decode(octets) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_the_shortest_decimal_that_rounds_to_it(value: float) -> None:
    raw = struct.pack(">f", value)
    exact = axdr.shortest(raw)
    assert struct.pack(">f", float(present(exact))) == raw
    assert len(present(exact).as_tuple().digits) <= 9
    assert abs(Fraction(present(exact)) - Fraction(value)) <= abs(Fraction(value)) / 10**6 + Fraction(1, 10**44)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01",
        "0181",
        "0185",
        "0184ffffffff",  # four thousand million members in no octets
        "0284ffffffff00",
        "09ff",
        "0984ffffffff",
        "0483ffffff",
        "05000000",
        "0d4a",
        "13",
        "1311",
        "130003000000",  # members that take no octets
        "1302000100",
        "13018400",
        "13ff",
        "1313",
        "08",
        "20",
        "110000",
    ],
)
def test_broken_data_is_refused(octets: str) -> None:
    with pytest.raises(BadFrame):
        axdr.decode(H(octets))


def test_data_nested_without_end_is_refused() -> None:
    with pytest.raises(BadFrame, match="nested"):
        axdr.decode(b"\x01\x01" * 500 + b"\x00")
    with pytest.raises(BadFrame, match="nested"):
        axdr.decode(b"\x13" + b"\x02\x01" * 500 + b"\x11\x01\x00")


@pytest.mark.slow
@settings(max_examples=600)
@given(st.binary(max_size=80))
def test_any_octets_are_data_or_a_declared_error(octets: bytes) -> None:
    with contextlib.suppress(BadFrame):
        axdr.decode(octets)


CELLS = st.one_of(
    *(
        st.integers(-(1 << 8 * octets - 1) if signed else 0, (1 << 8 * octets - signed) - 1).map(
            partial(axdr.number, tag)
        )
        for tag, (octets, signed) in axdr.INTEGERS.items()
    ),
    st.just(axdr.null()),
    st.binary(min_size=11, max_size=13).map(axdr.octets),
)


@pytest.mark.slow
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=3), st.data())
def test_rows_of_one_form_and_rows_of_many_are_read_alike(
    kinds: list[list[bytes]], data: st._internal.core.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(kinds), min_size=3, max_size=12))
    together = axdr.decode(axdr.array([axdr.structure(*row) for row in chosen]))
    assert together == [axdr.decode(axdr.structure(*row)) for row in chosen]
