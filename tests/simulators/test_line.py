"""Simulated lines through the kernel's pseudo-terminals and sockets, as clients meet them."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial

from protocols.session import Line
from simulators.faults import Fault, Faults
from simulators.line import PtyLine, TcpLine
from tests.support.waiting import until


@dataclass
class Meter:
    letter: bytes = b"a"
    reply: bytes = b"answer"
    delay: float = 0.005

    def answer(self, request: bytes) -> bytes:
        return self.reply if request.startswith(self.letter) else b""


def ask(port: serial.SerialBase, size: int, request: bytes = b"a?") -> bytes:
    port.write(request)
    return bytes(port.read(size))


def test_meters_answer_through_the_links_name(tmp_path: Path) -> None:
    link = tmp_path / "ttyMETER"
    with (
        PtyLine([Meter(), Meter(b"b", b"from b")], link=link) as line,
        serial.Serial(str(link), 9600, timeout=2) as port,
    ):
        assert ask(port, 6) == b"answer"
        assert ask(port, 6, b"b?") == b"from b"
        assert line.traffic.requests == line.traffic.answers == 2
    assert not link.is_symlink()


def test_clients_come_and_go(tmp_path: Path) -> None:
    with PtyLine([Meter()], link=tmp_path / "line"):
        for _ in range(3):
            with serial.Serial(str(tmp_path / "line"), 9600, timeout=2) as port:
                assert ask(port, 6) == b"answer"


def test_a_stale_link_is_replaced_and_a_foreign_one_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "line"
    link.symlink_to("/dev/null")
    line = PtyLine([Meter()], link=link)
    line.start()
    assert link.readlink() != Path("/dev/null")
    link.unlink()
    link.symlink_to("/dev/null")
    line.stop()
    line.stop()
    assert link.readlink() == Path("/dev/null")


def test_a_private_name_is_made_where_none_is_given() -> None:
    with PtyLine([Meter()]) as line, serial.Serial(str(line.path), 9600, timeout=2) as port:
        assert ask(port, 6) == b"answer"
    assert not line.path.parent.exists()


def test_an_unplugged_adapter_is_an_error_and_comes_back_under_its_name(tmp_path: Path) -> None:
    link = tmp_path / "line"
    with PtyLine([Meter()], link=link) as line:
        with serial.Serial(str(link), 9600, timeout=2) as port:
            line.hang_up()
            with pytest.raises((OSError, serial.SerialException)):
                ask(port, 6)
        with pytest.raises((OSError, serial.SerialException)):
            serial.Serial(str(link))
        line.plug_in()
        with serial.Serial(str(link), 9600, timeout=2) as port:
            assert ask(port, 6) == b"answer"


def test_a_fault_unplugs_the_adapter_for_its_time(tmp_path: Path) -> None:
    link = tmp_path / "line"
    with PtyLine([Meter()], link=link, faults=Faults([Fault("hang-up", 0.05)])):
        with serial.Serial(str(link), 9600, timeout=2) as port, pytest.raises((OSError, serial.SerialException)):
            assert ask(port, 3) == b"ans"
            port.read(1)
        until(link.is_symlink)
        with serial.Serial(str(link), 9600, timeout=2) as port:
            assert ask(port, 6) == b"answer"


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "heard"), [(9600, b"answer"), (4800, b""), (19200, b"")])
def test_the_clients_speed_is_seen_through_the_pty(tmp_path: Path, speed: int, heard: bytes) -> None:
    with (
        PtyLine([Meter()], link=tmp_path / "line", line=Line(9600)),
        serial.Serial(str(tmp_path / "line"), speed, timeout=2 if heard else 0.1) as port,
    ):
        assert ask(port, 6) == heard


@pytest.mark.slow
def test_the_speed_may_change_on_the_open_port(tmp_path: Path) -> None:
    with (
        PtyLine([Meter()], link=tmp_path / "line", line=Line(2400)),
        serial.Serial(str(tmp_path / "line"), 9600, timeout=0.1) as port,
    ):
        assert ask(port, 6) == b""
        port.baudrate, port.timeout = 2400, 2
        assert ask(port, 6) == b"answer"


def test_an_adapter_with_echo_gives_the_request_back_first(tmp_path: Path) -> None:
    with PtyLine([Meter()], link=tmp_path / "line", echo=True), serial.Serial(str(tmp_path / "line"), 9600) as port:
        port.timeout = 2
        assert ask(port, 8) == b"a?answer"


@pytest.mark.slow
@pytest.mark.parametrize("speed", [2400, 9600])
def test_whole_frames_take_the_time_that_they_take_on_the_wire(tmp_path: Path, speed: int) -> None:
    line, size = Line(speed), 150 if speed == 2400 else 250
    expected = (10 + size) * line.character + 0.02
    times = []
    with (
        PtyLine([Meter(reply=b"x" * size, delay=0.02)], link=tmp_path / "line", line=line),
        serial.Serial(str(tmp_path / "line"), speed, timeout=5) as port,
    ):
        for _ in range(60):  # a busy machine may hold a client back; the line itself must be able to keep time
            begin = time.monotonic()
            assert ask(port, size, b"a" * 10) == b"x" * size
            times.append(time.monotonic() - begin)
            if times[-1] <= expected * 1.005:
                break
    assert expected <= min(times) <= expected * 1.005


@pytest.mark.slow
def test_a_tcp_converter_serves_the_same_meters_one_client_after_another() -> None:
    with TcpLine([Meter()]) as line:
        for _ in range(2):
            with serial.serial_for_url(line.url, timeout=2) as port:
                assert ask(port, 6) == b"answer"


@pytest.mark.slow
def test_an_unplugged_converter_ends_the_connection_and_returns_on_its_port() -> None:
    with TcpLine([Meter()]) as line:
        with serial.serial_for_url(line.url, timeout=2) as port:
            assert ask(port, 6) == b"answer"
            line.hang_up()
            with pytest.raises(serial.SerialException):
                ask(port, 6)
        line.plug_in()
        with serial.serial_for_url(line.url, timeout=2) as port:
            assert ask(port, 6) == b"answer"
