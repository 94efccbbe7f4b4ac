"""The Link against a scripted far end: bounded time, and a late answer never passes for the next register."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from agent.line.link import Link
from protocols.errors import BadFrame, Busy, NoReply, Refused
from protocols.session import Line, Sending
from tests.support.bus import Timed
from tests.support.wire import ScriptedPort, Time


@dataclass(frozen=True)
class Ask:
    text: bytes
    repeatable: bool = True


class LineSession:
    """A toy protocol: a question is a line of text, an answer is a line of text; like Mercury it names no question."""

    WAIT: ClassVar[float] = 0.5

    def __init__(self) -> None:
        self.buffer = b""
        self.echo = b""

    def send(self, question: Ask) -> Sending:
        self.buffer, self.echo = b"", question.text + b"\n"
        return Sending(self.echo, wait=self.WAIT, gap=0.05, pause=0.005, size=20)

    def receive(self, data: bytes) -> bytes | Sending | None:
        self.buffer += data
        self.buffer = self.buffer.removeprefix(self.echo)
        if self.buffer.endswith(b"\n"):
            text = self.buffer[:-1]
            if text == b"busy":
                raise Busy("busy")
            if text == b"no":
                raise Refused("no")
            if text == b"more":
                self.buffer = b""
                return Sending(b"go on\n", wait=self.WAIT)
            return text
        if not data and self.buffer:
            raise BadFrame(self.buffer.hex(" "))
        return None

    def proof(self) -> Ask:
        return Ask(b"who")


def linked(answer: Callable[[bytes], Timed]) -> tuple[Link, ScriptedPort, Time]:
    time = Time()
    port = ScriptedPort(time, answer)
    return Link(port, monotonic=time, sleep=time.sleep), port, time


def replies(*pieces: bytes) -> Callable[[bytes], Timed]:
    return lambda _: [(0.02 + 0.01 * number, piece) for number, piece in enumerate(pieces)]


@pytest.mark.parametrize("pieces", [[b"T1 42\n"], [b"T", b"1", b" ", b"4", b"2", b"\n"], [b"T1 4", b"2\n"]])
def test_an_answer_is_whole_however_the_line_cuts_it(pieces: list[bytes]) -> None:
    link, _, _ = linked(replies(*pieces))
    assert link.ask(LineSession(), Ask(b"T1?")) == b"T1 42"
    assert b"".join(link.frames) == b"T1 42\n"


def test_an_echo_is_not_an_answer_and_does_not_end_the_waiting() -> None:
    link, port, _ = linked(lambda data: [(0.0, data), (0.4, b"T1 42\n")])
    assert link.ask(LineSession(), Ask(b"T1?")) == b"T1 42"
    assert len(port.written) == 1


def test_silence_is_asked_three_times_each_proved_in_step_and_takes_bounded_time() -> None:
    link, port, time = linked(lambda _: [])
    began = time.now
    with pytest.raises(NoReply):
        link.ask(LineSession(), Ask(b"T1?"))
    assert [data for _, data in port.written] == [b"T1?\n", b"who\n", b"who\n"]
    assert time.now - began < 3 * (0.5 + 0.5) + 0.1


def test_a_question_that_changes_the_meter_is_never_repeated() -> None:
    link, port, _ = linked(lambda _: [])
    with pytest.raises(NoReply):
        link.ask(LineSession(), Ask(b"set clock", repeatable=False))
    assert len(port.written) == 1


def test_a_late_answer_is_drained_and_never_passes_for_the_next_register() -> None:
    def answer(data: bytes) -> list[tuple[float, bytes]]:
        if data == b"T1?\n":
            late = 0.7 if first.pop("T1", None) else 0.02
            return [(late, b"T1 1\n")]
        return [(0.02, {b"who\n": b"me\n", b"T2?\n": b"T2 2\n"}[data])]

    first = {"T1": True}
    link, port, _ = linked(answer)
    session = LineSession()
    assert link.ask(session, Ask(b"T1?")) == b"T1 1"
    assert link.ask(session, Ask(b"T2?")) == b"T2 2"
    assert [data for _, data in port.written] == [b"T1?\n", b"who\n", b"T1?\n", b"T2?\n"]
    assert link.counters["stale"] == 5


def test_after_a_broken_answer_the_next_question_waits_until_the_line_is_quiet() -> None:
    script = iter([[(0.02, b"gar"), (0.04, b"bage")], [(0.02, b"me\n")], [(0.02, b"ok\n")]])
    link, port, _ = linked(lambda _: next(script))
    assert link.ask(LineSession(), Ask(b"T1?")) == b"ok"
    assert port.written[1][0] - port.written[0][0] > 0.04 + 0.5


def test_a_refusal_is_an_answer_and_not_repeated() -> None:
    link, port, _ = linked(replies(b"no\n"))
    with pytest.raises(Refused):
        link.ask(LineSession(), Ask(b"T1?"))
    assert len(port.written) == 1
    assert (link.counters["asked"], link.counters["answered"]) == (1, 1)


def test_a_busy_meter_is_asked_again_after_a_pause() -> None:
    script = iter([replies(b"busy\n"), replies(b"ok\n")])
    link, port, _ = linked(lambda data: next(script)(data))
    assert link.ask(LineSession(), Ask(b"T1?")) == b"ok"
    assert port.written[1][0] - port.written[0][0] >= 0.2


def test_a_block_is_acknowledged_and_the_rest_awaited() -> None:
    link, port, _ = linked(lambda data: [(0.02, b"rest\n" if data == b"go on\n" else b"more\n")])
    assert link.ask(LineSession(), Ask(b"all")) == b"rest"
    assert [data for _, data in port.written] == [b"all\n", b"go on\n"]


def test_a_babbling_line_is_given_up() -> None:
    link, _, time = linked(lambda _: [(0.01 * number, b"x") for number in range(2000)])
    link.tries = 1
    began = time.now
    with pytest.raises(BadFrame, match="silent"):
        link.ask(LineSession(), Ask(b"T1?"))
    assert time.now - began < 6


def test_the_owed_silence_is_kept_after_an_answer() -> None:
    link, port, _ = linked(replies(b"ok\n"))
    session = LineSession()
    link.ask(session, Ask(b"a"))
    link.ask(session, Ask(b"b"))
    heard = port.written[0][0] + 2 * Line().character + 0.02
    assert port.written[1][0] == pytest.approx(heard + 0.005, abs=1e-4)


def test_the_speed_changes_only_after_the_last_character_has_left() -> None:
    changes: list[tuple[float, int]] = []

    class Switching(LineSession):
        def send(self, question: Ask) -> Sending:
            self.buffer = self.echo = b""
            return Sending(b"\x06050\r\n", wait=0.5, then=Line(9600, "7E1"), before=Line(300, "7E1"))

    class Noting(ScriptedPort):
        def set_line(self, line: Line) -> None:
            super().set_line(line)
            changes.append((time.now, line.speed))

    time = Time()
    port = Noting(time, replies(b"ok\n"))
    link = Link(port, monotonic=time, sleep=time.sleep)
    assert link.ask(Switching(), Ask(b"ack")) == b"ok"
    assert [speed for _, speed in changes] == [300, 9600]
    assert changes[1][0] - changes[0][0] == pytest.approx(6 * 10 / 300)
