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
    meter: Meter, profile: Profile, window: Window, log: StatementLog, config: Config, waiting: str = ""
) -> dict[str, Any]:
    """Of ``meterpost/statements/1``; ``figures`` are empty while there are none, ``waiting`` says why."""
    attempt = log.attempt
    return {
        "point": meter.point,
        "month": log.month,
        "utility": profile.name,
        "account": meter.account,
        "state": log.state,
        "window": {"from": when(window.opens), "to": when(window.closes)},
        "figures": dict(attempt.figures) if attempt else {},
        "consumption": dict(attempt.statement["consumption"]) if attempt else {},
        "verdict": attempt.statement["verdict"] if attempt else None,
        "reasons": list(attempt.statement["reasons"]) if attempt else [],
        "waiting": waiting,
        "last": step_document(log.steps[-1]) if log.steps else None,
        "attempts": len(log.attempts),
        "without": channels_of(profile, config)[1],
    }


def history(log: StatementLog) -> list[dict[str, Any]]:
    """Every step, the oldest first."""
    return [step_document(step) for step in log.steps]


def leaving(meter: Meter, profile: Profile, window: Window, log: StatementLog, config: Config) -> list[dict[str, Any]]:
    """Exactly what leaves by each channel: the record by MQTT first, then the fall-back's messages."""
    attempt = log.attempt
    if attempt is None:
        return []
    record = json.loads(record_json(attempt.record(log.point)), parse_float=Decimal)
    found: list[dict[str, Any]] = [{"channel": "mqtt", "record": record}]
    usable, why = channels_of(profile, config)
    for channel in profile.fallback:
        email = message(channel, config.gateway.id, meter, profile, window, log)
        reason = next((text for text in why if text.startswith(f"{channel}:")), "")
        found.append(_message(email) | ({} if channel in usable else {"cannot": reason}))
    return found


def _message(email: StatementMessage) -> dict[str, Any]:
    found: dict[str, Any] = {"channel": email.channel, "to": email.to, "text": email.text}
    if email.channel == "mail":
        return found | {"subject": email.subject, "id": email.id}
    from protocols.gsm.pdu import submits

    return found | {"characters": len(email.text), "parts": len(submits(email.to or "0", email.text))}


def said(log: StatementLog) -> str:
    """To be read out on the telephone; "" while there are no figures."""
    if log.attempt is None:
        return ""
    told = log.attempt.statement
    figures = {name: str(figure) for name, figure in log.attempt.figures.items()}
    return spoken(str(told["account"]), figures, told["tariffs"])
