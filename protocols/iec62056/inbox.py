"""What a meter has sent so far: parity undone, our own echo dropped, noise skipped, frames found by their grammar."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from protocols.iec62056.frames import ACK, EOT, ETX, NAK, SOH, low7

NOISE = 16  # octets; a damaged frame that ends behind them was the answer
_MARK = 0xFF  # stands for a character of wrong parity: no 7-bit character
_SOFTWARE = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else _MARK for byte in range(256))


class Inbox:
    """The bytes of one answer. ``parity``: ``hardware`` and ``software`` give 7-bit characters, ``none`` all eight."""

    def __init__(self, parity: str) -> None:
        self._parity = parity
        self.buffer = bytearray()
        self.echoed = False  # an echo has come in this dialogue
        self._echo = b""
        self._from = self._searched = self._taken = 0
        self.damaged = b""  # the first whole frame that is not sound
        self.passed = 0  # octets of the lines that were taken out

    def expect(self, echo: bytes = b"") -> None:
        """Forget all; ``echo`` is what was sent (7-bit) and may come back first."""
        self.buffer.clear()
        self._echo = echo
        self.passed = 0
        self._restart()

    def feed(self, data: bytes) -> bool:
        """Take what came; ``b""``: the line fell silent. False while all of it may still be our echo."""
        if self._parity != "none":
            data = data.translate(_SOFTWARE) if self._parity == "software" else low7(data)
        self.buffer += data
        if not self._echo:
            return True
        size = min(len(self._echo), len(self.buffer))
        if self.buffer[:size] == self._echo[:size]:
            if size < len(self._echo) and data:
                return False
            if size == len(self._echo):
                del self.buffer[:size]
                self.echoed = True
        self._echo = b""
        return True

    def line(self) -> bytes | None:
        """The next line with its LF, taken out; None: not whole yet."""
        end = self.buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        self.passed += len(line)
        return line

    def frame(self, sound: Callable[[bytes], bool], starts: bytes = b"\x01\x02") -> bytes | None:
        """The first sound frame, whatever noise stands before it: a start, ETX or EOT, and one octet more.

        None: not whole yet, or damaged (:attr:`damaged`, the first of them). Noise may look like a short one.
        """
        buffer = self.buffer
        while (end := self._end()) is not None and end + 1 < len(buffer):
            for start in self._starts(starts, end):
                found = bytes(buffer[start : end + 2])
                if sound(found):
                    self._taken = end + 2
                    return found
                self.damaged = self.damaged or found
            self._from = self._searched = end + 1
        return None

    def _starts(self, starts: bytes, end: int) -> Iterator[int]:
        """Where a frame that ends here may begin. The STX inside a command begins none of its own."""
        for found in re.finditer(b"[%b]" % starts, self.buffer[self._from : end]):
            start = self._from + found.start()
            if found[0][0] == SOH or self.buffer[max(0, start - 3) : max(0, start - 2)] != bytes([SOH]):
                yield start

    def spoilt_frame(self, silent: bool) -> bytes:
        """The damaged frame that is all that comes: the line fell silent, or it is too long to be noise."""
        return self.damaged if silent or self._from > NOISE else b""

    def begun(self, starts: bytes = b"\x01\x02") -> bool:
        """A frame may have begun."""
        return any(octet in self.buffer for octet in starts)

    def agreed(self, silent: bool, surely: bool) -> bool:
        """An ACK: at once where it is the last that came, else when the line falls silent. ``surely``: not where a NAK
        or a damaged answer may have come as well."""
        if surely and (self.damaged or NAK in self.buffer or b"(" in self.buffer):
            return False
        return self.buffer[-1:] == bytes([ACK]) or (silent and ACK in self.buffer)

    def drop(self) -> None:
        """Forget all up to the end of the frame that was found; the next one begins behind it."""
        del self.buffer[: self._taken]
        self._restart()

    def _end(self) -> int | None:
        ends = [
            end for end in (self.buffer.find(ETX, self._searched), self.buffer.find(EOT, self._searched)) if end >= 0
        ]
        self._searched = min(ends, default=len(self.buffer))
        return min(ends, default=None)

    def _restart(self) -> None:
        self._from = self._searched = self._taken = 0
        self.damaged = b""

    def spoilt(self, data: bytes | bytearray) -> bool:
        """A character among them had the wrong parity (known only where we compute it)."""
        return self._parity == "software" and _MARK in data


@dataclass(slots=True)
class Blocks:
    """The partial blocks of one answer, and how often the last one was asked for again."""

    kept: list[bytes] = field(default_factory=list)
    repeats: int = 0
