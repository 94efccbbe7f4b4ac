"""The pair of wires with time handed in: when which octet reaches the client. Nothing waits here."""

from dataclasses import dataclass, field

import pytest

from protocols.session import Line
from simulators.faults import Fault, Faults
from simulators.pair import Pair, Station
from tests.support.present import present

LINE = Line(9600)
CHARACTER = 10 / 9600


@dataclass
class Parrot:
    """Answers frames that begin with its letter and counts what it heard."""

    letter: bytes
    reply: bytes
    delay: float = 0.005
    heard: list[bytes] = field(default_factory=list)

    def answer(self, request: bytes) -> bytes:
        self.heard.append(request)
        return self.reply if request.startswith(self.letter) else b""


def run(pair: Pair, until: float = 10.0, speed: int | None = None) -> list[tuple[float, bytes]]:
    """Follow the deadlines as a line's thread does; what reached the client and when."""
    came: list[tuple[float, bytes]] = []
    while (deadline := pair.deadline) is not None and deadline <= until:
        now = max(deadline, came[-1][0] if came else 0.0)
        if data := pair.step(now, speed):
            came.append((now, data))
    return came


def octets(came: list[tuple[float, bytes]]) -> bytes:
    return b"".join(data for _, data in came)


@pytest.mark.parametrize("speed", [300, 2400, 9600, 19200, 115200])
def test_the_answer_ends_when_request_delay_and_answer_have_passed_the_line(speed: int) -> None:
    line = Line(speed)
    pair = Pair([Parrot(b"a", b"x" * 50, delay=0.2)], line=line)
    pair.hear(b"a" * 8, now=1.0)
    came = run(pair)
    assert octets(came) == b"x" * 50
    assert came[-1][0] == pytest.approx(1.0 + 58 * line.character + 0.2, abs=1e-9)


def test_no_octet_comes_before_its_character_is_over() -> None:
    pair = Pair([Parrot(b"a", b"x" * 90)], line=LINE)
    pair.hear(b"aa", now=0.0)
    begin, count = 2 * CHARACTER + 0.005, 0
    for when, data in run(pair):
        count += len(data)
        assert when >= begin + count * CHARACTER - 1e-9
        assert len(data) * CHARACTER <= 0.0045  # small pieces, as an adapter gives them


def test_a_request_in_pieces_is_one_frame_until_the_line_falls_silent() -> None:
    meter = Parrot(b"a", b"x")
    pair = Pair([meter], line=LINE)
    pair.hear(b"a1", now=0.0)
    pair.hear(b"23", now=0.001)
    run(pair)
    pair.hear(b"a4", now=1.0)
    run(pair)
    assert meter.heard == [b"a123", b"a4"]


def test_every_meter_hears_requests_and_the_answers_of_the_others() -> None:
    first, second = Parrot(b"a", b"from a"), Parrot(b"b", b"from b")
    pair = Pair([first, second], line=LINE)
    pair.hear(b"a?", now=0.0)
    run(pair)
    assert first.heard == [b"a?"]
    assert second.heard == [b"a?", b"from a"]


@pytest.mark.parametrize("late", [0.0, 0.003, 0.02])
def test_two_meters_at_once_spoil_each_other(late: float) -> None:
    pair = Pair([Parrot(b"a", b"x" * 30), Parrot(b"a", b"y" * 30, delay=0.005 + late)], line=LINE, seed=3)
    pair.hear(b"a?", now=0.0)
    came = octets(run(pair))
    alone = int(late / CHARACTER)  # octets of the first one before the second begins
    assert came[:alone] == b"x" * alone
    assert b"x" * 30 not in came
    assert b"y" * 30 not in came
    assert len(came) == pytest.approx(30 + late / CHARACTER, abs=1)
    assert pair.traffic.collisions == 1


def test_a_late_answer_comes_in_the_middle_of_the_next_question() -> None:
    pair = Pair([Parrot(b"a", b"A"), Parrot(b"b", b"B", delay=0.1)], line=LINE, faults=Faults([Fault("late", 0.55)]))
    pair.hear(b"a?", now=0.0)
    assert run(pair, until=0.5) == []
    pair.hear(b"b?", now=0.5)
    assert octets(run(pair)) == b"AB"


