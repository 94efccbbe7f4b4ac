"""One APDU as text, its data as a tree."""

from collections.abc import Callable

from protocols.dlms import acse, axdr, words
from protocols.dlms.answers import (
    ActionAnswer,
    ActionMore,
    ActionPiece,
    ExceptionAnswer,
    GetAnswer,
    GetBlock,
    GetListAnswer,
    Notification,
    ServiceError,
    SetAnswer,
    list_items,
    parse_answer,
    stamp_of,
)
from protocols.dlms.apdu import (
    NOTIFICATION,
    ActionBlock,
    ActionNext,
    ActionRequest,
    Attribute,
    Entries,
    GetListRequest,
    GetNext,
    GetRequest,
    Range,
    SetBlock,
    SetRequest,
    obis_text,
    parse_request,
)
from protocols.dlms.cosem.objects import ATTRIBUTES, attribute_name
from protocols.dlms.cosem.stamp import Stamp
from protocols.dlms.security import AUTHENTICATED, ENCRYPTED, Keys, is_ciphered, reveal
from protocols.errors import BadFrame, MeterError
from protocols.texts import meter_text, words_alone

MOST_LINES = 400  # of one value
REQUESTS = (0xC0, 0xC1, 0xC3)
KEY_CLASS = 64  # Security setup: its ACTION data are wrapped keys, its password is class 15's
HIDDEN = (15, KEY_CLASS)


def names_asked(apdu: bytes, keys: Keys | None = None, title: bytes = b"") -> tuple[str, ...]:
    """What a GET asks for, in its order; empty if there is none or cannot be read."""
    try:
        if is_ciphered(apdu) and keys is not None:
            _, apdu = reveal(apdu, keys, title)
        asked = parse_request(apdu)
    except MeterError:
        return ()
    match asked:
        case GetRequest():
            return (_named(asked.attribute),)
        case GetListRequest():
            return tuple(_named(each) for each in asked.attributes)
    return ()


def describe(apdu: bytes, keys: Keys | None = None, title: bytes = b"", names: tuple[str, ...] = ()) -> list[str]:
    """Lines for one APDU; MeterError where it cannot be understood. ``names``: what the question before it asked."""
    if not apdu:
        raise BadFrame("an empty APDU")
    known: dict[int, Callable[[bytes], list[str]]] = {
        acse.AARQ: lambda raw: _aarq(raw, keys),
        acse.AARE: lambda raw: _aare(raw, keys),
        acse.RLRQ: lambda raw: ["RLRQ: release of the association"],
        acse.RLRE: lambda raw: [f"RLRE: {words.RELEASE_REASONS.get(acse.released(raw), 'unknown reason')}"],
        0x01: lambda raw: _initiate("InitiateRequest", acse.Initiate.from_request(raw)),
        0x08: lambda raw: _initiate("InitiateResponse", acse.Initiate.from_response(raw)),
    }
    if apdu[0] in known:
        return known[apdu[0]](apdu)
    if is_ciphered(apdu):
        return _ciphered(apdu, keys, title, names)
    return _request(apdu) if apdu[0] in REQUESTS else _answer(apdu, names)


def _aarq(apdu: bytes, keys: Keys | None) -> list[str]:
    asked = acse.AssociationRequest.from_bytes(apdu)
    lines = [
        f"AARQ: opens an association, {words.CONTEXTS.get(asked.context, 'unknown context')}, "
        f"{words.MECHANISMS.get(asked.mechanism, f'mechanism {asked.mechanism}')}"
    ]
    if asked.title:
        lines.append(f"  system title {asked.title.hex()}")
    if asked.mechanism == 1:
        lines.append(f"  password *** ({len(asked.authentication)} octets)")
    elif asked.mechanism:
        lines.append(f"  challenge {asked.authentication.hex()}")
    return lines + _inside(asked.user, keys, asked.title)


def _aare(apdu: bytes, keys: Keys | None) -> list[str]:
    said = acse.AssociationAnswer.from_bytes(apdu)
    table = words.PROVIDER_DIAGNOSTICS if said.source == acse.PROVIDER else words.USER_DIAGNOSTICS
    result = {0: "accepted", 1: "rejected for good", 2: "rejected for now"}.get(said.result, f"result {said.result}")
    lines = [f"AARE: {result}, {table.get(said.diagnostic, 'unknown diagnostic')} (diagnostic {said.diagnostic})"]
    if said.title:
        lines.append(f"  system title {said.title.hex()}")
    if said.authentication:
        mechanism = words.MECHANISMS.get(said.mechanism, f"mechanism {said.mechanism}")
        lines.append(f"  {mechanism}, challenge {said.authentication.hex()}")
    return lines + (_inside(said.user, keys, said.title) if said.user else [])


