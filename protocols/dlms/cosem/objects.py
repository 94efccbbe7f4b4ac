"""Attributes of COSEM interface classes as plain values (IEC 62056-6-2). Each takes decoded data; BadFrame if it is
something else."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.dlms import axdr
from protocols.dlms.axdr import Bits
from protocols.errors import BadFrame

DATA, REGISTER, EXTENDED, DEMAND, PROFILE, CLOCK = 1, 3, 4, 5, 7, 8
ASSOCIATION, SAP, HDLC_SETUP, SECURITY_SETUP, DISCONNECT = 15, 17, 23, 64, 70

UNITS = {
    6: "min", 7: "s", 8: "°", 9: "°C", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh",
    33: "A", 35: "V", 44: "Hz", 56: "%", 255: "",
}  # fmt: skip

ATTRIBUTES: dict[int, tuple[str, tuple[str, ...]]] = {
    DATA: ("Data", ("value",)),
    REGISTER: ("Register", ("value", "scaler_unit")),
    EXTENDED: ("Extended register", ("value", "scaler_unit", "status", "capture_time")),
    DEMAND: (
        "Demand register",
        ("current_average", "last_average", "scaler_unit", "status", "capture_time", "start_time", "period", "periods"),
    ),
    PROFILE: (
        "Profile generic",
        ("buffer", "capture_objects", "capture_period", "sort_method", "sort_object", "entries_in_use", "entries"),
    ),
    CLOCK: (
        "Clock",
        ("time", "time_zone", "status", "dst_begin", "dst_end", "dst_deviation", "dst_enabled", "clock_base"),
    ),
    ASSOCIATION: (
        "Association LN",
        ("object_list", "partners", "context", "xdlms_context", "mechanism", "secret", "status", "security_setup"),
    ),
    SAP: ("SAP assignment", ("list",)),
    HDLC_SETUP: (
        "HDLC setup",
        ("speed", "window_transmit", "window_receive", "info_transmit", "info_receive", "octet_timeout",
         "inactivity_timeout", "address"),
    ),
    SECURITY_SETUP: ("Security setup", ("policy", "suite", "client_title", "server_title")),
    DISCONNECT: ("Disconnect control", ("output_state", "control_state", "control_mode")),
}  # fmt: skip
"""Class number → its name and the names of its attributes from number 2 on (1 is always the logical name)."""

SCALER_ATTRIBUTE = {REGISTER: 3, EXTENDED: 3, DEMAND: 4}
CONTROL_STATES = ("disconnected", "connected", "ready for reconnection")


def attribute_name(class_id: int, index: int) -> str:
    """``Register.value``, or numbers where the class is not known here."""
    name, attributes = ATTRIBUTES.get(class_id, (f"class {class_id}", ()))
    if index == 1:
        return f"{name}.logical_name"
    return f"{name}.{attributes[index - 2]}" if 2 <= index < len(attributes) + 2 else f"{name} attribute {index}"


_POWERS: tuple[int, ...] = tuple(10**exponent for exponent in range(31))


@dataclass(frozen=True, slots=True)
class Scale:
    """value × 10^scaler in ``unit`` (an enumeration, see UNITS)."""

    scaler: int
    unit: int

    @classmethod
    def from_data(cls, data: Any) -> "Scale":
        match data:
            case (int(scaler), int(unit)) if -30 <= scaler <= 30 and 0 <= unit <= 255:
                return cls(scaler, unit)
        raise BadFrame(f"scaler_unit: {data!r}"[:200])

    def to_bytes(self) -> bytes:
        """A-XDR octets of what :meth:`from_data` takes decoded."""
        return axdr.structure(axdr.integer(self.scaler), axdr.enum(self.unit))

    def apply(self, raw: int | Decimal) -> int | Decimal:
        """The exact value: an int where it is whole, else a Decimal."""
        if isinstance(raw, int):
            if self.scaler >= 0:
                return raw * _POWERS[self.scaler]
            whole, rest = divmod(raw, _POWERS[-self.scaler])
            return Decimal(raw).scaleb(self.scaler) if rest else whole
        exact = raw.scaleb(self.scaler)
        return int(exact) if exact == exact.to_integral_value() else exact


@dataclass(frozen=True, slots=True)
class Column:
    """A captured attribute of a profile. ``code``: OBIS as six octets; ``index`` 0 captures the whole object."""

    class_id: int
    code: bytes
    attribute: int
    index: int

    def to_bytes(self) -> bytes:
        """A-XDR octets of one element of what :func:`capture_objects` takes decoded."""
        return axdr.structure(
            axdr.long_unsigned(self.class_id),
            axdr.octets(self.code),
            axdr.integer(self.attribute),
            axdr.long_unsigned(self.index),
        )


def capture_objects(data: Any) -> tuple[Column, ...]:
    """Profile generic, attribute 3."""
    columns = []
    for each in data if isinstance(data, list) else [None]:
        match each:
            case (int(class_id), bytes(code), int(attribute), int(index), *_) if len(code) == 6:
                columns.append(Column(class_id, code, attribute, index))
            case _:
                raise BadFrame(f"capture_objects: {data!r}"[:200])
    return tuple(columns)


@dataclass(frozen=True, slots=True)
class ListedObject:
    class_id: int
    version: int
    code: bytes

    def to_bytes(self) -> bytes:
        """A-XDR octets of one element of what :func:`object_list` takes decoded, with empty access rights."""
        rights = axdr.structure(axdr.array([]), axdr.array([]))
        return axdr.structure(
            axdr.long_unsigned(self.class_id), axdr.unsigned(self.version), axdr.octets(self.code), rights
        )


def object_list(data: Any) -> tuple[ListedObject, ...]:
    """Association LN, attribute 2, without the access rights."""
    found = []
    for each in data if isinstance(data, list) else [None]:
        match each:
            case (int(class_id), int(version), bytes(code), *_) if len(code) == 6:
                found.append(ListedObject(class_id, version, code))
            case _:
                raise BadFrame(f"object_list: {each!r}"[:200])
    return tuple(found)


def _is_pair(each: Any) -> bool:
    return isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], int) and isinstance(each[1], bytes)


@dataclass(frozen=True, slots=True)
class SecuritySetup:
    """``policy``: what the meter demands (0 nothing); ``suite``: 0 is AES-GCM-128."""

    policy: int
    suite: int
    client_title: bytes
    server_title: bytes


def security_setup(policy: Any, suite: Any, client_title: Any, server_title: Any) -> SecuritySetup:
    """Security setup, attributes 2 to 5; the policy may be a bit-string (version 1)."""
    number = int(policy.text or "0", 2) if isinstance(policy, Bits) else policy
    match number, suite, client_title, server_title:
        case int(a), int(b), bytes(c), bytes(d):
            return SecuritySetup(a, b, c, d)
    raise BadFrame("security setup with other types than it should have")


@dataclass(frozen=True, slots=True)
class Relay:
    """Disconnect control. ``connected``: the state of the output; ``state`` as text; ``mode`` 0 to 6."""

    connected: bool
    state: str
    mode: int


def relay(output: Any, state: Any, mode: Any) -> Relay:
    """Disconnect control, attributes 2 to 4."""
    if isinstance(output, bool) and isinstance(state, int) and isinstance(mode, int) and 0 <= state <= 2:
        return Relay(output, CONTROL_STATES[state], mode)
    raise BadFrame(f"disconnect control: {output!r} {state!r} {mode!r}"[:200])
