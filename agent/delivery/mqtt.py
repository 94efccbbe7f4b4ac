"""One connection to the broker. The only module that knows paho-mqtt.

A :class:`Connection` lives from one CONNECT to its loss and is then replaced by a new one: nothing that waited in it is
sent again by it, because the tracker decides what goes first. It runs on its caller's thread: :meth:`Connection.poll`
is the loop.
"""

import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.config.values import Intake

KEEPALIVE = 30  # s; a broker that hangs is noticed within twice this
HANDSHAKE = 10.0  # s for TCP, for TLS and for the CONNACK, each
SESSION = 24 * 3600  # s that the broker keeps receipts for a gateway that is away (MQTT 5; 3.1.1: as it likes)
INFLIGHT = 16  # messages that may wait for their PUBACK; mosquitto's own default window is 20
LARGEST_MESSAGE = 256 * 1024  # bytes that the broker may send us at once (MQTT 5)
NO_SUBSCRIBERS = 0x10  # MQTT 5, 3.4.2.1: the broker took the message, and no one was there to get it
UNSUPPORTED_VERSION = 0x84  # MQTT 5, 3.2.2.2; paho gives the same for code 1 of MQTT 3.1.1, 3.2.2.3
REFUSED: Final = 0x80  # MQTT 5, 2.4: reason codes from here on say no


class ConnectionFailed(Exception):
    """No connection, as text for the technician; never holds a secret."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker's answer to one message. ``taken``: someone subscribed has it or the broker keeps it for them."""

    mid: int
    taken: bool
    text: str


@dataclass(frozen=True, slots=True)
class Will:
    topic: str
    payload: bytes


