"""A utility's intake that keeps the contract: stores by (gateway, epoch, seq), answers after its commit."""

import json
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulators.intake.messages import BadMessage, Item, objection, parse, unpacked
from simulators.intake.tables import Outcome, Row, Tables, open_database
from simulators.intake.validate import Validator

log = logging.getLogger("intake")

Refuse = Callable[[dict[str, Any]], tuple[str, str] | None]


@dataclass
class Behaviour:
    """How an intake may misbehave, for tests; changed while it runs. ``late`` in s."""

    silent: bool = False  # stores, and never says so
    late: float = 0.0  # its receipts come so much later
    twice: bool = False  # each receipt comes two times
    refuse: Refuse | None = None  # (code, text) for a record that is not wanted, None for the others


class Intake:
    """``broker``: ``mqtt://[user:password@]host[:port]`` or ``mqtts://``; ``database``: a file or ``postgresql://…``.

    ``points``: if given, records of others are refused as ``unknown-point``. ``group``: the name of a shared
    subscription, so that several workers share the load. ``client_id``: a name under which the broker keeps what comes
    while this worker is away. MQTT 3.1.1, which every broker speaks."""

    def __init__(
        self,
        broker: str,
        database: str | Path,
        *,
        points: Collection[str] | None = None,
        group: str | None = None,
        client_id: str | None = None,
        ca_file: Path | None = None,
        validate: bool = False,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.counters: Counter[str] = Counter()
        self._tables = Tables(open_database(database))
        self._points = None if points is None else frozenset(points)
        self._validator = Validator() if validate else None
        self._topic = "meterpost/1/+/up/#" if group is None else f"$share/{group}/meterpost/1/+/up/#"
        self._subscribed = threading.Event()
        self._late: set[threading.Timer] = set()
        self._url = urlsplit(broker)
        self._client = self._make(client_id, ca_file)

    def _make(self, client_id: str | None, ca_file: Path | None) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id or "",
            clean_session=client_id is None,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.suppress_exceptions = False
        client.reconnect_delay_set(1, 30)
        if self._url.username:
            client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        if self._url.scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context(cafile=str(ca_file) if ca_file else None))
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_disconnect = lambda *_: self._subscribed.clear()
        client.on_message = self._on_message
        return client

    def start(self, wait: float = 0.0) -> None:
        """Connect, and again permanently. ``wait``: s at most until the subscription stands; TimeoutError after it."""
        port = self._url.port or (8883 if self._url.scheme == "mqtts" else 1883)
        self._client.connect_async(self._url.hostname or "localhost", port, keepalive=30)
        self._client.loop_start()
        if wait and not self._subscribed.wait(wait):
            raise TimeoutError(f"no subscription at {self._url.hostname}:{port} within {wait} s")

    def stop(self) -> None:
        for timer in list(self._late):
            timer.cancel()
        self._client.disconnect()
        self._client.loop_stop()
        self._tables.close()

    def rows(self) -> list[Row]:
        """All records stored, by gateway, epoch and seq; to be compared with the truth."""
        return self._tables.rows()

    def count(self) -> int:
        """How many records are stored."""
        return self._tables.count()

    def document(self, gateway: str, name: str, identity: str = "") -> dict[str, Any] | None:
        """The latest ``state`` or ``inventory`` of a gateway, or its ``reply`` to the command of this id."""
        return self._tables.document(gateway, name, identity)

    def command(self, gateway: str, command_id: str, op: str, args: dict[str, Any], ttl: float = 600.0) -> None:
        """Ask something of a gateway; ``ttl`` in s. Its reply will be :meth:`document`'s ``reply``."""
        expires = datetime.now(UTC) + timedelta(seconds=ttl)
        command = {"schema": "meterpost/command/1", "id": command_id, "op": op, "args": args}
        command["expires"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._client.publish(f"meterpost/1/{gateway}/down/command", json.dumps(command), qos=1)

    # ── messages, on the client's thread ─────────────────────────────────

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(self._topic, 1)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        _, _, gateway, _, name = message.topic.split("/", 4)
        try:
            if name == "records":
                self._records(gateway, bytes(message.payload))
            elif name in ("state", "inventory", "reply"):
                self._document(gateway, name, bytes(message.payload))
        except BadMessage as trouble:
            self.counters["bad messages"] += 1
            log.warning("%s: %s", message.topic, trouble)
        except self._tables.trouble as trouble:
            # No receipt: the gateway sends it again.
            self.counters["not stored"] += 1
            log.error("%s: %s", message.topic, trouble)

    def _records(self, gateway: str, payload: bytes) -> None:
        message = parse(payload, gateway)
        self._validate("records", payload)
        refused = [(item.seq, *why) for item in message.items if (why := self._refusal(item))]
        unwanted = {seq for seq, _, _ in refused}
        outcome = self._tables.store(message, [item for item in message.items if item.seq not in unwanted])
        self.counters["messages"] += 1
        self.counters["stored"] += len(outcome.stored)
        self._answer(gateway, message.epoch, Outcome(outcome.stored, (*outcome.refused, *refused)))

    def _refusal(self, item: Item) -> tuple[str, str] | None:
        wrong = objection(item.record)
        if wrong:
            return "bad-record", wrong
        point = item.record["point"]
        if self._points is not None and point and point not in self._points:
            return "unknown-point", f"no point {point!r} here"
        return self.behaviour.refuse(item.record) if self.behaviour.refuse else None

    def _answer(self, gateway: str, epoch: str, outcome: Outcome) -> None:
        topic, payload = f"meterpost/1/{gateway}/down/receipt", receipt(epoch, outcome)
        if self.behaviour.silent:
            return
        if self.behaviour.late:
            self._later(topic, payload)
            return
        for _ in range(2 if self.behaviour.twice else 1):
            self._client.publish(topic, payload, qos=1)

    def _later(self, topic: str, payload: str) -> None:
        def send() -> None:
            self._client.publish(topic, payload, qos=1)
            self._late.discard(timer)

        timer = threading.Timer(self.behaviour.late, send)
        timer.daemon = True
        self._late.add(timer)
        timer.start()

    def _document(self, gateway: str, name: str, payload: bytes) -> None:
        try:
            document = json.loads(payload)
            identity = document["id"] if name == "reply" else ""
            self._tables.keep(gateway, name, str(identity), payload.decode())
        except (ValueError, KeyError, TypeError, RecursionError) as trouble:
            raise BadMessage(f"{name}: {trouble}") from None
        self._validate(name, payload)

    def _validate(self, name: str, payload: bytes) -> None:
        if self._validator is None:
            return
        for trouble in self._validator.objections(name, unpacked(payload)):
            self.counters["against the schema"] += 1
            log.warning("%s does not keep its schema: %s", name, trouble)


def receipt(epoch: str, outcome: Outcome) -> str:
    """``stored`` as ranges [first, last], ascending."""
    ranges: list[list[int]] = []
    for seq in sorted(outcome.stored):
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1][1] = seq
        else:
            ranges.append([seq, seq])
    refused = [{"seq": seq, "code": code, "text": text} for seq, code, text in outcome.refused]
    return json.dumps({"schema": "meterpost/receipt/1", "epoch": epoch, "stored": ranges, "refused": refused})
