"""For each trouble on the line: what the person at the cabinet does next."""

from protocols.errors import (
    AccessDenied,
    BadFrame,
    Busy,
    LinkLost,
    MeterError,
    NoReply,
    NotLoggedIn,
    Refused,
)

HINTS: tuple[tuple[type[MeterError], str], ...] = (
    (LinkLost, "is the adapter plugged in, and free? meterpost ports lists the ports and who holds them"),
    (
        NoReply,
        "check power, wires A and B (swap them once), address, speed and format; meterpost read --trace shows all",
    ),
    (BadFrame, "noise, two meters with one address, or wrong speed or format; meterpost read --trace shows the octets"),
    (AccessDenied, "check the password file, password_encoding and level; it is not tried again within the hour"),
    (Refused, "this meter does not have that; check driver and model"),
    (Busy, "the meter is busy with itself; try again in a minute"),
    (NotLoggedIn, "the meter keeps closing the session; does another master talk to it?"),
)


def hint(trouble: MeterError) -> str:
    if type(trouble).__name__ == "WrongSerial":
        return "compare the number on the meter with serial in the configuration; a replaced meter needs its act"
    return next(
        (text for kind, text in HINTS if isinstance(trouble, kind)), "meterpost read --trace shows the dialogue"
    )


WORDS = {
    "WrongSerial": "wrong-serial",
    "LinkLost": "port",
    "NoReply": "silent",
    "BadFrame": "broken",
    "Refused": "refused",
    "Busy": "busy",
    "NotLoggedIn": "login",
    "AccessDenied": "access",
}


def words(trouble: MeterError) -> str:
    """The class of a trouble, or the nearest above it, in one word: for states, counters and ``--json``."""
    return next((WORDS[kind.__name__] for kind in type(trouble).__mro__ if kind.__name__ in WORDS), "line")


def failure(point: str, trouble: MeterError) -> dict[str, str]:
    """``failed`` of ``meterpost read --json``."""
    return {"point": point, "error": f"{words(trouble)}: {trouble}", "hint": hint(trouble)}
