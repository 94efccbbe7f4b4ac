"""The simulated Mercury 23x against frames that others published, and its manners on the line."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mercury.frames import Energy, seal
from simulators.mercury230 import Mercury230, Network
from tests.conversations import pairs

PAIRS = [pair for book in ("mercury-manual", "mercury-public", "mercury-synthetic") for pair in pairs(book)]

ZERO = Energy(0, 0, 0, 0)
WB = Energy(3196200, None, 300444, None)
FIRST_PHASES = Network(
    voltage=(Decimal("241.28"), Decimal("240.43"), Decimal("240.04")),
    current=(Decimal("0.069"), Decimal("0.096"), Decimal("0.102")),
    active=(Decimal("90.00"), Decimal("10.00"), Decimal("-5.00"), Decimal("85.00")),
    frequency=Decimal("1.44"),
)
REVERSED = Network(
    active=(Decimal("5530.95"), Decimal("-5530.95"), Decimal(0), Decimal(0)),
    reactive=(Decimal(-1), Decimal(-1), Decimal(0), Decimal(0)),
)
MANUAL = {
    "serial": "41906467",
    "made": date(2020, 6, 22),
    "now": lambda: datetime(2008, 2, 27, 16, 14, 43),
    "archives": {(3, 1): {0: Energy(2672, None, 1000, 0)}},
    "network": Network(voltage=(Decimal("221.07"),) * 3, frequency=Decimal("49.99")),
}

DIALOGUES: list[tuple[dict[str, Any], str, str]] = [  # state, request, answer
    ({}, "00 00 01 B0", "00 00 01 B0"),
    ({"address": 1, "level": 0}, "01 00 00 20", "01 00 00 20"),
    ({"level": 0}, "00 01 01 01 01 01 01 01 01 77 81", "00 00 01 B0"),
    ({"passwords": {2: b"\x12\x13\x14\x15\x16\x17"}}, "00 01 02 12 13 14 15 16 17 34 17", "00 00 01 B0"),
    ({"address": 75}, "4B 01 01 01 01 01 01 01 01 35 72", "4B 00 37 40"),
    ({"passwords": {1: b"111111"}}, "80 01 01 31 31 31 31 31 31 48 A8", "80 00 60 70"),
    ({"address": 1}, "01 02 81 E1", "01 00 00 20"),
    ({"registers": {0: WB}}, "00 05 00 00 10 25", "00 30 00 28 C5 FF FF FF FF 04 00 9C 95 FF FF FF FF 44 AB"),
    ({"phases": (3196201, 3145769, 300445)}, "00 05 60 00 38 25", "00 30 00 29 C5 30 00 29 00 04 00 9D 95 50 99"),
    (MANUAL, "80 05 31 00 2C 75", "80 00 00 70 0A FF FF FF FF 00 00 E8 03 00 00 00 00 3F 0F"),
    (
        {"address": 1, "registers": {1: Energy(9096469, None, 254528, None)}},
        "01 05 00 01 D0 19",
        "01 8A 00 15 CD FF FF FF FF 03 00 40 E2 FF FF FF FF 63 2C",
    ),
    ({"address": 1}, "01 05 C0 00 41 D9", "01 01 C1 E0"),
    ({}, "00 05 00 07 51 E7", "00 01 C0 70"),
    ({"level": 0}, "00 08 11 12 0D BB", "00 05 C1 B3"),
    ({"network": FIRST_PHASES}, "00 08 11 11 4D BA", "00 00 40 5E B0 1C"),
    (MANUAL, "80 08 11 11 64 7A", "80 00 5B 56 92 EA"),
    ({"network": FIRST_PHASES}, "00 08 11 21 4D AE", "00 00 45 00 32 B4"),
    ({"network": FIRST_PHASES}, "00 08 11 40 8C 46", "00 00 90 00 6C 24"),
    (MANUAL, "80 08 11 40 A5 86", "80 00 87 13 0B D9"),
    ({"network": REVERSED}, "00 08 11 00 8D B6", "00 48 87 70 E2 26"),
    ({"network": REVERSED}, "00 08 11 01 4C 76", "00 C8 87 70 E3 CE"),
    ({"address": 1, "network": FIRST_PHASES}, "01 08 16 11 4E 76", "01 00 40 5E 00 EB 5D 00 C4 5D 3E B5"),
    ({"address": 1, "network": FIRST_PHASES}, "01 08 16 00 8E 7A", "01 00 28 23 00 E8 03 80 F4 01 00 34 21 34 70"),
    ({"address": 1, "network": FIRST_PHASES}, "01 08 16 21 4E 62", "01 00 45 00 00 60 00 00 66 00 4E 65"),
    ({**MANUAL, "level": 0}, "80 08 00 77 E8", "80 29 5A 40 43 16 06 14 0A 73"),
    (
        {"address": 0x42, "serial": "32874766", "made": date(2018, 6, 26)},
        "42 08 01 17 D4",
        "42 20 57 2F 42 1A 06 12 09 00 00 B4 E3 C2 97 DF 58 3F D3",
    ),
    ({"address": 128}, "00 08 05 B6 03", "00 00 80 70 60"),
    ({}, "80 08 02 F6 29", "80 00 01 00 01 B5 DE"),
    ({"current_ratio": 40}, "80 08 02 F6 29", "80 00 01 00 28 74 00"),
    ({}, "80 08 03 37 E9", "80 09 00 00 F9 E6"),
    (MANUAL, "80 04 00 72 E8", "80 43 14 16 03 27 02 08 01 50 90"),
    ({"now": lambda: datetime(2026, 1, 1, 10, 53)}, "80 03 0D 30 55 10 67 E4", "80 00 60 70"),
    (
        {"now": lambda: datetime(2026, 1, 1, 10, 53), "corrected": date(2026, 1, 1)},
        "80 03 0D 30 55 10 67 E4",
        "80 04 61 B3",
    ),
    ({"address": 0x1C}, "1C 08 0A 37 C1", "1C 00 00 00 00 00 00 C6 C1"),
    ({"address": 0x0D, "status": bytes.fromhex("000000000100")}, "0D 08 0A 67 C4", "0D 00 00 00 00 01 00 C6 50"),
    ({}, "80 08 17 37 E6", "80 00 00 70 28"),
    ({"tariff": 2}, "80 08 17 37 E6", "80 00 02 F1 E9"),
]


@pytest.mark.parametrize(("state", "request_", "answer"), DIALOGUES)
def test_the_simulated_meter_says_what_was_published(state: dict[str, Any], request_: str, answer: str) -> None:
    meter = Mercury230(**{"address": 0x80, "level": 1} | state)
    assert (bytes.fromhex(request_), bytes.fromhex(answer)) in PAIRS
    assert meter.answer(bytes.fromhex(request_)) == bytes.fromhex(answer)


@pytest.mark.parametrize(
    "request_",
    [
        seal(2, b"\x00"),  # a foreign address
        seal(0xFE, b"\x00"),  # the broadcast, which no one answers
        seal(0, b"\x03\x0d\x30\x55\x10"),  # a write to the universal address
        seal(1, b"\x05\x00"),  # a wrong number of octets
        seal(1, b"\x00\x00"),
        seal(1, b"\x00")[:-1] + b"\x21",  # a wrong checksum
        seal(1, b"\x00")[:-1],
        b"",
        b"\x01",
    ],
)
def test_the_simulated_meter_is_silent_where_a_real_one_is(request_: bytes) -> None:
    assert Mercury230(address=1, level=1).answer(request_) == b""


def test_a_session_ends_240_seconds_after_the_last_request() -> None:
    at = [datetime(2026, 1, 1, 12)]
    meter = Mercury230(address=1, now=lambda: at[0])
    log_in, read = seal(1, b"\x01\x01" + b"\x01" * 6), seal(1, b"\x05\x00\x00")
    not_open = seal(1, b"\x05")
    assert meter.answer(read) == not_open
    assert meter.answer(log_in) == seal(1, b"\x00")
    for _ in range(3):
        at[0] += timedelta(seconds=240)
        assert len(meter.answer(read)) == 19
    at[0] += timedelta(seconds=241)
    assert meter.answer(read) == not_open


def test_a_wrong_password_closes_the_session() -> None:
    meter = Mercury230(address=1, level=1)
    assert meter.answer(seal(1, b"\x01\x01" + b"\x09" * 6)) == seal(1, b"\x03")
    assert meter.answer(seal(1, b"\x05\x00\x00")) == seal(1, b"\x05")


def test_all_tariffs_in_one_answer_have_the_published_length() -> None:
    meter = Mercury230(address=1, level=1, registers=dict.fromkeys(range(5), ZERO))
    fast = seal(1, b"\x05\x00\x06")
    assert len(meter.answer(fast)) == 83
    meter.registers[5] = ZERO
    assert len(meter.answer(fast)) == 99
    meter.group_read = False
    assert meter.answer(fast) == seal(1, b"\x01")


def test_a_correction_of_more_than_four_minutes_is_refused_and_moves_nothing() -> None:
    meter = Mercury230(address=1, level=1, now=lambda: datetime(2026, 1, 1, 12))
    before = meter.answer(seal(1, b"\x04\x00"))
    assert meter.answer(seal(1, b"\x03\x0d\x01\x04\x12")) == seal(1, b"\x01")
    assert meter.answer(seal(1, b"\x03\x0d\xff\x04\x12")) == seal(1, b"\x01")
    assert meter.answer(seal(1, b"\x04\x00")) == before
    assert meter.answer(seal(1, b"\x03\x0d\x59\x03\x12")) == seal(1, b"\x00")
    assert meter.answer(seal(1, b"\x04\x00"))[1:4] == b"\x59\x03\x12"


@pytest.mark.slow
@settings(max_examples=700)
@given(st.binary(min_size=1, max_size=20), st.booleans())
def test_any_request_gets_silence_or_a_sound_frame_from_its_address(data: bytes, logged_in: bool) -> None:
    answer = Mercury230(address=1, level=int(logged_in)).answer(seal(1, data))
    assert answer == b"" or answer == seal(1, answer[1:-2])
