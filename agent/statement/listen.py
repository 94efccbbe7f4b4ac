"""What comes back after a short message: the network's delivery report, and the utility's confirming message."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.channels.errors import plain
from agent.statement.book import Book, Step
from agent.statement.making import Case
from agent.statement.ways import CLOCKS_APART, answers

if TYPE_CHECKING:
    from agent.channels.sms import Received, Report

EVERY, FOR = timedelta(minutes=10), timedelta(days=2)  # between two looks into the modem; after the message left
NOBODYS = timedelta(hours=1)  # so long a report that no statement knows is left to whoever waits for it


def expected(case: Case, book: Book, now: datetime) -> bool:
    """Whether something may still come about this statement."""
    left = _left(book)
    if left is None or now > left.at + FOR:
        return False
    return _wants_answer(case, book) or bool(_open(book, left))


def answered(came: "Received", case: Case, book: Book, now: datetime) -> Step | None:
    """The step of the utility's confirming message; None where this is none of this statement."""
    left, form = _left(book), case.profile.sms
    if left is None or form is None or not _wants_answer(case, book):
        return None
    if not answers(came, form, case.meter.account or "", left.at):
        return None
    return Step(now, "accepted", "answered", "utility", plain(came.text), "sms")


def reported(came: "Report", case: Case, book: Book, now: datetime) -> Step | None:
    """The step of the service centre's last word; None while it goes on trying, and for another message."""
    from agent.channels.sms import same_number

    left, form = _left(book), case.profile.sms
    if left is None or form is None or came.state == "waiting" or str(came.reference) not in _open(book, left):
        return None
    # References come round again after 256 messages.
    near = came.sent_at is None or abs(came.sent_at - left.at) <= CLOCKS_APART
    if not near or not same_number(came.recipient, form.number):
        return None
    if came.state == "delivered":
        return Step(now, book.state, "delivered", "network", "", "sms", str(came.reference))
    why = f"the service centre could not deliver the message (status {came.status}): ask the utility, or send --again"
    return Step(now, book.state, "undelivered", "network", why, "sms", str(came.reference))


def stale(came: "Report", now: datetime) -> bool:
    """Nobody waits for it: it is of earlier figures or of a test, or the centre will say more. A modem keeps few."""
    return came.state == "waiting" or came.sent_at is None or came.sent_at < now - NOBODYS


def _left(book: Book) -> Step | None:
    """The present figures' last message."""
    return next(reversed(book.happened("left", channel="sms")), None)


def _open(book: Book, left: Step) -> Sequence[str]:
    """References of its parts of which the network has not said what became of them."""
    since = book.steps.index(left)
    told = [one.reference for one in book.steps[since:] if one.what in ("delivered", "undelivered")]
    return [one for one in left.reference.split(",") if one and one not in told]


def _wants_answer(case: Case, book: Book) -> bool:
    form = case.profile.sms
    return form is not None and form.answer is not None and book.state == "sent"
