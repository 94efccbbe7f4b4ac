"""Plays recorded IEC 62056-21 dialogues on the real Link: the requests must be the recorded ones, byte for byte."""

from itertools import groupby

from agent.line.link import Link
from protocols.iec62056.session import Session
from protocols.session import Line
from tests.conversations import load
from tests.support.wire import ScriptedPort, Time

LINE = Line(9600, "7E1")


def joined(name: str) -> list[tuple[str, bytes]]:
    """The dialogue with neighbouring lines of one direction joined."""
    return [(way, b"".join(data for _, data in lines)) for way, lines in groupby(load(name), lambda line: line[0])]


class Recorded:
    """A port that answers as recorded, in pieces of ``piece`` octets; ``wrong`` holds what was sent out of turn."""

    def __init__(self, dialogue: list[tuple[str, bytes]], piece: int = 64) -> None:
        self.time = Time()
        self._left = list(dialogue)
        self._piece = piece
        self.wrong: list[bytes] = []
        self.port = ScriptedPort(self.time, self._answer)

    def _answer(self, data: bytes) -> list[tuple[float, bytes]]:
        if not self._left or self._left[0] != (">>", data):
            self.wrong.append(data)
            return []
        self._left.pop(0)
        if not self._left or self._left[0][0] != "<<":
            return []
        answer = self._left.pop(0)[1]
        step = 0.001 * self._piece
        starts = range(0, len(answer), self._piece)
        return [(0.2 + number * step, answer[at : at + self._piece]) for number, at in enumerate(starts)]

    @property
    def over(self) -> bool:
        """All that was recorded has happened, and nothing else."""
        return not self._left and not self.wrong

    def link(self, session: Session, line: Line = LINE) -> Link:
        link = Link(self.port, monotonic=self.time, sleep=self.time.sleep)
        link.begin(line)
        return link


def recorded_session(name: str, session: Session, piece: int = 64) -> tuple[Recorded, Link]:
    """The port and the Link for a dialogue; ``link.ask(session, question)`` goes on from there."""
    meter = Recorded(joined(name), piece)
    return meter, meter.link(session, session.line)
