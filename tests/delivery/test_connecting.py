"""TLS, versions of MQTT, and brokers that say no."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Secret
from simulators.intake.service import Intake
from tests.delivery.fakes import House, config, same_as_expected
from tests.support.broker import Broker, free_port, needs_mosquitto
from tests.support.waiting import until

UNSUPPORTED = bytes.fromhex("20 02 00 01")  # CONNACK, MQTT 3.1.1, 3.2.2.3: unacceptable protocol version
ACCEPTED = bytes.fromhex("20 02 00 00")


class OldBroker:
    """Speaks MQTT 3.1.1 only, and just enough of it: CONNECT, SUBSCRIBE, PUBLISH with QoS 1.

    ``refusal`` is what it answers to another version; empty: it hangs up; None: it says nothing. ``levels`` are the
    protocol levels that were tried."""

    def __init__(self, refusal: bytes | None) -> None:
        self._refusal = refusal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.levels: list[int] = []
        self.lines: list[socket.socket] = []
        self.published: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.lines.append(line)
            self._talk(line.makefile("rb"), line)
            if self._refusal is not None:
                with suppress(OSError):  # the test may have ended and closed it
                    line.shutdown(socket.SHUT_RDWR)

    def _talk(self, stream: Any, line: socket.socket) -> None:
        while head := stream.read(1):
            size, shift = 0, 0
            while True:
                octet = stream.read(1)[0]
                size, shift = size | (octet & 127) << shift, shift + 7
                if octet < 128:
                    break
            body = stream.read(size)
            match head[0] >> 4:
                case 1:
                    self.levels.append(body[6])
                    line.sendall(ACCEPTED if body[6] == 4 else self._refusal or b"")
                    if body[6] != 4:
                        return
                case 3:
                    topic = int.from_bytes(body[:2])
                    self.published.append(body[2 : 2 + topic])
                    line.sendall(b"\x40\x02" + body[2 + topic : 4 + topic])
                case 8:
                    line.sendall(b"\x90\x04" + body[:2] + b"\x01\x01")
                case 12:
                    line.sendall(b"\xd0\x00")

    def close(self) -> None:
        self._listener.close()
        for line in self.lines:
            line.close()


@pytest.fixture(params=[UNSUPPORTED, b"", None], ids=["refuses", "hangs up", "says nothing"])
def old_broker(request: pytest.FixtureRequest) -> Iterator[OldBroker]:
    broker = OldBroker(request.param)
    yield broker
    broker.close()


@pytest.mark.slow
def test_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1(house: House, old_broker: OldBroker) -> None:
    house.poll(range(30))
    with house.publishing(config(old_broker.port, receipts="broker"), handshake=0.5) as publisher:
        house.all_confirmed()
        assert publisher.status()["broker"] == "connected with MQTT 3.1.1"
    assert old_broker.levels[0] == 5 and old_broker.levels[-1] == 4
    assert b"meterpost/1/gw-7/up/records" in old_broker.published


@contextmanager
def amqtt_broker() -> Iterator[int]:
    """The demo's broker: amqtt, which speaks MQTT 3.1.1."""
    amqtt = pytest.importorskip("amqtt.broker", reason="amqtt is not installed: pip install amqtt")
    port, loop, ready = free_port(), asyncio.new_event_loop(), threading.Event()
    over = asyncio.Event()

    async def serve() -> None:
        settings = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = amqtt.Broker(settings, loop=loop)
        await broker.start()
        ready.set()
        await over.wait()
        await broker.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


@pytest.mark.slow
def test_the_demos_broker_brings_records_to_the_intake_and_receipts_back(house: House, tmp_path: Path) -> None:
    house.poll(range(300))
    with amqtt_broker() as port:
        intake = Intake(f"mqtt://127.0.0.1:{port}", tmp_path / "intake.db")
        intake.start(10)
        with house.publishing(config(port, receipt_timeout=2.0)):
            house.all_confirmed(30)
        assert same_as_expected(house, intake.rows())
        intake.stop()


