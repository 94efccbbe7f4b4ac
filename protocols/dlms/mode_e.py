"""Opening through IEC 62056-21 mode E: sign-on at 300 bit/s 7E1, then HDLC at the agreed speed, 8N1 (Annex E there)."""

from dataclasses import replace
from typing import Any

from protocols.dlms.session import Session
from protocols.iec62056.questions import HandedOver, HandOver
from protocols.iec62056.session import Session as SignOn
from protocols.session import Line, Sending


class ModeE:
    """A DLMS session that understands :class:`~protocols.iec62056.questions.HandOver` as well; ask it before Connect.

    Every other question goes to ``dlms``, with the line settings that the meter has agreed to.
    """

    def __init__(self, dlms: Session, sign_on: SignOn) -> None:
        self._dlms, self._sign_on = dlms, sign_on
        self._active: Session | SignOn = dlms
        self._line: Line | None = None

    def send(self, question: Any) -> Sending:
        if isinstance(question, HandOver):
            self._active, self._line = self._sign_on, None
            return self._sign_on.send(question)
        self._active = self._dlms
        return replace(self._dlms.send(question), before=self._line)

    def receive(self, data: bytes) -> Any:
        reply = self._active.receive(data)
        if isinstance(reply, HandedOver):
            self._line = reply.line
        return reply

    def proof(self) -> None:
        """HDLC frames are numbered, and a sign-on begins anew."""
        return
