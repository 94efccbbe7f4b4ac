"""Which protocol octets are of, for ``meterpost decode auto``: by marks that noise does not have."""

from protocols.checksums import crc16_modbus
from protocols.diagnosis import LOOKS
from protocols.iec62056.frames import without_parity

LANGUAGES = {"dlms": "dlms", "iec62056": "iec", "mercury": "mercury", "modbus": "modbus", "p1": "p1", "sml": "sml"}
"""The package that speaks it → its name in ``decode``."""
SHORTEST = 4  # octets of a frame of Mercury with its check sum
FUNCTIONS = frozenset((1, 2, 3, 4, 5, 6, 15, 16, 43))
MBUS, SOH, STX = 0x68, 0x01, 0x02


def language(octets: bytes) -> str | None:
    """The name of the language; None where nothing known begins in these octets. Modbus and Mercury have the same
    check sum: a function of Modbus in its place decides."""
    plain, even = without_parity(octets)
    for look in LOOKS:
        if look.seen(octets) or (even and look.seen(plain)):
            if look.speakers >= {"modbus", "mercury"}:
                return _with_crc(octets)
            spoken = next((LANGUAGES[one] for one in sorted(look.speakers) if one in LANGUAGES), None)
            return spoken or "dlms"  # M-Bus frames and ciphered messages: DLMS is inside
    if len(octets) >= SHORTEST and not crc16_modbus(octets):
        return _with_crc(octets)
    head = plain[0] & 0x7F if plain else 0
    if head in (SOH, STX) or head == ord("/"):
        return "iec"
    return "dlms" if octets[:1] and (octets[0] in (0x0F, 0xE0) or 0xC0 <= octets[0] <= 0xDD) else None


def _with_crc(octets: bytes) -> str:
    """Modbus where a function of it stands in its place and the length is that of a request, an exception (bit 7 of the
    function is set) or a counted answer."""
    counted = len(octets) > SHORTEST and octets[2] == len(octets) - 5
    refused = len(octets) == 5 and octets[1] & 0x80
    sized = len(octets) == 8 or counted or refused or octets[1] == 43
    return "modbus" if octets[1] & 0x7F in FUNCTIONS and sized else "mercury"
