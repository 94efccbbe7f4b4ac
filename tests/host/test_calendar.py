"""Jobs by the local calendar: what is left behind when the service ends."""

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, time
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from agent.host.calendar import Calendar, Job
from buffer.writer import Writer
from tests.buffer.plant import opened

ENDS = """
    import sys, threading
    from datetime import UTC, datetime, time
    from pathlib import Path
    from zoneinfo import ZoneInfo
    from agent.host.calendar import Calendar, Job
    from buffer.store import Store
    from buffer.writer import Writer

    begun = threading.Event()

    def send():  # a mail server that does not answer
        begun.set()
        threading.Event().wait()

    store = Store.open(Path(sys.argv[1]), now=lambda: datetime.now(UTC))
    writer = Writer(store, on_stored=lambda records: None)
    calendar = Calendar(ZoneInfo("UTC"), store, writer, [Job("send", time(3, 0), send)])
    calendar._scheduler.modify_job("send", next_run_time=datetime.now(UTC))
    assert begun.wait(20)
    calendar.close()
    writer.close()
    store.close()
    print("closed")
"""


@pytest.mark.slow
def test_a_job_that_hangs_does_not_hold_up_the_end_of_the_program(tmp_path: Path) -> None:
    """systemd would kill it after TimeoutStopSec."""
    command = [sys.executable, "-c", textwrap.dedent(ENDS), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "closed\n"), ended.stderr


@pytest.mark.slow
def test_a_job_that_fails_is_logged_and_runs_again_the_next_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(tmp_path)
    writer = Writer(store, on_stored=lambda records: None)
    done = Event()
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            raise OSError("no space")
        done.set()

    calendar = Calendar(ZoneInfo("UTC"), store, writer, [Job("work", time(3, 0), work)])
    try:
        for _ in range(200):  # once while the first run is still ending, perhaps
            writer.call(lambda kept: kept.note("calendar:work", None))
            calendar._scheduler.modify_job("work", next_run_time=datetime.now(UTC))
            if done.wait(0.1):
                break
        assert done.is_set()
    finally:
        calendar.close()
        writer.close()
        store.close()
    assert "no space" in caplog.text
