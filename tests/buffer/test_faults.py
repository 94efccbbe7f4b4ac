"""Each fault of the disk has an outcome; docs/store.md has the table."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from buffer import schema
from buffer.faults import StoreBusy, StoreTooNew, StoreUnusable
from buffer.record import Record
from buffer.repair import Keeper
from buffer.store import Store
from buffer.tables import WAL_SIZE
from tests.buffer.plant import Clock, crashed, everything, opened, reading, readings
from tests.support.present import present

PAGE = schema.PAGE
FRAME = 24 + PAGE


class Unchecked(Keeper):
    """As with a store too large to be checked whole."""

    CHECKED = 0


def keys(bodies: list[tuple[int, str]]) -> list[tuple[str, str, str, str]]:
    """What a record says, whatever its number."""
    found = [json.loads(text, parse_float=str, parse_int=str) for _, text in bodies]
    return sorted((one["kind"], one["point"], one["at"], str(one["values"])) for one in found if one["kind"] != "event")


def shown(record: Record) -> str:
    return str({code: str(value) for code, value in record.values.items()})


def codes(store: Store) -> list[str]:
    return [present(record.event)["code"] for record in store.events]


def filled(directory: Path) -> Store:
    """250 confirmed, one refused, 349 pending; poll by poll, as a daemon brings them."""
    store = opened(directory)
    for first in range(1, 601, 10):
        store.put(readings(first, first + 9))
    store.confirm([(1, 250)])
    store.refuse([(251, "unknown-point", "text")])
    return store


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a store that was closed cleanly; never written to."""
    directory = tmp_path_factory.mktemp("sound")
    filled(directory / "state").close()
    return directory / "state"


