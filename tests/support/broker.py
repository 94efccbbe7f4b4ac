"""A real mosquitto on a port of its own, which a test may kill, freeze and start again."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists(),
    reason="mosquitto is not installed: apt-get install mosquitto",
)


def free_port() -> int:
    """A TCP port of the loopback interface that no one listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """mosquitto without persistence: what it has acknowledged is forgotten when it is killed.

    ``config`` are further lines of its configuration file, those of the listener included. A context manager; the
    port stays the same over restarts."""

    def __init__(self, folder: Path, config: Sequence[str] = (), *, anonymous: bool = True) -> None:
        self.port = free_port()
        self._folder = folder
        self._config = [
            f"listener {self.port} 127.0.0.1",
            *config,
            f"allow_anonymous {'true' if anonymous else 'false'}",
            "persistence false",
            "max_queued_messages 10000",
            "user root",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> "Broker":
        """Returns when it listens."""
        file = self._folder / f"mosquitto-{self.port}.conf"
        file.write_text("\n".join(self._config) + "\n")
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with (self._folder / f"mosquitto-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(file)], stdout=log, stderr=log)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError((self._folder / f"mosquitto-{self.port}.log").read_text())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"mosquitto does not listen on port {self.port}")

    def kill(self) -> None:
        """kill -9: no goodbye to anybody, nothing written."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.kill()

    def __enter__(self) -> "Broker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
