"""No content of the store keeps the program from starting: what cannot be read is set aside, all else goes on."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from buffer import body, rows
from buffer.record import Record
from buffer.store import Store
from drivers.reading import Number
from tests.buffer.plant import opened

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CODE = "1-0:1.8.0"


def reading(value: Number, minutes: int = 0, point: str = "flat-1") -> Record:
    at = NOON + timedelta(minutes=minutes)
    return Record("now", point, "20000001", at, at, values={CODE: value})


@pytest.mark.parametrize(
    "value",
    [10**60, Decimal("1E+1000"), Decimal("1E-1000"), Decimal("1E+999999"), Decimal("NaN"), 1 << 20000],
    ids=["an int", "a scale", "a fraction", "a million digits", "none", "20000 bits"],
)
def test_a_number_that_could_never_be_read_again_is_not_stored(tmp_path: Path, value: Number) -> None:
    store = opened(tmp_path)
    with pytest.raises(ValueError):
        store.put([reading(value)])
    (stored,) = store.put([reading(1)])
    assert stored.seq == 1 and store.last("flat-1", "now") is not None
    store.close()


def spoiled(folder: Path, value: str, last: bool) -> None:
    """A store of an earlier version, which wrote whatever came: one record has this number, its checksum is right."""
    store = opened(folder)
    store.put([reading(7), reading(8, 15), reading(9, 30)])
    store.close()
    store = opened(folder)
    tables = store._keeper.tables
    seq = 3 if last else 2
    (row,) = tables.rows(seq, seq)
    row = row._replace(digits=rows.pack_digits([value]))
    row = row._replace(crc=rows.crc_of(rows.text(row, tables.words)))
    columns = ", ".join(f'"{name}" = ?' for name in rows.Row._fields)
    tables.write.execute(f"UPDATE records SET {columns} WHERE seq = ?", (*row, seq))
    if tables.write.in_transaction:
        tables.write.execute("COMMIT")
    store.close()


@pytest.mark.parametrize("last", [True, False], ids=["the last record", "one in between"])
@pytest.mark.parametrize("digits", [60, 5000, 200_000])
def test_a_store_with_a_number_of_any_length_opens_and_answers(tmp_path: Path, digits: int, last: bool) -> None:
    spoiled(tmp_path, "9" * digits, last)
    store = opened(tmp_path)
    assert store.events == [], "the file is whole: it is not set aside"
    found = list(store.find("flat-1", ("now",), NOON, NOON + timedelta(hours=1)))
    assert len(found) == 2
    newest = store.last("flat-1", "now")
    assert newest is None if last else newest is not None and newest.values[CODE] == 9
    assert [seq for seq, _ in store.bodies(0, store.last_seq, 100)] == ([1, 2] if last else [1, 3])
    events = [record.event for record, _, _ in store.rows() if record.event]
    (event,) = [event for event in events if event["code"] == "record-damaged"]
    assert "1 records cannot be read" in event["text"]
    stored, *_ = store.put([reading(10, 45)])
    assert stored.seq > 3
    store.close()


def test_half_a_character_in_a_row_is_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put([reading(7), reading(8, 15)])
    tables = store._keeper.tables
    (row,) = tables.rows(1, 1)
    wrong = row._replace(rest=',"event":{"code":"other","text":"\ud800","n":1}')
    assert rows.sound_text(wrong, tables.words) is None and not rows.is_whole(wrong, tables.words)
    store.close()


def test_what_the_longest_registers_show_is_stored_exactly(tmp_path: Path) -> None:
    store = opened(tmp_path)
    values: list[Number] = [(1 << 64) - 1, Decimal("99999999999999999999.9999"), Decimal("0.000000000001"), -(1 << 63)]
    for minutes, value in enumerate(values):
        store.put([reading(value, minutes)])
    found = [record.values[CODE] for record, _, _ in store.rows()]
    assert found == values
    assert all(json.loads(body.record_json(record), parse_float=Decimal) for record, _, _ in store.rows())
    store.close()


def test_a_daemon_s_questions_are_answered_beside_such_a_record(tmp_path: Path) -> None:
    spoiled(tmp_path, "9" * 5000, last=True)
    store = Store.open(tmp_path, now=lambda: NOON, reserve=0)
    assert store.last("flat-1", "now", "20000001") is None
    assert store.revision("flat-1", ("now",)) and store.counts().pending >= 2
    store.close()
