"""A refused password is tried once an hour, whichever command asks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config.load import load
from agent.control import offline
from agent.host.clock import SystemClock
from agent.meters import passwords
from agent.meters.passwords import PasswordPaused
from buffer.store import Store
from protocols.errors import AccessDenied
from simulators.line import PtyLine
from simulators.mercury230 import Mercury230

FILE = """
[gateway]
id = "gw-1"
timezone = "UTC"
state_dir = "{folder}/state"
clock = "trust"
[intake]
url = "mqtt://127.0.0.1:1883"
[[bus]]
name = "pair"
port = "{port}"
[[meter]]
point = "flat-1"
bus = "pair"
driver = "mercury230"
address = 45
serial = "20000045"
"""


class Locking(Mercury230):
    """Counts the log-ins that it is asked for."""

    tries = 0

    def answer(self, request: bytes) -> bytes:
        self.tries += request[:2] == bytes((self.address, 1))
        return super().answer(request)


@pytest.mark.slow
def test_two_commands_within_the_hour_try_a_refused_password_once(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    meter = Locking(address=45, serial="20000045", passwords={1: b"secret"})
    with PtyLine([meter], link=tmp_path / "pair", pace=False) as line:
        file = tmp_path / "meterpost.toml"
        file.write_text(FILE.format(folder=tmp_path, port=line.path))
        config = load(file)
        kinds = [type(offline.read(config, ["flat-1"], "now")[1]["flat-1"]) for _ in range(3)]
        assert kinds == [AccessDenied, PasswordPaused, PasswordPaused] and meter.tries == 1
        an_hour_ago = datetime.now(UTC) - timedelta(minutes=61)
        offline.change(tmp_path / "state", lambda store: passwords.keep(store, "flat-1", an_hour_ago))
        assert type(offline.read(config, ["flat-1"], "now")[1]["flat-1"]) is AccessDenied
        assert meter.tries == 2


def test_a_note_from_the_future_starts_its_hour_now(tmp_path: Path) -> None:
    store = Store.open(tmp_path, now=lambda: datetime.now(UTC))
    stamp = SystemClock(trust=True).stamp()
    passwords.keep(store, "flat-1", stamp.utc + timedelta(days=1))
    assert passwords.since(store, "flat-1", stamp) == stamp.monotonic
    passwords.keep(store, "flat-1", None)
    assert passwords.since(store, "flat-1", stamp) is None
    store.close()
