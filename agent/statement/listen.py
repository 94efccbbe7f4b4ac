"""What comes back after a short message: the network's delivery report, and the utility's confirming message."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.channels.errors import plain
from agent.statement.log import StatementLog, Step
from agent.statement.making import Case
from agent.statement.outbound import CLOCKS_APART, answers

if TYPE_CHECKING:
    from agent.channels.inbox import DeliveryReport, Received

logger = logging.getLogger("meterpost.statement")

EVERY, FOR = timedelta(minutes=10), timedelta(days=2)  # between two checks into the modem; after the message left
TIDY = timedelta(days=1)  # between two checks while nothing is waited for: a SIM has space for 10 to 50 messages
NOBODYS = timedelta(hours=1)  # so long what no statement knows is left to whoever waits for it
SHOWN = 5  # digits: a number that is longer is an operator's, and stands in the log with a gap


def expected(case: Case, log: StatementLog, now: datetime) -> bool:
    """Whether something may still come about this statement."""
    left = _left(log)
    if left is None or now > left.at + FOR:
        return False
    return _wants_answer(case, log) or bool(_open(log, left))


def answered(came: "Received", case: Case, log: StatementLog, now: datetime) -> Step | None:
    """The step of the utility's confirming message; None where it does not belong to this statement."""
    left, form = _left(log), case.profile.sms
    if left is None or form is None or not _wants_answer(case, log):
        return None
    if not answers(came, form, case.meter.account or "", left.at):
        return None
    return Step(now, "accepted", "answered", "utility", plain(came.text), "sms")


def reported(came: "DeliveryReport", case: Case, log: StatementLog, now: datetime) -> Step | None:
    """The step of the service centre's last word; None while it goes on trying, and for another message."""
    from agent.channels.sms import same_number

    left, form = _left(log), case.profile.sms
    if left is None or form is None or came.state == "waiting" or str(came.reference) not in _open(log, left):
        return None
    # References come round again after 256 messages.
    near = came.sent_at is None or abs(came.sent_at - left.at) <= CLOCKS_APART
    if not near or not same_number(came.recipient, form.number):
        return None
    if came.state == "delivered":
        return Step(now, log.state, "delivered", "network", "", "sms", str(came.reference))
    why = f"the service centre could not deliver the message (status {came.status}): ask the utility, or send --again"
    return Step(now, log.state, "undelivered", "network", why, "sms", str(came.reference))


def stale(came: "DeliveryReport", now: datetime) -> bool:
    """No one waits for it: it is of earlier figures or of a test, or the centre will say more. A modem keeps few."""
    return came.state == "waiting" or came.sent_at is None or came.sent_at < now - NOBODYS


def unwanted(came: "Received", utilities: Collection[str], now: datetime) -> bool:
    """Whether a message that no statement has taken may be deleted; the log says what it was. Of a utility's numbers
    after two days, for its answer may still become known by another pattern; of others after an hour, and their words
    are no one's business."""
    from agent.channels.sms import same_number

    ours = any(same_number(came.sender, number) for number in utilities)
    if came.at is not None and abs(now - came.at) < (FOR if ours else NOBODYS):
        return False
    when = f"{came.at:%Y-%m-%d %H:%M %z}" if came.at is not None else "an unknown time"
    if ours:
        logger.warning("modem: no one waits for the utility's message of %s, deleted: %s", when, plain(came.text))
    else:
        text = "modem: a message from %s of %s (%d characters) is nothing of ours, deleted"
        logger.info(text, masked(came.sender), when, len(came.text))
    return True


def masked(sender: str) -> str:
    """An operator's number with a gap; short numbers and names, which are those of firms, as they are."""
    if sum(map(str.isdigit, sender)) <= SHOWN:
        return plain(sender)
    return f"{plain(sender[:4])}…{plain(sender[-2:])}"


def _left(log: StatementLog) -> Step | None:
    """The present figures' last message."""
    return next(reversed(log.happened("left", channel="sms")), None)


def _open(log: StatementLog, left: Step) -> Sequence[str]:
    """References of its parts of which the network has not said what became of them."""
    since = log.steps.index(left)
    told = [one.reference for one in log.steps[since:] if one.what in ("delivered", "undelivered")]
    return [one for one in left.reference.split(",") if one and one not in told]


def _wants_answer(case: Case, log: StatementLog) -> bool:
    form = case.profile.sms
    return form is not None and form.answer is not None and log.state == "sent"
