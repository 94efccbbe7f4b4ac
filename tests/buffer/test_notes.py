"""The list of durable facts: the page shows it, nothing else writes a key, and several notes are one transaction."""

import ast
from pathlib import Path

import pytest

from agent.meters import pauses
from buffer.notes import NOTES
from buffer.store import Store
from tests.buffer.plant import opened
from tests.docs.pages import ROOT, column, section

CODE = sorted(path for folder in ("agent", "buffer") for path in (ROOT / folder).glob("**/*.py"))


def test_the_page_of_the_store_lists_every_note() -> None:
    table = section("docs/store.md", "What is kept beside the records")
    found = list(zip(column(table), column(table, 1), column(table, 2), strict=True))
    assert found == [(f"`{one.key}{one.about}`", "yes" if one.checksummed else "no", one.says) for one in NOTES]


def test_no_key_begins_as_another_one_does() -> None:
    keys = [note.key for note in NOTES]
    assert not [(one, other) for one in keys for other in keys if one != other and other.startswith(one)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_keys_of_notes_are_written_in_one_place_only(path: Path) -> None:
    if path.name == "notes.py":
        return
    texts = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    keys = {note.key for note in NOTES if note.key.endswith(":") or "-" in note.key}
    assert not keys & {text for text in texts if isinstance(text, str)}


def test_a_hundred_paused_points_are_one_commit(tmp_path: Path) -> None:
    store: Store = opened(tmp_path)
    points = [f"flat-{number}" for number in range(100)]
    before = commits(tmp_path)
    pauses.keep(store, points, True)
    assert commits(tmp_path) == before + 1
    assert len(store.notes("paused:")) == 100
    pauses.keep(store, points, False)
    assert commits(tmp_path) == before + 2 and store.notes("paused:") == {}
    store.close()


def commits(folder: Path) -> int:
    """Transactions in the store's write-ahead log: frames that carry a database size (SQLite file format, §4.1)."""
    log = (folder / "store.db-wal").read_bytes()
    size = 24 + int.from_bytes(log[8:12], "big")
    return sum(log[at + 4 : at + 8] != bytes(4) for at in range(32, len(log), size))
