"""HDLC frame format type 3 as DLMS uses it (IEC 62056-46:2002+A1:2006, clause 6.4): bytes ↔ frames.

There is no byte stuffing: 7E may stand anywhere inside a frame, so the length field alone says where a frame ends.
"""

from dataclasses import dataclass

from protocols.checksums import crc16_x25
from protocols.errors import BadFrame

FLAG = 0x7E
LONGEST = 0x7FF  # octets between the flags that the length field can say
SNRM, DISC, UA, DM, FRMR, UI = 0x93, 0x53, 0x73, 0x1F, 0x97, 0x13
RR, RNR = 0x01, 0x05
POLL = 0x10  # the P/F bit of the control field
LLC_COMMAND, LLC_RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def fcs(data: bytes) -> bytes:
    """The frame check sequence as the two octets of the wire."""
    return crc16_x25(data).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Address:
    """A station: ``upper`` is the logical device (1 = management), ``lower`` the place on the bus.

    ``size`` octets on the wire: 1 (upper only), 2 (7 bits each) or 4 (14 bits each), clause 6.4.2.2.
    """

    upper: int = 1
    lower: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        most = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}.get(self.size)
        if most is None:
            raise ValueError(f"HDLC address of {self.size} octets: 1, 2 or 4 are possible")
        if not (0 <= self.upper <= most and 0 <= self.lower <= most) or (self.size == 1 and self.lower):
            raise ValueError(f"HDLC address {self} does not fit {self.size} octets")

    def to_bytes(self) -> bytes:
        if self.size == 1:
            return bytes((self.upper << 1 | 1,))
        if self.size == 2:
            return bytes((self.upper << 1, self.lower << 1 | 1))
        halves = self.upper, self.lower
        octets = [septet << 1 for half in halves for septet in (half >> 7, half & 0x7F)]
        octets[3] |= 1
        return bytes(octets)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Address":
        """The address of these octets; BadFrame where their number is neither 1, 2 nor 4."""
        septets = [octet >> 1 for octet in data]
        match septets:
            case [upper]:
                return cls(upper, 0, 1)
            case [upper, lower]:
                return cls(upper, lower, 2)
            case [a, b, c, d]:
                return cls(a << 7 | b, c << 7 | d, 4)
        raise BadFrame(f"HDLC address of {len(data)} octets: {data.hex(' ')}")

    def __str__(self) -> str:
        return f"{self.upper}" if self.size == 1 else f"{self.upper}/{self.lower}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; addresses as the octets of the wire. ``segmented``: more of this APDU follows."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    def to_bytes(self) -> bytes:
        header = self.destination + self.source + bytes((self.control,))
        length = 2 + len(header) + (2 + len(self.information) if self.information else 0) + 2
        if length > LONGEST:
            raise ValueError(f"{length} octets do not fit one HDLC frame")
        body = (0xA000 | self.segmented << 11 | length).to_bytes(2, "big") + header
        if self.information:
            body += fcs(body) + self.information
        return b"\x7e" + body + fcs(body) + b"\x7e"

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frame":
        """The frame of exactly these octets, flags included; BadFrame where anything is wrong with them."""
        if len(data) < 9 or data[0] != FLAG or data[-1] != FLAG or data[1] >> 4 != 0xA:
            raise BadFrame(f"no HDLC frame: {data[:64].hex(' ')}")
        if (data[1] & 7) << 8 | data[2] != len(data) - 2:
            raise BadFrame(f"HDLC length field and {len(data)} octets differ: {data[:64].hex(' ')}")
        if fcs(data[1:-3]) != data[-3:-1]:
            raise BadFrame(f"HDLC frame check sequence is wrong: {data[:64].hex(' ')}")
        source = _after_address(data, 3)
        control = _after_address(data, source)
        if control >= len(data) - 3:
            raise BadFrame(f"HDLC frame without control field: {data[:64].hex(' ')}")
        information = b""
        if control + 4 < len(data):  # more than control, FCS and flag: an information field with its HCS
            if control + 3 > len(data) - 3 or fcs(data[1 : control + 1]) != data[control + 1 : control + 3]:
                raise BadFrame(f"HDLC header check sequence is wrong: {data[:64].hex(' ')}")
            information = data[control + 3 : -3]
        return cls(data[3:source], data[source:control], data[control], information, bool(data[1] & 8))