def unconfirmed(directory: Path) -> set[tuple[str, str, str, str]]:
    with closing(Store.open(directory, now=Clock(), read_only=True)) as store:
        refused = [record for record, _, _ in store.rows("refused")]
        assert len(refused) == 1
        return set(keys(everything(store)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_costs_at_most_the_records_of_the_damaged_pages(tmp_path: Path, sound: Path, seed: int) -> None:
    chance = random.Random(seed)
    wanted = unconfirmed(sound)
    truth = {("now", "flat-1", one.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), shown(one)) for one in readings(1, 600)}
    state = crashed(sound, tmp_path / "state")
    octets = bytearray((state / "store.db").read_bytes())
    hit = {chance.randrange(len(octets) // PAGE) for _ in range(chance.choice([1, 1, 2, 5]))}
    for page in hit:
        place = page * PAGE
        match chance.randrange(3):
            case 0:
                octets[place : place + PAGE] = chance.randbytes(PAGE)
            case 1:
                octets[place : place + PAGE] = bytes(PAGE)
            case _:
                octets[place + chance.randrange(PAGE)] ^= 1 << chance.randrange(8)
    (state / "store.db").write_bytes(octets)
    with closing(opened(state)) as store:
        found = set(keys(everything(store)))
        assert len(wanted - found) <= 10 * len(hit), "a page holds at most ten records"
        assert found <= truth, "nothing is invented"
        if codes(store):
            assert store.epoch != _epoch(sound)
            refused = {record.seq for record, _, _ in store.rows("refused")}
            pending = {seq for seq, _ in everything(store)}
            assert pending | refused == set(range(1, store.last_seq + 1)), "the new epoch's numbers have no holes"
            assert list(state.glob("store-20261121T120000Z.damaged.db"))
        assert store.put([reading(5000)])[0].seq == store.last_seq
    with closing(opened(state)) as store:
        assert store.events == [], "mended once and for all"


def _epoch(directory: Path) -> str:
    with closing(Store.open(directory, now=Clock(), read_only=True)) as store:
        return store.epoch


@pytest.mark.parametrize("content", [b"", b"not a database", bytes(100_000)], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_store_is_set_aside_and_counted(tmp_path: Path, sound: Path, content: bytes) -> None:
    state = crashed(sound, tmp_path / "state")
    (state / "store.db").write_bytes(content)
    with closing(opened(state)) as store:
        assert codes(store) == ["store-damaged"]
        assert "0 records carried over, 600 could not be saved" in present(store.events[0].event)["text"]
        assert (store.last_seq, store.put([reading(1)])[0].seq) == (0, 1)
    assert [path.read_bytes() for path in state.glob("store-*.damaged.db")] == [content]


def test_a_store_whose_file_vanished_says_so(tmp_path: Path, sound: Path) -> None:
    state = crashed(sound, tmp_path / "state")
    (state / "store.db").unlink()
    with closing(opened(state)) as store:
        assert codes(store) == ["store-damaged"]
        assert store.last_seq == 0


@pytest.mark.slow
def test_damage_that_shows_while_the_daemon_runs_is_mended_on_the_spot(tmp_path: Path) -> None:
    store: Store = filled(tmp_path)
    store.note("password:45", "tried")
    epoch, wanted = store.epoch, set(keys(everything(store)))
    store.close()
    store = Store(Unchecked.open(tmp_path, now=Clock(), reserve=0, read_only=False, monotonic=None))
    assert store.events == []
    octets = bytearray((tmp_path / "store.db").read_bytes())
    hit = [place for place in range(0, len(octets), PAGE) if octets[place] == 13][-12:-8]
    with (tmp_path / "store.db").open("r+b") as file:
        for place in hit:
            file.seek(place)
            file.write(b"\xff" * PAGE)
    found = set(keys(everything(store)))
    assert len(wanted - found) <= 10 * len(hit)
    assert store.epoch != epoch
    events = [json.loads(text)["event"] for _, text in everything(store) if '"event":{' in text]
    assert [event["code"] for event in events] == ["store-damaged"]
    assert store.noted("password:45") == "tried"
    assert store.rows("refused")[0][2] == "unknown-point: text"
    assert store.confirm([(1, 5)]) == 5
    store.close()


def test_a_record_whose_checksum_fails_is_never_sent_and_the_others_are(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(readings(1, 5))
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("UPDATE records SET digits = x'1234' WHERE seq = 3")
    store = opened(tmp_path)
    epoch = store.epoch
    first = everything(store)
    assert [seq for seq, _ in first[:4]] == [1, 2, 4, 5]
    assert json.loads(first[4][1])["event"]["code"] == "record-damaged"
    assert everything(store) == first, "one event, not one a question"
    assert (store.epoch, store.confirm([(1, 6)])) == (epoch, 5)
    store.close()


def test_a_log_whose_tail_is_lost_begins_a_new_epoch_and_uses_no_number_twice(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    for number in range(1, 41):
        store.put([reading(number)])
    wanted = keys(everything(store))
    state = crashed(tmp_path / "state", tmp_path / "crashed")
    epoch = store.epoch
    store.close()
    octets = bytearray((state / "store.db-wal").read_bytes())
    octets[32 + 60 * FRAME + 100] ^= 4
    (state / "store.db-wal").write_bytes(octets)
    with closing(opened(state)) as store:
        assert codes(store) == ["store-tail-lost"]
        assert store.epoch != epoch
        assert len(wanted) - 3 <= len(keys(everything(store))), "the tail's own pages still hold most of its records"
        assert set(keys(everything(store))) <= set(wanted)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 15))])
def test_a_flipped_bit_anywhere_in_the_log_invents_nothing_and_loses_next_to_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    store = opened(tmp_path / "state")
    for number in range(1, 31):
        store.put([reading(number)])
    wanted, epoch = keys(everything(store)), store.epoch
    state = crashed(tmp_path / "state", tmp_path / "crashed")
    store.close()
    octets = bytearray((state / "store.db-wal").read_bytes())
    used = next(place for place in range(32, len(octets), FRAME) if not any(octets[place : place + FRAME]))
    octets[chance.randrange(used)] ^= 1 << chance.randrange(8)
    (state / "store.db-wal").write_bytes(octets)
    with closing(opened(state)) as store:
        found = keys(everything(store))
        assert set(found) <= set(wanted)
        assert len(found) >= len(wanted) - 2
        assert (store.epoch == epoch) == (codes(store) == [])
        assert store.epoch != epoch or len(found) == len(wanted)


@pytest.mark.parametrize("mark", [None, b"", b"rubbish", b"0123456789abcdef 00000000000000000600 00000000\n"])
def test_a_lost_mark_is_written_anew_and_reported(tmp_path: Path, sound: Path, mark: bytes | None) -> None:
    state = crashed(sound, tmp_path / "state")
    (state / "store.mark").unlink()
    if mark is not None:
        (state / "store.mark").write_bytes(mark)
    with closing(opened(state)) as store:
        assert (codes(store), store.epoch, store.last_seq) == (["store-mark-lost"], _epoch(sound), 600)
    with closing(opened(state)) as store:
        assert store.events == []


@pytest.mark.slow
def test_an_older_copy_of_the_store_is_not_taken_for_the_store(tmp_path: Path, sound: Path) -> None:
    state = crashed(sound, tmp_path / "state")
    with closing(opened(state)) as store:
        store.put([reading(700)])
    (state / "store.db").write_bytes((sound / "store.db").read_bytes())
    with closing(opened(state)) as store:
        assert codes(store) == ["store-tail-lost"]
        assert "349" in present(store.events[0].event)["text"] or "350" in present(store.events[0].event)["text"]


HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from buffer.store import Store
store = Store.open(Path(sys.argv[1]), now=lambda: datetime.now(UTC), reserve=0)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_second_instance_is_told_who_has_the_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert present(holder.stdout).readline() == "open\n"
        with pytest.raises(StoreBusy, match=str(holder.pid)) as busy:
            opened(tmp_path)
        assert busy.value.pid == holder.pid
        holder.kill()
    opened(tmp_path).close()


@pytest.mark.parametrize("where", ["main", "log"])
def test_a_newer_programs_store_is_left_alone(tmp_path: Path, where: str) -> None:
    state = tmp_path / "state"
    filled(state).close()
    db = sqlite3.connect(state / "store.db")
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    if where == "log":
        state = crashed(state, tmp_path / "crashed")
        assert int.from_bytes((state / "store.db").read_bytes()[60:64], "big") == schema.VERSION
    db.close()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in state.iterdir()}
    with pytest.raises(StoreTooNew, match="newer"):
        opened(state)
    with pytest.raises(StoreTooNew):
        Store.open(state, now=Clock(), read_only=True)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in state.iterdir()} == before


