"""Ends a thread's wait in ``select`` from another thread."""

import select
import socket
import threading


class Waker:
    """``set`` from any thread, any number of times, also after ``close``; ``line`` is readable until ``clear``."""

    def __init__(self) -> None:
        self.line, self._far = socket.socketpair()
        self.line.setblocking(False)
        self._far.setblocking(False)
        self._set = False
        self._closed = False
        self._lock = threading.Lock()

    def set(self) -> None:
        with self._lock:
            if not (self._set or self._closed):  # one byte is enough, and a full pair must not block the caller
                self._set = True
                self._far.send(b"!")

    def clear(self) -> None:
        """Before looking at what there is to do, so that what comes meanwhile wakes again."""
        with self._lock:
            if self._set:
                self.line.recv(64)
                self._set = False

    def wait(self, timeout: float) -> None:
        select.select([self.line], [], [], max(0.0, timeout))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self.line.close()
            self._far.close()