def _after_address(data: bytes, start: int) -> int:
    for size in (1, 2, 4):
        if start + size < len(data) and data[start + size - 1] & 1:
            if size == 4 and data[start + 2] & 1:
                break
            return start + size
    raise BadFrame(f"HDLC address without an end: {data[:64].hex(' ')}")


class Deframer:
    """A stream's octets in, sound frames out; noise before, between and after them is skipped. Memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.noise = bytearray()  # the last octets that belong to no frame, for the message of an error

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def clear(self) -> None:
        self._buffer.clear()
        self.noise.clear()

    def frame(self, silent: bool = False) -> Frame | None:
        """The next sound frame, or None: not whole yet. ``silent``: nothing more will come, so what resembles
        the start of a long frame is noise and the search goes on behind it."""
        buffer = self._buffer
        while True:
            start = buffer.find(FLAG)
            if start:
                self._skip(len(buffer) if start < 0 else start)
            if len(buffer) < 3:
                if silent and buffer.strip(b"\x7e"):
                    self._skip(len(buffer))
                return None
            length = (buffer[1] & 7) << 8 | buffer[2]
            if buffer[1] >> 4 != 0xA or length < 7:
                self._skip(1)
            elif len(buffer) < length + 2:
                if not silent:
                    return None
                self._skip(1)
            else:
                try:
                    found = Frame.from_bytes(bytes(buffer[: length + 2]))
                except BadFrame:
                    self._skip(1)
                else:
                    del buffer[: length + 1]  # the closing flag may open the next frame
                    return found

    def _skip(self, count: int) -> None:
        dropped = self._buffer[:count].strip(b"\x7e") if count == 1 else self._buffer[:count]
        self.noise = (self.noise + dropped)[-64:]
        del self._buffer[:count]


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest information fields in octets and windows in frames, seen by the one who states them (6.4.4.4.3.2)."""

    transmit: int = 128
    receive: int = 128
    window_transmit: int = 1
    window_receive: int = 1

    def to_bytes(self) -> bytes:
        """The information field of SNRM or UA; empty where all are the defaults."""
        if self == Limits():
            return b""
        body = b""
        for tag, value in ((5, self.transmit), (6, self.receive)):
            size = 1 if value < 0x100 else 2
            body += bytes((tag, size)) + value.to_bytes(size, "big")
        for tag, value in ((7, self.window_transmit), (8, self.window_receive)):
            body += bytes((tag, 4)) + value.to_bytes(4, "big")
        return b"\x81\x80" + bytes((len(body),)) + body

    @classmethod
    def from_bytes(cls, field: bytes) -> "Limits":
        """What the field states, defaults for what it leaves out; BadFrame where it is not such a field."""
        if not field:
            return cls()
        if len(field) < 3 or field[:2] != b"\x81\x80" or field[2] != len(field) - 3:
            raise BadFrame(f"HDLC parameters: {field[:64].hex(' ')}")
        stated, at = {5: 128, 6: 128, 7: 1, 8: 1}, 3
        while at < len(field):
            end = at + 2 + (field[at + 1] if at + 1 < len(field) else 0)
            if end > len(field) or end == at + 2:
                raise BadFrame(f"HDLC parameters end early: {field[:64].hex(' ')}")
            if field[at] in stated:
                stated[field[at]] = int.from_bytes(field[at + 2 : end], "big")
            at = end
        if not (stated[5] and stated[6] and 1 <= stated[7] <= 7 and 1 <= stated[8] <= 7):
            raise BadFrame(f"HDLC parameters out of range: {field[:64].hex(' ')}")
        return cls(stated[5], stated[6], stated[7], stated[8])


DEFAULTS = Limits()


def describe_control(control: int) -> str:
    """A control field as text, as ``I N(S)=1 N(R)=2 P``."""
    final = " P/F" if control & POLL else ""
    if not control & 1:
        return f"I N(S)={control >> 1 & 7} N(R)={control >> 5}{final}"
    if control & 0x0F in (RR, RNR):
        return f"{'RR' if control & 0x0F == RR else 'RNR'} N(R)={control >> 5}{final}"
    names = {SNRM: "SNRM", DISC: "DISC", UA: "UA", DM & ~POLL: "DM", FRMR: "FRMR", UI & ~POLL: "UI"}
    names = {code & ~POLL: name for code, name in names.items()}
    return names.get(control & ~POLL, f"unknown control {control:02x}") + final
