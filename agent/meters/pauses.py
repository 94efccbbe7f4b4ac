"""Points that somebody has told the gateway to leave alone, kept across restarts."""

from collections.abc import Sequence

from buffer.store import Store

NOTE = "paused:"  # + point


def keep(store: Store, points: Sequence[str], paused: bool) -> int:
    """Make it durable; how many points."""
    for point in points:
        store.note(NOTE + point, "paused" if paused else None)
    return len(points)
