"""The check values of the catalogue of parametrised CRC algorithms (reveng), over the nine digits."""

import pytest

from protocols import checksums


@pytest.mark.parametrize(
    ("name", "expected"),
    [("crc16_modbus", 0x4B37), ("crc16_arc", 0xBB3D), ("crc16_x25", 0x906E), ("crc16_kermit", 0x2189)],
)
def test_a_checksum_has_its_catalogued_check_value(name: str, expected: int) -> None:
    rule = getattr(checksums, name)
    assert rule(b"123456789") == rule(bytearray(b"123456789")) == expected
