"""Ciphering of suite 0 and the HLS calculations (IEC 62056-5-3, clauses 5.3 and 5.7).

``cryptography`` is imported only when something is really ciphered: the daemon's memory is a promise.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from protocols.dlms import axdr
from protocols.errors import AccessDenied, BadFrame, Refused

AUTHENTICATED, ENCRYPTED = 0x10, 0x20
BROADCAST_KEY, COMPRESSED = 0x40, 0x80
TAG = 12  # octets of the authentication tag
GENERAL_GLO, GENERAL_DED, GENERAL_CIPHERING, GENERAL_SIGNING = 0xDB, 0xDC, 0xDD, 0xDF
WRAPPINGS = ("glo", "ded", "general-glo", "general-ded")
MANUFACTURER, MD5, SHA1, GMAC, SHA256 = 2, 3, 4, 5, 6  # HLS mechanisms that are calculated here

# plain tag: (global, dedicated); Initiate PDUs have a global form only
_CIPHERED = {0xC0 + n: (0xC8 + n, 0xD0 + n) for n in (0, 1, 2, 3, 4, 5, 7)} | {0x01: (0x21, 0x21), 0x08: (0x28, 0x28)}
GLOBAL = {pair[0]: plain for plain, pair in _CIPHERED.items()}
GLOBAL_FROM = 0xC0  # first tag of the services that have a dedicated and a general form
DEDICATED = {pair[1]: plain for plain, pair in _CIPHERED.items() if pair[1] >= 0xD0}


class Counter(Protocol):
    """Frame counters of one key. ``next`` gives a number that was never given before and is durable already."""

    def next(self) -> int: ...


@dataclass(frozen=True)
class Keys:
    """The keys of one association, 16 octets each (suite 0). They never show themselves."""

    block: bytes = field(repr=False)  # GUEK
    authentication: bytes | None = field(repr=False)  # GAK; None: no tag can be checked or made
    dedicated: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for key in (self.block, self.authentication, self.dedicated):
            if key is not None and len(key) != 16:
                raise ValueError(f"a key of suite 0 has 16 octets, this one {len(key)}")


def seal(keys: Keys, control: int, title: bytes, counter: int, plain: bytes, dedicated: bool = False) -> bytes:
    """``SC IC …`` of an APDU: control octet, counter, then what the control octet says. ``title``: the sender's.

    Refused when the counter is used up: the standard wants new keys then.
    """
    if counter > 0xFFFF_FFFF:
        raise Refused("the frame counter of these keys is used up: new keys are needed")
    head = bytes((control,)) + counter.to_bytes(4, "big")
    key, nonce, covered = _key(keys, dedicated), title + head[1:], head[:1] + (keys.authentication or b"")
    if control & AUTHENTICATED and keys.authentication is None:
        raise Refused("an authentication key is needed to protect messages so")
    if not control & ENCRYPTED:
        return head + plain + _gcm(key, nonce, b"", covered + plain)[1]
    if not control & AUTHENTICATED:
        return head + _gcm(key, nonce, plain, b"")[0]
    return head + b"".join(_gcm(key, nonce, plain, covered))


def unseal(keys: Keys, title: bytes, body: bytes, dedicated: bool = False) -> tuple[int, int, bytes]:
    """Control octet, counter and plain APDU of ``SC IC …``; AccessDenied where tag and keys do not agree,
    Refused for what suite 0 does not have, BadFrame where the octets are too few."""
    if len(body) < 5:
        raise BadFrame(f"ciphered APDU of {len(body)} octets")
    control, counter, rest = body[0], int.from_bytes(body[1:5], "big"), body[5:]
    check_control(control)
    key, nonce, covered = _key(keys, dedicated), title + body[1:5], body[:1] + (keys.authentication or b"")
    if not control & AUTHENTICATED:
        return control, counter, _gcm(key, nonce, rest, b"")[0]  # counter mode is its own inverse
    if len(rest) < TAG:
        raise BadFrame(f"ciphered APDU without a tag: {len(body)} octets")
    if keys.authentication is None:
        raise AccessDenied("the message is authenticated: its tag wants the authentication key too")
    text, tag = rest[:-TAG], rest[-TAG:]
    if control & ENCRYPTED:
        plain = _gcm(key, nonce, text, b"")[0]
        wanted = _gcm(key, nonce, plain, covered)[1]
    else:
        plain, wanted = text, _gcm(key, nonce, b"", covered + text)[1]
    if not hmac.compare_digest(tag, wanted):
        raise AccessDenied("the authentication tag is wrong: other keys, other system title or changed octets")
    return control, counter, plain


def check_control(control: int) -> None:
    """Refused for suites and modes that are not read here, by name."""
    suite = control & 0x0F
    if suite:
        names = {1: "1 (ECDSA P-256)", 2: "2 (AES-256)", 8: "8 (Kuznyechik)", 9: "9 (Kuznyechik, GOST 34.10)"}
        raise Refused(f"security suite {names.get(suite, str(suite))} is not supported, suite 0 is")
    if control & COMPRESSED:
        raise Refused("compressed APDUs are not supported")
    if not control & (AUTHENTICATED | ENCRYPTED):
        raise BadFrame(f"security control {control:02x} protects nothing")


def protect(apdu: bytes, keys: Keys, control: int, title: bytes, counter: int, wrapping: str = "glo") -> bytes:
    """The ciphered form of an APDU. ``wrapping`` is one of WRAPPINGS; an Initiate PDU is always under the global
    key and in its service-specific form."""
    dedicated = wrapping.endswith("ded") and apdu[0] >= GLOBAL_FROM
    body = seal(keys, control, title, counter, apdu, dedicated)
    if wrapping.startswith("general-") and apdu[0] >= GLOBAL_FROM:
        tag = GENERAL_DED if dedicated else GENERAL_GLO
        return bytes((tag, len(title))) + title + axdr.size(len(body)) + body
    return bytes((_CIPHERED[apdu[0]][dedicated],)) + axdr.size(len(body)) + body


def is_ciphered(apdu: bytes) -> bool:
    """Whether the first octet says that the rest is protected."""
    return bool(apdu) and (apdu[0] in GLOBAL or apdu[0] in DEDICATED or GENERAL_GLO <= apdu[0] <= GENERAL_SIGNING)


def reveal(apdu: bytes, keys: Keys, title: bytes, least: int = 0) -> tuple[int, bytes]:
    """Frame counter and plain APDU of a ciphered one. ``title``: the sender's, where the APDU does not carry it;
    ``least``: the protection that it must have.

    AccessDenied where the keys do not fit, Refused for general ciphering, signing and other suites, else BadFrame.
    """
    tag = apdu[0] if apdu else -1
    if tag in (GENERAL_CIPHERING, GENERAL_SIGNING):
        raise Refused(f"APDU {tag:02x} (general ciphering or signing, suites 1 and 2) is not supported")
    at = 1
    if tag in (GENERAL_GLO, GENERAL_DED):
        carried, at = axdr.octets_at(apdu, 1)
        title = carried or title
    elif tag not in GLOBAL and tag not in DEDICATED:
        raise BadFrame(f"no ciphered APDU: {apdu[:16].hex(' ')}")
    if len(title) != 8:
        raise BadFrame(f"a system title has 8 octets, the sender's has {len(title)}")
    body, end = axdr.octets_at(apdu, at)
    if end != len(apdu):
        raise BadFrame(f"{len(apdu) - end} octets behind the ciphered APDU")
    if body[:1] and body[0] & least != least:
        raise BadFrame(f"security control {body[0]:02x} is weaker than {least:02x}, which was asked for")
    _, counter, plain = unseal(keys, title, body, tag in DEDICATED or tag == GENERAL_DED)
    if not plain or plain[0] != GLOBAL.get(tag, DEDICATED.get(tag, plain[0])):
        raise BadFrame(f"the tag {tag:02x} hides an APDU of another kind")
    return counter, plain


def challenge_answer(
    mechanism: int, secret: bytes, challenge: bytes, own: bytes = b"", titles: tuple[bytes, bytes] = (b"", b"")
) -> bytes:
    """What HLS 2, 3, 4 and 6 answer to ``challenge``. ``own``: the challenge that the answering side itself set,
    ``titles``: the answering side's system title and the other's (both for HLS 6 only).

    HLS 2 is AES-128-ECB over the challenge padded with zeros to whole blocks, as SPODES meters do it.
    """
    if mechanism == MANUFACTURER:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if len(secret) != 16:
            raise ValueError(f"the secret of HLS 2 has 16 octets, this one {len(secret)}")
        padded = challenge + bytes(-len(challenge) % 16)
        cipher = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # the meters' choice, not ours
        return cipher.update(padded) + cipher.finalize()
    if mechanism == MD5:
        return hashlib.md5(challenge + secret, usedforsecurity=False).digest()
    if mechanism == SHA1:
        return hashlib.sha1(challenge + secret, usedforsecurity=False).digest()
    if mechanism == SHA256:
        return hashlib.sha256(secret + titles[0] + titles[1] + challenge + own).digest()
    raise Refused(f"authentication mechanism {mechanism} is not supported")


def gmac_answer(keys: Keys, title: bytes, counter: int, challenge: bytes) -> bytes:
    """What HLS 5 answers: SC, counter and the tag over SC, authentication key and challenge."""
    sealed = seal(keys, AUTHENTICATED, title, counter, challenge)
    return sealed[:5] + sealed[-TAG:]


def _key(keys: Keys, dedicated: bool) -> bytes:
    if not dedicated:
        return keys.block
    if keys.dedicated is None:
        raise BadFrame("an APDU under a dedicated key, but none was agreed")
    return keys.dedicated


def _gcm(key: bytes, nonce: bytes, data: bytes, covered: bytes) -> tuple[bytes, bytes]:
    """Encrypted octets and the tag, which DLMS shortens to 12."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = AESGCM(key).encrypt(nonce, data, covered)
    return sealed[:-16], sealed[-16 : TAG - 16]
