"""The gateway's clock and how far it can be believed.

``synced`` while the kernel says so; ``holdover`` when it was since boot, or a battery clock set the time at boot;
``unset`` otherwise, and always when the time lies before the program's build or behind the newest record.
"""

import ctypes
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from buffer.record import ClockQuality
from drivers.times import EPOCH

BUILT = datetime(2026, 11, 1, tzinfo=UTC)
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
BACKWARDS = timedelta(seconds=2)  # the kernel's own corrections are smaller than this
ASK_EVERY = 10.0  # s between questions to the kernel


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment: wall clock (aware UTC, whole ms), its state, and boot id with monotonic seconds beside it."""

    utc: datetime
    state: ClockQuality
    boot: str
    monotonic: float

    @property
    def held(self) -> tuple[str, float] | tuple[None, None]:
        """Boot and monotonic seconds where the time is not known: what a record needs to be restamped later."""
        return (self.boot, self.monotonic) if self.state == "unset" else (None, None)


class Clock(Protocol):
    def stamp(self) -> Stamp: ...
    def monotonic(self) -> float: ...
    def seen(self, moment: datetime) -> None:
        """A record of this time exists: a clock that lies behind it is not set."""

    def synced_earlier(self) -> None:
        """An earlier process of this boot has seen the clock synchronised."""


class SystemClock:
    """The machine's clock. ``trust``: the host's clock is right by other means (containers, the demo)."""

    def __init__(
        self,
        *,
        trust: bool = False,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        kernel_synced: Callable[[], bool] | None = None,
        battery: bool | None = None,
        boot: str | None = None,
    ) -> None:
        self._trust = trust
        self._wall = wall
        self.monotonic = monotonic
        self._kernel_synced = kernel_synced or _kernel_synced
        self._battery = _battery_clock() if battery is None else battery
        self.boot = boot or boot_id()
        self._was_synced = False
        self._newest = BUILT
        self._asked = float("-inf")
        self._synced = False

    def seen(self, moment: datetime) -> None:
        self._newest = max(self._newest, moment)

    def synced_earlier(self) -> None:
        self._was_synced = True

    def stamp(self) -> Stamp:
        mono = self.monotonic()
        milliseconds = int(self._wall() * 1000)
        utc = EPOCH + timedelta(milliseconds=milliseconds)
        return Stamp(utc, self._state(utc, mono), self.boot, mono)

    def _state(self, utc: datetime, mono: float) -> ClockQuality:
        if utc < self._newest - BACKWARDS:
            return "unset"
        if mono - self._asked >= ASK_EVERY:
            self._asked = mono
            self._synced = self._kernel_synced()
            self._was_synced = self._was_synced or self._synced
        if self._synced or self._trust:
            return "synced"
        return "holdover" if self._was_synced or self._battery else "unset"


def boot_id() -> str:
    """The kernel's id of this boot: monotonic times compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _battery_clock(clocks: Path = Path("/sys/class/rtc")) -> bool:
    """A battery-backed clock set the system time when the machine came up (rtc sysfs ABI, ``hctosys``).

    One whose battery is empty begins in the past, and systemd then puts about the time of the last shutdown in its
    place, which is no one's clock.
    """
    try:
        return any(
            (clock / "hctosys").read_text().strip() == "1"
            and int((clock / "since_epoch").read_text()) >= BUILT.timestamp()
            for clock in clocks.glob("rtc*")
        )
    except (OSError, ValueError):
        return False


def _kernel_synced() -> bool:
    """What adjtimex(2) says; a machine where it cannot be asked counts as not synchronised."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        answer = int(libc.adjtimex(ctypes.byref(ctypes.create_string_buffer(512))))  # modes = 0: read only
    except (OSError, AttributeError):
        return False
    if answer < 0 and ctypes.get_errno() == errno.EPERM:  # the hardening of the service forbids the call
        from agent.host import timedated

        return timedated.synchronised() is True
    return 0 <= answer < TIME_ERROR
