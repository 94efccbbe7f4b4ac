import json
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from buffer.record import Record
from buffer.store import Counts, Store
from buffer.tables import NEWEST_EACH, Tables
from tests.buffer.plant import NOON, Clock, crashed, everything, opened, reading, readings
from tests.support.present import present
from tests.support.stores import WatchedStore

LONG = timedelta(days=400)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WatchedStore]:
    with closing(opened(tmp_path)) as store:
        yield store


def test_records_are_numbered_from_one_and_given_back_as_they_were_read(store: Store) -> None:
    first, second = store.put(readings(1, 2))
    assert (first.seq, second.seq, store.last_seq) == (1, 2, 2)
    assert replace(first, seq=0) == reading(1)
    (shown, state, reason), _ = store.rows()
    assert (shown, state, reason) == (first, "pending", None)


def test_the_same_natural_key_twice_is_one_record(store: Store) -> None:
    store.put(readings(1, 3))
    assert [record.seq for record in store.put([*readings(2, 4), *readings(4, 5)])] == [4, 5]
    assert len(everything(store)) == 5


def test_events_of_one_moment_are_told_apart_by_code_and_n(store: Store) -> None:
    events = [
        reading(1, kind="event", values={}, event={"code": code, "maker": "", "text": "", "n": n})
        for code in ("cover-open", "magnet")
        for n in (1, 2)
    ]
    assert len(store.put(events)) == 4
    assert store.put(events) == []


def test_many_points_of_one_moment_are_told_apart(store: Store) -> None:
    crowd = [reading(1, point=f"flat-{number}") for number in range(200)]
    assert len(store.put(crowd)) == 200
    assert store.put(crowd) == []


def test_a_record_that_cannot_be_stored_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(TypeError):
        store.put([reading(1, point="new"), reading(2, values={"1-0:1.8.0": 0.5})])
    assert (store.last_seq, everything(store)) == (0, [])
    assert store.put([reading(1, point="other")])[0].seq == 1


def test_a_note_and_the_record_that_it_speaks_of_are_one_transaction(store: Store) -> None:
    with pytest.raises(TypeError):
        store.apply([reading(1, values={"1-0:1.8.0": 0.5})], notes={"told": "it"})
    assert (store.last_seq, store.notes()) == (0, {})
    store.apply([reading(1)], notes={"told": "it"})
    store.apply([reading(1)], notes={"told": None})
    assert (store.last_seq, store.notes()) == (1, {})


def test_only_a_receipt_that_names_a_record_takes_it_out_of_the_pending_ones(store: Store) -> None:
    store.put(readings(1, 10))
    assert store.confirm([(1, 3), (7, 8), (9, 9), (50, 60), (-5, 0), (8, 7)]) == 6
    assert store.confirm([(1, 3)]) == 0
    assert store.pending_ranges() == [(4, 6), (10, 10)]
    assert [seq for seq, _ in everything(store)] == [4, 5, 6, 10]
    assert store.counts() == Counts(4, 0, 0, 6, reading(4).read_at, 10)


def test_bodies_are_asked_for_piece_by_piece(store: Store) -> None:
    store.put(readings(1, 10))
    store.confirm([(3, 4)])
    assert [seq for seq, _ in store.bodies(1, 8, 3)] == [2, 5, 6]
    assert [seq for seq, _ in store.bodies(6, 8, 3)] == [7, 8]
    assert store.bodies(10, 99, 3) == []


def test_a_refused_record_waits_with_its_reason_for_a_person(store: Store) -> None:
    store.put(readings(1, 4))
    assert store.refuse([(2, "unknown-point", "no such point"), (9, "x", "y"), (2, "again", "")]) == 1
    assert (store.counts().refused, store.counts().pending) == (1, 3)
    ((record, state, reason),) = store.rows("refused")
    assert (record.seq, state, reason) == (2, "refused", "unknown-point: no such point")
    assert store.resend(1, 4) == 1
    assert store.rows("pending")[1] == (record, "pending", None)


def test_what_was_confirmed_can_be_sent_again_by_number_and_by_time(store: Store) -> None:
    store.put(readings(1, 10))
    before = everything(store)
    store.confirm([(1, 10)])
    assert store.resend(2, 3) == 2
    assert store.resend_time(NOON + timedelta(minutes=5), NOON + timedelta(minutes=7)) == 2
    assert store.pending_ranges() == [(2, 3), (5, 6)]
    assert store.resend_time(NOON, NOON + timedelta(days=1)) == 6
    assert everything(store) == before


