"""What an installer may set for an IEC 62056-21 meter, its address and its password."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from drivers.family import Setting
from drivers.iec62056.table import CHECKS
from drivers.reading import MeterPlan
from protocols.errors import Refused
from protocols.iec62056 import frames

LONGEST_PASSWORD = 32  # characters (IEC 62056-21:2002 §6.5)

SETTINGS = (
    Setting("start_speed", "int", 0, "bit/s of the sign-on; 0: the speed of the line", low=0, high=115200),
    Setting(
        "max_speed", "int", 0, "a faster offer is refused and the sign-on's speed kept; 0: no limit", low=0, high=115200
    ),
    Setting("change_speed", "bool", True, "false: agree to the meter's offer but stay (RS-485 meters of fixed speed)"),
    Setting(
        "parity",
        "choice",
        "auto",
        "auto: computed here where the line has eight bits (7E1 seen through 8N1); none: the meter sends eight bits",
        choices=("auto", "hardware", "software", "none"),
    ),
    Setting(
        "check",
        "choice",
        "model",
        "rule of the check character: xor, sum, auto (by the maker's letters), none (readouts without one are taken)",
        choices=("model", *CHECKS),
    ),
    Setting(
        "login",
        "choice",
        "auto",
        "whether the password is sent: auto as the model needs it for reading",
        choices=("auto", "always", "never"),
    ),
    Setting(
        "password_encoding", "choice", "ascii", "how the password file's line is written", choices=("ascii", "hex")
    ),
    Setting("timezone", "text", "", "zone of the meter's clock; empty: the gateway's"),
    Setting("wake_up", "bool", False, "send NUL characters first: battery meters only"),
    Setting(
        "serial_code", "text", "", 'readouts: the code that holds the serial number, e.g. "C.1.0"; "": the usual ones'
    ),
    Setting(
        "energy_unit",
        "choice",
        "",
        "readouts: unit of energies that come without one; without it they are left out",
        choices=("", "Wh", "kWh", "MWh"),
    ),
)


def address(text: str) -> int:
    """A number that equal device addresses share (leading zeros do not count, §6.3.2), -1 for none, which every meter
    on the line answers. ValueError with the reason."""
    frames.address_of(text)
    if not text:
        return -1
    if text.isdecimal():
        return int(text)
    return int.from_bytes(text.lstrip("0").encode("ascii")) + 10**32


def zone(plan: MeterPlan, settings: Mapping[str, Any]) -> ZoneInfo:
    """The zone of the meter's clock, the gateway's where the meter has no setting; Refused where neither says one."""
    name = settings["timezone"] or plan.zone
    if not name:
        raise Refused("the meter does not say its time zone; set timezone for it")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Refused(f"timezone: {name!r} is not a zone such as Europe/Moscow") from None


def password(text: str, settings: Mapping[str, Any]) -> bytes:
    """The characters between the brackets of P1. ``hex:…`` and ``ascii:…`` say their coding, else the setting does.

    ValueError whose text does not show it."""
    coding = settings.get("password_encoding", "ascii")
    for prefix in ("hex", "ascii"):
        if text.startswith(f"{prefix}:"):
            coding, text = prefix, text.removeprefix(f"{prefix}:")
    try:
        raw = bytes.fromhex(text) if coding == "hex" else text.encode("ascii")
    except (ValueError, UnicodeEncodeError):
        raise ValueError("pairs of hexadecimal digits, or ASCII characters, may stand there") from None
    if len(raw) > LONGEST_PASSWORD or any(byte < 0x20 or byte > 0x7E or byte in b"()/!*" for byte in raw):
        raise ValueError("at most 32 printable ASCII characters without ( ) * / ! may stand there")
    return raw