def _inside(apdu: bytes, keys: Keys | None, title: bytes) -> list[str]:
    try:
        return ["  " + line for line in describe(apdu, keys, title)]
    except MeterError as trouble:
        return [f"  user information {apdu[:32].hex(' ')}: {trouble}"]


def _initiate(name: str, found: acse.Initiate) -> list[str]:
    services = [text for bit, text in words.CONFORMANCE.items() if words.conforms(found.conformance, bit)]
    key = ", dedicated key ***" if found.dedicated is not None else ""
    most = f"APDU at most {found.max_pdu} octets" if found.max_pdu else "APDU of any length"
    return [f"{name}: {most}{key}", f"  conformance {found.conformance:06x}: {', '.join(services) or 'nothing'}"]


def _ciphered(apdu: bytes, keys: Keys | None, title: bytes, names: tuple[str, ...]) -> list[str]:
    at = axdr.octets_at(apdu, 1)[1] if apdu[0] >= 0xDB else 1
    body, _ = axdr.octets_at(apdu, at)
    if len(body) < 5:
        raise BadFrame("ciphered APDU without control octet and counter")
    marks = [name for bit, name in ((AUTHENTICATED, "authenticated"), (ENCRYPTED, "encrypted")) if body[0] & bit]
    head = (
        f"ciphered APDU {apdu[0]:02x}: suite {body[0] & 15}, {' and '.join(marks) or 'unprotected'}, "
        f"frame counter {int.from_bytes(body[1:5], 'big')}"
    )
    if keys is None:
        return [head, "  (no keys given)"]
    try:
        _, plain = reveal(apdu, keys, title)
    except MeterError as trouble:
        return [head, f"  {trouble}"]
    return [head, *("  " + line for line in describe(plain, keys, title, names))]


def _request(apdu: bytes) -> list[str]:
    asked = parse_request(apdu)
    number = f"number {asked.invoke & 15}"
    match asked:
        case GetRequest():
            return [f"GET {number}: {_named(asked.attribute)}", *_access(asked.attribute)]
        case GetNext():
            return [f"GET next block after {asked.block}, {number}"]
        case GetListRequest():
            return [f"GET with list {number}: {len(asked.attributes)} attributes"] + [
                f"  {_named(each)}" for each in asked.attributes
            ]
        case SetRequest():
            return [f"SET {number}: {_named(asked.attribute)}", *_secretive(asked.attribute, asked.data)]
        case SetBlock():
            whose = f": {_named(asked.attribute)}" if asked.attribute else ""
            return [f"SET block {asked.number}{' (last)' if asked.last else ''}, {number}{whose}"]
        case ActionRequest():
            head = f"ACTION {number}: {_method(asked.method)}"
            return [head, *([] if asked.data is None else _secretive(asked.method, asked.data))]
        case ActionBlock():
            whose = f": {_method(asked.method)}" if asked.method else ""
            return [f"ACTION block {asked.number}{' (last)' if asked.last else ''}, {number}{whose}"]
        case ActionNext():
            return [f"ACTION, next block after {asked.block}, {number}"]


def _secretive(attribute: Attribute, data: bytes) -> list[str]:
    """Associations and security setups take passwords and keys: those are not shown."""
    return [f"  *** ({len(data)} octets)"] if attribute.class_id in HIDDEN else _tree(data)


def _named(attribute: Attribute) -> str:
    return f"{obis_text(attribute.code)} {attribute_name(attribute.class_id, attribute.index)}"


def _method(method: Attribute) -> str:
    name = ATTRIBUTES.get(method.class_id, (f"class {method.class_id}",))[0]
    return f"{obis_text(method.code)} {name} method {method.index}"


def _access(attribute: Attribute) -> list[str]:
    match attribute.access:
        case Range(since, until):
            return [f"  rows from {Stamp.from_bytes(since).words()} to {Stamp.from_bytes(until).words()}"]
        case Entries(first, last):
            return [f"  rows number {first} to {last or 'the last'}"]
    return []


