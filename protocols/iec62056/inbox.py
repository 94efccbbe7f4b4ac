"""What a meter has sent so far: parity undone, our own echo dropped, noise skipped, frames found by their grammar."""

from dataclasses import dataclass, field

from protocols.iec62056.frames import EOT, ETX, low7

_MARK = 0xFF  # stands for a character of wrong parity: no 7-bit character
_SOFTWARE = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else _MARK for byte in range(256))


class Inbox:
    """The bytes of one answer. ``parity``: ``hardware`` and ``software`` give 7-bit characters, ``none`` all eight."""

    def __init__(self, parity: str) -> None:
        self._parity = parity
        self.buffer = bytearray()
        self.echoed = False  # an echo has come in this dialogue
        self._echo = b""
        self._searched = 0
        self.passed = 0  # octets of the lines that were taken out

    def expect(self, echo: bytes = b"") -> None:
        """Forget all; ``echo`` is what was sent (7-bit) and may come back first."""
        self.buffer.clear()
        self._echo = echo
        self.passed = 0
        self._searched = 0

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

    def skip_to(self, starts: bytes) -> int | None:
        """Drop noise before the first of these characters; that character, or None."""
        places = [place for place in (self.buffer.find(start) for start in starts) if place >= 0]
        del self.buffer[: min(places, default=len(self.buffer))]
        return self.buffer[0] if self.buffer else None

    def drop(self, size: int) -> None:
        """Forget the first octets; the next frame begins behind them."""
        del self.buffer[:size]
        self._searched = 0

    def frame(self, start: int = 0) -> bytes | None:
        """The frame that begins at ``start``: to ETX or EOT and exactly one byte more, whatever that byte is."""
        place = max(self._searched, start + 1)
        ends = [end for end in (self.buffer.find(ETX, place), self.buffer.find(EOT, place)) if end >= 0]
        if not ends:
            self._searched = len(self.buffer)
            return None
        end = self._searched = min(ends)
        return bytes(self.buffer[start : end + 2]) if len(self.buffer) > end + 1 else None

    def spoilt(self, data: bytes | bytearray) -> bool:
        """A character among them had the wrong parity (known only where we compute it)."""
        return self._parity == "software" and _MARK in data


@dataclass(slots=True)
class Blocks:
    """The partial blocks of one answer, and how often the last one was asked for again."""

    kept: list[bytes] = field(default_factory=list)
    repeats: int = 0
