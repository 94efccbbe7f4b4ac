from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.fakes import House
from tests.support.broker import Broker


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as running:
        yield running
