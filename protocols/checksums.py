"""Checksums of serial meter protocols; each is written once, here."""


def _table(polynomial: int) -> tuple[int, ...]:
    """The 256 remainders of a reflected 16-bit polynomial, one for each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
        table.append(byte)
    return tuple(table)


_MODBUS = _table(0xA001)


def crc16_modbus(data: bytes | bytearray | memoryview) -> int:
    """CRC-16/MODBUS: polynomial 8005h reflected, start FFFFh, no final XOR; goes on the wire low byte first.

    Over a whole sound frame (data and the CRC as sent) it is 0. Modbus over Serial Line V1.02 §6.2.2;
    Mercury 20x and 23x (Incotex command system 05.2023, appendix Б), SET-4TM, Milur and Pulsar use the same.
    """
    crc, table = 0xFFFF, _MODBUS
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc
