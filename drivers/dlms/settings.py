"""What an installer may set for a DLMS meter, and what follows from it: addresses, association, time."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from drivers.dlms.meter_time import MeterTime
from drivers.dlms.model import Model
from drivers.dlms.spodes import addresses
from drivers.family import Setting
from drivers.reading import MeterPlan
from protocols.dlms.apdu import obis
from protocols.dlms.hdlc import Address, Limits
from protocols.dlms.questions import Associate, Security
from protocols.dlms.security import AUTHENTICATED, ENCRYPTED, GMAC, MANUFACTURER, Counter, Keys

MECHANISMS = {"none": 0, "lls": 1, "hls2": 2, "hls3": 3, "hls4": 4, "hls5": 5}
USUAL = {16: "none", 32: "lls", 48: "hls2"}  # SPODES: public client, reader, configurator
PROTECTION = {"none": 0, "auth": AUTHENTICATED, "encrypt": ENCRYPTED, "both": AUTHENTICATED | ENCRYPTED}
OUR_TITLE = "4d50540000000001"  # MPT and a number
CHALLENGE = 16  # octets
HIGHEST = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}

SETTINGS = (
    Setting("client", "int", None, "16 public, 32 reader, 48 configurator; default: the model's", low=1, high=127),
    Setting("mechanism", "choice", "auto", "authentication; auto: as usual for the client", ("auto", *MECHANISMS)),
    Setting("password_encoding", "choice", "ascii", "how the password's text becomes octets", ("ascii", "hex")),
    Setting("framing", "choice", "hdlc", "hdlc: frames on a line or behind a converter; wrapper: DLMS over TCP",
            ("hdlc", "wrapper")),
    Setting("opening", "choice", "direct", "mode-e: for optical ports that want a sign-on at 300 7E1 first",
            ("direct", "mode-e")),
    Setting("address_size", "choice", "auto", "octets of the HDLC address; auto: 2 up to 127, else 4",
            ("auto", "1", "2", "4")),
    Setting("logical", "int", 1, "logical device (HDLC upper address, wrapper port)", low=1, high=127),
    Setting("max_info", "int", 1024, "longest HDLC information field that is offered, octets", low=32, high=2030),
    Setting("window", "int", 1, "HDLC window that is offered, frames", low=1, high=7),
    Setting("max_pdu", "int", 65535, "longest APDU that we take, octets; 0: any", low=0, high=65535),
    Setting("list_size", "int", 20, "most registers in one request; 1: one by one", low=1, high=64),
    Setting("gap", "duration", Decimal("0.2"), "silence that ends a damaged answer; longer over radio"),
    Setting("invoke_check", "bool", True, "false for meters that do not echo the number of a question"),
    Setting("release", "bool", False, "end with RLRQ before DISC (always so over the wrapper)"),
    Setting("timezone", "text", "", "zone of the meter's clock where its stamps state none; empty: as its clock says"),
    Setting("deviation", "choice", "auto", "sign of the stamps' deviation: standard, UTC minus local; reversed, local "
            "minus UTC; auto, by the meter's clock", ("auto", "standard", "reversed")),
    Setting("profile_access", "choice", "range", "entry: for meters that cannot select by time", ("range", "entry")),
    Setting("range_typed", "bool", False, "time limits as type date-time instead of octets"),
    Setting("range_deviation", "bool", True, "time limits with their deviation; false: local time alone"),
    Setting("null_cells", "choice", "absent", "an empty cell of a profile: no value, or the same as above",
            ("absent", "same")),
    Setting("stamp", "choice", "end", "what the stamp of an interval means", ("end", "start")),
    Setting("rows", "int", 48, "rows of a profile in one read", low=1, high=1000),
    Setting("security", "choice", "none", "protection of the messages (suite 0)", tuple(PROTECTION)),
    Setting("wrapping", "choice", "glo", "form of ciphered messages", ("glo", "ded", "general-glo", "general-ded")),
    Setting("block_key_file", "secret", None, "encryption key (GUEK): 32 hex digits or 16 characters",
            check=lambda text: key(text, "block_key_file")),
    Setting("auth_key_file", "secret", None, "authentication key (GAK): 32 hex digits or 16 characters",
            check=lambda text: key(text, "auth_key_file")),
    Setting("system_title", "text", OUR_TITLE, "our system title, 16 hex digits"),
    Setting("meter_title", "text", "", "the meter's system title, where it does not say it"),
    Setting("counter_from_meter", "bool", True, "read the meter's frame counter first, as public client"),
    Setting("counter_object", "text", "0.0.43.1.0.255", "where the meter keeps that counter"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Association:
    """How this meter is opened. ``fault``: what is missing in the settings; then nothing may be sent."""

    client: int
    mechanism: int
    secret: bytes
    limits: Limits
    max_pdu: int
    keys: Keys | None = None
    title: bytes = b""
    peer: bytes = b""
    control: int = 0  # 0: APDUs go in the clear
    wrapping: str = "glo"
    counter_object: bytes = b""
    fault: str | None = None

    @property
    def counter_name(self) -> str | None:
        """Whose frame counter is needed; None where nothing is ciphered. Meters of one key and one system title of ours
        share it. Keys whose prints are equal by chance do too, which harms no one: it is kept short so that it tells
        little of a key."""
        return None if self.keys is None else sha256(self.keys.block + self.title).hexdigest()[:8]

    def question(self, counter: Counter) -> Associate:
        """A fresh challenge and, where wanted, a fresh dedicated key each time."""
        challenge = secrets.token_bytes(CHALLENGE) if self.mechanism > 1 else b""
        security = None
        if self.keys is not None:
            dedicated = secrets.token_bytes(16) if self.wrapping.endswith("ded") else None
            keys = Keys(self.keys.block, self.keys.authentication, dedicated)
            control = self.control or AUTHENTICATED | ENCRYPTED
            security = Security(keys, self.title, counter, control, self.wrapping, self.peer)
        return Associate(
            self.mechanism, self.secret, challenge, security, bool(self.control and security), max_pdu=self.max_pdu
        )


def missing(client: int, settings: Mapping[str, Any], there: Collection[str]) -> list[tuple[str, str]]:
    """What this way of opening a meter cannot do without, for ``check``: the key of each that is not in ``there``, and
    what belongs there. ``client``: the model's; ``settings``: those that are written."""
    whole = {setting.name: setting.default for setting in SETTINGS} | dict(settings)
    client, control = whole["client"] or client, PROTECTION[whole["security"]]
    number = mechanism(client, whole)
    found = []
    if 0 < number < GMAC and "password_file" not in there:
        found.append(("password_file", f"a file with the password: client {client} logs in with one"))
    if control or number == GMAC:
        why = f'security = "{whole["security"]}"' if control else "authentication hls5"
        found += [
            (name, f"a file with this key of the meter: {why} needs it")
            for name in ("block_key_file", "auth_key_file")
            if name not in there
        ]
    return found