# ── TLS ──────────────────────────────────────────────────────────────────


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem and another-ca.pem; server.pem for localhost, client.pem for gw-7, both signed by the first."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ca", "another-ca"):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN=test {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for name, subject in (("server", "localhost"), ("client", "gw-7")):
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        extra = ["-extfile", "names"] if name == "server" else []
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-out", f"{name}.pem", *extra)  # fmt: skip
    return folder


def tls_lines(keys: Path, *more: str) -> list[str]:
    return [f"cafile {keys}/ca.pem", f"certfile {keys}/server.pem", f"keyfile {keys}/server.key", *more]


def tls_config(broker: Broker, keys: Path, **more: Any) -> Any:
    return config(broker.port, **{"host": "localhost", "tls": True, "ca_file": keys / "ca.pem"} | more)


@pytest.mark.slow
@needs_mosquitto
def test_a_client_certificate_is_shown_where_the_broker_wants_one(house: House, tmp_path: Path, keys: Path) -> None:
    lines = tls_lines(keys, "require_certificate true", "use_identity_as_username true")
    settings: dict[str, Any] = {"cert_file": keys / "client.pem", "key_file": keys / "client.key"}
    with Broker(tmp_path, lines) as broker:
        with house.publishing(tls_config(broker, keys, **settings)) as publisher:
            until(lambda: publisher.status()["online"])
        with house.publishing(tls_config(broker, keys)) as publisher:
            until(lambda: not publisher.status()["online"] and "not connected" not in publisher.status()["broker"])


@pytest.mark.slow
@needs_mosquitto
def test_records_go_over_tls_to_the_intake(house: House, tmp_path: Path, keys: Path) -> None:
    house.poll(range(300))
    with Broker(tmp_path, tls_lines(keys)) as broker:
        intake = Intake(f"mqtts://localhost:{broker.port}", tmp_path / "intake.db", ca_file=keys / "ca.pem")
        intake.start(10)
        with house.publishing(tls_config(broker, keys)):
            house.all_confirmed()
        assert same_as_expected(house, intake.rows())
        intake.stop()


@pytest.mark.slow
@needs_mosquitto
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"host": "127.0.0.1"}, "IP address mismatch"),
        ({"ca_file": "another-ca.pem"}, "certificate does not hold"),
        ({"ca_file": None}, "certificate does not hold"),
        ({"ca_file": "missing.pem"}, "certificate or key file: No such file"),
        ({"ca_file": "names"}, "no TLS"),
        ({"tls": False}, "hung up"),
    ],
)
def test_a_server_that_cannot_be_trusted_gets_nothing(
    house: House, tmp_path: Path, keys: Path, more: dict[str, Any], words: str
) -> None:
    if more.get("ca_file"):
        more = {"ca_file": keys / more["ca_file"]}
    house.poll(range(5))
    with Broker(tmp_path, tls_lines(keys)) as broker, house.publishing(tls_config(broker, keys, **more)) as publisher:
        until(lambda: words in publisher.status()["broker"])
        assert publisher.status()["online"] is False
        assert publisher.status()["sent"] == 0
    assert house.pending == 5


@pytest.mark.slow
@needs_mosquitto
def test_the_right_password_opens_and_never_shows(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "gw-7", "s3cret"], check=True, capture_output=True)
    with Broker(tmp_path, [f"password_file {passwords}"], anonymous=False) as broker:
        settings = config(broker.port, username="gw-7", password=Secret("s3cret"))
        with house.publishing(settings) as publisher:
            until(lambda: publisher.status()["online"])
            assert "s3cret" not in str(publisher.status())
        with house.publishing(config(broker.port, username="gw-7", password=Secret("wr0ng"))) as publisher:
            until(lambda: "refuses us" in publisher.status()["broker"])
            assert "wr0ng" not in str(publisher.status())
    assert "s3cret" not in caplog.text and "wr0ng" not in caplog.text


@pytest.mark.slow
def test_a_listener_that_never_answers_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = socket.create_server(("127.0.0.1", 0))
    with mute, house.publishing(config(mute.getsockname()[1]), handshake=0.3) as publisher:
        until(lambda: "no answer to our CONNECT" in publisher.status()["broker"])
        alive = publisher.alive
        until(lambda: publisher.alive > alive)


def test_an_unknown_host_is_told_in_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_one(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", no_one)
    with house.publishing(config(1883, host="intake.example.org")) as publisher:
        until(lambda: "the host name is not known here" in publisher.status()["broker"])


def test_no_setting_switches_the_check_of_the_server_off() -> None:
    from agent.delivery.mqtt import _tls

    context = _tls(config(tls=True).intake)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