def test_an_older_store_is_brought_to_the_programs_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path).close()
    step = lambda db: db.table("extra").create({"id": int}, pk="id")  # noqa: E731
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with closing(opened(tmp_path)) as store:
        assert (store.events, store.last_seq) == ([], 600)
    assert schema.peek(tmp_path / "store.db") == schema.VERSION
    assert sqlite3.connect(tmp_path / "store.db").execute("SELECT count(*) FROM extra").fetchone() == (0,)


@pytest.mark.slow
def test_the_schema_tool_is_not_loaded_by_a_store_that_needs_no_change(tmp_path: Path) -> None:
    opened(tmp_path).close()
    code = HOLD.replace("sys.stdin.read()", "print('sqlite_utils' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["open", "False"]


def test_a_directory_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="file"):
        opened(tmp_path / "file" / "state")


def test_a_directory_without_permission_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kinds: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path / "store.lock"))

    monkeypatch.setattr("buffer.files.os.open", refuse)
    with pytest.raises(StoreUnusable, match="Permission denied"):
        opened(tmp_path)


def test_an_interrupted_new_beginning_is_finished(tmp_path: Path, sound: Path) -> None:
    state = crashed(sound, tmp_path / "state")
    (state / "store.db").write_bytes(b"damaged")
    (state / "store.db-wal").write_bytes(bytes(WAL_SIZE))
    (state / "store.ready.db").write_bytes((sound / "store.db").read_bytes())
    with closing(opened(state)) as store:
        assert (store.last_seq, store.events) == (600, [])
    assert [path.read_bytes() for path in state.glob("store-*.damaged.db")] == [b"damaged"]


