"""Every command that asks the daemon does it in one way: the same answer has the same exit code and the same form."""

import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.control import unix_socket
from tests.cli.conftest import Run, serving

ASKING: Mapping[str, tuple[str, ...]] = {
    "status": (),
    "read": ("flat-12",),
    "pause": ("flat-12",),
    "resume": ("flat-12",),
    "fill": ("flat-12", "--from", "2026-11-01"),
    "clock": ("set", "flat-12"),
    "records": ("resend", "1"),
    "enter": ("cellar", "T1=100"),
    "exchange": ("make", "2026-10-05"),
}
"""Commands and what they are called with. ``statement`` and ``replace`` go on after a no: their own
tests show it."""
OPS = {"clock": "set-clock", "read": "peek", "records": "resend"}
BESIDE = """

[exchange]
inn = "7707083893"
name = "ООО «Ромашка»"
area_inn = "7707083893"
area_name = "АИИС КУЭ"

[[meter]]
point = "cellar"
driver = "manual"
serial = "1234567"
tariffs = { T1 = "day" }
"""


@pytest.fixture
def gateway(house: Path) -> Path:
    house.write_text(house.read_text("utf-8") + BESIDE, encoding="utf-8")
    return house


@pytest.mark.parametrize("command", ASKING)
def test_what_the_daemon_refuses_ends_with_1_and_its_words(run: Run, gateway: Path, command: str) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("this is not to be had")

    with serving(gateway, **{OPS.get(command, command): refuse}):
        done = run(command, *ASKING[command], "-c", str(gateway))
    assert (done.code, done.out, done.err) == (1, "", "error: this is not to be had\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ASKING)
def test_a_daemon_that_does_not_answer_in_time_ends_with_75_and_a_hint(
    run: Run, gateway: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for op in ("alive", "status"):
        monkeypatch.setitem(unix_socket.PATIENCE, op, 0.1)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as stopped:
        stopped.bind(str(gateway.parent / "state" / unix_socket.NAME))
        stopped.listen(1)
        done = run(command, *ASKING[command], "-c", str(gateway))
    assert (done.code, done.out) == (75, "")
    assert done.err.startswith("error: the daemon has not answered within 0 s") and "\nhint: " in done.err


@pytest.mark.parametrize("command", ASKING)
def test_a_socket_that_one_may_not_open_ends_with_77(
    run: Run, gateway: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    class Closed(socket.socket):
        def connect(self, address: Any) -> None:
            raise PermissionError(13, "Permission denied", address)

    with serving(gateway):
        monkeypatch.setattr(socket, "socket", Closed)  # root may connect to everything
        done = run(command, *ASKING[command], "-c", str(gateway))
        monkeypatch.undo()
    assert (done.code, done.out) == (77, "")
    assert "you may not ask the daemon (try sudo)" in " ".join(done.err.split())


@pytest.mark.parametrize("command", ["fill", "clock"])
def test_what_only_a_daemon_can_do_says_so_without_one(run: Run, gateway: Path, command: str) -> None:
    done = run(command, *ASKING[command], "-c", str(gateway))
    assert (done.code, done.out) == (1, "")
    assert "no daemon runs in" in " ".join(done.err.split()) and "hint: sudo systemctl start" in done.err


@pytest.mark.parametrize("command", ["read", "status", "fill"])
def test_with_json_a_refusal_leaves_stdout_empty(run: Run, gateway: Path, command: str) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("this is not to be had")

    with serving(gateway, **{OPS.get(command, command): refuse}):
        done = run(command, *ASKING[command], "--json", "-c", str(gateway))
    assert (done.code, done.out, done.err) == (1, "", "error: this is not to be had\n")