def mechanism(client: int, settings: Mapping[str, Any]) -> int:
    """Number of the authentication mechanism; ``auto`` is what is usual for the client."""
    return MECHANISMS[USUAL.get(client, "none") if settings["mechanism"] == "auto" else settings["mechanism"]]


def association(plan: MeterPlan, model: Model, settings: Mapping[str, Any]) -> Association:
    """What the settings say. Never raises: what is wrong stands in ``fault``."""
    client = settings["client"] or model.client
    number = mechanism(client, settings)
    control = PROTECTION[settings["security"]]
    size, window = settings["max_info"], settings["window"]
    plain = Association(client, number, plan.password or b"", Limits(size, size, window, window), settings["max_pdu"])
    try:
        meter_time(settings)
        if 0 < number < GMAC and not plan.password:
            raise ValueError(f"client {client} needs a password: password_file is not set")
        if number == MANUFACTURER and len(plan.password or b"") != 16:
            raise ValueError("the secret of hls2 has 16 octets, this one has not")
        if not control and number != GMAC:
            return plain
        keys = Keys(key(settings["block_key_file"], "block_key_file"), key(settings["auth_key_file"], "auth_key_file"))
        return Association(
            client, number, plan.password or b"", plain.limits, plain.max_pdu, keys,
            title(settings["system_title"], "system_title"),
            title(settings["meter_title"], "meter_title") if settings["meter_title"] else b"",
            control, settings["wrapping"], obis(settings["counter_object"]),
        )  # fmt: skip
    except ValueError as wrong:
        return Association(client, number, b"", plain.limits, plain.max_pdu, fault=str(wrong))


