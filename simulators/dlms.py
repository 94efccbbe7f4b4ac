"""A simulated DLMS meter on a line: HDLC with its windows and segments, or the TCP wrapper. Objects and associations:
``dlms_server.py``."""

from dataclasses import dataclass, field

from protocols.dlms.hdlc import (
    DEFAULTS,
    DISC,
    DM,
    LLC_COMMAND,
    LLC_RESPONSE,
    POLL,
    RR,
    SNRM,
    UA,
    Address,
    Deframer,
    Frame,
    Limits,
)
from protocols.dlms.wrapper import unwrap, wrap
from protocols.errors import BadFrame
from simulators.dlms_server import Server

PUSH = 1 << 20  # octets of a request after which the client is not listened to any more


@dataclass
class HdlcMeter:
    """``answer`` takes what the line brought and gives what the meter says to it; ``b""`` is silence.

    It answers in the address length of the request. ``limits``: what the meter offers. ``delay`` in seconds.
    """

    server: Server
    lower: int = 16
    upper: int = 1
    limits: Limits = DEFAULTS
    delay: float = 0.02
    frames: list[Frame] = field(default_factory=list)  # all that came for this meter
    _deframer: Deframer = field(default_factory=Deframer)
    _client: bytes | None = None  # connected with this one
    _source: bytes = b""
    _limits: Limits = DEFAULTS
    _received: int = 0
    _first: int = 0
    _flight: int = 0
    _out: list[bytes] = field(default_factory=list)
    _in: bytearray = field(default_factory=bytearray)
    _last: bytes = b""

    def answer(self, request: bytes) -> bytes:
        self._deframer.feed(request)
        said = b""
        while (frame := self._deframer.frame()) is not None:
            said += self._hear(frame)
        return said

    def _hear(self, frame: Frame) -> bytes:
        try:
            address = Address.from_bytes(frame.destination)
        except BadFrame:
            return b""
        if address.upper != self.upper or (address.size > 1 and address.lower != self.lower):
            return b""
        self.frames.append(frame)
        control = frame.control
        if control == SNRM:
            return self._connect(frame)
        if self._client != frame.source or self._source != frame.destination:
            return Frame(frame.source, frame.destination, DM).to_bytes() if control & POLL else b""
        if control == DISC:
            self._client = None
            self.server.close()
            return Frame(frame.source, frame.destination, UA).to_bytes()
        if not control & 1:
            return self._information(frame)
        if control & 0x0F == RR:
            return self._go_on(control >> 5)
        return b""

    def _connect(self, frame: Frame) -> bytes:
        try:
            theirs = Limits.from_bytes(frame.information)
        except BadFrame:
            return Frame(frame.source, frame.destination, DM).to_bytes()
        self.server.close()
        self._client, self._source = frame.source, frame.destination
        mine = self.limits
        self._limits = Limits(
            min(mine.transmit, theirs.receive),
            min(mine.receive, theirs.transmit),
            min(mine.window_transmit, theirs.window_receive),
            min(mine.window_receive, theirs.window_transmit),
        )
        self._received = self._first = self._flight = 0
        self._out, self._in = [], bytearray()
        self._last = Frame(frame.source, frame.destination, UA, self._limits.to_bytes()).to_bytes()
        return self._last

    def _information(self, frame: Frame) -> bytes:
        poll = frame.control & POLL
        if frame.control >> 1 & 7 != self._received:
            return self._last if poll else b""  # heard before: the answer was lost
        self._acknowledge(frame.control >> 5)
        self._received = (self._received + 1) & 7
        self._in += frame.information
        if frame.segmented:
            self._in = self._in[:PUSH]
            return self._supervise() if poll else b""
        message, self._in = bytes(self._in), bytearray()
        if not message.startswith(LLC_COMMAND):
            return self._supervise()
        client = Address.from_bytes(frame.source).upper
        reply = self.server.answer(client, message[3:])
        if not reply:
            return self._supervise()
        reply, size = LLC_RESPONSE + reply, self._limits.transmit
        self._first = (self._first + self._flight) & 7
        self._out = [reply[at : at + size] for at in range(0, len(reply), size)]
        return self._burst()

    def _acknowledge(self, number: int) -> None:
        confirmed = (number - self._first) & 7
        if confirmed <= self._flight:
            del self._out[:confirmed]
            self._first, self._flight = number, self._flight - confirmed

    def _go_on(self, number: int) -> bytes:
        self._acknowledge(number)
        return self._burst() if self._out else self._supervise()

    def _burst(self) -> bytes:
        flight = self._out[: self._limits.window_transmit]
        frames = []
        for index, piece in enumerate(flight):
            final = POLL if index == len(flight) - 1 else 0
            control = self._received << 5 | final | (self._first + index & 7) << 1
            more = index < len(self._out) - 1
            frames.append(Frame(self._client or b"", self._source, control, piece, more).to_bytes())
        self._flight = len(flight)
        self._last = b"".join(frames)
        return self._last

    def _supervise(self) -> bytes:
        self._last = Frame(self._client or b"", self._source, self._received << 5 | POLL | RR).to_bytes()
        return self._last


@dataclass
class WrapperMeter:
    """The same meter behind a TCP port (``simulators.line.TcpLine``) in the wrapper."""

    server: Server
    logical: int = 1
    delay: float = 0.0
    _buffer: bytes = b""

    def answer(self, request: bytes) -> bytes:
        self._buffer = (self._buffer + request)[-PUSH:]
        said = b""
        while self._buffer:
            try:
                found = unwrap(self._buffer)
            except BadFrame:
                self._buffer = b""
                break
            if found is None:
                break
            client, destination, apdu, end = found
            self._buffer = self._buffer[end:]
            if destination == self.logical and (reply := self.server.answer(client, apdu)):
                said += wrap(destination, client, reply)
        return said
