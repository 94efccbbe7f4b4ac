"""A port whose far end is a script, and a time that passes only when someone waits. No thread, no sleeping."""

import time
from collections.abc import Callable

from protocols.session import Line


class Time:
    """Monotonic seconds that move by being waited for."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


class ScriptedPort:
    """Answers a written frame with timed pieces: ``[(seconds after it has left, bytes), …]``."""

    def __init__(self, time: Time, answer: Callable[[bytes], list[tuple[float, bytes]]]) -> None:
        self.time = time
        self.answer = answer
        self.line = Line()
        self.written: list[tuple[float, bytes]] = []
        self.coming: list[tuple[float, bytes]] = []

    def set_line(self, line: Line) -> None:
        self.line = line

    def flush(self) -> None: ...

    def write(self, data: bytes) -> None:
        self.written.append((self.time.now, data))
        left = self.time.now + len(data) * self.line.character
        self.coming += [(left + delay, piece) for delay, piece in self.answer(data)]
        self.coming.sort(key=lambda item: item[0])

    def read(self, timeout: float) -> bytes:
        until = self.time.now + max(0.0, timeout)
        if self.coming and self.coming[0][0] <= until:
            moment, piece = self.coming.pop(0)
            self.time.now = max(self.time.now, moment)
            return piece
        self.time.now = until
        return b""

    def discard(self) -> bytes:
        stale = [piece for moment, piece in self.coming if moment <= self.time.now]
        self.coming = [item for item in self.coming if item[0] > self.time.now]
        return b"".join(stale)

    def close(self) -> None: ...


class QuickPort:
    """Answers each frame at once; a read that finds nothing takes its real time, as on a port."""

    line = Line()

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer, self._coming = answer, b""

    def set_line(self, line: Line) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...

    def write(self, data: bytes) -> None:
        self._coming = self._answer(data)

    def read(self, timeout: float) -> bytes:
        if not self._coming:
            time.sleep(max(0.0, timeout))
        coming, self._coming = self._coming, b""
        return coming

    def discard(self) -> bytes:
        return b""