def key(value: bytes | str | None, name: str) -> bytes:
    """16 octets from a secret file's line: ``hex:…``, 32 hex digits, or 16 characters. ValueError without it."""
    if not value:
        raise ValueError(f"{name} is not set")
    octets = value.encode() if isinstance(value, str) else value
    if len(octets) == 16:
        return octets
    try:
        decoded = bytes.fromhex(octets.decode("ascii").removeprefix("hex:"))
    except ValueError:
        decoded = b""
    if len(decoded) != 16:
        raise ValueError(f"{name}: 32 hex digits or 16 characters are expected")
    return decoded


def title(text: str, name: str) -> bytes:
    """A system title: 16 hex digits, or 8 characters."""
    try:
        octets = text.encode("ascii") if len(text) == 8 else bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) != 8:
        raise ValueError(f"{name}: 16 hex digits are expected, {text!r} stands there")
    return octets


def lower(text: str) -> int:
    """The family's address check: ``17``, or ``serial:45100345`` its first candidate. ValueError: the reason."""
    if text.startswith("serial:"):
        return addresses(text.removeprefix("serial:"))[0]
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= HIGHEST[4]:
        raise ValueError(f'{text!r} stands there; 0 to 16383, or "serial:" and the serial number, may stand there')
    return number


def candidates(text: str, size: str, logical: int) -> tuple[Address, ...]:
    """HDLC addresses to try in this order: one for a number, several for ``serial:``."""
    numbers = addresses(text.removeprefix("serial:")) if text.startswith("serial:") else (lower(text),)
    return tuple(_address(number, size, logical) for number in numbers)


def _address(number: int, size: str, logical: int) -> Address:
    octets = (2 if number <= HIGHEST[2] else 4) if size == "auto" else int(size)
    if octets == 1:  # no place on the bus: the number is the logical device itself
        return Address(number or logical, 0, 1) if number <= HIGHEST[1] else _address(number, "4", logical)
    return Address(logical, number, 4 if number > HIGHEST[octets] else octets)


def meter_time(settings: Mapping[str, Any]) -> MeterTime:
    """ValueError for a zone that is none."""
    try:
        zone = ZoneInfo(settings["timezone"]) if settings["timezone"] else None
    except (KeyError, OSError):
        raise ValueError(f"timezone: {settings['timezone']!r} is not a zone such as Europe/Moscow") from None
    sign = settings["deviation"]
    return MeterTime(zone, None, sign == "reversed", auto=sign == "auto")


def wire_password(text: str, settings: Mapping[str, Any]) -> bytes:
    """The line of a password file as octets: ``hex:…``, ``ascii:…``, or as ``password_encoding`` says."""
    for prefix in ("hex:", "ascii:"):
        if text.startswith(prefix):
            return _octets(text.removeprefix(prefix), prefix == "hex:")
    return _octets(text, settings.get("password_encoding", "ascii") == "hex")


def _octets(text: str, as_hex: bool) -> bytes:
    try:
        octets = bytes.fromhex(text) if as_hex else text.encode("latin-1")
    except ValueError:
        octets = b""
    if not 1 <= len(octets) <= 64:
        raise ValueError("1 to 64 characters, or hex: and pairs of hex digits, are expected")
    return octets
