import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buffer.faults import StoreUnusable
from buffer.record import Record
from buffer.writer import RECEIPTS, WAITING, Writer
from tests.buffer.plant import opened, reading, readings
from tests.support.waiting import until


class Plant:
    """A writer whose second passes only when told."""

    def __init__(self, directory: Path) -> None:
        self.seconds = 0.0
        self.store = opened(directory)
        self.transactions: list[list[Record]] = []
        self.writer = Writer(self.store, on_stored=self.transactions.append, monotonic=lambda: self.seconds)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        with self.writer._wake:
            self.writer._wake.notify_all()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path)
    yield plant
    plant.writer.close()
    plant.store.close()


def test_all_that_was_read_within_a_second_is_one_transaction(plant: Plant) -> None:
    plant.writer.submit(readings(1, 3))
    plant.pass_time(0.5)
    plant.writer.submit(readings(4, 6))
    assert plant.transactions == []
    plant.pass_time(0.6)
    until(lambda: plant.transactions)
    assert [[record.seq for record in records] for records in plant.transactions] == [[1, 2, 3, 4, 5, 6]]


def test_a_note_is_written_with_its_records_or_not_at_all(plant: Plant) -> None:
    plant.store.keeper.trouble = "disk says no"
    plant.writer.submit(readings(1, 1), {"told": "first", "gone": "x"})
    with pytest.raises(StoreUnusable):
        plant.writer.flush()
    assert plant.store.notes() == {}
    plant.writer.submit([], {"told": "second", "gone": None})
    plant.store.keeper.trouble = None
    plant.writer.flush()
    assert (plant.store.last_seq, plant.store.notes()) == (1, {"told": "second"})


def test_a_note_alone_is_written_too(plant: Plant) -> None:
    plant.writer.submit([], {"told": "it"})
    plant.pass_time(1.1)
    until(lambda: plant.store.noted("told") == "it")


def test_very_many_records_do_not_wait_for_the_second_to_end(plant: Plant) -> None:
    plant.writer.submit(readings(1, 1500))
    until(lambda: plant.transactions)
    assert plant.store.last_seq == 1500


def test_a_call_is_answered_after_all_that_came_before_it(plant: Plant) -> None:
    plant.writer.submit(readings(1, 3))
    assert plant.writer.call(lambda store: store.last_seq) == 3


def test_a_call_hands_its_exception_to_the_caller(plant: Plant) -> None:
    with pytest.raises(KeyError):
        plant.writer.call(lambda store: dict[str, int]()["nothing"])
    assert plant.writer.call(lambda store: store.last_seq) == 0


def test_a_receipt_counts_within_a_second_and_is_written_within_a_minute(plant: Plant) -> None:
    plant.writer.submit(readings(1, 5))
    plant.writer.flush()
    unsaved = plant.store._keeper.tables._unsaved
    plant.writer.confirm([(1, 3)])
    plant.pass_time(1.1)
    until(lambda: plant.store.counts().pending == 2)
    assert unsaved
    plant.pass_time(RECEIPTS)
    until(lambda: not unsaved)


def test_a_refusal_is_written_with_its_reason(plant: Plant) -> None:
    plant.writer.submit(readings(1, 2))
    plant.writer.flush()
    plant.writer.refuse([(2, "unknown-point", "text")])
    plant.writer.flush()
    assert plant.store.rows("refused")[0][2] == "unknown-point: text"


def test_a_receipt_for_an_earlier_epoch_is_void(plant: Plant) -> None:
    plant.writer.submit(readings(1, 2))
    plant.writer.flush()
    plant.writer.confirm([(1, 2)])
    plant.writer._confirmed[0] = ("another epoch", [(1, 2)])
    plant.writer.flush()
    assert plant.store.counts().pending == 2


def test_a_record_that_cannot_be_stored_is_the_callers_error_at_once(plant: Plant) -> None:
    with pytest.raises(TypeError):
        plant.writer.submit([reading(1), reading(2, values={"1-0:1.8.0": 0.5})])
    plant.writer.flush()
    assert plant.store.last_seq == 0


def test_while_the_disk_says_no_records_wait_and_are_stored_later(plant: Plant) -> None:
    plant.store.keeper.trouble = "disk says no"
    plant.writer.submit(readings(1, 3))
    with pytest.raises(StoreUnusable, match="disk says no"):
        plant.writer.flush()
    assert plant.writer.trouble == "disk says no"
    plant.store.keeper.trouble = None
    plant.pass_time(2)
    until(lambda: plant.transactions)
    assert plant.store.last_seq == 3
    until(lambda: plant.writer.trouble is None)


@pytest.mark.slow
def test_a_caller_waits_when_too_much_is_in_memory(plant: Plant) -> None:
    plant.store.keeper.trouble = "no"
    plant.writer.submit(readings(1, WAITING))
    caller = threading.Thread(target=plant.writer.submit, args=(readings(WAITING + 1, WAITING + 1),))
    until(lambda: plant.writer.trouble)
    caller.start()
    caller.join(0.1)
    assert caller.is_alive()
    plant.store.keeper.trouble = None
    plant.pass_time(2)
    caller.join(5)
    assert not caller.is_alive()
    plant.writer.flush()
    assert plant.store.last_seq == WAITING + 1


def test_a_closed_writer_takes_nothing_and_has_written_all(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.writer.submit(readings(1, 3))
    plant.writer.close()
    assert plant.store.last_seq == 3
    with pytest.raises(RuntimeError):
        plant.writer.submit(readings(4, 4))
    plant.store.close()


def test_a_living_writer_shows_it(plant: Plant) -> None:
    plant.pass_time(500)
    until(lambda: plant.writer.alive == 500)


def test_a_listener_that_fails_does_not_end_the_thread_that_stores(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(records: list[Record]) -> None:
        raise OverflowError("date value out of range")

    store = opened(tmp_path)
    writer = Writer(store, on_stored=fail, group=0.0)
    for number in (1, 2):
        writer.submit([reading(number)])
        writer.flush()
    writer.close()
    assert store.last_seq == 2
    assert caplog.text.count("internal error after records were stored") == 2
    store.close()
