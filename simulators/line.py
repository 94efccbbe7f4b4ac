"""Simulated meters on a pseudo-terminal or behind a TCP converter, at the real speed of a line.

All deadlines are absolute, so a whole frame takes its time to within half a percent however the pieces jitter; single
gaps between characters do jitter by milliseconds on a busy machine, as with USB adapters, and prove nothing.
"""

import contextlib
import os
import select
import socket
import tempfile
import termios
import threading
import time
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, Unpack

from protocols.session import Line
from simulators.pair import Options, Pair, SimulatedMeter, Station, Traffic

SPEEDS = {value: int(name[1:]) for name, value in vars(termios).items() if name[0] == "B" and name[1:].isdigit()}
CONSTANTS = {speed: constant for constant, speed in SPEEDS.items()}
READ = 4096  # octets: what a pty holds


class _Adapter(Protocol):
    """The near end of the line: where the client's octets come from and the answers go."""

    def fileno(self) -> int:
        """The descriptor to watch."""
        ...

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None:
        """Never blocks: what the client's buffer cannot take is lost, as in a UART."""

    def speed(self) -> int | None:
        """bit/s that the client has set; None: cannot be known."""

    def close(self) -> None: ...


class _Pty:
    """A pseudo-terminal behind a symbolic link; one descriptor of the far end stays open so that clients can come
    and go (the last close would end the pair)."""

    def __init__(self, link: Path, line: Line) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        # A client that sets no speed is taken to have the line's.
        settings[4] = settings[5] = CONSTANTS.get(line.speed, termios.B9600)
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        os.set_blocking(self._master, False)
        self._link = link
        self.name = os.ttyname(self._slave)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.name)
        fresh.replace(link)

    def fileno(self) -> int:
        return self._master

    def read(self) -> bytes:
        try:
            return os.read(self._master, READ)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def speed(self) -> int | None:
        # The master sees the speed that the client set, but neither parity nor character size (Linux pty driver).
        return SPEEDS.get(termios.tcgetattr(self._master)[5], 0)

    def close(self) -> None:
        if self._link.is_symlink() and str(self._link.readlink()) == self.name:
            self._link.unlink()
        os.close(self._slave)
        os.close(self._master)


