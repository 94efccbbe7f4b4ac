"""What is peculiar to SPODES meters: the bus address that makers derive from the serial number."""

READER = 32  # the client that every SPODES meter has (считыватель показаний)


def addresses(serial: str) -> tuple[int, ...]:
    """Lower HDLC addresses that a meter of this serial number may have, the likeliest first; ValueError without digits.

    Last four digits plus 16 (usual for SPODES; IEC 62056-46 reserves 0 to 15); last five digits without leading zeros
    (MPS OPC manual); last three digits, two if above 239, 0 becomes 1 (Mercury 234, wiki.cea-energo.ru/wiki/DLMS); last
    four digits (MIR C-04, C-05, C-07); all but the first six (Energomera CE207, CE208, CE307, CE308); last two digits,
    plus 10 until 17 is reached (Mercury; these three by an operator's public commissioning tool); and 16, the
    point-to-point address of optical ports.
    """
    if not serial.isascii() or not serial.isdigit():
        raise ValueError(f"{serial!r} is not a serial number of digits")
    last = [int(serial[-count:]) for count in (4, 5, 3, 2)]
    three = last[2] if last[2] <= 239 else last[3]
    found = (last[0] + 16, last[1], three or 1, last[0], int(serial[6:] or 0), _above_16(last[3]), 16)
    return tuple(dict.fromkeys(number for number in found if 0 < number <= 0x3FFF))


def _above_16(number: int) -> int:
    return number if number >= 17 else number + 10 * -(-(17 - number) // 10)
