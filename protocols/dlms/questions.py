"""What may be asked of a DLMS meter, and what comes back. One frozen dataclass a question."""

from dataclasses import dataclass, field
from typing import Any

from protocols.dlms.apdu import Attribute
from protocols.dlms.hdlc import DEFAULTS, Address, Limits
from protocols.dlms.security import AUTHENTICATED, ENCRYPTED, WRAPPINGS, Counter, Keys
from protocols.session import Read, Write

CONFORMANCE = 0x001E1D  # block-get, block-set, block-action, multiple-references, get, set, selective-access, action


@dataclass(frozen=True, slots=True)
class Connect(Read):
    """Set up the link: SNRM and its UA over HDLC; over the wrapper it only names the two ends and nothing is sent.

    ``logical`` is the wrapper's destination. The reply is :class:`Connected` (HDLC) or None (wrapper).
    """

    server: Address
    client: int
    limits: Limits = DEFAULTS
    logical: int = 1


@dataclass(frozen=True)
class Security:
    """How an association is protected. ``title``: ours, 8 octets; ``peer``: the meter's, where it does not say it.

    ``control``: AUTHENTICATED, ENCRYPTED or both; ``wrapping``: one of security.WRAPPINGS.
    """

    keys: Keys
    title: bytes
    counter: Counter
    control: int = AUTHENTICATED | ENCRYPTED
    wrapping: str = "glo"
    peer: bytes = b""

    def __post_init__(self) -> None:
        if len(self.title) != 8 or len(self.peer) not in (0, 8):
            raise ValueError("a system title has 8 octets")
        if self.wrapping not in WRAPPINGS or self.control & ~0x30:
            raise ValueError(f"wrapping {self.wrapping!r}, control {self.control:02x}")


@dataclass(frozen=True)
class Associate(Read):
    """AARQ, and for HLS the two challenges too. ``secret``: password (LLS) or HLS secret; ``challenge``: ours, 8 to
    64 fresh random octets, HLS only. ``security`` protects the APDUs if ``ciphered``, else it serves HLS 5 alone.

    The reply is :class:`Associated`. AccessDenied: password or keys are wrong; Refused: the meter wants it otherwise.
    """

    mechanism: int = 0
    secret: bytes = field(default=b"", repr=False)
    challenge: bytes = field(default=b"", repr=False)
    security: Security | None = None
    ciphered: bool = False
    conformance: int = CONFORMANCE
    max_pdu: int = 0xFFFF


@dataclass(frozen=True, slots=True)
class Get(Read):
    """One attribute; the reply is :class:`Value`, Refused or Busy for a data-access-result."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class GetList(Read):
    """Several attributes in one exchange; the reply is a tuple of :class:`Value` and :class:`Denied` in their order."""

    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Set(Write):
    """Write A-XDR octets to an attribute, in blocks where they exceed the meter's PDU; the reply is :class:`Done`."""

    attribute: Attribute
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Action(Write):
    """Call a method, its parameters in blocks where they exceed the meter's PDU; the reply is :class:`Value` if it
    returns data (in blocks or not), else :class:`Done`."""

    method: Attribute
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Release(Read):
    """RLRQ: end the association; the reply is :class:`Done`. Many meters leave it unanswered."""


@dataclass(frozen=True, slots=True)
class Disconnect(Read):
    """DISC: end link and association; the reply is :class:`Done`. Over the wrapper nothing is sent."""


Question = Connect | Associate | Get | GetList | Set | Action | Release | Disconnect


@dataclass(frozen=True, slots=True)
class Connected:
    limits: Limits


@dataclass(frozen=True, slots=True)
class Associated:
    """What the meter granted: conformance block (24 bits), longest APDU that it takes (0 = any), its system title."""

    conformance: int
    max_pdu: int
    title: bytes = b""


@dataclass(frozen=True, slots=True)
class Value:
    """Decoded data (see axdr); ``data`` None is null-data."""

    data: Any


@dataclass(frozen=True, slots=True)
class Denied:
    """A data-access-result that stands where a value was asked."""

    result: int


@dataclass(frozen=True, slots=True)
class Done:
    """It is done; nothing came back."""
