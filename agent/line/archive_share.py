"""Archives make way for energies; how they come to their end anyway on a bus that never rests.

An archive that others ended comes again as soon as nothing else is due. Where no archive of a bus has come any further
for PATIENCE seconds, the one that has waited longest gets a piece of the line that only questions from outside may
end. The first is of PIECE seconds, each further one of the same poll is twice as long, so that every poll comes to its
end; all pieces together take at most SHARE of the bus time.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

FAIR_WAIT = 60.0
PIECE = 3.0
SHARE = 0.05
LONGEST_HOLD = 2.0  # s; who wanted the line is served by then, or it was not a poll
MOST = 10  # times that a piece is doubled

Poll = tuple[Hashable, str]
"""The meter and the kind."""


@dataclass(slots=True)
class ArchiveShare:
    """The archives of one bus. Times are monotonic seconds."""

    further: float  # when one of them came any further
    blocked_until: float = 0.0  # until then none is begun: the line was wanted for then
    _allowed: float = 0.0
    _pieces: dict[Poll, int] = field(default_factory=dict)

    def over(self, now: float) -> bool:
        """Whether an archive that has been due as long may keep the line for a piece."""
        return now >= self._allowed and now - self.further > FAIR_WAIT

    def piece(self, poll: Poll) -> float:
        """Seconds for which this one may keep the line."""
        return PIECE * float(1 << min(self._pieces.get(poll, 0), MOST))

    def spent(self, seconds: float, now: float) -> None:
        """A piece kept others waiting so long."""
        self._allowed = now + seconds / SHARE

    def ended(self, poll: Poll, piece: bool) -> None:
        """Others wanted the line, perhaps after a piece."""
        if piece:
            self._pieces[poll] = self._pieces.get(poll, 0) + 1

    def done(self, poll: Poll) -> None:
        """It came to its end, soundly or not."""
        self._pieces.pop(poll, None)
