"""How small files are put beside the database: whole, for their owner, and never through what lies there already."""

import os
from pathlib import Path

import pytest

from buffer.files import hand_over, put

OWNER = 4711


def victim(folder: Path) -> Path:
    file = folder / "victim"
    file.write_bytes(b"of someone else")
    file.chmod(0o644)
    return file


def test_a_file_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "note"
    for octets in (b"one", b"two", b""):
        put(file, octets)
        assert file.read_bytes() == octets
        assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["note"]


def test_links_that_lie_there_are_replaced_and_not_followed(tmp_path: Path) -> None:
    """The service's folder, and a command that root gives."""
    other, file = victim(tmp_path), tmp_path / "note"
    for link in (file, tmp_path / ".note.new"):
        link.symlink_to(other)
    put(file, b"ours")
    assert other.read_bytes() == b"of someone else"
    assert file.read_bytes() == b"ours" and not file.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_hands_over_is_the_link_and_not_its_target(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    other = victim(tmp_path)
    (folder / "store.db-wal").symlink_to(other)
    put(folder / "note", b"of root")
    os.chown(folder, OWNER, OWNER)
    put(folder / "later", b"of root")
    hand_over(folder / "store.db-wal")
    hand_over(folder / "missing")
    owners = {file.name: file.lstat().st_uid for file in folder.iterdir()}
    assert owners == {"store.db-wal": OWNER, "note": 0, "later": OWNER}
    assert other.stat().st_uid == 0


def test_a_disk_that_says_no_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "note"
    put(file, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put(file, b"new")
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["note"]
