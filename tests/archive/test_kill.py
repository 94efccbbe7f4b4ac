"""kill -9 of a whole process in the middle of filling: real store, real writer thread, real signal."""

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from buffer.store import Store
from tests.support.archive_bus import DAY, HALF, House
from tests.support.healing import NOW, assert_whole, heal, local_midnight

ROOT = Path(__file__).parents[2]
CHILD = """
import sys, time
from datetime import timedelta
from pathlib import Path
from buffer.writer import Writer
from tests.support.archive_bus import DAY, House
from tests.support.healing import NOW

class Threaded(House):
    '''Its records go through the daemon's own writer.'''
    def start(self):
        super().start()
        self.writer = Writer(self.store, on_stored=lambda records: self.filler.stored(records), group=0.05)
        self.filler._call = self.writer.call
    def flush(self):
        self._last_flush = self.time.now
        records, self.waiting[:] = list(self.waiting), []
        self.writer.submit(records)

house = Threaded(Path(sys.argv[1]), NOW, installed=(NOW - 60 * DAY).date())
house.start()
print("started", flush=True)
while True:
    house.run(timedelta(seconds=3))
    time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.parametrize("records", [5, 400, 1700])
def test_a_gateway_killed_while_it_fills_goes_on_where_it_was(tmp_path: Path, records: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        until = time.monotonic() + 30
        while count(folder) < records:
            assert child.poll() is None and time.monotonic() < until
        child.send_signal(signal.SIGKILL)
    assert records <= count(folder) < 60 * 48
    house = House(folder, NOW + timedelta(hours=5), installed=(NOW - 60 * DAY).date())
    house.start()
    before = len(house.moments("interval"))
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 60 * DAY) + HALF)
    asked = [request for _, _, request in house.exchanges if request[1] == 0x06]
    assert len(asked) < (60 * 48 - before) / 17 + 30, "what was stored is not asked again"
    house.stop()


def count(folder: Path) -> int:
    store = Store.open(folder, now=lambda: datetime.now(UTC), read_only=True)
    try:
        return store.last_seq
    finally:
        store.close()
