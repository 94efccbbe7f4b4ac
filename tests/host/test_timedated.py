"""Is the clock synchronised? systemd-timedated is asked through the bus."""

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host import timedated
from tests.support.present import present

# The reply to Hello, a unique name, by the D-Bus specification.
HELLO_REPLY = bytes.fromhex(
    "6c 02 01 01 0a 00 00 00 01 00 00 00 3d 00 00 00"
    "06 01 73 00 05 00 00 00 3a 31 2e 31 37 00 00 00"
    "05 01 75 00 01 00 00 00 08 01 67 00 01 73 00 00"
    "07 01 73 00 14 00 00 00 6f 72 67 2e 66 72 65 65 64 65 73 6b 74 6f 70 2e 44 42 75 73 00 00 00 00"
    "05 00 00 00 3a 31 2e 31 37 00"
)


def reply(value: bool, order: str = "<") -> bytes:
    fields = b"\x05\x01u\0" + struct.pack(order + "I", 2) + b"\x08\x01g\0\x01v\0"
    head = (b"l" if order == "<" else b"B") + bytes((2, 1, 1)) + struct.pack(order + "III", 8, 7, len(fields))
    return head + fields + bytes(-len(fields) % 8) + b"\x01b\0\0" + struct.pack(order + "I", value)


REFUSAL = b"l\x03\x01\x01" + struct.pack("<III", 0, 8, 8) + b"\x05\x01u\0" + struct.pack("<I", 2)
OTHER = (
    b"l\x02\x01\x01" + struct.pack("<III", 8, 9, 8) + b"\x05\x01u\0" + struct.pack("<I", 77) + b"\x01b\0\0\x01\0\0\0"
)


@contextlib.contextmanager
def bus(
    folder: Path, answer: bytes, greeting: bytes = b"OK 0123456789abcdef0123456789abcdef\r\n"
) -> Iterator[tuple[str, list[Any]]]:
    """A bus that says what it is told to and then hangs up; what it heard is in the list."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / "bus"))
        listening.listen()

        def serve() -> None:
            client, _ = listening.accept()
            with client, contextlib.suppress(OSError):
                heard.append(client.recv(4096))
                client.sendall(greeting)
                heard.append(client.recv(4096))
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(folder / "bus"), heard
        thread.join(10)


@pytest.mark.parametrize("before", [b"", HELLO_REPLY, HELLO_REPLY + OTHER])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("value", [True, False])
def test_the_kernels_word_comes_through_the_bus(tmp_path: Path, before: bytes, order: str, value: bool) -> None:
    with bus(tmp_path, before + reply(value, order)) as (address, heard):
        assert timedated.synchronised(address) is value
    assert heard[0].startswith(b"\0AUTH EXTERNAL 3")
    assert b"NTPSynchronized" in heard[1]


@pytest.mark.parametrize("answer", [b"", HELLO_REPLY, HELLO_REPLY + REFUSAL, OTHER, reply(True)[:-1], reply(True)[:20]])
def test_no_answer_is_no_word(tmp_path: Path, answer: bytes) -> None:
    with bus(tmp_path, answer) as (address, _):
        assert timedated.synchronised(address) is None


def test_a_bus_that_turns_us_away_is_no_word(tmp_path: Path) -> None:
    with bus(tmp_path, reply(True), b"REJECTED EXTERNAL\r\n") as (address, _):
        assert timedated.synchronised(address) is None


def test_without_a_bus_there_is_no_word(tmp_path: Path) -> None:
    assert timedated.synchronised(str(tmp_path / "none")) is None


def test_a_bus_that_keeps_silent_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        begin = time.monotonic()
        assert timedated.synchronised(str(tmp_path / "bus"), wait=0.05) is None
        assert time.monotonic() - begin < 5


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda octets: reply(True)[:16] + octets)))
def test_any_octets_give_a_word_or_the_declared_errors(octets: bytes) -> None:
    with contextlib.suppress(OSError, struct.error, IndexError):
        near, far = socket.socketpair()
        with near:
            with far:
                far.sendall(octets)
            assert timedated._answer(near) in (True, False, None)


def request_name() -> bytes:
    """RequestName("org.freedesktop.timedate1", 0): a string and a number."""
    name = "org.freedesktop.timedate1"
    call = timedated._call(
        2, "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "org.freedesktop.DBus", name
    )
    body = timedated._padded(timedated._string(name), 4) + bytes(4)
    call = call[: -len(timedated._string(name))].replace(b"g\0\x01s\0", b"g\0\x02su\0")
    fields = struct.unpack_from("<I", call, 12)[0] + 1
    return call[:4] + struct.pack("<III", len(body), 2, fields) + timedated._padded(call[16 : 16 + fields], 8) + body


def answer_one(peer: socket.socket) -> None:
    """Play systemd-timedated: wait for the question and say yes to whoever asks."""
    heard = b""
    while b"NTPSynchronized" not in heard:
        heard += peer.recv(4096)
    (asker,) = set(re.findall(rb":1\.\d+", heard[heard.rindex(b"Properties") :]))
    fields = b"\x05\x01u\0" + struct.pack("<I", timedated.GET_SERIAL)
    fields += timedated._padded(b"\x06\x01s\0" + timedated._string(asker.decode()), 8) + b"\x08\x01g\0\x01v\0"
    head = b"l\x02\x01\x01" + struct.pack("<III", 8, 3, len(fields))
    peer.sendall(timedated._padded(head + fields, 8) + b"\x01b\0\0" + struct.pack("<I", 1))


@pytest.mark.slow
def test_a_real_bus_understands_the_question(tmp_path: Path) -> None:
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("dbus-daemon is not on this machine (package dbus-daemon)")
    settings, address = tmp_path / "bus.conf", str(tmp_path / "bus")
    settings.write_text(
        f"<busconfig><type>session</type><listen>unix:path={address}</listen><policy context='default'>"
        "<allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy></busconfig>"
    )
    command = [daemon, f"--config-file={settings}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        try:
            present(running.stdout).readline()
            assert timedated.synchronised(address, wait=5) is None  # no one has that name
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(5)
                peer.connect(address)
                peer.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
                timedated._line(peer)
                peer.sendall(b"BEGIN\r\n" + timedated.HELLO + request_name())
                heard = b""
                while b"NameAcquired" not in heard or heard.count(b"org.freedesktop.timedate1") < 1:
                    heard += peer.recv(4096)
                serving = threading.Thread(target=answer_one, args=(peer,))
                serving.start()
                assert timedated.synchronised(address, wait=5) is True
                serving.join(5)
        finally:
            running.terminate()
