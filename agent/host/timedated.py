"""Whether the clock is synchronised, asked of systemd-timedated.

Under the hardening of the service adjtimex(2) is forbidden even for reading. The service org.freedesktop.timedate1
asks the kernel in our place; its property ``NTPSynchronized`` is the kernel's word. One connection is made for each
question, all its messages are fixed octets (D-Bus Specification, "Message Protocol", little endian).
"""

import os
import socket
import struct

BUS = "/run/dbus/system_bus_socket"
WAIT = 1.0  # s; the service is started by the question and answers within a tenth of that
MOST = 65536  # octets that may come before the answer

METHOD_CALL, METHOD_RETURN, ERROR = 1, 2, 3
PATH, INTERFACE, MEMBER, REPLY_SERIAL, DESTINATION, SIGNATURE = 1, 2, 3, 5, 6, 8
HELLO_SERIAL, GET_SERIAL = 1, 2


def synchronised(address: str = BUS, wait: float = WAIT) -> bool | None:
    """True or False as the kernel says; None where no one answers within ``wait`` seconds a step."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as bus:
            bus.settimeout(wait)
            bus.connect(address)
            bus.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
            if not _line(bus).startswith(b"OK "):
                return None
            bus.sendall(b"BEGIN\r\n" + HELLO + GET)
            return _answer(bus)
    except (OSError, IndexError, struct.error):  # no bus, no answer in time, no message of D-Bus
        return None


def _string(text: str) -> bytes:
    octets = text.encode()
    return struct.pack("<I", len(octets)) + octets + b"\0"


def _padded(octets: bytes, size: int) -> bytes:
    return octets + bytes(-len(octets) % size)


def _call(serial: int, path: str, interface: str, member: str, destination: str, *arguments: str) -> bytes:
    """A method call whose arguments are strings."""
    fields = b""
    for code, kind, value in (
        (PATH, b"o", path),
        (INTERFACE, b"s", interface),
        (MEMBER, b"s", member),
        (DESTINATION, b"s", destination),
    ):
        fields = _padded(fields, 8) + bytes((code, 1)) + kind + b"\0" + _string(value)
    if arguments:
        fields = _padded(fields, 8) + bytes((SIGNATURE, 1)) + b"g\0" + bytes((len(arguments),))
        fields += b"s" * len(arguments) + b"\0"
    body = b""
    for argument in arguments:
        body = _padded(body, 4) + _string(argument)
    head = b"l" + bytes((METHOD_CALL, 0, 1)) + struct.pack("<III", len(body), serial, len(fields))
    return _padded(head + fields, 8) + body


HELLO = _call(HELLO_SERIAL, "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "org.freedesktop.DBus")
GET = _call(
    GET_SERIAL,
    "/org/freedesktop/timedate1",
    "org.freedesktop.DBus.Properties",
    "Get",
    "org.freedesktop.timedate1",
    "org.freedesktop.timedate1",
    "NTPSynchronized",
)


def _line(bus: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\r\n") and len(line) < 256:
        line += _exactly(bus, 1)
    return line


def _answer(bus: socket.socket) -> bool | None:
    """The boolean of the reply to GET; other messages (the reply to Hello, signals) pass by."""
    came = 0
    while came < MOST:
        head = _exactly(bus, 16)
        order = "<" if head[:1] == b"l" else ">"
        size, _, fields = struct.unpack(order + "III", head[4:])
        rest = fields + -fields % 8 + size
        came += 16 + rest
        if came > MOST:
            return None
        octets = _exactly(bus, rest)
        if head[1] in (METHOD_RETURN, ERROR) and _reply_serial(octets[:fields], order) == GET_SERIAL:
            return _variant(octets[len(octets) - size :], order) if head[1] == METHOD_RETURN else None
    return None


def _reply_serial(fields: bytes, order: str) -> int | None:
    """The header field REPLY_SERIAL; the fields before it may be strings, paths, signatures or numbers."""
    at = 0
    while at < len(fields):
        code, kind, at = fields[at], fields[at + 2 : at + 3], at + 4
        if kind == b"u":
            (number,) = struct.unpack_from(order + "I", fields, at)
            if code == REPLY_SERIAL:
                return int(number)
            at += 4
        elif kind == b"g":
            at += fields[at] + 2
        else:
            at += struct.unpack_from(order + "I", fields, at)[0] + 5
        at += -at % 8
    return None


def _variant(body: bytes, order: str) -> bool | None:
    """A variant that holds a boolean: signature "b", then 32 bits."""
    if body[:3] != b"\x01b\0" or len(body) != 8:
        return None
    return bool(struct.unpack_from(order + "I", body, 4)[0])


def _exactly(bus: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        piece = bus.recv(size - len(octets))
        if not piece:
            raise ConnectionResetError("the bus has hung up")
        octets += piece
    return octets
