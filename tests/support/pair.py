"""A simulated pair as a port in fake time: meters, faults and speeds as on the simulated line, and nothing waits."""

from protocols.session import Line
from simulators.pair import Pair
from tests.support.wire import Time


class PairPort:
    """The client's end of ``pair``; its speed is what was set last."""

    def __init__(self, pair: Pair, time: Time) -> None:
        self._pair, self._time = pair, time
        self._come = bytearray()
        self.line = pair.line

    def set_line(self, line: Line) -> None:
        self._listen(self._time.now)
        self.line = line

    def write(self, data: bytes) -> None:
        self._listen(self._time.now)
        self._pair.hear(data, self._time.now, self.line.speed)

    def read(self, timeout: float) -> bytes:
        until = self._time.now + max(0.0, timeout)
        self._listen(self._time.now)
        while not self._come:
            deadline = self._pair.deadline
            if deadline is None or deadline > until:
                self._time.now = until
                break
            self._time.now = max(self._time.now, deadline)
            self._listen(self._time.now)
        return self._taken()

    def discard(self) -> bytes:
        self._listen(self._time.now)
        return self._taken()

    def flush(self) -> None: ...
    def close(self) -> None: ...

    def _listen(self, now: float) -> None:
        """Everything that has happened by ``now``, each at its own moment."""
        while (deadline := self._pair.deadline) is not None and deadline <= now:
            self._come += self._pair.step(now if deadline < 0 else deadline, self.line.speed)

    def _taken(self) -> bytes:
        come = bytes(self._come)
        self._come.clear()
        return come
