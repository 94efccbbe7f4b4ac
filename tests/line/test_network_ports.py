"""Meters behind converters: Modbus TCP, and RTU frames in a TCP stream, read as a command on the gateway would."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.config.load import load
from agent.control import offline
from simulators.modbus import ModbusMeter, b23

FILE = """
[gateway]
id = "gw-1"
timezone = "UTC"
state_dir = "{folder}"
clock = "trust"
[intake]
url = "mqtt://127.0.0.1:1883"
[[bus]]
name = "net"
port = "{port}"
[[meter]]
point = "flat-1"
bus = "net"
driver = "b23"
address = 7
serial = "1234567"
tariffs = {{ T1 = "day", T2 = "night" }}
"""


@contextmanager
def converter(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while request := self.request.recv(512):
                for octet in answer(request):  # as a converter may split it
                    self.request.sendall(bytes((octet,)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def meter() -> ModbusMeter:
    made = b23(7, 1234567)
    made.set_energy({"total": 30_000, "T1": 10_000, "T2": 20_000, "T3": 0, "T4": 0})
    return made


def check_reading(tmp_path: Path, url: str) -> None:
    file = tmp_path / "meterpost.toml"
    file.write_text(FILE.format(folder=tmp_path, port=url))
    records, failed = offline.read(load(file), ["flat-1"], "now")
    assert not failed
    assert records[0].meter == "1234567" and records[0].values["1-0:1.8.1"] == 10_000


@pytest.mark.slow
def test_modbus_tcp_is_read_with_its_own_framing(tmp_path: Path) -> None:
    with converter(meter().answer_tcp) as port:
        check_reading(tmp_path, f"tcp://127.0.0.1:{port}")


@pytest.mark.slow
def test_rtu_frames_in_a_tcp_stream_are_read_as_from_a_wire(tmp_path: Path) -> None:
    with converter(meter().answer) as port:
        check_reading(tmp_path, f"socket://127.0.0.1:{port}")