def test_a_client_that_talks_into_an_answer_spoils_both() -> None:
    meter = Parrot(b"a", b"x" * 90)
    pair = Pair([meter], line=LINE, seed=1)
    pair.hear(b"a?", now=0.0)
    before = octets(run(pair, until=0.05))
    pair.hear(b"a!", now=0.05)
    after = octets(run(pair))
    assert before == b"x" * len(before)
    assert before + after != b"x" * 90
    assert meter.heard == [b"a?"]


def test_an_echo_comes_while_the_request_leaves() -> None:
    pair = Pair([Parrot(b"a", b"x")], line=LINE, echo=True)
    pair.hear(b"a question", now=0.0)
    came = run(pair)
    assert octets(came) == b"a questionx"
    assert came[-2][0] == pytest.approx(10 * CHARACTER)


def test_a_meter_at_another_speed_hears_nothing_and_a_client_at_another_speed_hears_garbage() -> None:
    slow, quick = Parrot(b"a", b"slow" * 5), Parrot(b"a", b"quick" * 5)
    pair = Pair([Station(slow, Line(2400)), Station(quick, Line(9600))], line=LINE, seed=5)
    pair.hear(b"a?", now=0.0, speed=9600)
    assert octets(run(pair, speed=9600)) == b"quick" * 5
    pair.hear(b"a?", now=1.0, speed=2400)
    assert octets(run(pair, speed=2400)) == b"slow" * 5
    pair.hear(b"a?", now=2.0, speed=2400)
    assert octets(run(pair, speed=9600)) not in (b"slow" * 5, b"")
    pair.hear(b"a?", now=3.0, speed=4800)
    assert run(pair, speed=4800) == []


def test_a_foreign_answer_repeats_what_another_meter_said() -> None:
    pair = Pair([Parrot(b"a", b"A"), Parrot(b"b", b"B")], line=LINE, faults=Faults([None, "foreign"]))
    pair.hear(b"a?", now=0.0)
    run(pair)
    pair.hear(b"b?", now=1.0)
    assert octets(run(pair)) == b"A"


def test_a_hang_up_comes_in_the_middle_of_the_answer() -> None:
    pair = Pair([Parrot(b"a", b"x" * 10)], line=LINE, faults=Faults([Fault("hang-up", 2.0)]))
    pair.hear(b"a?", now=0.0)
    assert octets(run(pair)) == b"xxxxx"
    assert pair.away == 2.0


def test_times_and_octets_of_each_transaction_are_kept_on_request() -> None:
    pair = Pair([Parrot(b"a", b"x" * 10)], line=LINE, stamps=True, record=True)
    pair.hear(b"a?", now=1.0)
    run(pair)
    pair.hear(b"no one", now=2.0)
    run(pair)
    asked, silent = pair.traffic.transactions
    assert (asked.begin, asked.octets, asked.answer_octets) == (1.0, 2, 10)
    assert asked.end == pytest.approx(1.0 + 2 * CHARACTER)
    assert asked.answer_begin == pytest.approx(asked.end + 0.005)
    assert asked.answered == pytest.approx(asked.end + 0.005 + 10 * CHARACTER)
    assert silent.answered is None
    assert (pair.traffic.requests, pair.traffic.answers) == (2, 1)
    assert (pair.traffic.octets_in, pair.traffic.octets_out) == (8, 10)
    assert pair.recorded == [b"a?", b"x" * 10, b"no one"]


def test_who_has_the_last_octet_finds_the_counters_complete() -> None:
    pair = Pair([Parrot(b"a", b"x" * 10)], line=LINE, stamps=True, record=True)
    pair.hear(b"a?", now=1.0)
    came = b""
    while len(came) < 10:
        came += pair.step(present(pair.deadline))
    assert (pair.traffic.answers, pair.traffic.octets_out) == (1, 10)
    assert pair.traffic.transactions[0].answer_octets == 10
    assert pair.recorded == [b"a?", b"x" * 10]


def test_without_pace_the_answer_follows_the_frame_at_once() -> None:
    pair = Pair([Parrot(b"a", b"x" * 200, delay=5.0)], line=LINE, pace=False)
    pair.hear(b"a" * 200, now=0.0)
    assert run(pair) == [(pytest.approx(0.002), b"x" * 200)]
