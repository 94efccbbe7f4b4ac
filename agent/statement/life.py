"""What happens next in a statement's life: a pure decision from its log, the time and the store's word."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent.config.utility.window import Window
from agent.statement.log import StatementLog, arrived
from buffer.states import RecordState
from drivers.times import EPOCH

FIRST_PAUSE = timedelta(minutes=15)  # after a channel said that nothing has left
LONGEST_PAUSE = timedelta(hours=2)
GRACE = timedelta(hours=1)  # that MQTT has for its receipt, also where the whole window is near its end
LAST_CALL = timedelta(minutes=30)  # before the window closes nothing is waited for any more
LONG_AGO = EPOCH


@dataclass(frozen=True, slots=True)
class ReceiptState:
    """What the store knows of the statement's record: pending, held, confirmed, refused, or "absent" where it has no
    such record; and the refusal's words."""

    state: RecordState | Literal["absent"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """``before``: how long before the window closes the fall-back begins. ``always``: an operator confirms every one.
    ``ways``: the fall-back channels that can be used, in their order."""

    before: timedelta
    always: bool = False
    ways: tuple[str, ...] = ()


What = Literal["open", "make", "hold", "send", "put", "accept", "refuse", "doubt", "fall", "miss"]
"""open (the window is open), make (figures), hold, send (the record, by MQTT), put (the same record once more: it never
reached the store), accept, refuse, doubt (whether a channel's message left is not known), fall (back to a channel),
miss (the window closed)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next."""

    what: What
    reason: str = ""
    channel: str = ""


def decide(
    log: StatementLog, window: Window, now: datetime, receipt: ReceiptState | None, rules: Rules
) -> Decision | None:
    """The next act, None while there is nothing to do. ``receipt`` is needed once figures have left."""
    if log.state in ("sent", "refused", "accepted") and receipt is not None:
        heard = _heard(log, receipt)
        if heard is not None:
            return heard
    if log.state == "accepted":
        return None
    if window.passed(now):
        return _passed(log)
    if log.state == "refused":
        return None
    if log.state == "sent":
        return _fall_back(log, window, now, rules)
    if not log.steps:
        return Decision("open")
    if log.attempt is None:
        return Decision("make")
    if not log.confirmed and (log.waits or log.attempt.suspect or rules.always):
        return None if log.state == "held" else Decision("hold", _why(log, rules))
    return Decision("send")


def _heard(log: StatementLog, receipt: ReceiptState) -> Decision | None:
    if receipt.state == "confirmed" and log.state != "accepted":
        late = "the receipt came after the figures had left another way" if log.happened("left") else ""
        return Decision("accept", late)
    if receipt.state == "refused" and log.happened("queued", "refused")[-1].what == "queued":
        return Decision("refuse", receipt.reason)
    if receipt.state == "absent" and log.state == "sent" and _by_mqtt(log):
        return Decision("put")
    return None


def _by_mqtt(log: StatementLog) -> bool:
    return bool(log.happened("queued"))


def _why(log: StatementLog, rules: Rules) -> str:
    assert log.attempt is not None  # asked for figures only
    texts = [reason["text"] for reason in log.attempt.statement["reasons"]]
    if log.waits:
        texts += [step.reason for step in log.steps if step.what in ("held", "damaged") and step.reason][-1:]
    if rules.always and not texts:
        texts = ["the utility wants an operator to confirm the figures"]
    return "; ".join(dict.fromkeys(texts))


def unsettled(log: StatementLog) -> str | None:
    """The channel that was given the figures by a run which then ended: no one knows whether they left."""
    last = log.happened("leaving", "left", "failed", "unclear")
    return last[-1].channel if last and last[-1].what == "leaving" else None


def _fall_back(log: StatementLog, window: Window, now: datetime, rules: Rules) -> Decision | None:
    doubtful = unsettled(log)
    if doubtful is not None:
        return Decision(
            "doubt", f"the gateway ended while {doubtful} was sending: whether it left is not known", doubtful
        )
    if log.happened("left", "unclear") or now < _begins(log, window, rules.before):
        return None
    for channel in rules.ways:
        if now >= _next_try(log, channel):
            return Decision("fall", "no receipt has come and the window is about to close", channel)
    return None


def _begins(log: StatementLog, window: Window, before: timedelta) -> datetime:
    """When the fall-back takes over: so long before the end, but MQTT first has its hour where there is one."""
    queued = log.happened("queued")
    given = queued[0].at + GRACE if queued else LONG_AGO
    return max(window.closes - before, min(given, window.closes - LAST_CALL))


def _next_try(log: StatementLog, channel: str) -> datetime:
    failures = log.happened("failed", channel=channel)
    if not failures:
        return LONG_AGO
    pause = min(FIRST_PAUSE * (1 << min(len(failures) - 1, 10)), LONGEST_PAUSE)
    return failures[-1].at + pause


def _passed(log: StatementLog) -> Decision | None:
    """Once, where nothing is known to have reached the utility in time."""
    if log.happened("missed", any_attempt=True) or arrived(log):
        return None
    failed = log.happened("failed", "undelivered")
    last = f"; {failed[-1].channel}: {failed[-1].reason}" if failed else ""
    return Decision("miss", f"the window has closed; the statement is {log.state}{last}")
