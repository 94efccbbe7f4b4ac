"""Bench (d): a backlog of 200,000 records delivered with receipts, against a bare paho loop with the same payloads.

``python -m benchmarks.backlog [RECORDS]`` prints one line a figure. Everything runs on this machine: mosquitto, the
intake in a process of its own, and the publishing side in another one whose memory is read from /proc.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RECORDS = 200_000
VALUES = 5
ROUNDS = 3
GATEWAY = "gw-bench"
PREFIX = f"meterpost/1/{GATEWAY}"
START = datetime(2026, 6, 1, tzinfo=UTC)
WINDOW = 16  # as agent.delivery.tracker.WINDOW: the bare loop may have as many batches unanswered


def fill(folder: Path, count: int) -> None:
    """A store with this many pending records: ten meters, five registers each, every 15 minutes."""
    from buffer.record import Record
    from buffer.store import Store

    store = Store.open(folder, now=lambda: datetime.now(UTC))
    for first in range(0, count, 5000):
        records = []
        for number in range(first, min(first + 5000, count)):
            turn, meter = divmod(number, 10)
            at = START + timedelta(seconds=900 * turn, milliseconds=137 * meter + turn % 89)
            base = 1_000_000 * (meter + 1) + 113 * turn + number * 7 % 101
            parts = (base * 5 // 10, base * 3 // 10, base * 2 // 10)
            energies = (sum(parts), *parts, base // 9)
            values = dict(zip(("1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2", "1-0:1.8.3", "1-0:3.8.0"), energies, strict=True))
            serial = str(23_450_000 + 77 * meter)
            records.append(Record("now", f"flat-{meter + 1}", serial, at, at, meter_offset=meter - 4, values=values))
        store.put(records)
    store.close()


def deliver(folder: str, port: int, ca_file: str | None, count: int, answers: Any) -> None:
    """The publishing side, as the daemon has it; puts (seconds, KiB at rest, KiB at most) when all is confirmed."""
    from agent.config.values import Config, Gateway, Intake
    from agent.control.requests import Commands
    from agent.delivery.publisher import Publisher
    from buffer.store import Store
    from buffer.writer import Writer

    store = Store.open(Path(folder), now=lambda: datetime.now(UTC))
    publisher: Publisher
    writer = Writer(store, on_stored=lambda records: publisher.stored(records))
    host = "localhost" if ca_file else "127.0.0.1"
    tls: dict[str, Any] = {"tls": True, "ca_file": Path(ca_file)} if ca_file else {"tls": False}
    config = Config(Gateway(GATEWAY), Intake(host, port, url="", backlog_rate=0, **tls), (), ())
    publisher = Publisher(
        config,
        store,
        writer,
        clock=lambda: (datetime.now(UTC), "synced"),
        operations=Commands({}),
        version="bench",
    )
    # What a daemon in service has long had in its caches, so that the growth is the backlog's own.
    store.bodies(0, count, 512)
    Path("/proc/self/clear_refs").write_text("5")
    rest = memory("VmRSS")
    started = time.monotonic()
    publisher.start()
    # As the bare loop: until the last receipt is taken. The writer commits it within its second; checked below.
    while publisher.status()["confirmed"] < count:
        time.sleep(0.02)
    seconds = time.monotonic() - started
    most = memory("VmHWM")
    status = publisher.status()
    publisher.stop()
    writer.close()
    pending = store.counts().pending
    store.close()
    answers.put({"seconds": seconds, "rest": rest, "most": most, "pending": pending, "sent": status["sent"]})


def memory(name: str) -> int:
    """KiB of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def payloads(folder: Path, count: int) -> list[bytes]:
    """The very batches that the publisher sends."""
    from agent.delivery.payload import Envelope
    from buffer.store import Store

    store = Store.open(folder, now=lambda: datetime.now(UTC))
    envelope = Envelope(GATEWAY, store.epoch)
    made, after = [], 0
    while bodies := store.bodies(after, count, 512):
        batch = envelope.batch(bodies, datetime.now(UTC))
        made.append(batch.payload)
        after = batch.seqs[-1]
    store.close()
    return made


