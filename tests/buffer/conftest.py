from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.buffer.plant import NoDisk, disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real ext4 of 12 MiB on a loop device; skipped where that is not allowed."""
    try:
        with disk(tmp_path, 12) as mount:
            yield mount
    except NoDisk as why:
        pytest.skip(str(why))
