"""Checksums of serial meter protocols; each is written once, here. All are reflected, and on the wire
the low octet comes first."""

from binascii import crc_hqx
from collections.abc import Iterator

Octets = bytes | bytearray | memoryview


def _table(polynomial: int) -> tuple[int, ...]:
    """The 256 remainders of a reflected 16-bit polynomial, one for each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
        table.append(byte)
    return tuple(table)


_A001 = _table(0xA001)
_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _crc16_8005(data: Octets, crc: int) -> int:
    table = _A001
    for octet in data:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return crc


def _crc16_1021(data: Octets, crc: int) -> int:
    """``crc_hqx`` runs the polynomial 1021h the other way round in C, hence the reversed octets."""
    octets = bytes(data) if isinstance(data, memoryview) else data
    rest = crc_hqx(octets.translate(_REVERSED), crc)
    return _REVERSED[rest & 0xFF] << 8 | _REVERSED[rest >> 8]


def crc16_modbus(data: Octets) -> int:
    """CRC-16/MODBUS: polynomial 8005h, start FFFFh, no final XOR.

    Over a whole sound frame (data and the CRC as sent) it is 0. Modbus over Serial Line V1.02 §6.2.2;
    Mercury 20x and 23x (Incotex command system 05.2023, appendix Б), SET-4TM, Milur and Pulsar use the same.
    """
    return _crc16_8005(data, 0xFFFF)


def sound_ends_modbus(data: Octets) -> Iterator[int]:
    """Each number of octets from the start after which :func:`crc16_modbus` is 0, in one pass."""
    crc, table = 0xFFFF, _A001
    for end, octet in enumerate(data, 1):
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
        if not crc:
            yield end


def crc16_arc(data: Octets) -> int:
    """CRC-16/ARC: polynomial 8005h, start 0 (DSMR 5.0.2 P1 companion standard §6.2)."""
    return _crc16_8005(data, 0)


def crc16_x25(data: Octets) -> int:
    """CRC-16/X.25: polynomial 1021h, start FFFFh, complement (HDLC, IEC 62056-46 clause 6.4; SML 1.04 §8)."""
    return _crc16_1021(data, 0xFFFF) ^ 0xFFFF


def crc16_kermit(data: Octets) -> int:
    """CRC-16/KERMIT: polynomial 1021h, start 0. Holley's DTZ541 closes its SML files with it instead of X.25."""
    return _crc16_1021(data, 0)
