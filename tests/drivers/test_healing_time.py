"""How well the line is used while archives are read: the promise of ``make bench``, in fake time."""

from pathlib import Path

import pytest

from benchmarks import heal


@pytest.mark.slow
@pytest.mark.parametrize("multiplier", [1, 5])
def test_thirty_days_from_a_mercury_take_little_more_than_the_wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multiplier: int
) -> None:
    monkeypatch.setattr("tests.support.archive_bus.SETTINGS", {"multiplier": multiplier})
    found = heal.mercury(tmp_path, multiplier)
    assert found.rows >= 30 * 48
    assert found.ratio >= heal.LEAST


@pytest.mark.slow
def test_thirty_days_from_a_spodes_meter_take_little_more_than_the_wire(tmp_path: Path) -> None:
    found = heal.spodes(tmp_path)
    assert found.rows >= 30 * 48
    assert found.ratio >= heal.LEAST