def test_the_newest_reading_of_a_point_is_known_by_its_moment(store: Store) -> None:
    store.put([reading(5), reading(2, kind="day"), reading(3), reading(9, meter="99"), reading(1, point="flat-2")])
    assert present(store.last("flat-1", "now")).at == reading(9).at
    assert present(store.last("flat-1", "now", "23456789")).at == reading(5).at
    assert store.last("flat-1", "month") is None
    assert store.last("flat-3", "now") is None


@pytest.mark.slow
def test_after_a_crash_the_newest_reading_is_known_without_looking_at_all_records(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    last = NEWEST_EACH + 5
    for first in (*range(1, NEWEST_EACH - 1, 1000), *range(NEWEST_EACH, last + 1)):
        end = min(first + 999, NEWEST_EACH - 1) if first < NEWEST_EACH else first
        store.put([reading(number, point=f"flat-{number % 3}") for number in range(first, end + 1)])
    state = crashed(tmp_path / "state", tmp_path / "crashed")
    store.close()
    with closing(opened(state)) as store:
        saved = store._keeper.tables.fetch("SELECT seq FROM newest ORDER BY seq")
        assert saved == [(NEWEST_EACH - 3,), (NEWEST_EACH - 2,), (NEWEST_EACH - 1,)]
        newest = {present(store.last(f"flat-{number}", "now")).seq for number in range(3)}
        assert newest == {last - 2, last - 1, last}


def test_states_notes_and_numbers_survive_a_restart_and_a_crash(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put(readings(1, 6))
    first.confirm([(1, 2)])
    first.refuse([(3, "a", "b")])
    first.note("password:riser-1:45", "2026-11-21")
    first.note("gone", "1")
    first.note("gone", None)
    expected = first.counts(), first.epoch, first.rows(), first.notes()
    first.close()
    second = opened(tmp_path)
    assert (second.counts(), second.epoch, second.rows(), second.notes()) == expected
    assert second.events == []
    assert second.noted("password:riser-1:45") == "2026-11-21"
    assert second.noted("gone") is None
    assert second.notes("password:") == {"password:riser-1:45": "2026-11-21"}
    assert present(second.last("flat-1", "now")).seq == 6
    second.close()


def test_a_receipt_written_later_counts_at_once_and_comes_with_the_next_records(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(readings(1, 5))
    assert store.confirm_soon([(1, 4)]) == 4
    assert store.pending_ranges() == [(5, 5)]
    with closing(Store.open(tmp_path, now=Clock(), read_only=True)) as looking:
        assert looking.pending_ranges() == [(1, 5)]
    store.put(readings(6, 6))
    with closing(Store.open(tmp_path, now=Clock(), read_only=True)) as looking:
        assert looking.pending_ranges() == [(5, 6)]
    store.close()


def test_pruned_numbers_are_never_used_again(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock)
    store.put(readings(1, 1200))
    store.confirm([(1, 1000), (1100, 1200)])
    clock.forward(86400 * 500)
    assert store.prune(LONG, LONG) == 1101
    assert (store.counts().confirmed, store.counts().pending, store.resend(1, 1200)) == (0, 99, 0)
    store.confirm([(1, 1200)])
    assert store.prune(LONG, LONG) == 99
    assert store.rows() == []
    store.close()
    store = opened(tmp_path, clock)
    assert (store.last_seq, store.put([reading(1)])[0].seq) == (1200, 1201)
    store.close()


def test_raw_frames_go_earlier_than_their_records(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock)
    store.put(readings(1, 100))
    clock.forward(86400 * 31)
    young = reading(0, at=clock(), read_at=clock())
    store.put([young])
    assert store.prune(LONG, timedelta(days=30)) == 0
    assert [row[0].frames for row in store.rows(limit=1000)] == [b""] * 100 + [young.frames]
    assert len(everything(store)) == 101
    store.close()


@pytest.mark.slow
def test_a_record_that_is_being_corrected_never_goes_out_as_it_was_before(store: WatchedStore) -> None:
    store.put([reading(1, clock="unset", boot="boot-1", monotonic=100.0)])
    seen: list[tuple[int, str]] = []
    publisher = threading.Thread(target=lambda: seen.extend(everything(store)))

    def ask() -> None:
        publisher.start()
        publisher.join(0.2)  # it asks while the correction is written, and not yet on the disk

    store.keeper.before_commit = ask
    assert store.restamp("boot-1", NOON, 160.0) == 1
    publisher.join(5)
    assert [json.loads(body)["clock"] for _, body in seen or everything(store)] == ["restamped"]


def test_who_counts_during_a_commit_sees_what_was_before_it(store: Store) -> None:
    """What is held from the start is in its run before its number counts: pending would be below zero."""
    store.put(readings(1, 3))
    seen: list[Counts] = []

    def work(tables: Tables) -> int:
        tables.store([reading(4, clock="unset", boot="b1", monotonic=1.0)])
        seen.append(store.counts())
        return 0

    store._keeper.change(work)
    assert seen == [Counts(3, 0, 0, 0, reading(1).read_at, 3)]
    assert store.counts() == Counts(3, 1, 0, 0, reading(1).read_at, 4)


def test_records_read_with_an_unset_clock_are_held_and_corrected(store: Store) -> None:
    wrong: dict[str, Any] = {"clock": "unset", "boot": "b1", "monotonic": 12.5}
    store.put([reading(1), reading(2, **wrong), reading(3, kind="day", **wrong), reading(4, clock="unset")])
    assert (store.counts().held, store.pending_ranges()) == (2, [(1, 1), (4, 4)])
    assert store.rows("held")[0][0] == replace(reading(2, **wrong), seq=2)
    assert store.confirm([(2, 2)]) == 0, "what was never sent cannot have been received"
    now_is = reading(2).read_at + timedelta(hours=1, seconds=100)
    assert store.restamp("another", now_is, 112.5) == 0
    assert store.restamp("b1", now_is, 112.5) == 2
    now, day = (row[0] for row in store.rows(from_seq=2, limit=2))
    assert (now.at, now.read_at, now.clock) == (
        reading(2).at + timedelta(hours=1),
        reading(2).read_at + timedelta(hours=1),
        "restamped",
    )
    assert now.meter_offset == -3601, "the meter's clock did not move, ours did"
    assert day.read_at == now.read_at, "both were read at the same monotonic second, whatever the clock showed"
    assert day.at == reading(3).at, "the meter's own stamp stays"
    assert (now.boot, now.values) == (None, reading(2).values)
    assert len(everything(store)) == 4


def test_two_records_that_a_correction_makes_one_moment_stay_two(store: Store) -> None:
    store.put([reading(62), reading(2, clock="unset", boot="b1", monotonic=1.0)])
    assert store.restamp("b1", reading(62).read_at, 1.0) == 1
    assert store.rows()[1][0].at == reading(62).at + timedelta(milliseconds=1)


def test_what_nobody_can_correct_is_sent_with_a_flag(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock)
    store.put(
        [
            reading(1, clock="unset", boot="earlier", monotonic=5.0),
            reading(2, clock="unset", boot="now", monotonic=clock.seconds),
        ]
    )
    assert store.give_up_holding("now") == 1
    assert [json.loads(text)["flags"] for _, text in everything(store)] == [["clock-unset"]]
    clock.forward(3600)
    assert store.give_up_holding("now", clock.seconds - 86400) == 0
    clock.forward(86400)
    assert store.give_up_holding("now", clock.seconds - 86400) == 1
    assert store.counts().held == 0
    store.close()


def test_a_look_while_a_daemon_runs_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store.open(tmp_path / "none", now=Clock(), read_only=True)
    assert not (tmp_path / "none").exists()
    with closing(opened(tmp_path)) as store:
        store.put(readings(1, 3))
        with closing(Store.open(tmp_path, now=Clock(), read_only=True)) as looking:
            store.put(readings(4, 5))
            assert [row[0].seq for row in looking.rows()] == [1, 2, 3]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with closing(Store.open(tmp_path, now=Clock(), read_only=True)) as looking:
        assert looking.last_seq == 5
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_threads_read_while_one_writes(store: Store) -> None:
    stop = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not stop.is_set():
            found = store.bodies(0, store.last_seq, 50)
            assert [seq for seq, _ in found] == sorted({seq for seq, _ in found})
            store.counts()
            seen.append(len(found))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(150):
        store.put([reading(number)])
        if number % 10 == 9:
            store.confirm([(1, number - 5)])
    stop.set()
    for thread in threads:
        thread.join()
    assert store.last_seq == 150
    assert seen


def test_an_unknown_state_is_answered_in_words(store: Store) -> None:
    with pytest.raises(ValueError, match="lost"):
        store.rows("lost")


class Model(RuleBasedStateMachine):
    """The store beside a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.room = TemporaryDirectory()
        self.clock = Clock()
        self.open()
        self.states: dict[int, str] = {}
        self.keys: dict[int, int] = {}
        self.read_at: dict[int, datetime] = {}

    def open(self) -> None:
        self.store = opened(Path(self.room.name), self.clock)

    def teardown(self) -> None:
        self.store.close()
        self.room.cleanup()

    @rule(numbers=st.lists(st.integers(0, 60), max_size=6))
    def put(self, numbers: list[int]) -> None:
        now = self.clock()
        stored = self.store.put(
            [reading(number, read_at=now, values={"1-0:1.8.0": Decimal(number) / 10}) for number in numbers]
        )
        kept = {self.keys[seq] for seq, state in self.states.items() if state != "gone"}
        new = [number for place, number in enumerate(numbers) if number not in kept and number not in numbers[:place]]
        assert [(record.at - NOON) // timedelta(minutes=1) for record in stored] == new
        for record, number in zip(stored, new, strict=True):
            assert record.seq == len(self.states) + 1
            self.states[record.seq], self.keys[record.seq], self.read_at[record.seq] = "pending", number, now

    @rule(first=st.integers(-2, 40), more=st.integers(-1, 20), soon=st.booleans())
    def confirm(self, first: int, more: int, soon: bool) -> None:
        span = range(max(1, first), first + more + 1)
        changed = [seq for seq in span if self.states.get(seq) in ("pending", "refused")]
        verb = self.store.confirm_soon if soon else self.store.confirm
        assert verb([(first, first + more)]) == len(changed)
        self.states |= dict.fromkeys(changed, "confirmed")

    @rule(seqs=st.lists(st.integers(0, 40), max_size=5))
    def refuse(self, seqs: list[int]) -> None:
        changed = {seq for seq in seqs if self.states.get(seq) == "pending"}
        assert self.store.refuse([(seq, "code", "text") for seq in seqs]) == len(changed)
        self.states |= dict.fromkeys(changed, "refused")

    @rule(first=st.integers(1, 40), more=st.integers(0, 20))
    def resend(self, first: int, more: int) -> None:
        changed = [seq for seq in range(first, first + more + 1) if self.states.get(seq) in ("confirmed", "refused")]
        assert self.store.resend(first, first + more) == len(changed)
        self.states |= dict.fromkeys(changed, "pending")

    @rule()
    def a_day_passes(self) -> None:
        self.clock.forward(86400)

    @precondition(lambda self: self.states)
    @rule(days=st.integers(1, 3))
    def prune(self, days: int) -> None:
        limit = self.clock() - timedelta(days=days)
        old = [seq for seq, state in self.states.items() if state == "confirmed" and self.read_at[seq] < limit]
        assert self.store.prune(timedelta(days=days), timedelta(days=1)) == len(old)
        self.states |= dict.fromkeys(old, "gone")

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()
        assert self.store.events == []

    @invariant()
    def all_agree(self) -> None:
        pending = [seq for seq, state in self.states.items() if state == "pending"]
        found = everything(self.store)
        assert [seq for seq, _ in found] == pending
        for seq, text in found:
            assert json.loads(text, parse_float=Decimal)["values"] == {"1-0:1.8.0": Decimal(self.keys[seq]) / 10}
        counts = self.store.counts()
        for state in ("pending", "refused", "confirmed"):
            assert getattr(counts, state) == list(self.states.values()).count(state)
        assert self.store.last_seq == len(self.states)


Model.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestAgainstAModel = pytest.mark.slow(Model.TestCase)


@pytest.fixture
def hasty(request: pytest.FixtureRequest) -> None:
    """Threads take turns in the middle of everything."""
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_the_newest_record_is_never_missing_while_a_newer_one_is_stored(store: Store) -> None:
    store.put(readings(1, 1))
    point, kind = reading(1).point, reading(1).kind
    seen: list[Record | None] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.append(store.last(point, kind))

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(2, 200):
        store.put([replace(reading(1), at=reading(1).at + timedelta(seconds=number))])
    ended.set()
    looking.join()
    assert seen and None not in seen


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_refusal_is_never_seen_without_its_reason(store: Store) -> None:
    store.put(readings(1, 1))
    seen: list[str | None] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.extend(reason for _, state, reason in store.rows() if state == "refused")

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(200):
        store.refuse([(1, "false", "ложные показания")])
        store.resend(1, 1)
    ended.set()
    looking.join()
    assert seen and set(seen) == {"false: ложные показания"}