class _Socket:
    """A converter's listening port; one client at a time, the next one waits."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self.port: int = self._listener.getsockname()[1]

    def fileno(self) -> int:
        return (self._client or self._listener).fileno()

    def read(self) -> bytes:
        if self._client is None:
            self._client, _ = self._listener.accept()
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.setblocking(False)
            return b""
        try:
            data = self._client.recv(READ)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        if not data:
            self._drop()
        return data

    def write(self, data: bytes) -> None:
        if self._client is not None:
            try:
                self._client.send(data)
            except BlockingIOError:
                return
            except ConnectionError:
                self._drop()

    def speed(self) -> int | None:
        return None

    def close(self) -> None:
        self._drop()
        self._listener.close()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class SimulatedLine(ABC):
    """One pair with its meters, in a thread of its own from :meth:`start` to :meth:`stop`.

    All keywords of :class:`~simulators.pair.Options` are taken.
    """

    def __init__(self, meters: Sequence[SimulatedMeter | Station], **options: Unpack[Options]) -> None:
        self._pair = Pair(meters, **options)
        self.line = self._pair.line
        self._adapter: _Adapter | None = None
        self._thread: threading.Thread | None = None
        self._changes: list[tuple[Callable[[], None], threading.Event]] = []
        self._back_at: float | None = None
        self._stopping = False
        self._wake_read, self._wake_write = -1, -1

    @property
    def traffic(self) -> Traffic:
        """Counters since the line was made."""
        return self._pair.traffic

    @property
    def recorded(self) -> list[bytes]:
        """Frames in the order in which they ended, if ``record`` was asked for."""
        return self._pair.recorded

    def start(self) -> None:
        """Plug in and answer from now on. OSError if the port cannot be made."""
        if self._thread is not None:
            raise RuntimeError("the line runs already")
        self._plug()
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"line {self}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Unplug and end the thread; harmless when it does not run."""
        if self._thread is None:
            return
        self._stopping = True
        os.write(self._wake_write, b"!")
        self._thread.join()
        self._thread = None
        self._unplug()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def hang_up(self) -> None:
        """Unplug the adapter: the client sees an error or the end of file, the name is gone. Done on return."""
        self._change(self._unplug)

    def plug_in(self) -> None:
        """Plug the adapter in again under the same name. Done on return."""
        self._change(self._plug)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _open(self) -> _Adapter: ...

    def _plug(self) -> None:
        self._back_at = None
        if self._adapter is None:
            self._adapter = self._open()

    def _unplug(self) -> None:
        self._back_at = None
        if self._adapter is not None:
            self._adapter.close()
            self._adapter = None
        self._pair.unplug()

    def _change(self, action: Callable[[], None]) -> None:
        """The line's own thread plugs and unplugs, so that no descriptor is closed under a waiting select."""
        if self._thread is None:
            raise RuntimeError("the line does not run")
        done = threading.Event()
        self._changes.append((action, done))
        os.write(self._wake_write, b"!")
        done.wait()

    def _run(self) -> None:
        while not self._stopping:
            while self._changes:
                action, done = self._changes.pop(0)
                action()
                done.set()
            if self._back_at is not None and time.monotonic() >= self._back_at:
                self._plug()
            if self._adapter is not None:
                self._turn(self._adapter)
            self._wait()

    def _turn(self, adapter: _Adapter) -> None:
        """Hand over what is due; the meters think only after that, in the silence that the line owes anyway."""
        while (deadline := self._pair.deadline) is not None and deadline <= (now := time.monotonic()):
            if out := self._pair.step(now, adapter.speed()):
                adapter.write(out)
        if (away := self._pair.away) is not None:
            self._unplug()
            self._back_at = time.monotonic() + away

    def _wait(self) -> None:
        """Until octets come, something is due or someone calls."""
        adapter = self._adapter
        deadline = self._pair.deadline if adapter is not None else self._back_at
        watched = [self._wake_read] if adapter is None else [self._wake_read, adapter.fileno()]
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], timeout)
        now = time.monotonic()
        if self._wake_read in ready:
            os.read(self._wake_read, READ)
        if adapter is not None and adapter.fileno() in ready and (data := adapter.read()):
            self._pair.hear(data, now, adapter.speed())


class PtyLine(SimulatedLine):
    """Simulated meters on a pseudo-terminal; ``path`` is a stable private symbolic link.

    Numbers under /dev/pts are used again at once by other programs, so clients open the link, never its target. The
    client's speed is seen through the pty: a meter at another speed stays silent unless ``check_speed=False``.
    """

    def __init__(
        self, meters: Sequence[SimulatedMeter | Station], *, link: Path | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(meters, **options)
        self._own_folder = None if link else tempfile.TemporaryDirectory(prefix="meterpost-line-")
        self.path: Path = link or Path(self._own_folder.name if self._own_folder else "") / "line"

    def __str__(self) -> str:
        return str(self.path)

    def stop(self) -> None:
        super().stop()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    def _open(self) -> _Adapter:
        return _Pty(self.path, self.line)


class TcpLine(SimulatedLine):
    """The same meters behind a serial-to-Ethernet converter: raw frames on a TCP port, one client at a time."""

    host = "127.0.0.1"
    port = 0  # chosen by the system at the first start, kept from then on

    def __str__(self) -> str:
        return self.url

    @property
    def url(self) -> str:
        """For pyserial: ``socket://host:port``; valid once started."""
        return f"socket://{self.host}:{self.port}"

    def _open(self) -> _Adapter:
        opened = _Socket(self.host, self.port)
        self.port = opened.port
        return opened