class Connection:
    """``version`` 5 or 3 (3.1.1). ``heard`` gets (topic, payload) of each message, ``acknowledged`` each PUBACK; both
    on the caller's thread."""

    def __init__(
        self,
        intake: Intake,
        client_id: str,
        will: Will,
        topics: tuple[str, ...],
        *,
        version: int,
        heard: Callable[[str, bytes], None],
        acknowledged: Callable[[Acknowledged], None],
        keepalive: int = KEEPALIVE,
    ) -> None:
        self.version = version
        self.lost: str | None = None  # why it is over
        self.online = False  # the broker has said yes and it is not over
        self.version_refused = False  # the broker says that it does not speak this version of MQTT
        self.hung_up = False  # it ended the connection without answering our CONNECT
        self.trouble: str | None = None  # it stands, but the broker refuses something
        self.largest_packet: int | None = None  # bytes that the broker takes, None: it sets no limit
        self._intake = intake
        self._topics = topics
        self._heard = heard
        self._acknowledged = acknowledged
        self._keepalive = keepalive
        self._unanswered: set[int] = set()
        self._inflight = INFLIGHT
        self._refused: str | None = None
        self._client = self._make(client_id, will)

    def _make(self, client_id: str, will: Will) -> Client:
        five = self.version == 5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = False  # an error in our callbacks is ours and must be seen
        client.connect_timeout = HANDSHAKE
        client.max_inflight_messages_set(INFLIGHT * 2)  # states and replies go beside the window of records
        client.max_queued_messages_set(INFLIGHT * 4)
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        if self._intake.username is not None:
            password = self._intake.password
            client.username_pw_set(self._intake.username, password.text if password else None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def open(self) -> None:
        """TCP, TLS and the CONNECT packet; ConnectionFailed with the reason. Blocks 20 s and a name lookup at most;
        the broker's answer shows later as ``online`` or ``lost``."""
        properties = None
        if self.version == 5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION
            properties.MaximumPacketSize = LARGEST_MESSAGE
        where = f"{self._intake.host}:{self._intake.port}"
        try:
            if self._intake.tls:
                self._client.tls_set_context(_tls(self._intake))
            if self.version == 5:
                self._client.connect(
                    self._intake.host, self._intake.port, self._keepalive, clean_start=False, properties=properties
                )
            else:
                self._client.connect(self._intake.host, self._intake.port, self._keepalive)
        except (OSError, ValueError) as trouble:
            self.close()
            raise ConnectionFailed(_as_text(trouble, where)) from trouble

    @property
    def capacity(self) -> int:
        """How many batches may be published now."""
        return max(0, self._inflight - len(self._unanswered)) if self.online else 0

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """The message's id, to be named by its acknowledgement; None where it could not be taken (QoS 1)."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        self._unanswered.add(info.mid)
        return info.mid

    @property
    def unanswered(self) -> int:
        """Messages whose PUBACK has not come."""
        return len(self._unanswered)

    def poll(self, timeout: float, wake: socket.socket) -> None:
        """Move what can be moved; wait ``timeout`` s at most for the line or for ``wake`` to become readable."""
        line: Any = self._client.socket()
        if line is None:
            self.lost = self.lost or "the connection broke"
            return
        buffered = line.pending() if isinstance(line, ssl.SSLSocket) else 0  # select() cannot see these
        writing = [line] if self._client.want_write() else []
        readable, writable, _ = select.select([line, wake], writing, [], 0 if buffered else timeout)
        if buffered or line in readable:
            self._client.loop_read()
        if writable and self._client.socket() is not None:
            self._client.loop_write()
        if self._client.socket() is not None:
            self._client.loop_misc()

    def goodbye(self) -> None:
        """A clean DISCONNECT: the broker does not send the will."""
        if self._client.socket() is not None:
            self._client.disconnect()

    def close(self) -> None:
        """Hang up, without a word; the broker sends the will if it still holds one."""
        self.online = False
        line = self._client.socket()
        if line is not None:
            line.close()

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.value >= REFUSED:
            self.version_refused = reason.value == UNSUPPORTED_VERSION
            self._refused = f"the broker refuses us: {reason}"
            return
        self.online = True
        if self.version == 5 and properties is not None:
            self.largest_packet = getattr(properties, "MaximumPacketSize", None)
            self._inflight = min(INFLIGHT, getattr(properties, "ReceiveMaximum", INFLIGHT))
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if self.lost is not None:
            return
        if self._refused is None and not self.online:
            self.hung_up = True  # what some brokers do on a version that they do not know
            self._refused = "the broker hung up instead of answering our CONNECT"
        self.lost = self._refused or f"the connection broke: {reason}"
        self.online = False

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard(message.topic, bytes(message.payload))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        self._unanswered.discard(mid)
        if reason.value >= REFUSED:
            self.trouble = f"the broker refuses what we publish: {reason}"
        self._acknowledged(
            Acknowledged(mid, reason.value not in (NO_SUBSCRIBERS,) and reason.value < REFUSED, str(reason))
        )

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.value >= REFUSED]
        if refused:
            self.trouble = f"the broker refuses our subscription to receipts and commands: {refused[0]}"


def _tls(intake: Intake) -> ssl.SSLContext:
    """The server's certificate and host name are always checked: there is no way to switch it off."""
    context = ssl.create_default_context(cafile=str(intake.ca_file) if intake.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if intake.cert_file is not None:
        context.load_cert_chain(intake.cert_file, intake.key_file)
    return context


def _as_text(trouble: OSError | ValueError, where: str) -> str:
    match trouble:
        case ssl.SSLCertVerificationError():
            return f"{where}: the broker's certificate does not hold: {trouble.verify_message}"
        case ssl.SSLError():
            return f"{where}: no TLS: {trouble.reason or trouble}"
        case socket.gaierror():
            return f"{where}: the host name is not known here: {trouble.strerror}"
        case ConnectionRefusedError():
            return f"{where}: nothing listens there"
        case TimeoutError():
            return f"{where}: no answer within {HANDSHAKE:.0f} s"
        case FileNotFoundError() | PermissionError():
            return (
                f"{where}: certificate or key file: {trouble.strerror}: {trouble.filename or 'see ca_file, cert_file'}"
            )
    return f"{where}: {trouble}"
