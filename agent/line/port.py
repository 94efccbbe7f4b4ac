"""The serial port: the only module that knows pyserial.

Any pyserial URL will do: a device, ``socket://host:port``, ``rfc2217://host:port``. Where the port has a file
descriptor, bytes are taken with ``poll`` and ``os.read`` as they come: a read of an exact length or pyserial's
inter-byte time-out would wait for what may never arrive.
"""

import errno
import os
import select
import termios
import time
from pathlib import Path
from typing import Any

import serial

from protocols.errors import LinkLost
from protocols.session import Line

CHUNK = 4096
WRITE_LIMIT = 10.0  # s; a port that takes no bytes for so long is gone


class PortHeld(LinkLost):
    """Another program has the port."""

    exit = 75


class PortForbidden(LinkLost):
    """The user may not open the port."""

    exit = 77


class Port:
    """One open port, exclusively ours. Every failure of the device is a LinkLost."""

    def __init__(self, url: str, line: Line | None = None) -> None:
        self.url = url
        self.line = Line()
        self._serial = _open(url)
        self._pty = _is_pty(url)
        self._fd = _descriptor(self._serial)
        self._poll = select.poll()
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLIN)
        _low_latency(self._serial)
        if line is not None:
            self.set_line(line)

    def set_line(self, line: Line) -> None:
        """Change speed and format on the open port, after all that was written has left."""
        if line == self.line:
            return
        wanted = {
            "baudrate": line.speed,
            "bytesize": int(line.format[0]),
            "parity": line.format[1],
            "stopbits": int(line.format[2]),
        }
        try:
            self.flush()
            self._serial.apply_settings(wanted)
        except termios.error as trouble:
            # A pty keeps eight bits and no parity, and glibc reports that as EINVAL after applying the rest.
            if not (self._pty and trouble.args[0] == errno.EINVAL):
                raise LinkLost(f"{self.url}: refuses {line.speed} {line.format}: {trouble}") from None
        except (OSError, ValueError, serial.SerialException) as trouble:
            raise LinkLost(f"{self.url}: refuses {line.speed} {line.format}: {trouble}") from None
        self.line = line

    def write(self, data: bytes) -> None:
        """Hand all bytes to the port in one piece: a pause inside a frame would end it for the meter."""
        try:
            if self._fd is None:
                self._serial.write(data)
                return
            written = os.write(self._fd, data)
            if written < len(data):
                self._write_rest(data[written:])
        except BlockingIOError:
            self._write_rest(data)
        except (OSError, serial.SerialException) as trouble:
            raise self._lost(trouble) from None

    def _write_rest(self, data: bytes) -> None:
        assert self._fd is not None
        deadline = time.monotonic() + WRITE_LIMIT
        while data:
            _, ready, _ = select.select([], [self._fd], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise LinkLost(f"{self.url}: takes no bytes for {WRITE_LIMIT:g} s")
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                continue
            except OSError as trouble:
                raise self._lost(trouble) from None

    def read(self, timeout: float) -> bytes:
        """What has come within ``timeout`` seconds; b"" if nothing has."""
        if self._fd is None:
            return self._read_slowly(timeout)
        try:
            if not self._poll.poll(max(0.0, timeout) * 1000):
                return b""
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as trouble:
            raise self._lost(trouble) from None
        if not data:
            raise LinkLost(f"{self.url}: the other end hung up")
        return data

    def _read_slowly(self, timeout: float) -> bytes:
        """Ports without a descriptor (rfc2217): pyserial's own reader, one byte, then what else there is."""
        try:
            self._serial.timeout = max(0.0, timeout)
            data = bytes(self._serial.read(1))
            waiting = int(self._serial.in_waiting) if data else 0
            return data + bytes(self._serial.read(waiting)) if waiting else data
        except (OSError, serial.SerialException) as trouble:
            raise self._lost(trouble) from None

    def discard(self) -> bytes:
        """Take away what has come unasked."""
        came = self.read(0)
        while came and len(came) < 64 * CHUNK and (data := self.read(0)):
            came += data
        return came

    def flush(self) -> None:
        """Return when all bytes have left the port."""
        try:
            self._serial.flush()
        except (OSError, termios.error, serial.SerialException) as trouble:
            raise self._lost(trouble) from None

    def close(self) -> None:
        try:
            self._serial.close()
        except (OSError, termios.error, serial.SerialException):
            self._fd = None  # the device went first; there is nothing left to give back

    def _lost(self, trouble: Exception) -> LinkLost:
        return LinkLost(f"{self.url}: {trouble}")


def _open(url: str) -> Any:
    """pyserial's object, opened as 8N1: what a pty can do (§ set_line) before the wanted format is applied."""
    try:
        if "://" in url:
            # tcp:// tells drivers which frames to use; for the port it is a socket as any other.
            return serial.serial_for_url(url.replace("tcp://", "socket://", 1), timeout=0)
        return serial.Serial(url, timeout=0, exclusive=True)
    except termios.error as trouble:
        raise LinkLost(f"{url}: {trouble}") from None
    except (OSError, ValueError, serial.SerialException) as trouble:
        number = getattr(trouble, "errno", None)
        if number == errno.EACCES:
            raise PortForbidden(f"{url}: permission denied; the user must be in the group that owns the port") from None
        if number == errno.EPERM:  # the rights are there, the service's own bounds forbid it
            raise PortForbidden(
                f"{url}: not permitted: DeviceAllow= of the unit does not have this kind of port, or its driver came "
                "later than the service (systemctl restart meterpost)"
            ) from None
        if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(trouble):
            raise PortHeld(f"{url}: another program has this port (stop it, or ask it)") from None
        if number == errno.ENOENT:
            raise LinkLost(f"{url}: no such port; is the adapter plugged in? (meterpost ports lists them)") from None
        raise LinkLost(f"{url}: cannot be opened: {trouble}") from None


def _descriptor(port: Any) -> int | None:
    try:
        number = port.fileno()
    except (AttributeError, OSError, serial.SerialException):
        return None
    return number if isinstance(number, int) and number >= 0 else None


def _is_pty(url: str) -> bool:
    return "://" not in url and str(Path(url).resolve()).startswith("/dev/pts/")


def _low_latency(port: Any) -> None:
    """FTDI adapters hold bytes back for up to 16 ms unless told not to; others have no such knob."""
    try:
        port.set_low_latency_mode(True)
    except (AttributeError, NotImplementedError, OSError, ValueError):
        return
