"""Refused passwords, kept across restarts and commands: none is tried again within the hour, some meters lock."""

from datetime import datetime, timedelta

from agent.host.clock import Stamp
from buffer.notes import PASSWORD_REFUSED
from buffer.store import Store
from protocols.errors import AccessDenied, MeterError


def keep(store: Store, point: str, at: datetime | None) -> int:
    """Make it durable; None: the password is accepted again."""
    store.note(PASSWORD_REFUSED.of(point), at.isoformat() if at else None)
    return 1


def since(store: Store, point: str, stamp: Stamp) -> float | None:
    """Monotonic time of this boot at which the password was refused; it may lie before the boot."""
    noted = store.noted(PASSWORD_REFUSED.of(point))
    if noted is None:
        return None
    # A note from the future says that the clock went back: the hour then starts now.
    age = max(stamp.utc - datetime.fromisoformat(noted), timedelta())
    return stamp.monotonic - age.total_seconds()


PASSWORD_PAUSE = 3600.0  # s; some meters lock after a few wrong passwords


class PasswordPaused(MeterError):
    """The password was refused within the last hour; it is not tried again before the hour is over."""

    word = AccessDenied.word
    layer = AccessDenied.layer
    hint = AccessDenied.hint
