"""A month without MQTT in a process of its own, for tests that kill it: ``python -m tests.statement.month FOLDER``.

The folder keeps the time that was reached and what the SMS channel carried, each line on the disk before it counts.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from agent.statement.outbound import StatementMessage
from tests.statement.plant import Site, meter, reading, utc, with_sms

START, END = "2026-10-14 12:00", "2026-10-22 00:00"
STEP = timedelta(minutes=20)


class Paper:
    """A channel that writes what it carries to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, message: StatementMessage) -> str:
        note(self._file, message.text)
        return "1"


def note(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line + "\n")
        opened.flush()
        os.fsync(opened.fileno())


def main(folder: Path) -> None:
    times = folder / "times"
    reached = times.read_text().split("\n") if times.exists() else []
    now = reached[-2] if len(reached) > 1 else START
    site = Site(folder / "state", [meter()], now=now, profiles=with_sms(), ways=("sms",))
    site.put(reading(utc("2026-10-15 00:00+03:00"), "day", T1=2_000_100, T2=1_000_050))
    site.workflow.channels = {"sms": Paper(folder / "sms")}
    print("runs", flush=True)
    while site.clock.now < utc(END):
        site.clock.now += STEP
        note(times, site.clock.now.isoformat())
        site.workflow.tick()
    note(folder / "done", "done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
