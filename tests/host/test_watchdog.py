"""The service manager's watchdog is fed only while every part of the daemon makes progress."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.host import watchdog
from agent.host.watchdog import STUCK

NOW = 1000.0


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager that watches this process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield listening


def fed(manager: socket.socket) -> bool:
    try:
        return manager.recv(100) == b"WATCHDOG=1"
    except BlockingIOError:
        return False


def test_while_all_make_progress_it_is_fed(manager: socket.socket) -> None:
    watchdog.feed(NOW, {"publisher": NOW, "store": NOW - STUCK, "riser-1": NOW, "riser-2": NOW - STUCK + 1})
    assert fed(manager)


@pytest.mark.parametrize("part", ["riser-2", "publisher", "store"])
def test_one_stuck_part_among_moving_ones_starves_it_and_is_named(
    manager: socket.socket, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    watchdog.feed(NOW, {"riser-1": NOW, "riser-2": NOW, "publisher": NOW, "store": NOW} | {part: NOW - STUCK - 1})
    assert not fed(manager)
    assert part in caplog.text and "riser-1" not in caplog.text
