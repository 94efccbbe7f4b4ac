"""The utility's intake by itself."""

import json
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.intake.messages import LARGEST, BadMessage, Message, objection, parse
from simulators.intake.service import receipt
from simulators.intake.tables import Outcome, Tables, open_database
from tests.support.broker import free_port

RECORD = (
    '{"seq":%d,"kind":"now","point":"flat-1","meter":"1","at":"2026-11-21T10:00:%02d.000Z",'
    '"read_at":"2026-11-21T10:00:00.000Z","clock":"synced","meter_offset":null,'
    '"values":{"1-0:1.8.1":%s},"flags":[]}'
)


def batch(*records: str, epoch: str = "e-1", gateway: str = "gw-7") -> bytes:
    text = f'{{"schema":"meterpost/records/1","gateway":"{gateway}","epoch":"{epoch}","records":[{",".join(records)}]}}'
    return text.encode()


def one(seq: int, second: int | None = None, value: str = "100") -> str:
    return RECORD % (seq, seq if second is None else second, value)


def message(*records: str, **more: str) -> Message:
    return parse(batch(*records, **more), "gw-7")


# ── messages ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("packed", [False, True])
def test_each_record_keeps_the_exact_text_that_came(packed: bool) -> None:
    texts = (one(1, value="230.100"), one(2, value="12345678901234567890.5"))
    data = batch(*texts)
    found = parse(zlib.compress(data) if packed else data, "gw-7")
    assert tuple(item.text for item in found.items) == texts
    assert found.items[1].record["values"] == {"1-0:1.8.1": Decimal("12345678901234567890.5")}


