"""What is known of the clock survives a restart of the program, for as long as the machine runs."""

from datetime import UTC, datetime
from pathlib import Path

from agent.host.clock import SystemClock
from agent.host.restamp import Restamper
from buffer.writer import Writer
from tests.buffer.plant import opened

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def clock_of(boot: str, *, synced: bool) -> SystemClock:
    return SystemClock(
        wall=NOON.timestamp, monotonic=lambda: 5.0, kernel_synced=lambda: synced, battery=False, boot=boot
    )


def test_a_clock_that_was_synchronised_in_this_boot_is_believed_after_a_restart_and_not_in_the_next_boot(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    writer = Writer(store, on_stored=lambda records: None)
    Restamper(clock_of("boot-1", synced=True), store, hold=60.0).tick(writer)
    writer.close()
    again, next_boot = clock_of("boot-1", synced=False), clock_of("boot-2", synced=False)
    Restamper(again, store, hold=60.0)
    Restamper(next_boot, store, hold=60.0)
    assert (again.stamp().state, next_boot.stamp().state) == ("holdover", "unset")
    store.close()
