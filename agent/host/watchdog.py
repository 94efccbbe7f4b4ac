"""The service manager's watchdog: fed only while every part of the daemon makes progress."""

import logging
from collections.abc import Mapping

from agent.host import systemd

log = logging.getLogger("meterpost")

STUCK = 180.0  # s without progress of one part after which the watchdog is not fed


def feed(now: float, alive: Mapping[str, float]) -> None:
    """``alive``: by part the monotonic time of its last progress. One that is stuck is named in the log, and the
    manager starts the program anew when it has waited for too long."""
    late = sorted(part for part, moment in alive.items() if now - moment > STUCK)
    if late:
        log.error("no progress for %d s: %s", STUCK, ", ".join(late))
    else:
        systemd.watchdog()
