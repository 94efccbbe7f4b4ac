"""The port on real ptys and sockets: exclusive, re-settable while open, tolerant of what a pty refuses."""

import contextlib
import os
import socket
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from agent.line.port import Port, PortForbidden, PortHeld
from protocols.errors import LinkLost
from protocols.session import Line


@pytest.fixture
def pair() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for number in (master, slave):
        with contextlib.suppress(OSError):
            os.close(number)


def test_bytes_go_both_ways(pair: tuple[int, str]) -> None:
    master, path = pair
    port = Port(path)
    port.write(b"\x01\x02")
    assert os.read(master, 10) == b"\x01\x02"
    os.write(master, b"\x03")
    assert port.read(1.0) == b"\x03"
    assert port.read(0.0) == b""
    port.close()


def test_the_port_is_exclusively_ours(pair: tuple[int, str]) -> None:
    _, path = pair
    port = Port(path)
    with pytest.raises(PortHeld, match="another program"):
        Port(path)
    port.close()
    Port(path).close()


@pytest.mark.parametrize("form", ["7E1", "8E1", "8N1", "8O1", "8N2"])
def test_a_pty_that_keeps_no_parity_is_opened_all_the_same_and_again(pair: tuple[int, str], form: str) -> None:
    _, path = pair
    for _ in range(2):
        port = Port(path, Line(9600, form))
        assert port.line == Line(9600, form)
        port.close()


def test_speed_changes_on_the_open_port_and_what_came_survives(pair: tuple[int, str]) -> None:
    master, path = pair
    port = Port(path, Line(300, "7E1"))
    os.write(master, b"/EKT5CE303v1\r\n")
    port.set_line(Line(9600, "7E1"))
    assert termios.tcgetattr(master)[5] == termios.B9600
    assert port.read(1.0) == b"/EKT5CE303v1\r\n"
    port.close()


def test_stale_octets_are_thrown_away_and_counted(pair: tuple[int, str]) -> None:
    master, path = pair
    port = Port(path)
    os.write(master, b"noise")
    assert len(port.discard()) == 5 and port.read(0) == b""
    port.close()


def test_a_vanished_adapter_is_a_lost_link(pair: tuple[int, str]) -> None:
    master, path = pair
    port = Port(path)
    os.close(master)
    with pytest.raises(LinkLost):
        port.read(1.0)
    with pytest.raises(LinkLost):
        port.write(b"\x00")
        port.read(0)
    port.close()


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="no such port"):
        Port(str(tmp_path / "ttyUSB9"))


def test_a_port_that_may_not_be_opened_says_so(mocker: MockerFixture) -> None:
    mocker.patch("serial.Serial", side_effect=PermissionError(13, "Permission denied"))
    with pytest.raises(PortForbidden, match="group"):
        Port("/dev/ttyUSB0")


def test_a_kind_of_port_that_the_service_is_kept_off_says_so(mocker: MockerFixture) -> None:
    mocker.patch("serial.Serial", side_effect=PermissionError(1, "Operation not permitted"))
    with pytest.raises(PortForbidden, match="DeviceAllow"):
        Port("/dev/ttyUSB0")


@pytest.mark.parametrize("url", ["/dev/null", "socket://127.0.0.1:1", "hwgrep://no-such-adapter", "nonsense://x"])
def test_what_is_no_serial_port_is_refused_in_words(url: str) -> None:
    with pytest.raises(LinkLost):
        Port(url)


@pytest.mark.slow
def test_a_converter_behind_tcp_is_a_port_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port(f"socket://127.0.0.1:{server.getsockname()[1]}")
        client, _ = server.accept()
        port.write(b"ask")
        assert client.recv(10) == b"ask"
        client.sendall(b"answer")
        assert port.read(2.0) == b"answer"
        port.set_line(Line(2400, "8O1"))
        client.close()
        with pytest.raises(LinkLost):
            port.read(2.0)
        port.close()
