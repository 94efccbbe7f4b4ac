"""The tracker against a store of plain numbers, on a clock that the test moves."""

import sys
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.tracker import LONGEST_PAUSE, OPEN_DELIVERIES, PATIENCE, Slice, Tracker

BATCH = 10


@dataclass
class Bench:
    """A store, a line and a clock around a tracker; ``sent`` is what left, batch by batch."""

    tracker: Tracker
    pending: set[int] = field(default_factory=set)
    now: float = 0.0
    last: int = 0
    sent: list[list[int]] = field(default_factory=list)

    def store(self, count: int) -> None:
        self.pending |= set(range(self.last + 1, self.last + count + 1))
        self.last += count
        self.tracker.stored(self.last)

    def step(self) -> Slice | None:
        turn = self.tracker.next(self.now)
        if turn is None:
            return None
        most = min(BATCH, self.tracker.most(turn) or BATCH)
        wanted = [seq for seq in range(turn.after + 1, turn.until + 1) if seq in self.pending]
        if not wanted:
            self.tracker.skip(turn, turn.until)
            return turn
        seqs = wanted[:most]
        self.tracker.sent(self.now, turn, turn.until if len(wanted) <= most else seqs[-1], seqs)
        self.sent.append(seqs)
        return turn

    def run(self, steps: int = 10_000) -> list[int]:
        """Send what is due; the numbers that left, in their order."""
        before = len(self.sent)
        for _ in range(steps):
            if self.step() is None:
                break
        return [seq for batch in self.sent[before:] for seq in batch]

    def answer(self, first: int, last: int) -> None:
        self.tracker.answered([(first, last)])
        self.pending -= set(range(first, last + 1))


def bench(backlog: int = 0, *, timeout: float = 600.0, rate: int = 0, window: int = 1000) -> Bench:
    made = Bench(Tracker(timeout=timeout, rate=rate, window=window))
    made.pending, made.last = set(range(1, backlog + 1)), backlog
    made.tracker.begin(backlog)
    made.tracker.connected(0.0)
    return made


def test_all_that_an_earlier_run_left_pending_is_sent_in_order() -> None:
    assert bench(35).run() == list(range(1, 36))


def test_fresh_records_go_before_the_backlog() -> None:
    it = bench(100)
    it.step()
    it.store(3)
    it.step()
    assert it.sent == [list(range(1, 11)), [101, 102, 103]]


def test_what_came_during_an_outage_is_backlog_and_what_comes_after_it_is_live() -> None:
    it = bench(0)
    it.store(30)  # stored while offline
    it.tracker.connected(5.0)
    it.step()
    it.store(1)
    it.step()
    assert it.sent == [list(range(1, 11)), [31]]


def test_without_a_receipt_nothing_is_sent_again_before_the_timeout() -> None:
    it = bench(5)
    it.run()
    it.now = 599.9
    assert it.run() == []


def test_without_a_receipt_the_pause_doubles_up_to_six_hours() -> None:
    it = bench(5)
    moments = []
    for _ in range(200_000):
        if it.run():
            moments.append(it.now)
        wait = it.tracker.wait(it.now)
        assert wait is not None
        it.now += max(wait, 0.001)
        if len(moments) == 10:
            break
    pauses = [round(later - sooner) for sooner, later in pairwise(moments)]
    assert pauses == [600, 1200, 2400, 4800, 9600, 19200, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_receipt_ends_the_waiting_of_exactly_what_it_names() -> None:
    it = bench(20)
    it.run()
    it.answer(1, 7)
    it.answer(9, 20)
    it.now = 600.0
    assert it.run() == [8]


def test_a_late_receipt_after_the_second_delivery_counts() -> None:
    it = bench(5)
    it.run()
    it.now = 600.0
    assert it.run() == [1, 2, 3, 4, 5]
    it.answer(1, 5)
    it.now = 1e6
    assert it.run() == []


def test_after_a_reconnection_all_that_is_pending_is_due_at_once() -> None:
    it = bench(30)
    it.run()
    it.answer(11, 20)
    it.tracker.connected(1.0)
    assert it.run() == [*range(1, 11), *range(21, 31)]


def test_an_answered_record_is_not_sent_again_while_the_writer_has_not_committed_it() -> None:
    it = bench(10)
    it.run()
    it.tracker.answered([(1, 10)])  # still pending in the store
    it.tracker.sweep(10)
    it.tracker.connected(1.0)
    assert it.run() == []


def test_an_answered_record_that_stays_pending_is_taken_up_by_the_third_sweep() -> None:
    it = bench(10)
    it.run()
    it.tracker.answered([(1, 10)])  # and the disk says no permanently
    for _ in range(3):
        it.tracker.sweep(10)
    assert it.run() == list(range(1, 11))


def test_held_records_are_sent_once_they_are_released() -> None:
    it = bench(10)
    it.pending -= {3, 4}
    it.run()
    it.answer(1, 10)
    it.pending |= {3, 4}
    it.tracker.recheck()
    assert it.run() == [3, 4]


def test_a_resend_is_sent_at_once_even_where_a_receipt_is_awaited() -> None:
    it = bench(10)
    it.run()
    it.tracker.resend(4, 6)
    assert it.run() == [4, 5, 6]


def test_what_the_broker_had_nobody_for_is_due_again_without_counting_as_a_delivery() -> None:
    it = bench(0)
    it.store(5)
    turn = it.tracker.next(0.0)
    assert turn is not None and turn.live
    delivery = it.tracker.sent(0.0, turn, 5, [1, 2, 3, 4, 5])
    it.answer(1, 2)
    it.tracker.unheard(delivery)
    again = it.tracker.next(0.0)
    assert again is not None and again.tries == 0
    assert it.run() == [3, 4, 5]
    it.tracker.unheard(delivery)  # an old word for what is long under way again
    assert it.run() == []


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1, 5, 40, 2000])
def test_the_backlog_keeps_its_rate_in_every_second_and_is_not_slowed_much_below_it(rate: int) -> None:
    it = bench(10 * rate + 200, rate=rate)
    seconds: dict[int, int] = {}
    for tick in range(1000):
        it.now = tick / 100
        left = it.run()
        if left:
            seconds[tick // 100] = seconds.get(tick // 100, 0) + len(left)
            it.answer(left[0], left[-1])
    assert max(seconds.values()) <= rate * 1.25 + 1
    assert sum(seconds.values()) >= 10 * rate * 0.85 - 1


def test_live_records_are_not_held_back_by_the_rate() -> None:
    it = bench(1000, rate=1)
    it.run()
    it.store(500)
    assert set(range(1001, 1501)) <= set(it.run())


def test_the_window_bounds_the_unanswered_backlog_and_a_receipt_opens_it() -> None:
    it = bench(1000, window=4)
    assert it.run() == list(range(1, 41))
    it.answer(1, 10)
    assert it.run() == list(range(41, 51))


def test_batches_that_nobody_answers_do_not_hold_up_the_rest_for_ever() -> None:
    it = bench(80, window=4)
    it.run()
    it.now = PATIENCE + 0.1
    assert it.run() == list(range(41, 81))


def test_wait_never_asks_for_a_busy_loop() -> None:
    it = bench(1000, rate=50, window=2)
    for _ in range(500):
        it.run()
        wait = it.tracker.wait(it.now)
        assert wait is not None and wait > 0
        it.now += wait + 1e-6
    assert len(it.sent) > 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [3_000, 300_000])
