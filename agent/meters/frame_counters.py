"""Frame counters of ciphered meters: a number that was given once is never given again, whatever happens between.

Two messages with the same key, system title and number would let anybody who heard them compute what they say
(NIST SP 800-38D, clause 8: the nonce of GCM is unique). So a number is durable before it is used.
"""

import threading

from buffer.faults import StoreError
from buffer.notes import FRAME_COUNTER
from buffer.store import Store
from buffer.writer import Change
from protocols.errors import Busy

BLOCK = 1000  # numbers that one write of the store reserves; what a crash leaves of them is never used


class DurableCounter:
    """Implements :class:`drivers.reading.FrameCounter`; may be shared by several meters and threads."""

    def __init__(self, name: str, change: Change) -> None:
        self._key = FRAME_COUNTER.of(name)
        self._change = change
        self._lock = threading.Lock()
        self._next = 0
        self._end = 0  # numbers below it are reserved

    def next(self) -> int:
        """Busy where the store cannot keep it now: then nothing may be sent."""
        with self._lock:
            if self._next >= self._end:
                try:
                    self._next = self._change(self._reserve)
                except StoreError as trouble:
                    raise Busy(f"no frame counter, so nothing can be ciphered: {trouble}") from trouble
                self._end = self._next + BLOCK
            self._next += 1
            return self._next - 1

    def skip_to(self, value: int) -> None:
        """The next number is ``value`` or higher; it never steps back."""
        with self._lock:
            self._next = max(self._next, value)

    def _reserve(self, store: Store) -> int:
        start = max(self._next, int(store.noted(self._key) or 0))
        store.note(self._key, str(start + BLOCK))
        return start


class FrameCounters:
    """The frame counters of this gateway: one for each key, kept as notes of its store."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._known: dict[str, DurableCounter] = {}

    def of(self, name: str) -> DurableCounter:
        """Drivers are built with it. The same name gets the same counter, also after a reload."""
        return self._known.setdefault(name, DurableCounter(name, self._change))