def limited(store: Store, pages: int) -> None:
    """A disk that ends: SQLite answers SQLITE_FULL beyond this many pages of the file."""
    (now,) = store._keeper.tables.write.execute("PRAGMA page_count").fetchone()
    store._keeper.tables.write.execute(f"PRAGMA max_page_count = {now + pages}")


@pytest.mark.slow
def test_a_full_disk_costs_confirmed_records_first_and_the_oldest_first(tmp_path: Path) -> None:
    store = opened(tmp_path, reserve=1 << 20)
    store.put(readings(1, 2000))
    store.confirm([(1, 1500)])
    limited(store, 4)
    for number in range(2001, 2101):
        assert len(store.put([reading(number)])) == 1
    assert not (tmp_path / "store.reserve").exists()
    kept = [record.seq for record, _, _ in store.rows("confirmed", limit=5000)]
    assert kept[-1] == 1500
    assert 0 < len(kept) < 1500
    assert store.pending_ranges() == [(1501, 2100)]
    store.close()


@pytest.mark.slow
def test_unconfirmed_records_go_last_and_an_event_counts_them(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(readings(1, 2000))
    limited(store, 4)
    stored = [record for number in range(2001, 2101) for record in store.put([reading(number)])]
    events = [record.event for record in stored if record.kind == "event"]
    assert {(present(event)["code"], present(event)["text"][:27]) for event in events} == {
        ("store-full", "100 unconfirmed records fro")
    }
    lost = 100 * len(events)
    assert 0 < lost <= 300, "hardly more than the records that came"
    last = 2100 + len(events)
    assert [seq for seq, _ in everything(store)] == list(range(lost + 1, last + 1)), "no holes, no number used twice"
    store.close()


def test_a_full_disk_frees_files_that_were_set_aside_before_any_record(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(readings(1, 100))
    store.confirm([(1, 100)])
    (tmp_path / "store-20260101T000000Z.damaged.db").write_bytes(bytes(1000))
    store._keeper._make_room()
    assert not list(tmp_path.glob("*.damaged.db"))
    assert store.counts().confirmed == 100
    store.close()


@pytest.mark.slow
def test_a_disk_on_which_nothing_helps_is_said_in_words(tmp_path: Path) -> None:
    store = opened(tmp_path)
    limited(store, 0)
    with pytest.raises(StoreUnusable, match="space"):
        store.put(readings(1, 3000))
    assert store.last_seq == 0
    store.close()


@pytest.mark.slow
def test_a_tiny_real_disk_is_filled_and_polling_goes_on(small_disk: Path) -> None:
    state = small_disk / "state"
    store = Store.open(state, now=Clock(), reserve=2 << 20)
    assert (state / "store.reserve").stat().st_size == 2 << 20
    total = 0
    for first in range(1, 40_000, 500):
        stored = store.put(readings(first, first + 499, frames=os.urandom(100)))
        total += len(stored)
        store.confirm([(1, max(1, store.last_seq - 2000))])
        if first == 10_001:  # another program takes what is left
            room = os.statvfs(state)
            (small_disk / "other").write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - (256 << 10))))
    assert total == 40_000 == store.last_seq
    assert store.counts().pending == 2000, "nothing unconfirmed was lost"
    assert store.counts().confirmed < 38_000
    assert not (state / "store.reserve").exists()
    (small_disk / "other").unlink()
    store.prune(timedelta(days=400), timedelta(days=30))
    assert (state / "store.reserve").exists(), "the reserve is taken again once there is space"
    store.close()


@pytest.mark.slow
def test_a_read_only_disk_is_refused_in_words(small_disk: Path) -> None:
    opened(small_disk / "state").close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreUnusable, match="Read-only"):
        opened(small_disk / "state")
    with closing(Store.open(small_disk / "state", now=Clock(), read_only=True)) as store:
        assert store.last_seq == 0
