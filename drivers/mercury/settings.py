"""What stands in the configuration of a Mercury 23x: address, password, settings."""

from collections.abc import Mapping
from typing import Any

from drivers.family import Setting

DIRECTIONS = {"all": (1, 2, 3, 4), "active": (1, 2), "A+": (1,)}  # OBIS groups C

SETTINGS = (
    Setting("level", "int", 1, "access level: 1 consumer, 2 owner (its password goes into the file)", low=1, high=2),
    Setting(
        "password_encoding",
        "choice",
        "hex",
        "hex: each digit is one octet; ascii: characters, meters with «D» in their code",
        choices=("hex", "ascii"),
    ),
    Setting("multiplier", "int", 1, "time-out multiplier n as set in the meter (parameter 1Dh)", low=1, high=255),
    Setting(
        "group_read",
        "choice",
        "auto",
        "all tariffs in one answer: auto tries it and falls back to single rows for good",
        choices=("auto", "always", "never"),
    ),
    Setting(
        "directions",
        "choice",
        "all",
        "which registers: all (A+ A− R+ R−), active (A+ A−), A+",
        choices=tuple(DIRECTIONS),
    ),
    Setting("timezone", "text", "", "zone of the meter's clock; empty: the gateway's"),
    Setting("stamp", "choice", "end", "what the stamp of an interval means", choices=("end", "start")),
)


def address(text: str) -> int:
    """1 to 240, or 0 for a meter that is alone on its line; ValueError with the reason."""
    if not (text.isascii() and text.isdigit() and int(text) <= 240):
        raise ValueError(f"{text!r} stands there; 1 to 240 may, or 0 where the meter is alone on its line")
    return int(text)


def password(text: str, settings: Mapping[str, Any]) -> bytes:
    """Six octets from the password file's line; ValueError whose text does not show it.

    ``hex:…`` and ``ascii:…`` say their coding. Without one, ``password_encoding`` decides: "hex" makes each digit one
    octet (111111 is 01 01 01 01 01 01: appendix В of the manual), "ascii" takes the characters (31 31 …).
    """
    if text.startswith("hex:"):
        try:
            raw = bytes.fromhex(text.removeprefix("hex:"))
        except ValueError:
            raise ValueError("after 'hex:' stand 12 hexadecimal digits") from None
    elif text.startswith("ascii:") or settings.get("password_encoding", "hex") == "ascii":
        try:
            raw = text.removeprefix("ascii:").encode("ascii")
        except UnicodeEncodeError:
            raise ValueError("a password of this meter has ASCII characters only") from None
    elif text.isascii() and text.isdigit():
        raw = bytes(int(digit) for digit in text)
    else:
        raise ValueError(
            "six digits may stand there, or 'hex:' and 12 hexadecimal digits, or 'ascii:' and 6 characters"
        )
    if len(raw) != 6:
        raise ValueError(f"{len(raw)} octets of password stand there, a Mercury 23x has 6")
    return raw
