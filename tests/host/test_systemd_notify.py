"""What systemd hears from the daemon."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config.load import load
from agent.daemon import Daemon
from agent.host import systemd
from tests.support.files import FLAT


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's socket under a path or in the abstract name space."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@meterpost-{os.getpid()}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_it_says_that_it_is_ready_and_that_it_ends(manager: socket.socket) -> None:
    systemd.ready("5 meters on 2 buses")
    assert heard(manager) == ["READY=1", "STATUS=5 meters on 2 buses"]
    systemd.ready()
    assert heard(manager) == ["READY=1"]
    systemd.ready("все счётчики отвечают")
    assert heard(manager) == ["READY=1", "STATUS=все счётчики отвечают"]
    systemd.stopping()
    assert heard(manager) == ["STOPPING=1"]


def test_a_reload_carries_its_time(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    word, stamp = heard(manager)
    assert word == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_line_feed_in_a_text_forges_no_field(manager: socket.socket) -> None:
    systemd.ready("one\nMAINPID=1")
    assert heard(manager) == ["READY=1", "STATUS=one MAINPID=1"]


def test_the_watchdog_is_fed_only_where_one_is_asked_for(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    systemd.watchdog()
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    systemd.watchdog()
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    systemd.watchdog()
    manager.setblocking(False)
    assert heard(manager) == ["WATCHDOG=1"]
    with pytest.raises(BlockingIOError):
        manager.recv(1)


@pytest.mark.parametrize(
    ("microseconds", "seconds"),
    [("60000000", 60.0), ("1500000", 1.5), ("", None), ("0", None), ("-5", None), ("often", None), ("²", None)],
)
def test_the_interval_comes_in_microseconds(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, seconds: float | None
) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert systemd.watchdog_interval() == seconds


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@no one-listens-here", "/" + "x" * 200])
def test_without_a_listening_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    systemd.ready("unheard")


def test_without_a_socket_in_the_environment_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready()


@pytest.mark.slow
def test_a_faulty_file_shows_in_the_status_until_it_is_mended(tmp_path: Path, manager: socket.socket) -> None:
    file = tmp_path / "meterpost.toml"
    file.write_text(FLAT)
    told: list[str] = []
    daemon = Daemon(load(file), file)
    try:
        for text in (FLAT.replace("address", "adress"), FLAT.replace("gw-1", "gw-2"), FLAT):
            file.write_text(text)
            daemon.in_force.reload()
            heard(manager)  # it reloads
            told.append(heard(manager)[-1])
    finally:
        daemon.close()
    running, unused = "STATUS=1 meters on 1 buses", "; the changed configuration is not used, see the log"
    assert told == [running + unused, running + unused, running]
