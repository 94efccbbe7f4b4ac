"""``meterpost records`` by hand: counting, export, sending again, and what stands in the way, without a daemon."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from buffer.store import Store
from tests.buffer.plant import opened, readings
from tests.cli.conftest import Run

LOOKS = [("list",), ("list", "--json"), ("stats",), ("export",), ("resend", "1")]


def preload(house: Path, count: int) -> Path:
    """The state folder with this many records, the first two confirmed, as a daemon that has ended leaves it."""
    state = house.parent / "state"
    with closing(opened(state)) as store:
        store.put(readings(1, count))
        store.confirm([(1, 2)])
    return state


def counts(run: Run, house: Path) -> dict[str, int]:
    document: dict[str, int] = run("records", "stats", "-c", str(house), "--json").document
    return document


@pytest.mark.parametrize("look", LOOKS)
def test_where_no_store_is_none_is_made(run: Run, house: Path, look: tuple[str, ...]) -> None:
    done = run("records", *look, "-c", str(house))
    assert (done.code, done.out) == (1, "")
    assert "no store in" in done.err
    assert not list((house.parent / "state").iterdir())


@pytest.mark.parametrize("look", LOOKS)
def test_a_newer_programs_store_ends_with_78_untouched(run: Run, house: Path, look: tuple[str, ...]) -> None:
    state = preload(house, 3)
    with closing(sqlite3.connect(state / "store.db")) as db:
        db.execute("PRAGMA user_version = 99")
    before = {file.name: file.read_bytes() for file in state.iterdir()}
    done = run("records", *look, "-c", str(house))
    assert (done.code, done.out) == (78, "")
    assert "newer meterpost" in done.err
    assert run("status", "-c", str(house)).code == 78
    assert {file.name: file.read_bytes() for file in state.iterdir()} == before


def test_the_oldest_pending_one_has_the_gateways_local_time(run: Run, house: Path) -> None:
    preload(house, 3)
    assert run("records", "stats", "-c", str(house)).out.endswith("oldest pending: 2026-11-21 15:03:00\n")


def test_without_a_daemon_records_are_put_back_in_the_store(run: Run, house: Path) -> None:
    preload(house, 5)
    assert counts(run, house)["confirmed"] == 2
    done = run("records", "resend", "1", "2", "-c", str(house))
    assert (done.code, done.out) == (0, "2 records wait to be sent again\n")
    assert (counts(run, house)["confirmed"], counts(run, house)["pending"]) == (0, 5)


def test_what_cannot_be_sent_again_is_told(run: Run, house: Path) -> None:
    preload(house, 5)
    assert run("records", "resend", "6", "9", "-c", str(house)).code == 1
    backwards = run("records", "resend", "5", "1", "-c", str(house))
    assert (backwards.code, backwards.out) == (2, "")
    assert "1 comes before 5" in backwards.err
    assert counts(run, house)["confirmed"] == 2


def test_while_another_program_has_the_store_75_says_try_again(run: Run, house: Path) -> None:
    state = preload(house, 5)
    with closing(opened(state)):
        done = run("records", "resend", "1", "-c", str(house))
    assert done.code == 75
    assert str(os.getpid()) in done.err


def test_csv_has_a_line_a_register_and_json_lines_a_line_a_record(run: Run, house: Path) -> None:
    preload(house, 3)
    rows = list(csv.DictReader(io.StringIO(run("records", "export", "-c", str(house)).out)))
    assert len(rows) == 9
    assert (rows[0]["seq"], rows[0]["state"], rows[0]["point"]) == ("1", "confirmed", "flat-1")
    assert [(row["obis"], row["value"]) for row in rows[6:]] == [
        ("1-0:1.8.0", "2000103"),
        ("1-0:1.8.1", "1000003"),
        ("1-0:32.7.0", "230.1"),
    ]
    lines = run("records", "export", "--format", "jsonl", "--from-seq", "2", "-c", str(house)).out.splitlines()
    assert [(record["seq"], record["state"]) for record in map(json.loads, lines)] == [(2, "confirmed"), (3, "pending")]
    pending = run("records", "export", "--format", "jsonl", "--state", "pending", "-c", str(house)).out
    assert json.loads(pending)["seq"] == 3
    file = house.parent / "readings.csv"
    assert run("records", "export", "-o", str(file), "-c", str(house)).out == ""
    assert len(file.read_text(encoding="utf-8").splitlines()) == 10
    assert run("records", "export", "-o", str(house.parent / "no" / "folder.csv"), "-c", str(house)).code == 74


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_reader_that_has_seen_enough_ends_an_export_quietly(house: Path, form: str) -> None:
    preload(house, 3000)
    command = [sys.executable, "-m", "agent", "records", "export", "--format", form, "-c", str(house)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None and export.stderr is not None
        assert export.stdout.readline()
        export.stdout.close()
        said = export.stderr.read()
    assert (export.returncode, said) == (0, b"")


def test_a_store_that_was_opened_to_look_is_still_whole(run: Run, house: Path) -> None:
    state = preload(house, 4)
    for look in LOOKS[:4]:
        assert run("records", *look, "-c", str(house)).code == 0
    with closing(Store.open(state, now=lambda: readings(1, 1)[0].at, reserve=0)) as store:
        assert store.last_seq == 4 and not store.events
