"""What came in: messages of several parts put together, delivery reports; from the modem's memory or overheard."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from protocols.errors import BadFrame
from protocols.gsm import at, pdu

log = logging.getLogger("meterpost.sms")

PATIENCE = 3600.0  # s that the parts of a long message may be apart
GAP = "…"  # stands for a part that did not come


@dataclass(frozen=True, slots=True)
class SimPlace:
    """Where the modem keeps a message, and its PDU: the same place may hold another one later."""

    memory: str  # SM, ME, SR; "" where the modem has but one
    index: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A message. ``sender``: ``+79161234567``, ``7049`` or a name; ``at``: the service centre's time with its zone,
    None where it gave none; ``text`` is empty where the message is none (settings of an operator)."""

    sender: str
    text: str
    at: datetime | None
    places: tuple[SimPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a sent message: ``state`` is ``delivered``, ``waiting`` or ``failed``, ``status`` TP-ST of
    3GPP TS 23.040, clause 9.2.3.15. It is about the part of :class:`~agent.channels.sms.Sent` whose reference and
    number it has; references come round again after 256 messages, so ``sent_at`` counts too."""

    reference: int
    recipient: str
    state: Literal["delivered", "waiting", "failed"]
    status: int
    sent_at: datetime | None
    at: datetime | None
    places: tuple[SimPlace, ...] = ()


class Inbox:
    """What the last check found."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._messages: list[tuple[pdu.Deliver, SimPlace]] = []
        self._reports: list[DeliveryReport] = []
        self._overheard: list[DeliveryReport] = []  # no memory of the modem has them
        self._waiting_since: dict[tuple[str, int, int], float] = {}

    def fill(self, places: Iterable[SimPlace]) -> None:
        """Instead of what an earlier check found. What cannot be read stays where it is, with a line in the log."""
        self._messages, self._reports = [], []
        for place in places:
            try:
                read = pdu.read(place.pdu)
            except BadFrame as trouble:
                log.warning("modem: message %d of %s is left alone: %s", place.index, place.memory or "it", trouble)
                continue
            if isinstance(read, pdu.Deliver):
                self._messages.append((read, place))
            else:
                self._reports.append(_report(read, (place,)))

    def overheard(self, lines: list[str]) -> None:
        """Reports among what the modem said by itself; the lines are taken."""
        for line in lines:
            try:
                read = pdu.read(at.routed(line) or b"")
            except BadFrame:
                continue
            if isinstance(read, pdu.StatusReport):
                self._overheard.append(_report(read, ()))
        lines.clear()

    def reports(self) -> list[DeliveryReport]:
        return self._overheard + self._reports

    def messages(self) -> list[Received]:
        """Whole messages, oldest first, and incomplete ones an hour after they were first seen."""
        whole = [_joined([one]) for one in self._messages if one[0].part is None]
        pieces: dict[tuple[str, int, int], list[tuple[pdu.Deliver, SimPlace]]] = {}
        for message, place in self._messages:
            if message.part is not None:
                key = (message.sender, message.part.reference, message.part.count)
                pieces.setdefault(key, []).append((message, place))
        now = self._monotonic()
        self._waiting_since = {key: self._waiting_since.get(key, now) for key in pieces}
        for key, found in pieces.items():
            there = {message.part.number for message, _ in found if message.part}
            if len(there) == key[2] or now - self._waiting_since[key] >= PATIENCE:
                whole.append(_joined(found))
        return sorted(whole, key=lambda one: one.at.timestamp() if one.at else 0)

    def forget(self, items: Sequence[Received | DeliveryReport]) -> None:
        gone = {place for item in items for place in item.places}
        self._messages = [one for one in self._messages if one[1] not in gone]
        self._reports = [report for report in self._reports if not gone.intersection(report.places)]
        self._overheard = [report for report in self._overheard if report not in items]


def _joined(found: Sequence[tuple[pdu.Deliver, SimPlace]]) -> Received:
    """Parts in their order; one that came twice counts once."""
    parts = {message.part.number if message.part else 1: message for message, _ in found}
    first = parts[min(parts)]
    count = first.part.count if first.part else 1
    text = "".join(parts[number].text if number in parts else GAP for number in range(1, count + 1))
    return Received(first.sender, text, first.at, tuple(place for _, place in found))


def _report(read: pdu.StatusReport, places: tuple[SimPlace, ...]) -> DeliveryReport:
    return DeliveryReport(read.reference, read.recipient, read.state, read.status, read.sent_at, read.at, places)