def test_memory_does_not_grow_with_the_records_that_a_silent_intake_leaves_unanswered(count: int) -> None:
    it = Tracker(timeout=600.0, rate=0)
    it.begin(count)
    it.connected(0.0)
    now, sent = 0.0, 0
    while sent < count:
        turn = it.next(now)
        if turn is None:
            now += PATIENCE
            continue
        seqs = range(turn.after + 1, min(turn.after + 250, turn.until) + 1)
        it.sent(now, turn, seqs[-1], seqs)
        sent += len(seqs)
    assert it.waiting() + sum(ranges.count() for ranges in it._todo.values()) >= count
    assert len(it._deliveries) <= OPEN_DELIVERIES + 32
    pieces = sum(len(delivery.waiting) for delivery in it._deliveries) + sum(map(len, it._todo.values()))
    assert pieces * 2 * sys.getsizeof(count) < 40_000


@pytest.mark.slow
def test_live_records_for_weeks_without_a_receipt_cost_no_memory_and_all_come_again() -> None:
    it = bench(0, window=16)
    for _ in range(2000):
        it.now += 60
        it.store(3)
        it.run()
    assert len(it.tracker._deliveries) <= OPEN_DELIVERIES + 16
    assert it.tracker.waiting() == 6000
    before = len(it.sent)
    it.now += 2 * LONGEST_PAUSE
    for _ in range(100):
        it.run()
        it.now += PATIENCE
    assert {seq for batch in it.sent[before:] for seq in batch} == it.pending


def test_a_number_that_was_never_sent_is_told_from_those_that_were() -> None:
    it = bench(10)  # an earlier run may have sent these
    assert it.tracker.never_sent([(1, 10), (4, 4)]) == []
    it.store(5)
    assert it.tracker.never_sent([(1, 11), (15, 15), (16, 16)]) == [(1, 11), (15, 15), (16, 16)]
    it.run()
    assert it.tracker.never_sent([(1, 15), (12, 15), (16, 16), (1, 16)]) == [(16, 16), (1, 16)]


@pytest.mark.slow
@given(st.data())
def test_whatever_happens_every_record_is_sent_until_it_is_answered(data: st.DataObject) -> None:
    it = bench(data.draw(st.integers(0, 40)), timeout=60.0, window=data.draw(st.integers(1, 5)), rate=0)
    for _ in range(data.draw(st.integers(0, 30))):
        match data.draw(st.sampled_from(["store", "send", "answer", "time", "reconnect", "sweep"])):
            case "store":
                it.store(data.draw(st.integers(1, 12)))
            case "send":
                it.run(data.draw(st.integers(1, 4)))
            case "answer":
                given_away = sorted({seq for batch in it.sent for seq in batch})
                if given_away:
                    first = data.draw(st.sampled_from(given_away))
                    it.answer(first, first + data.draw(st.integers(0, 5)) if first + 5 in given_away else first)
            case "time":
                it.now += data.draw(st.floats(0, 500))
            case "reconnect":
                it.tracker.connected(it.now)
            case "sweep":
                it.tracker.sweep(len(it.pending))
    for _ in range(400):  # then the intake answers everything it gets
        for seq in it.run():
            it.answer(seq, seq)
        if not it.pending:
            break
        it.now += it.tracker.wait(it.now) or 60.0
        it.tracker.sweep(len(it.pending))
    assert not it.pending
