"""An MQTT broker for the demo: mosquitto where the machine has it, else the embedded amqtt (MQTT 3.1.1 only).

``python -m simulators.broker PORT`` runs amqtt until it is ended.
"""

import asyncio
import logging
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

START_LIMIT = 15.0  # s until a broker must listen


class BrokerProcess:
    """A broker of its own on the loopback interface, without persistence. Context manager; RuntimeError if it will not
    start."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.name, command = _command(folder, self.port)
        self._log = folder / "broker.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> "BrokerProcess":
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.name} does not start: {self._log.read_text(errors='replace')[-400:]}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _command(folder: Path, port: int) -> tuple[str, list[str]]:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        return "amqtt", [sys.executable, "-m", "simulators.broker", str(port)]
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    return "mosquitto", [found, "-c", str(settings)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _amqtt(port: int) -> None:
    from amqtt.broker import Broker

    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(settings)
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_amqtt(int(sys.argv[1])))
