"""The socket on which commands ask the daemon: who does not answer is not waited for."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.control import unix_socket
from agent.control.unix_socket import ControlServer, NoAnswer, NotRunning, ask_daemon


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a daemon whose process is stopped: the kernel still takes connections for it."""
    for op in ("status", "alive"):
        monkeypatch.setitem(unix_socket.PATIENCE, op, 0.1)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
        line.bind(str(tmp_path / unix_socket.NAME))
        line.listen(1)
        yield line


@pytest.mark.slow
@pytest.mark.usefixtures("stopped")
def test_a_stopped_daemon_does_not_hold_up_a_quick_question(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="has not answered within"):
        ask_daemon(tmp_path, "status")


@pytest.mark.slow
@pytest.mark.parametrize("op", ["enter", "read", "pause", "resume"])
def test_what_is_to_be_done_is_not_even_asked_of_a_stopped_daemon(
    tmp_path: Path, stopped: socket.socket, op: str
) -> None:
    with pytest.raises(NoAnswer, match="has not answered within"):
        ask_daemon(tmp_path, op, point="cellar")
    client, _ = stopped.accept()
    with client, client.makefile("rb") as asked:
        assert [json.loads(line)["op"] for line in asked] == ["alive"]
    stopped.setblocking(False)
    with pytest.raises(BlockingIOError):
        stopped.accept()


def test_a_daemon_of_an_older_version_is_alive_too(tmp_path: Path) -> None:
    def unknown(asked: object) -> object:
        raise ValueError("not understood; is the command of the same version as the daemon?")

    server = ControlServer(tmp_path, {"enter": lambda asked: asked["point"], "alive": unknown})
    try:
        assert ask_daemon(tmp_path, "enter", point="cellar") == "cellar"
    finally:
        server.close()


@pytest.mark.usefixtures("stopped")
def test_a_stopped_daemon_that_nobody_can_reach_any_more_is_no_missing_one(tmp_path: Path) -> None:
    waiting = []
    for _ in range(3):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.setblocking(False)
        line.connect_ex(str(tmp_path / unix_socket.NAME))
        waiting.append(line)
    with pytest.raises(NoAnswer, match="takes no more questions"):
        ask_daemon(tmp_path, "status")
    for line in waiting:
        line.close()


def test_without_a_daemon_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        ask_daemon(tmp_path, "status")


def test_what_changes_nothing_but_memory_is_not_waited_for_as_an_archive_is() -> None:
    assert all(unix_socket.PATIENCE[op] <= 10 for op in ("status", "pause", "resume"))
    assert "read" not in unix_socket.PATIENCE and unix_socket.LONGEST_ANSWER >= 600


def test_an_answer_is_the_handlers_own(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, {"status": dict})
    try:
        assert json.dumps(ask_daemon(tmp_path, "status", deep=True)) == '{"deep": true}'
    finally:
        server.close()


def test_a_daemon_that_ends_while_it_is_asked_is_told_in_words(tmp_path: Path) -> None:
    def hang_up(line: socket.socket) -> None:
        with line.accept()[0] as client:
            client.recv(1000)

    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
        line.bind(str(tmp_path / unix_socket.NAME))
        line.listen(1)
        ending = threading.Thread(target=hang_up, args=(line,))
        ending.start()
        with pytest.raises(NoAnswer, match="ended while it was asked"):
            ask_daemon(tmp_path, "status")
        ending.join()
