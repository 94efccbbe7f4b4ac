"""A statement as a document: what it says, where it stands, and exactly what would leave by which channel."""

import json
from decimal import Decimal
from typing import Any

from agent.config.utility.profile import Profile, channels_of
from agent.config.utility.window import Window
from agent.config.values import Config, Meter
from agent.statement.log import StatementLog, step_document
from agent.statement.outbound import StatementMessage, message
from agent.statement.spoken import spoken
from buffer.body import record_json, when


def document(
    meter: Meter, profile: Profile, window: Window, book: StatementLog, config: Config, waiting: str = ""
) -> dict[str, Any]:
    """Of ``meterpost/statements/1``; ``figures`` are empty while there are none, ``waiting`` says why."""
    attempt = book.attempt
    return {
        "point": meter.point,
        "month": book.month,
        "utility": profile.name,
        "account": meter.account,
        "state": book.state,
        "window": {"from": when(window.opens), "to": when(window.closes)},
        "figures": dict(attempt.figures) if attempt else {},
        "consumption": dict(attempt.statement["consumption"]) if attempt else {},
        "verdict": attempt.statement["verdict"] if attempt else None,
        "reasons": list(attempt.statement["reasons"]) if attempt else [],
        "waiting": waiting,
        "last": step_document(book.steps[-1]) if book.steps else None,
        "attempts": len(book.attempts),
        "without": channels_of(profile, config)[1],
    }


def history(book: StatementLog) -> list[dict[str, Any]]:
    """Every step, the oldest first."""
    return [step_document(step) for step in book.steps]


def leaving(meter: Meter, profile: Profile, window: Window, book: StatementLog, config: Config) -> list[dict[str, Any]]:
    """Exactly what leaves by each channel: the record by MQTT first, then the fall-back's messages."""
    attempt = book.attempt
    if attempt is None:
        return []
    record = json.loads(record_json(attempt.record(book.point)), parse_float=Decimal)
    found: list[dict[str, Any]] = [{"channel": "mqtt", "record": record}]
    usable, why = channels_of(profile, config)
    for channel in profile.fallback:
        letter = message(channel, config.gateway.id, meter, profile, window, book)
        reason = next((text for text in why if text.startswith(f"{channel}:")), "")
        found.append(_message(letter) | ({} if channel in usable else {"cannot": reason}))
    return found


def _message(letter: StatementMessage) -> dict[str, Any]:
    found: dict[str, Any] = {"channel": letter.channel, "to": letter.to, "text": letter.text}
    if letter.channel == "mail":
        return found | {"subject": letter.subject, "id": letter.id}
    from protocols.gsm.pdu import submits

    return found | {"characters": len(letter.text), "parts": len(submits(letter.to or "0", letter.text))}


def said(book: StatementLog) -> str:
    """To be read out on the telephone; "" while there are no figures."""
    if book.attempt is None:
        return ""
    told = book.attempt.statement
    figures = {name: str(figure) for name, figure in book.attempt.figures.items()}
    return spoken(str(told["account"]), figures, told["tariffs"])
