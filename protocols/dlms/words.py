"""DLMS codes as text (IEC 62056-5-3 and its ASN.1), each with what a technician can do about it where that helps."""

from protocols.errors import AccessDenied, Busy, MeterError, NoRights, NotLoggedIn, Refused

ACCESS_RESULTS = {
    1: "hardware fault in the meter",
    2: "temporary failure",
    3: "read-write denied: this client may not; a higher client (48) may",
    4: "object undefined: the meter does not have it",
    9: "object has another class",
    11: "object unavailable",
    12: "type unmatched",
    13: "scope of access violated",
    14: "data block unavailable",
    15: "long get aborted",
    16: "no long get in progress",
    17: "long set aborted",
    18: "no long set in progress",
    19: "data block number invalid",
    250: "other reason",
}
ACTION_RESULTS = ACCESS_RESULTS | {15: "long action aborted", 16: "no long action in progress"}
ABSENT = (4, 9, 11)  # results that say: this meter has no such register

USER_DIAGNOSTICS = {
    0: "no diagnostic",
    1: "no reason given",
    2: "application context not supported: ciphering asked of a meter without it, or the other way round",
    3: "calling AP title not recognised: check system_title",
    4: "calling AP invocation identifier not recognised",
    5: "calling AE qualifier not recognised",
    6: "calling AE invocation identifier not recognised",
    7: "called AP title not recognised",
    8: "called AP invocation identifier not recognised",
    9: "called AE qualifier not recognised",
    10: "called AE invocation identifier not recognised",
    11: "authentication mechanism not recognised: this client takes another one (16 none, 32 LLS, 48 HLS)",
    12: "authentication mechanism required: this client needs a password (client 16 does not)",
    13: "authentication failure: wrong password or key for this client",
    14: "authentication required",
}
PROVIDER_DIAGNOSTICS = {0: "no diagnostic", 1: "no reason given", 2: "no common ACSE version"}
INITIATE_ERRORS = {
    0: "other",
    1: "DLMS version too low",
    2: "incompatible conformance",
    3: "PDU size too short",
    4: "refused by the VDE handler",
}
RELEASE_REASONS = {0: "normal", 1: "not finished", 30: "user defined"}

EXCEPTION_STATES = {1: "service not allowed", 2: "service unknown"}
EXCEPTION_SERVICES = {
    1: "operation not possible",
    2: "service not supported",
    3: "other reason",
    4: "PDU too long",
    5: "deciphering error: wrong keys or system title",
    6: "frame counter too low",
}
DECIPHERING_ERROR, COUNTER_ERROR = 5, 6

MECHANISMS = {
    0: "no authentication",
    1: "LLS (password)",
    2: "HLS manufacturer specific (AES-128 in SPODES meters)",
    3: "HLS MD5",
    4: "HLS SHA-1",
    5: "HLS GMAC",
    6: "HLS SHA-256",
    7: "HLS ECDSA",
    8: "HLS Kuznyechik-CMAC",
    9: "HLS Streebog",
    10: "HLS GOST 34.10",
}
CONTEXTS = {
    1: "logical names",
    2: "short names",
    3: "logical names, ciphered",
    4: "short names, ciphered",
}
CONFORMANCE = {
    1: "general-protection",
    2: "general-block-transfer",
    3: "read",
    4: "write",
    5: "unconfirmed-write",
    8: "attribute0-set",
    9: "priority",
    10: "attribute0-get",
    11: "block-get",
    12: "block-set",
    13: "block-action",
    14: "multiple-references",
    15: "information-report",
    16: "data-notification",
    17: "access",
    18: "parameterized-access",
    19: "get",
    20: "set",
    21: "selective-access",
    22: "event-notification",
    23: "action",
}


class NoAccess(Refused):
    """A data-access-result or action result other than success; ``code`` holds it."""


class NotPermitted(NoAccess):
    """The object is there, and this client may not do that with it."""

    layer = "rights"
    hint = NoRights.hint


class CounterTooLow(Refused):
    """The meter wants a higher frame counter. ``expected``: the lowest that it takes, None where it does not say."""

    def __init__(self, message: str, expected: int | None) -> None:
        super().__init__(message)
        self.expected = expected


def conforms(conformance: int, bit: int) -> bool:
    """Whether bit ``bit`` (0 is the first on the wire) of a 24-bit conformance block is set."""
    return bool(conformance >> 23 - bit & 1)


def _no_access(text: str, result: int) -> MeterError:
    if result == 2:
        return Busy(text)
    return (NotPermitted if result in (3, 13) else NoAccess)(text, result)  # read-write-denied, scope violated


def access_error(what: str, result: int) -> MeterError:
    """The error for a data-access-result other than 0."""
    text = f"{what}: {ACCESS_RESULTS.get(result, 'unknown reason')} (data-access-result {result})"
    return _no_access(text, result)


def action_error(what: str, result: int) -> MeterError:
    """The error for an action-result other than 0."""
    text = f"{what}: {ACTION_RESULTS.get(result, 'unknown reason')} (action-result {result})"
    return _no_access(text, result)


def exception_error(state: int, service: int, counter: int | None) -> MeterError:
    """The error for an exception response."""
    text = (
        f"exception response: {EXCEPTION_STATES.get(state, f'state {state}')}, "
        f"{EXCEPTION_SERVICES.get(service, f'service {service}')}"
    )
    if service == COUNTER_ERROR:
        return CounterTooLow(text if counter is None else f"{text}, the meter expects {counter}", counter)
    if service == DECIPHERING_ERROR:
        return AccessDenied(text)
    if state == 1 and service in (1, 2, 3):
        return NotLoggedIn(text)
    return Refused(text)
