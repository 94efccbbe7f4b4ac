"""ACSE, the opening and closing of an association (BER; ASN.1 of the Green Book, clause 9.4): dataclasses ↔ bytes.

AARQ ``60``, AARE ``61``, RLRQ ``62``, RLRE ``63`` and the Initiate PDUs that travel in them.
"""

from dataclasses import dataclass

from protocols.dlms import axdr
from protocols.errors import BadFrame

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
LOGICAL_NAMES, CIPHERED = 1, 3  # application contexts
_CONTEXT = bytes.fromhex("0607608574050801")
_MECHANISM = bytes.fromhex("608574050802")
_AUTHENTICATION = b"\x07\x80"  # ACSE requirements: bit 0 of a bit string with seven unused bits

USER, PROVIDER = 0xA1, 0xA2  # who gives the diagnostic of an AARE


def tagged(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + axdr.size(len(content)) + content


def fields(data: bytes) -> dict[int, bytes]:
    """The tagged fields of these octets (one-octet tags; of two equal ones the first); BadFrame if cut."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        content, end = axdr.octets_at(data, at + 1)
        found.setdefault(data[at], content)
        at = end
    return found


@dataclass(frozen=True, slots=True)
class Initiate:
    """What a side proposes or grants. ``max_pdu``: the longest APDU that it takes, 0 = any.

    ``dedicated``: a key for this association alone (request only); ``quality``: proposed or negotiated.
    """

    conformance: int
    max_pdu: int
    dedicated: bytes | None = None
    quality: int | None = None

    def request(self) -> bytes:
        key = b"\0" if self.dedicated is None else b"\1" + axdr.size(len(self.dedicated)) + self.dedicated
        return b"\x01" + key + b"\0" + self._tail()

    def response(self) -> bytes:
        return b"\x08" + self._tail() + b"\x00\x07"

    def _tail(self) -> bytes:
        quality = b"\0" if self.quality is None else bytes((1, self.quality))
        capabilities = b"\x5f\x1f\x04\x00" + self.conformance.to_bytes(3, "big")
        return quality + b"\x06" + capabilities + self.max_pdu.to_bytes(2, "big")

    @classmethod
    def from_request(cls, data: bytes) -> "Initiate":
        """An InitiateRequest (tag 01)."""
        if data[:1] != b"\x01":
            raise BadFrame(f"no InitiateRequest: {data[:8].hex(' ')}")
        dedicated = None
        at = 2
        if _octet(data, 1):
            dedicated, at = axdr.octets_at(data, 2)
        at += 2 if _octet(data, at) else 1  # response-allowed: default, or 01 and its value
        found, end = cls._capabilities(data, at)
        if end != len(data):
            raise BadFrame("octets behind the InitiateRequest")
        return cls(found.conformance, found.max_pdu, dedicated, found.quality)

    @classmethod
    def from_response(cls, data: bytes) -> "Initiate":
        """An InitiateResponse (tag 08); short names (VAA name FA00) are BadFrame."""
        if data[:1] != b"\x08":
            raise BadFrame(f"no InitiateResponse: {data[:8].hex(' ')}")
        found, end = cls._capabilities(data, 1)
        if data[end:] != b"\x00\x07":
            raise BadFrame(f"VAA name {data[end:].hex(' ')}: only logical names (00 07) are read")
        return found

    @classmethod
    def _capabilities(cls, data: bytes, at: int) -> tuple["Initiate", int]:
        quality = _octet(data, at + 1) if _octet(data, at) else None
        at += 1 if quality is None else 2
        if _octet(data, at) != 6:
            raise BadFrame(f"DLMS version {_octet(data, at)}, 6 is needed")
        # some stacks write the conformance tag as one octet
        tag = b"\x5f\x1f\x04\x00" if data[at + 1 : at + 3] == b"\x5f\x1f" else b"\x5f\x04\x00"
        start = at + 1 + len(tag)
        if data[at + 1 : start] != tag or len(data) < start + 5:
            raise BadFrame(f"conformance block: {data[at : at + 12].hex(' ')}")
        conformance = int.from_bytes(data[start : start + 3], "big")
        return cls(conformance, int.from_bytes(data[start + 3 : start + 5], "big"), None, quality), start + 5


def _octet(data: bytes, at: int) -> int:
    if at >= len(data):
        raise BadFrame("Initiate PDU ends early")
    return data[at]


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """AARQ. ``authentication``: the password (LLS) or the client's challenge (HLS). ``user``: an Initiate PDU."""

    user: bytes
    context: int = LOGICAL_NAMES
    mechanism: int = 0
    authentication: bytes = b""
    title: bytes = b""

    def to_bytes(self) -> bytes:
        body = tagged(0xA1, _CONTEXT + bytes((self.context,)))
        if self.title:
            body += tagged(0xA6, tagged(0x04, self.title))
        if self.mechanism:
            body += tagged(0x8A, _AUTHENTICATION)
            body += tagged(0x8B, _MECHANISM + bytes((self.mechanism,)))
            body += tagged(0xAC, tagged(0x80, self.authentication))
        return tagged(AARQ, body + tagged(0xBE, tagged(0x04, self.user)))

    @classmethod
    def from_bytes(cls, data: bytes) -> "AssociationRequest":
        found = _opened(data, AARQ)
        return cls(
            user=_inner(found.get(0xBE, b""), 0x04),
            context=_context(found),
            mechanism=_mechanism(found.get(0x8B)),
            authentication=_inner(found.get(0xAC, b""), 0x80),
            title=_inner(found.get(0xA6, b""), 0x04),
        )


@dataclass(frozen=True, slots=True)
class AssociationAnswer:
    """AARE. ``result`` 0 = accepted; ``source`` USER or PROVIDER of ``diagnostic``; a refusal may lack ``user``."""

    result: int
    diagnostic: int
    user: bytes
    source: int = USER
    context: int = LOGICAL_NAMES
    mechanism: int = 0
    authentication: bytes = b""
    title: bytes = b""

    def to_bytes(self) -> bytes:
        body = tagged(0xA1, _CONTEXT + bytes((self.context,)))
        body += tagged(0xA2, bytes((2, 1, self.result)))
        body += tagged(0xA3, tagged(self.source, bytes((2, 1, self.diagnostic))))
        if self.title:
            body += tagged(0xA4, tagged(0x04, self.title))
        if self.authentication:
            body += tagged(0x88, _AUTHENTICATION)
            body += tagged(0x89, _MECHANISM + bytes((self.mechanism,)))
            body += tagged(0xAA, tagged(0x80, self.authentication))
        return tagged(AARE, body + (tagged(0xBE, tagged(0x04, self.user)) if self.user else b""))

    @classmethod
    def from_bytes(cls, data: bytes) -> "AssociationAnswer":
        found = _opened(data, AARE)
        diagnostics = fields(found.get(0xA3, b""))
        source = PROVIDER if PROVIDER in diagnostics else USER
        return cls(
            result=_small(found.get(0xA2), "result"),
            diagnostic=_small(diagnostics[source], "diagnostic") if source in diagnostics else 0,
            user=_inner(found.get(0xBE, b""), 0x04),
            source=source,
            context=_context(found),
            mechanism=_mechanism(found.get(0x89)),
            authentication=_inner(found.get(0xAA, b""), 0x80),
            title=_inner(found.get(0xA4, b""), 0x04),
        )


def release_request(user: bytes = b"") -> bytes:
    """RLRQ, normal; ciphered associations repeat the protected InitiateRequest in ``user``."""
    return tagged(RLRQ, b"\x80\x01\x00" + (tagged(0xBE, tagged(0x04, user)) if user else b""))


def release_answer(reason: int = 0) -> bytes:
    return tagged(RLRE, bytes((0x80, 1, reason)))


def released(data: bytes) -> int:
    """The reason in an RLRE (0 = normal, also where it says none); BadFrame on other bytes."""
    reason = _opened(data, RLRE).get(0x80, b"\0")
    if len(reason) != 1:
        raise BadFrame(f"release reason {reason.hex(' ')}")
    return reason[0]


def _opened(data: bytes, tag: int) -> dict[int, bytes]:
    if data[:1] != bytes((tag,)):
        raise BadFrame(f"ACSE tag {tag:02x} was expected: {data[:16].hex(' ')}")
    content, end = axdr.octets_at(data, 1)
    if end != len(data):
        raise BadFrame(f"{len(data) - end} octets behind the ACSE message")
    return fields(content)


def _inner(content: bytes, tag: int) -> bytes:
    """The content of the one field ``tag`` inside; empty where the outer field is absent."""
    if not content:
        return b""
    found = fields(content)
    if tag not in found:
        raise BadFrame(f"ACSE field {tag:02x} is missing: {content[:16].hex(' ')}")
    return found[tag]


def _context(found: dict[int, bytes]) -> int:
    content = found.get(0xA1, b"")
    if len(content) != 9 or content[:8] != _CONTEXT:
        raise BadFrame(f"application context: {content[:16].hex(' ')}")
    return content[8]


def _mechanism(content: bytes | None) -> int:
    if content is None:
        return 0
    if len(content) != 7 or content[:6] != _MECHANISM:
        raise BadFrame(f"authentication mechanism: {content[:16].hex(' ')}")
    return content[6]


def _small(content: bytes | None, what: str) -> int:
    if content is None or len(content) != 3 or content[:2] != b"\x02\x01":
        raise BadFrame(f"{what} of the association answer: {(content or b'').hex(' ')}")
    return content[2]