def bare(port: int, batches: list[bytes], receipts: bool, answers: Any) -> None:
    """A loop of bare paho: publish, count what is answered (receipts, or PUBACK alone), publish again."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    space, done = threading.Semaphore(WINDOW), threading.Event()
    answered = [0]

    def one_more(*_: Any) -> None:
        answered[0] += 1
        space.release()
        if answered[0] == len(batches):
            done.set()

    def on_receipt(_client: Any, _data: Any, message: Any) -> None:
        json.loads(message.payload)
        one_more()

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_receipt
    if not receipts:
        client.on_publish = one_more
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(f"{PREFIX}/down/receipt", 1)
    ready.wait()
    started = time.monotonic()
    for payload in batches:
        space.acquire()
        client.publish(f"{PREFIX}/up/records", payload, qos=1)
    done.wait()
    answers.put(time.monotonic() - started)
    client.disconnect()
    client.loop_stop()


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    file = folder / f"mosquitto-{port}.conf"
    file.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, "allow_anonymous true", "user root", ""]))
    process = subprocess.Popen(["mosquitto", "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: reachable(port))
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def intake(folder: Path, port: int, *more: str) -> Iterator[None]:
    """The intake in its own process, on a fresh database."""
    url = f"mqtts://localhost:{port}" if more else f"mqtt://127.0.0.1:{port}"
    database = str(Path(tempfile.mkdtemp(dir=folder)) / "intake.db")
    arguments = ["--broker", url, "--database", database, "--client-id", "bench", *more]
    process = subprocess.Popen([sys.executable, "-m", "simulators.intake", *arguments], stdout=subprocess.DEVNULL)
    time.sleep(1.0)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what():
        if time.monotonic() > until:
            raise RuntimeError("a service did not start within 10 s")
        time.sleep(0.02)


def in_a_process(function: Callable[..., None], *arguments: Any) -> Any:
    """What the function put into its queue, from a fresh interpreter."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=function, args=(*arguments, answers))
    process.start()
    found = answers.get(timeout=110)
    process.join()
    return found


class Wire:
    """A TCP relay that counts the bytes in both directions, TLS and all."""

    def __init__(self, port: int) -> None:
        self._counted = {True: 0, False: 0}  # up, down
        self._far = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def count(self) -> int:
        return sum(self._counted.values())

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._far))
        threading.Thread(target=self._copy, args=(far, near, False), daemon=True).start()
        self._copy(near, far, True)

    def _copy(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        try:
            while piece := source.recv(65536):
                self._counted[up] += len(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()


def certificates(folder: Path) -> list[str]:
    """mosquitto's lines for TLS with a CA of our own; ca.pem lies in the folder."""
    ca = ["-x509", "-days", "2", "-subj", "/CN=bench CA", "-keyout", "ca.key", "-out", "ca.pem"]
    csr = ["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]
    sign = ["-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for command in (
        ["req", "-newkey", "rsa:2048", "-nodes", *ca],
        ["req", "-newkey", "rsa:2048", "-nodes", *csr],
        ["x509", *sign, "-extfile", "names", "-out", "server.pem"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return [f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem", f"keyfile {folder}/server.key"]


def fresh_copy(folder: Path) -> Path:
    """The filled store again, with everything pending."""
    import shutil

    return Path(shutil.copytree(folder, Path(tempfile.mkdtemp(dir=folder.parent)) / "store"))


def wire_bytes(folder: Path, filled: Path, count: int) -> float:
    """Bytes per value with TLS, receipts included; TLS and MQTT overhead is counted, TCP/IP headers are not."""
    with broker(folder, *certificates(folder)) as port, intake(folder, port, "--ca-file", str(folder / "ca.pem")):
        wire = Wire(port)
        found = in_a_process(deliver, str(fresh_copy(filled)), wire.port, str(folder / "ca.pem"), count)
        assert found["pending"] == 0
        return wire.count / (count * VALUES)


def main() -> None:
    parser = argparse.ArgumentParser(description="Backlog with receipts against a bare paho loop.")
    parser.add_argument("records", type=int, nargs="?", default=RECORDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    count = given.records
    ours, loops, pubacks, growth = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled = folder / "filled"
        filled.mkdir()
        fill(filled, count)
        batches = payloads(filled, count)
        for _ in range(given.rounds):
            # A broker of its own for each: receipts that it keeps for one side must not reach the other.
            with broker(folder) as port, intake(folder, port):
                found = in_a_process(deliver, str(fresh_copy(filled)), port, None, count)
            assert found["pending"] == 0, "records are left behind"
            ours.append(found["seconds"])
            growth.append((found["most"] - found["rest"]) / 1024)
            with broker(folder) as port, intake(folder, port):
                loops.append(in_a_process(bare, port, batches, True))
        with broker(folder) as port, intake(folder, port):
            pubacks.append(in_a_process(bare, port, batches, False))
        size = wire_bytes(folder, filled, count)
    own, loop, puback = statistics.median(ours), statistics.median(loops), statistics.median(pubacks)
    payload = sum(map(len, batches)) / (count * VALUES)
    print(f"backlog, values/s with receipts: {count * VALUES / own:,.0f} (at least 50,000)")
    print(f"backlog, bare paho loop with receipts, values/s: {count * VALUES / loop:,.0f}")
    print(f"backlog, ratio to the bare loop with receipts: {loop / own:.2f} (at least 0.80)")
    print(f"backlog, bare paho loop with PUBACK only, values/s: {count * VALUES / puback:,.0f}")
    print(f"backlog, ratio to the bare loop with PUBACK only: {puback / own:.2f} (for comparison)")
    print(f"backlog, memory growth of the publishing process, MiB: {statistics.median(growth):.2f} (less than 4)")
    print(f"backlog, bytes on the wire per value, TLS included: {size:.1f} (at most 20; payload alone {payload:.1f})")


if __name__ == "__main__":
    main()
