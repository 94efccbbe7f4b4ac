"""What is to be sent once more: asked for by the utility or a technician, released by the clock, or overlooked."""

from collections import deque

from agent.delivery.outgoing import Outgoing
from buffer.spans import Span

SWEEP_EVERY = 60.0  # s between checks for pending records that the tracker does not know of
WAITING = 64  # requests that may wait for their round


class Resends:
    """``ask`` from any thread, the rest on the publisher's."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._asked: deque[Span | None] = deque(maxlen=WAITING)
        self._swept = float("-inf")

    def ask(self, seqs: Span | None) -> None:
        """The records of these numbers are pending again; None: some are, whose numbers are not known."""
        self._asked.append(seqs)

    def connected(self, now: float) -> None:
        """All that is pending is due anyway."""
        self._swept = now

    def tick(self, now: float, pending: int | None, changed: bool) -> None:
        """Hand on what was asked for. ``pending``: how many the store counts, None where it was not looked at;
        ``changed``: held records may have been released."""
        if changed:
            self._outgoing.resend(None)
        elif pending is not None and now - self._swept >= SWEEP_EVERY:
            self._swept = now
            self._outgoing.sweep(pending)
        while self._asked:
            self._outgoing.resend(self._asked.popleft())
