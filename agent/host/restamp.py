"""Watches the wall clock: what was read while it was unset is corrected when it becomes set."""

import logging
from datetime import datetime

from agent.host.clock import Clock
from buffer.notes import SYNCED_BOOT
from buffer.store import Store
from buffer.writer import Writer

log = logging.getLogger("meterpost.clock")

STEP = 1.5  # s; a jump of the wall clock against the monotonic one that is more than its slow correction
GIVE_UP_EVERY = 60.0  # s
RECENT = 100  # records in which the newest time is looked for


class Restamper:
    """``look`` once a second. ``stepped`` says whether the last check found the wall clock moved; ``hold``: seconds for
    which records of this boot wait for their time."""

    def __init__(self, clock: Clock, store: Store, *, hold: float) -> None:
        self._clock, self._store, self.hold = clock, store, hold
        stamp = clock.stamp()
        self._noted = store.noted(SYNCED_BOOT.key) == stamp.boot
        if self._noted:
            clock.synced_earlier()
        for record, _, _ in store.rows(from_seq=max(1, store.last_seq - RECENT), limit=RECENT + 1):
            if record.clock != "unset":
                clock.seen(record.read_at)
        self._state = clock.stamp().state
        self._drift = stamp.utc.timestamp() - stamp.monotonic
        self._gave_up = float("-inf")
        self.stepped = False

    def tick(self, writer: Writer) -> bool:
        """True when the clock's state changed or records were released."""
        stamp = self._clock.stamp()
        drift = stamp.utc.timestamp() - stamp.monotonic
        self.stepped = abs(drift - self._drift) > STEP
        if self.stepped:
            log.warning("the clock moved by %.0f s; it is %s", drift - self._drift, stamp.state)
        self._drift = drift
        changed, self._state = stamp.state != self._state, stamp.state
        if stamp.state == "synced" and not self._noted:
            writer.call(lambda store: store.note(SYNCED_BOOT.key, stamp.boot))
            self._noted = True
        if stamp.state != "unset":
            return self._release(writer, stamp.boot, stamp.utc, stamp.monotonic) or changed
        if stamp.monotonic - self._gave_up >= GIVE_UP_EVERY:
            self._gave_up = stamp.monotonic
            return self._give_up(writer, stamp.boot, stamp.monotonic) or changed
        return changed

    def _release(self, writer: Writer, boot: str, utc: datetime, monotonic: float) -> bool:
        if not self._store.counts().held:
            return False
        count = writer.call(lambda store: store.restamp(boot, utc, monotonic))
        lost = writer.call(lambda store: store.give_up_holding(boot))
        log.info("the clock is set: %d records got their right time, %d of another boot are sent flagged", count, lost)
        return True

    def _give_up(self, writer: Writer, boot: str, monotonic: float) -> bool:
        if not self._store.counts().held:
            return False
        oldest = monotonic - self.hold
        return bool(writer.call(lambda store: store.give_up_holding(boot, oldest)))
