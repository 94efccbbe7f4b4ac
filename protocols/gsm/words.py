"""What a modem's error numbers mean: ``+CMS ERROR`` (3GPP TS 27.005, clause 3.2.5, with the causes of 24.011, annex E)
and ``+CME ERROR`` (27.007, clause 9.2). Numbers from 512 on are the makers' own."""

CMS = {
    1: "unassigned number",
    8: "operator determined barring",
    10: "call barred",
    21: "short message transfer rejected",
    27: "destination out of order",
    28: "unidentified subscriber",
    29: "facility rejected",
    30: "unknown subscriber",
    38: "network out of order",
    41: "temporary failure",
    42: "congestion",
    47: "resources unavailable",
    50: "requested facility not subscribed",
    69: "requested facility not implemented",
    81: "invalid short message reference",
    95: "invalid message",
    96: "invalid mandatory information",
    97: "message type not implemented",
    98: "message not compatible with the protocol's state",
    99: "information element not implemented",
    111: "protocol error",
    127: "interworking",
    300: "failure of the modem",
    301: "short message service of the modem reserved",
    302: "operation not allowed",
    303: "operation not supported",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    312: "PH-SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    315: "SIM wrong",
    316: "SIM PUK required",
    317: "SIM PIN2 required",
    318: "SIM PUK2 required",
    320: "memory failure",
    321: "invalid memory index",
    322: "memory full",
    330: "address of the service centre unknown",
    331: "no network service",
    332: "network timeout",
    340: "no acknowledgement expected",
    500: "unknown error",
}

CME = {
    0: "failure of the modem",
    1: "no connection to the phone",
    3: "operation not allowed",
    4: "operation not supported",
    5: "PH-SIM PIN required",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    17: "SIM PIN2 required",
    18: "SIM PUK2 required",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    30: "no network service",
    31: "network timeout",
    32: "network not allowed, emergency calls only",
    100: "unknown error",
}


def meaning(kind: str, code: int | None) -> str:
    """``CMS 38 (network out of order)``; without a code the bare word of the modem."""
    if code is None:
        return kind
    words = {"CMS": CMS, "CME": CME}.get(kind, {}).get(code)
    return f"{kind} error {code}" + (f" ({words})" if words else "")