def _notification(apdu: bytes) -> list[str]:
    """As far as it can be understood: what stands behind its value is counted."""
    stamp, at = stamp_of(apdu)
    when = f" at {Stamp.from_bytes(stamp).words()}" if stamp else ""
    return [f"data notification {int.from_bytes(apdu[1:5], 'big')}{when}", *_tree(apdu[at:])]


def _answer(apdu: bytes, names: tuple[str, ...]) -> list[str]:
    if apdu[0] == NOTIFICATION:
        return _notification(apdu)
    said = parse_answer(apdu)
    match said:
        case ExceptionAnswer():
            return [str(words.exception_error(said.state, said.service, said.counter))]
        case ServiceError():
            return [f"service error: service {said.service}, kind {said.kind}, value {said.value}"]
        case Notification():
            return _notification(apdu)
        case GetAnswer():
            of = f": {names[0]}" if len(names) == 1 else ""
            return [f"GET answer {said.invoke & 15}{of}{_result(said.error)}", *(_tree(said.data) if said.data else [])]
        case GetBlock():
            last = " (last)" if said.last else ""
            return [f"GET answer {said.invoke & 15}, block {said.number}{last}, {len(said.piece)} octets"
                    f"{_result(said.error)}"]  # fmt: skip
        case GetListAnswer():
            lines = [f"GET with list answer {said.invoke & 15}"]
            items = list_items(said.items)
            for number, item in enumerate(items):
                told = [f" {_result(item)[1:]}"] if isinstance(item, int) else _tree(item)
                if len(names) == len(items):
                    told[0] = f"  {names[number]}:{told[0][1:]}"
                lines += told
            return lines
        case SetAnswer():
            block = "" if said.block is None else f", block {said.block}"
            return [f"SET answer {said.invoke & 15}{block}{_result(said.error) or ': done'}"]
        case ActionAnswer():
            done = "" if said.error else ": done"
            lines = [f"ACTION answer {said.invoke & 15}{_result(said.error)}{done}"]
            return lines + (_tree(said.data) if said.data is not None else [])
        case ActionPiece():
            last = " (last)" if said.last else ""
            return [f"ACTION answer {said.invoke & 15}, block {said.number}{last}, {len(said.piece)} octets"]
        case ActionMore():
            return [f"ACTION answer {said.invoke & 15}, block {said.block} has come, the next is wanted"]


def _result(code: int) -> str:
    return f": {words.ACCESS_RESULTS.get(code, 'unknown reason')} (data-access-result {code})" if code else ""


def _tree(data: bytes) -> list[str]:
    lines: list[str] = []
    at = _branch(data, 0, 1, lines)
    if at != len(data):
        lines.append(f"  {len(data) - at} octets behind the value")
    return lines


def _branch(data: bytes, at: int, depth: int, lines: list[str]) -> int:
    """Add the lines of the value at ``at``; where it ends."""
    value, end = axdr.decode_at(data, at)  # whole and sound, or BadFrame
    tag, pad = data[at], "  " * depth
    if tag in (axdr.ARRAY, axdr.STRUCTURE) and len(lines) < MOST_LINES:
        lines.append(f"{pad}{axdr.NAMES[tag]} of {len(value)}")
        _, at = axdr.length_at(data, at + 1)
        while at < end:
            at = _branch(data, at, depth + 1, lines)
    elif len(lines) < MOST_LINES:
        lines.append(f"{pad}{axdr.NAMES[tag]} {_value(tag, value)}")
    elif len(lines) == MOST_LINES:
        lines.append(f"{pad}…")
    return end


def _value(tag: int, value: object) -> str:
    match value:
        case bytes():
            return _octets(tag, value)
        case axdr.Bits(text):
            return text
        case None:
            return "(none)"
    return str(value)[:200]


def _octets(tag: int, raw: bytes) -> str:
    shown = raw[:64].hex(" ") + (" …" if len(raw) > 64 else "")
    if len(raw) == 12 and (tag == 0x19 or Stamp.from_bytes(raw).wall is not None):
        return f"{shown} = {Stamp.from_bytes(raw).words()}"
    if len(raw) == 6 and raw[5] == 0xFF:
        return f"{shown} = {obis_text(raw)}"
    text = meter_text(raw)
    return f'{shown} = "{text}"' if raw and text.isprintable() and (raw.isascii() or words_alone(text)) else shown
