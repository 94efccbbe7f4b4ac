"""Points that someone has told the gateway to leave alone, kept across restarts."""

from collections.abc import Sequence

from buffer.notes import PAUSED
from buffer.store import Store


def keep(store: Store, points: Sequence[str], paused: bool) -> int:
    """Make it durable; how many points."""
    store.note_all({PAUSED.of(point): "paused" if paused else None for point in points})
    return len(points)
