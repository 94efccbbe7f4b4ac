"""Frames that others published judge the codec: checksums, lengths, values."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from protocols.checksums import crc16_modbus
from protocols.errors import Busy, MeterError, NotLoggedIn, Refused
from protocols.mercury import frames, identity, quantities, questions
from protocols.mercury.frames import Clock, Done, Energy, PhaseEnergy, TariffState
from protocols.mercury.identity import Details, Ratio, Serial
from protocols.mercury.session import Session
from protocols.session import Line
from tests.conversations import load, pairs

BOOKS = ("mercury-manual", "mercury-public", "mercury-synthetic")
FRAMES = sorted({octets for book in BOOKS for _, octets in load(book)})
PAIRS = [pair for book in BOOKS for pair in pairs(book)]


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


VARIANT = octets("B4 E3 C2 97 DF 58")
DETAILS = Details("32874766", date(2018, 6, 26), "9.0.0", VARIANT)

READ: list[tuple[Any, str, Any]] = [  # question, its request as published, its answer, what that means
    (questions.TestChannel(), "00 00 01 B0 / 00 00 01 B0", Done()),
    (questions.TestChannel(), "01 00 00 20 / 01 00 00 20", Done()),
    (questions.OpenChannel(1, b"\x01" * 6), "00 01 01 01 01 01 01 01 01 77 81 / 00 00 01 B0", Done()),
    (questions.OpenChannel(2, octets("121314151617")), "00 01 02 12 13 14 15 16 17 34 17 / 00 00 01 B0", Done()),
    (questions.OpenChannel(1, b"\x01" * 6), "4B 01 01 01 01 01 01 01 01 35 72 / 4B 00 37 40", Done()),
    (questions.OpenChannel(1, b"111111"), "80 01 01 31 31 31 31 31 31 48 A8 / 80 00 60 70", Done()),
    (questions.CloseChannel(), "01 02 81 E1 / 01 00 00 20", Done()),
    (
        questions.ReadEnergy(),
        "00 05 00 00 10 25 / 00 30 00 28 C5 FF FF FF FF 04 00 9C 95 FF FF FF FF 44 AB",
        Energy(3196200, None, 300444, None),
    ),
    (
        questions.ReadEnergy(array=6),
        "00 05 60 00 38 25 / 00 30 00 29 C5 30 00 29 00 04 00 9D 95 50 99",
        PhaseEnergy(3196201, 3145769, 300445),
    ),
    (
        questions.ReadEnergy(array=3, month=1),
        "80 05 31 00 2C 75 / 80 00 00 70 0A FF FF FF FF 00 00 E8 03 00 00 00 00 3F 0F",
        Energy(2672, None, 1000, 0),
    ),
    (
        questions.ReadEnergy(tariff=1),
        "01 05 00 01 D0 19 / 01 8A 00 15 CD FF FF FF FF 03 00 40 E2 FF FF FF FF 63 2C",
        Energy(9096469, None, 254528, None),
    ),
    (questions.ReadInstant(0x11), "00 08 11 11 4D BA / 00 00 40 5E B0 1C", (Decimal("241.28"),)),
    (questions.ReadInstant(0x11), "80 08 11 11 64 7A / 80 00 5B 56 92 EA", (Decimal("221.07"),)),
    (questions.ReadInstant(0x21), "00 08 11 21 4D AE / 00 00 45 00 32 B4", (Decimal("0.069"),)),
    (questions.ReadInstant(0x40), "00 08 11 40 8C 46 / 00 00 90 00 6C 24", (Decimal("1.44"),)),
    (questions.ReadInstant(0x40), "80 08 11 40 A5 86 / 80 00 87 13 0B D9", (Decimal("49.99"),)),
    (questions.ReadInstant(0x00), "00 08 11 00 8D B6 / 00 48 87 70 E2 26", (Decimal("5530.95"),)),
    (questions.ReadInstant(0x01), "00 08 11 01 4C 76 / 00 C8 87 70 E3 CE", (Decimal("-5530.95"),)),
    (questions.ReadInstant(0x30), "00 08 11 30 8D A2 / 00 88 87 90 E3 92", (Decimal("-561.287"),)),
    (questions.ReadInstant(0x61), "80 08 11 61 65 9E / 80 C9 00 26 78", (Decimal("2.01"),)),
    (
        questions.ReadNetworkGroup(0x11),
        "01 08 16 11 4E 76 / 01 00 40 5E 00 EB 5D 00 C4 5D 3E B5",
        (Decimal("241.28"), Decimal("240.43"), Decimal("240.04")),
    ),
    (
        questions.ReadNetworkGroup(0x00),
        "01 08 16 00 8E 7A / 01 00 28 23 00 E8 03 80 F4 01 00 34 21 34 70",
        (Decimal("90.00"), Decimal("10.00"), Decimal("-5.00"), Decimal("85.00")),
    ),
    (
        questions.ReadNetworkGroup(0x21),
        "01 08 16 21 4E 62 / 01 00 45 00 00 60 00 00 66 00 4E 65",
        (Decimal("0.069"), Decimal("0.096"), Decimal("0.102")),
    ),
    (
        questions.ReadSerial(),
        "80 08 00 77 E8 / 80 29 5A 40 43 16 06 14 0A 73",
        Serial("41906467", date(2020, 6, 22)),
    ),
    (
        questions.ReadIdentity(),
        "42 08 01 17 D4 / 42 20 57 2F 42 1A 06 12 09 00 00 B4 E3 C2 97 DF 58 3F D3",
        DETAILS,
    ),
    (
        questions.ReadIdentity(extended=True),
        "42 08 01 00 94 0E / 42 20 57 2F 42 1A 06 12 09 00 00 B4 E3 C2 97 DF 58 7E F5 32 3A 0C 00 00 00 5D 79",
        Details("32874766", date(2018, 6, 26), "9.0.0", VARIANT + b"\x0c\x00"),
    ),
    (questions.ReadRatio(), "80 08 02 F6 29 / 80 00 01 00 01 B5 DE", Ratio(1, 1)),
    (questions.ReadRatio(), "80 08 02 F6 29 / 80 00 01 00 28 74 00", Ratio(1, 40)),
    (questions.ReadFirmware(), "80 08 03 37 E9 / 80 09 00 00 F9 E6", "9.0.0"),
    (
        questions.ReadClock(),
        "80 04 00 72 E8 / 80 43 14 16 03 27 02 08 01 50 90",
        Clock(datetime(2008, 2, 27, 16, 14, 43), winter=True),
    ),
    (questions.CorrectClock(time(10, 55, 30)), "80 03 0D 30 55 10 67 E4 / 80 00 60 70", Done()),
    (questions.ReadStatusWord(), "1C 08 0A 37 C1 / 1C 00 00 00 00 00 00 C6 C1", ()),
    (questions.ReadStatusWord(), "0D 08 0A 67 C4 / 0D 00 00 00 00 01 00 C6 50", (1,)),
    (questions.ReadTariffState(), "80 08 17 37 E6 / 80 00 00 70 28", TariffState(1, single=False)),
    (questions.ReadTariffState(), "80 08 17 37 E6 / 80 00 02 F1 E9", TariffState(2, single=False)),
]

REFUSED: list[tuple[Any, str, type[MeterError], int | None]] = [
    (questions.ReadEnergy(array=0xC), "01 05 C0 00 41 D9 / 01 01 C1 E0", Refused, 1),
    (questions.CorrectClock(time(10, 55, 30)), "80 03 0D 30 55 10 67 E4 / 80 04 61 B3", Refused, 4),
    (questions.ReadInstant(0x12), "00 08 11 12 0D BB / 00 05 C1 B3", NotLoggedIn, None),
    (questions.ReadInstant(0x12), "00 08 11 12 0D BB / 00 02 80 71", Busy, None),
]


def halves(pair: str) -> tuple[bytes, bytes]:
    request, answer = map(octets, pair.split(" / "))
    assert (request, answer) in PAIRS, "not a published pair"
    return request, answer


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0x4B37),
        (b"\x00\x00", 0xB001),
        (b"\x01\x00", 0x2000),
        (b"\x00\x02", 0x7180),
        (b"foobar", 0xABC8),
        (b"", 0xFFFF),
    ],
)
def test_the_checksum_is_that_of_the_papers(data: bytes, crc: int) -> None:
    assert crc16_modbus(data) == crc
    assert crc16_modbus(bytearray(data)) == crc
    assert crc16_modbus(data + crc.to_bytes(2, "little")) == 0


def test_no_published_frame_is_missing() -> None:
    assert len(PAIRS) == 60
    assert len(FRAMES) > 90


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.hex())
def test_every_published_frame_is_sound(frame: bytes) -> None:
    assert frames.seal(frame[0], frames.unseal(frame[0], frame)) == frame


@pytest.mark.parametrize(("question", "pair", "reply"), READ)
def test_a_published_answer_is_read_as_published(question: Any, pair: str, reply: Any) -> None:
    request, answer = halves(pair)
    session = Session(request[0], Line())
    assert session.send(question).data == request
    got = session.receive(answer)
    assert (session.receive(b"") if got is None else got) == reply


@pytest.mark.parametrize(("question", "pair", "trouble", "code"), REFUSED)
def test_a_published_refusal_is_told_by_its_class(
    question: Any, pair: str, trouble: type[MeterError], code: int | None
) -> None:
    request, answer = halves(pair)
    session = Session(request[0], Line())
    assert session.send(question).data == request
    with pytest.raises(trouble) as raised:
        assert session.receive(answer) is None or pytest.fail("an error became a value")
        session.receive(b"")
    assert type(raised.value) is trouble
    assert getattr(raised.value, "code", None) == code


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ("14 00 00 6D 06 00 00 00 00 00 00 00 00 00 00 F1 00 1F 8F", [1645, 0, 0, 241]),  # quadrants, 15 00 00
        ("14 00 00 5E 7C FF FF FF FF 00 00 DC 02 00 00 9D 0D 19 DA", [31838, None, 732, 3485]),  # day, 18 00 …
        ("14 00 00 CE 09 00 00 00 00 00 00 00 00 00 00 12 01 20 D3", [2510, 0, 0, 274]),  # quadrants, 18 03 …
        ("80 00 00 2C 36 FF FF FF FF 00 00 2F 07 00 00 00 00 D2 18", [13868, None, 1839, 0]),  # fixed, 08 14 F0
    ],
)
def test_energy_has_one_layout_in_every_array(answer: str, values: list[int | None]) -> None:
    assert octets(answer) in FRAMES
    assert frames.registers(octets(answer)[1:-2]) == values


def test_fixed_power_factors_have_the_layout_of_the_instant_ones() -> None:
    answer = octets("80 40 2D 02 40 2D 02 00 00 00 00 00 00 1D 31")
    assert answer in FRAMES
    factor = Decimal("0.557")
    assert quantities.measured(quantities.QUANTITIES[0x30], answer[1:-2]) == (factor, factor, 0, 0)


def test_the_fixation_time_has_the_layout_of_the_clock() -> None:
    answer = octets("80 20 55 11 01 21 01 08 01 CF 56")
    assert answer in FRAMES
    assert frames.clock(answer[1:-2]) == Clock(datetime(2008, 1, 21, 11, 55, 20), winter=True)


@pytest.mark.parametrize(
    ("record", "codes"),
    [
        ("1C 58 59 23 31 08 18 00 40 00 00 00 00 12 A9", (47,)),
        ("CB 12 05 07 24 05 16 00 00 00 00 02 00 9D D0", (2,)),
    ],
)
def test_a_status_word_in_a_journal_is_the_status_word(record: str, codes: tuple[int, ...]) -> None:
    assert octets(record) in FRAMES
    assert questions.ReadStatusWord().decode(octets(record)[7:-2]) == codes


def test_variant_bytes_are_read_as_the_manual_reads_its_example() -> None:
    variant = questions.ReadVariant().decode(VARIANT)
    assert (variant.constant, variant.voltage, variant.current, variant.port) == (500, "230", "5", "RS-485")
    assert variant.extended_arrays
    assert variant.profile
    assert not variant.single_phase
    assert not DETAILS.single_phase
    assert Details("1", None, "9.0.0", octets("B4 F3 C2 97 DF 58")).single_phase


def test_a_reserved_variant_code_is_unknown_and_no_error() -> None:
    assert questions.ReadVariant().decode(b"\xff" * 6).constant is None


def test_what_the_meter_marks_as_absent_is_none_and_zero_is_zero() -> None:
    power, thd = quantities.QUANTITIES[0x00], quantities.QUANTITIES[0x60]
    assert quantities.measured(power, octets("FF FF FF 00 00 00 C0 00 00")) == (None, 0, 0)
    assert quantities.measured(thd, octets("FF FF 00 00 01 00")) == (None, 0, Decimal("0.01"))
    assert str(quantities.measured(power, octets("80 00 00"))[0]) == "0.00", "minus zero counts as zero"
    assert frames.energy(b"\xff" * 16) == Energy(None, None, None, None)
    assert frames.energy(b"\x00" * 16) == Energy(0, 0, 0, 0)


def test_all_22_bits_of_a_measured_value_count() -> None:
    assert quantities.measured(quantities.QUANTITIES[0x00], octets("3F FF FF")) == (Decimal("41943.03"),)


def test_all_tariffs_come_in_the_order_of_the_manual_with_losses_last() -> None:
    rows = [octets(f"00 00 0{n} 00 00 00 00 00 00 00 00 00 00 00 00 00") for n in range(1, 7)]
    answer = frames.all_tariffs(b"".join(rows[:5]))
    assert [row.active_import for row in answer.tariffs] == [1, 2, 3, 4]
    assert answer.total.active_import == 5
    assert answer.losses is None
    losses = frames.all_tariffs(b"".join(rows)).losses
    assert losses is not None
    assert losses.active_import == 6


def test_leading_zeros_of_the_serial_number_stay() -> None:
    assert identity.serial(octets("0C 05 38 4E 01 01 14")).serial == "12055678"
    assert identity.serial(octets("00 05 00 07 00 00 00")) == Serial("00050007", None)


@pytest.mark.parametrize(
    ("question", "request_data"),
    [
        (questions.ReadEnergy(array=4), "05 40 00"),
        (questions.ReadEnergy(array=5), "05 50 00"),
        (questions.ReadEnergy(array=3, month=1), "05 31 00"),
        (questions.OpenChannel(2, b"\x02" * 6), "01 02 02 02 02 02 02 02"),
    ],
)
def test_a_published_request_without_answer_is_sent_alike(question: Any, request_data: str) -> None:
    assert question.encode() == octets(request_data)
    assert any(frame[1:-2] == question.encode() for frame in FRAMES)


@pytest.mark.parametrize(("array", "month", "tariff"), [(7, 0, 0), (3, 0, 0), (0, 1, 0), (0xB, 13, 0), (0, 0, 6)])
def test_a_register_that_no_meter_has_cannot_be_asked(array: int, month: int, tariff: int) -> None:
    with pytest.raises(ValueError, match="no such energy register"):
        questions.ReadEnergy(array, month, tariff)
