"""The service manager's watchdog is fed only while every part of the daemon makes progress."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import daemon as module
from agent.config.load import load
from agent.daemon import STUCK, Daemon
from agent.host.clock import SystemClock
from tests.support.files import FLAT


class Part:
    """A worker as the watchdog sees it."""

    def __init__(self, name: str, alive: float) -> None:
        self.bus, self.alive, self.meters = self, alive, ()
        self.name = name


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Daemon]:
    """Built, not started: nothing moves but what a test moves."""
    file = tmp_path / "meterpost.toml"
    file.write_text(FLAT, encoding="utf-8")
    daemon = Daemon(load(file), clock=SystemClock(trust=True))
    yield daemon
    daemon.buses.workers = []
    daemon.close()


def says(monkeypatch: pytest.MonkeyPatch, part: object, name: str, value: object) -> None:
    """From now on, whatever its thread notes."""
    monkeypatch.setattr(type(part), name, property(lambda _: value, lambda *_: None), raising=False)


@pytest.fixture
def fed(house: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times: list[float] = []
    monkeypatch.setattr(module.systemd, "watchdog", lambda: times.append(house.clock.monotonic()))
    for part in (house.publisher, house.writer):
        says(monkeypatch, part, "alive", house.clock.monotonic())
    return times


@pytest.mark.slow
def test_while_all_make_progress_it_is_fed(house: Daemon, fed: list[float]) -> None:
    now = house.clock.monotonic()
    house.buses.workers = [Part("riser-1", now), Part("riser-2", now - STUCK + 1)]  # type: ignore[list-item]
    house.look_after()
    assert len(fed) == 1


def test_one_stuck_worker_among_moving_ones_starves_it(
    house: Daemon, fed: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    now = house.clock.monotonic()
    house.buses.workers = [Part("riser-1", now), Part("riser-2", now - STUCK - 1)]  # type: ignore[list-item]
    house.look_after()
    assert fed == []
    assert "riser-2" in caplog.text and "riser-1" not in caplog.text


@pytest.mark.parametrize("part", ["publisher", "writer"])
def test_a_stuck_publisher_or_store_starves_it_too(
    house: Daemon, fed: list[float], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    long_ago = house.clock.monotonic() - STUCK - 1
    says(monkeypatch, getattr(house, part), "alive", long_ago)
    house.look_after()
    assert fed == []


def test_a_worker_that_waits_for_the_disk_is_not_taken_for_a_stuck_one(
    house: Daemon, fed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = house.clock.monotonic()
    says(monkeypatch, house.writer, "trouble", "no room")
    house.buses.workers = [Part("riser-1", now - STUCK - 1)]  # type: ignore[list-item]
    house.look_after()
    assert len(fed) == 1
