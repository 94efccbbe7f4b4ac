from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.fakes import House
from tests.support.broker import Broker


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "state"
    folder.mkdir()
    made = House(folder)
    yield made
    made.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as running:
        yield running
