"""Replies to commands, until the broker has them."""

from collections import deque

from agent.delivery.mqtt import Connection

WAITING = 64  # replies that may wait for the broker; the oldest one goes first


class Replies:
    """``add`` from any thread, the rest on the publisher's."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._unacknowledged: dict[int, bytes] = {}  # by message id

    def add(self, text: bytes) -> None:
        self._waiting.append(text)

    def send(self, line: Connection, topic: str) -> None:
        """As many as the line takes."""
        while self._waiting and line.capacity:
            text = self._waiting.popleft()
            mid = line.publish(topic, text)
            if mid is not None:
                self._unacknowledged[mid] = text

    def acknowledged(self, mid: int) -> None:
        self._unacknowledged.pop(mid, None)

    def again(self) -> None:
        """The connection is over: what it was not acknowledged waits for the next one, in its order."""
        self._waiting.extendleft(reversed(self._unacknowledged.values()))
        self._unacknowledged.clear()