def test_blanks_and_the_order_of_members_do_not_matter() -> None:
    data = json.dumps(json.loads(batch(one(1), one(2))), indent=2)
    document = json.loads(data)
    turned = json.dumps(dict(reversed(document.items())), indent=1)
    for text in (data, turned, f"  {turned}\n"):
        assert [item.seq for item in parse(text.encode(), "gw-7").items] == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x78\x9c\x00",
        zlib.compress(batch(one(1)))[:-3],
        zlib.compress(b" " * (LARGEST * 10)),
        b" " * (LARGEST + 1),
        batch(one(1))[:-1],
        batch(one(1)) + b"x",
        batch(one(1), gateway="gw-8"),
        batch(one(1), epoch=""),
        batch(one(0)),
        batch("{}"),
        batch("5"),
        batch('{"seq":true}'),
        batch('{"seq":1,"values":NaN}'),
        batch("[" * 10_000),
        batch(one(1)).replace(b"records/1", b"records/2"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(data, "gw-7")


@given(st.binary(), st.integers(0, 400), st.integers(1, 255))
def test_any_bytes_are_a_message_or_a_bad_one(noise: bytes, place: int, flip: int) -> None:
    good = bytearray(batch(one(1), one(2)))
    good[place % len(good)] ^= flip
    for data in (noise, b"{" + noise, b"\x78" + noise, bytes(good)):
        try:
            found = parse(data, "gw-7")
        except BadMessage:
            continue
        for item in found.items:
            objection(item.record)


@pytest.mark.parametrize(
    "change",
    [{"point": None}, {"kind": "yearly"}, {"values": []}, {"values": {"x": "5"}}, {"at": 5}, {"kind": "event"},
     {"values": {"x": True}}, {"point": "a\x00"}],
)  # fmt: skip
def test_a_bad_record_is_told_why(change: dict[str, Any]) -> None:
    record = json.loads(one(1))
    assert objection(record) is None
    assert objection(record | change)


def test_a_receipt_has_ranges() -> None:
    found = json.loads(receipt("e-1", Outcome((3, 1, 2, 9), ((5, "bad-record", "x"),))))
    assert found["stored"] == [[1, 3], [9, 9]]
    assert found["refused"] == [{"seq": 5, "code": "bad-record", "text": "x"}]


# ── tables, on both databases ────────────────────────────────────────────


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own; it does not run as root, so as root it runs as its package's user."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not bins:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    real = bins[-1].parent
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    folder = Path(tempfile.mkdtemp(prefix="meterpost-pg-"))  # short: a socket's path has at most 107 octets
    port = free_port()
    as_user: list[str] = []
    if os.geteuid() == 0:
        if subprocess.run(["id", "postgres"], capture_output=True).returncode:
            pytest.skip("no user postgres: its server does not run as root")
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    run = {"check": True, "capture_output": True, "cwd": "/"}
    try:
        subprocess.run([*as_user, str(real / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"], **run)  # type: ignore[call-overload]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        start = [str(real / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"]
        subprocess.run([*as_user, *start], check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        stop = [str(real / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run([*as_user, *stop], **run)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "intake.db")
    url: str = request.getfixturevalue("postgres")
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS records; DROP TABLE IF EXISTS documents")
    return url


@pytest.fixture
def tables(where: str) -> Iterator[Tables]:
    made = Tables(open_database(where))
    yield made
    made.close()


def store(tables: Tables, *records: str, **more: str) -> Outcome:
    found = message(*records, **more)
    return tables.store(found, found.items)


def test_what_is_stored_reads_back_exactly(tables: Tables) -> None:
    assert store(tables, one(1, value="230.10"), one(2)) == Outcome((1, 2), ())
    assert [(row.gateway, row.epoch, row.seq) for row in tables.rows()] == [("gw-7", "e-1", 1), ("gw-7", "e-1", 2)]
    assert tables.rows()[0].record["values"] == {"1-0:1.8.1": Decimal("230.10")}


def test_the_same_number_twice_is_one_row_and_a_receipt_again(tables: Tables) -> None:
    for _ in range(3):
        assert store(tables, one(1), one(2)).stored == (1, 2)
    assert tables.count() == 2


def test_the_same_moment_from_a_new_epoch_is_one_row_and_a_receipt(tables: Tables) -> None:
    store(tables, one(7, second=1))
    assert store(tables, one(1, second=1), one(2), epoch="e-2").stored == (1, 2)
    assert [(row.epoch, row.seq) for row in tables.rows()] == [("e-1", 7), ("e-2", 2)]


def test_other_values_for_the_same_moment_are_refused_as_a_conflict(tables: Tables) -> None:
    store(tables, one(1))
    outcome = store(tables, one(5, second=1, value="101"), one(6))
    assert outcome.stored == (6,)
    assert [(seq, code) for seq, code, _ in outcome.refused] == [(5, "conflict")]
    assert tables.rows()[0].record["values"] == {"1-0:1.8.1": 100}


def test_another_record_under_a_known_number_is_refused_as_a_conflict(tables: Tables) -> None:
    store(tables, one(1))
    outcome = store(tables, one(1, second=9))
    assert outcome.stored == () and outcome.refused[0][:2] == (1, "conflict")


def test_the_same_moment_twice_in_one_batch_is_one_row(tables: Tables) -> None:
    assert store(tables, one(1, second=1), one(2, second=1)).stored == (1, 2)
    assert tables.count() == 1


def test_gateways_do_not_know_each_others_numbers(tables: Tables) -> None:
    store(tables, one(1))
    other = parse(batch(one(1, value="7"), gateway="gw-8"), "gw-8")
    assert tables.store(other, other.items).stored == (1,)
    assert tables.count() == 2


def test_events_of_one_second_are_told_apart_by_their_number(tables: Tables) -> None:
    event = '"values":{},"event":{"code":"power-off","maker":null,"text":null,"n":%d}'
    texts = [one(seq, second=1).replace('"now"', '"event"').replace('"values":{"1-0:1.8.1":100}', event % seq)
             for seq in (1, 2)]  # fmt: skip
    assert store(tables, *texts).stored == (1, 2)
    assert tables.count() == 2


def test_documents_keep_their_latest_text(tables: Tables) -> None:
    tables.keep("gw-7", "state", "", '{"pending":1}')
    tables.keep("gw-7", "state", "", '{"pending":2}')
    assert tables.document("gw-7", "state") == {"pending": 2}
    assert tables.document("gw-8", "state") is None


def test_two_workers_storing_the_same_at_once_leave_one_row(where: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    workers = [Tables(open_database(where)) for _ in range(2)]

    def work(worker: Tables) -> list[Outcome]:
        return [store(worker, *(one(seq, second=seq % 60) for seq in range(first, first + 5)))
                for first in range(1, 50, 5)]  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(work, workers))
    assert all(len(outcome.stored) == 5 and not outcome.refused for found in outcomes for outcome in found)
    assert workers[0].count() == 50
    for worker in workers:
        worker.close()
