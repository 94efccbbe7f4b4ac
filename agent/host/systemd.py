"""What the service manager is told: the notification protocol of sd_notify(3), without a library.

Every function does nothing where ``$NOTIFY_SOCKET`` is not set, and never raises: a service manager that does not
listen must not stop the polling.
"""

import os
import socket
import time


def ready(status: str = "") -> None:
    """Started, or the reload is finished; ``status`` is the line that ``systemctl status`` shows."""
    _send("READY=1", f"STATUS={status}" if status else "")


def watchdog() -> None:
    """Alive; nothing is sent where no watchdog was asked for. To be called at least twice per interval."""
    if watchdog_interval() is not None:
        _send("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Seconds after which the manager takes us for stuck (sd_watchdog_enabled(3)); None: it does not watch us."""
    watched = os.environ.get("WATCHDOG_PID")
    if watched is not None and watched != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) else None


def reloading() -> None:
    """The configuration is being read again; :func:`ready` ends it. The time stamp tells old news from new."""
    _send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping(status: str = "") -> None:
    """On the way to the end."""
    _send("STOPPING=1", f"STATUS={status}" if status else "")


def _send(*lines: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address[0] == "@":  # an abstract socket: the name begins with a zero octet
        address = "\0" + address[1:]
    # A line feed begins a new field, so one inside a text would forge one.
    message = "\n".join(line.replace("\n", " ") for line in lines if line)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            out.sendto(message.encode(), address)
    except OSError:
        return
