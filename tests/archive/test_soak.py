"""A small version of the benchmark ``soak``: days of a bus with outages, and nothing grows."""

from pathlib import Path

import pytest

from benchmarks.soak import soak


@pytest.mark.slow
def test_days_of_polls_outages_and_filling_leave_memory_descriptors_and_store_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    done = soak(tmp_path / "state", days=16, meters=3, seed=3, keep=4)
    settled, last = done.looks[7], done.looks[-1]
    assert done.outages and not done.missing and done.stored > 3 * 16 * 48
    assert last.descriptors <= settled.descriptors
    assert last.memory - settled.memory < 8.0
    assert last.store <= settled.store * 1.15
