"""The TCP wrapper (IEC 62056-47, clause 7.3): version 0001, source, destination, length, APDU; 16-bit big endian."""

from protocols.dlms.link import Event
from protocols.errors import BadFrame

PORT = 4059  # registered; real meters are often set to another
VERSION = 1
HEADER = 8


def wrap(source: int, destination: int, apdu: bytes) -> bytes:
    """One APDU with its header; OverflowError if it is longer than 65535 octets."""
    return b"".join(number.to_bytes(2, "big") for number in (VERSION, source, destination, len(apdu))) + apdu


def unwrap(data: bytes) -> tuple[int, int, bytes, int] | None:
    """Source, destination, APDU and how many octets they took; None: not whole yet. BadFrame: no wrapper."""
    if not b"\0\1".startswith(data[:2]):
        raise BadFrame(f"no wrapper header: {data[:16].hex(' ')}")
    if len(data) < HEADER:
        return None
    source, destination, length = (int.from_bytes(data[at : at + 2], "big") for at in (2, 4, 6))
    if len(data) < HEADER + length:
        return None
    return source, destination, data[HEADER : HEADER + length], HEADER + length


class WrapperLink:
    """One client's messages to one meter over TCP, which keeps them whole and in order: nothing is numbered."""

    numbered = False

    def __init__(self, server: int, client: int) -> None:
        self._server, self._client = server, client
        self._buffer = bytearray()
        self.segments: tuple[bytes, ...] = ()  # what was put last

    def put(self, apdu: bytes) -> bytes:
        self.segments = (apdu,)
        return wrap(self._client, self._server, apdu)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> Event | None:
        """The next APDU of our meter to our client; others are skipped, BadFrame where the stream is out of step."""
        while self._buffer:
            try:
                found = unwrap(bytes(self._buffer))
            except BadFrame:
                self._buffer.clear()
                raise
            if found is None:
                return None
            source, destination, apdu, end = found
            del self._buffer[:end]
            if (source, destination) == (self._server, self._client):
                return apdu
        return None

    def silence(self) -> Event | None:
        """BadFrame where a message was begun and not ended."""
        if self._buffer:
            begun = bytes(self._buffer[:16])
            size = len(self._buffer)
            self._buffer.clear()
            raise BadFrame(f"{size} octets of an unfinished message: {begun.hex(' ')}")
        return None
