"""``meterpost read``: exact figures, the right units; an exit code that says whose fault it is; Ctrl-C."""

import os
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from agent.cli.read import _shown
from agent.exits import Exit, all_failed, meter_code
from agent.line.port import Port, PortForbidden, PortHeld
from protocols.errors import NoReply
from tests.cli.conftest import Run, change, serving


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("1-0:1.8.0", 2000100, ("2000.100", "kWh")),
        ("1-0:1.8.1", 7, ("0.007", "kWh")),
        ("1-0:1.8.0", Decimal("1234567.8"), ("1234.5678", "kWh")),
        ("1-0:3.8.0", 1000, ("1.000", "kvarh")),
        ("1-0:2.29.0", 500, ("0.500", "kWh")),
        ("1-0:16.7.0", Decimal("-5530.95"), ("-5530.95", "W")),
        ("1-0:56.7.0", 10, ("10", "W")),
        ("1-0:151.7.0", 10, ("10", "var")),
        ("1-0:69.7.0", 10, ("10", "VA")),
        ("1-0:52.7.0", Decimal("230.10"), ("230.1", "V")),
        ("1-0:71.7.0", Decimal("0.069"), ("0.069", "A")),
        ("1-0:33.7.0", Decimal("0.97"), ("0.97", "")),
        ("1-0:14.7.0", Decimal("49.99"), ("49.99", "Hz")),
    ],
)
def test_a_register_is_shown_exactly_and_with_its_unit(code: str, value: int | Decimal, shown: tuple[str, str]) -> None:
    assert _shown(code, value) == shown


@pytest.fixture
def line(house: Path) -> Iterator[tuple[str, int]]:
    """A pseudo-terminal in the place of the house's adapter, and its other end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    change(house, str(house.parent / "ttyUSB0"), os.ttyname(slave))
    yield os.ttyname(slave), master
    os.close(slave)
    os.close(master)


def test_a_port_that_another_program_has_ends_with_75(run: Run, house: Path, line: tuple[str, int]) -> None:
    with closing(Port(line[0])):
        done = run("read", "-c", str(house), "--json")
    assert done.code == 75
    (failed,) = done.document["failed"]
    assert failed["point"] == "flat-12" and "another program" in failed["error"] and failed["hint"]
    assert done.document["records"] == []


def test_a_port_that_may_not_be_opened_ends_with_77(
    run: Run, house: Path, line: tuple[str, int], mocker: MockerFixture
) -> None:
    mocker.patch("serial.Serial", side_effect=PermissionError(13, "Permission denied"))
    done = run("read", "-c", str(house))
    assert (done.code, done.out) == (77, "")
    assert done.err.startswith("flat-12: port:") and "permission denied" in " ".join(done.err.split())


def test_a_port_that_is_not_there_ends_with_74(run: Run, house: Path) -> None:
    (house.parent / "ttyUSB0").unlink()
    done = run("read", "-c", str(house))
    assert (done.code, done.out) == (74, "")
    assert "no such port" in " ".join(done.err.split())


@pytest.fixture
def secrets_of_the_service(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Password files that this person may not read, as in the group ``meterpost`` without sudo."""
    (house.parent / "a.secret").write_text("222222\n", encoding="utf-8")
    (house.parent / "a.secret").chmod(0o600)
    change(house, "[[bus]]", 'username = "gw"\npassword_file = "a.secret"\n\n[[bus]]')
    change(house, "ratio = 20", 'password_file = "a.secret"')
    monkeypatch.setattr("agent.config.secret.os.access", lambda path, mode: False)


@pytest.mark.usefixtures("secrets_of_the_service")
def test_the_daemon_is_asked_without_its_passwords(run: Run, house: Path) -> None:
    asked = []

    def peek(args: dict[str, Any]) -> dict[str, list[Any]]:
        asked.append(args["points"])
        return {"records": [], "failed": [], "trace": []}

    with serving(house, peek=peek):
        assert run("read", "-c", str(house)).code == 0
    assert asked == [None]


@pytest.mark.usefixtures("secrets_of_the_service")
def test_no_meter_is_asked_without_its_own_password(run: Run, house: Path, line: tuple[str, int]) -> None:
    """Another one than its own, the maker's for instance, may lock it."""
    done = run("read", "-c", str(house))
    assert (done.code, done.out) == (77, "")
    assert "meter[1].password_file" in done.err
    os.set_blocking(line[1], False)
    with pytest.raises(BlockingIOError):
        os.read(line[1], 1)  # nothing was sent


@pytest.mark.usefixtures("secrets_of_the_service")
def test_what_needs_no_password_does_without(run: Run, house: Path) -> None:
    done = run("status", "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert run("doctor", "-c", str(house)).code == run("check", "-c", str(house)).code == 77


@pytest.mark.parametrize(
    ("troubles", "code"),
    [
        ([PortHeld("held")] * 2, Exit.LATER),
        ([PortForbidden("closed")], Exit.PERMISSION),
        ([PortHeld("held"), PortForbidden("closed")], Exit.IO),
        ([PortHeld("held"), NoReply("silent")], Exit.SOME_FAILED),
        ([NoReply("silent")], Exit.SOME_FAILED),
        ([], Exit.SOME_FAILED),
    ],
)
def test_the_ports_own_code_is_given_where_no_meter_could_be_asked(
    troubles: list[NoReply | PortHeld | PortForbidden], code: Exit
) -> None:
    assert all_failed([meter_code(trouble) for trouble in troubles]) is code


@pytest.mark.slow
def test_ctrl_c_ends_a_read_after_the_exchange_under_way(house: Path, line: tuple[str, int]) -> None:
    """Of twenty meters that do not answer only the first is still being asked."""
    more = house.read_text(encoding="utf-8").partition("[[meter]]")[2]
    extra = [f"[[meter]]{more}".replace("flat-12", f"flat-{n}").replace("= 45", f"= {n}") for n in range(100, 119)]
    extra = [text.replace("23456789", f"234567{n}") for n, text in enumerate(extra, 10)]
    house.write_text(house.read_text(encoding="utf-8") + "".join(extra), encoding="utf-8")
    command = [sys.executable, "-m", "agent", "read", "-c", str(house)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as read:
        sent = os.read(line[1], 100)
        read.send_signal(signal.SIGINT)
        out, err = read.communicate(timeout=30)
    os.set_blocking(line[1], False)
    with suppress(BlockingIOError):
        sent += os.read(line[1], 4096)
    assert (read.returncode, out, err) == (1, "", "interrupted\n")
    assert sent[0] == 45 and not set(sent) & set(range(100, 119))
