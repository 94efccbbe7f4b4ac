"""The exchange in the daemon: its hours, its clock, its socket, and a real mail server at the end of the way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from agent.config.values import Config, MailSettings
from agent.control import arguments
from agent.control.unix_socket import ControlServer
from agent.host.clock import Stamp
from agent.report.daily import Daily
from agent.report.exchange import FOLDER
from buffer.record import ClockQuality
from buffer.writer import Writer
from tests.channels.post import Post, serving
from tests.cli.conftest import Run, change, house, run  # noqa: F401 - fixtures
from tests.report.plant import configured, metered, opened, profile, values_of
from tests.report.test_commands import TABLES
from tests.support.broker import free_port
from tests.support.present import present

DAY = date(2026, 10, 5)


class Clock:
    def __init__(self) -> None:
        self.state: ClockQuality = "synced"
        self.now = datetime(2026, 10, 6, 0, 30, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def stamp(self) -> Stamp:
        return Stamp(self.now, self.state, "boot", 0.0)

    def seen(self, moment: datetime) -> None:
        pass

    def synced_earlier(self) -> None:
        pass


class Room:
    """What the daemon would hand it; no mail unless the test has some."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.config, self.clock, self.store = config, Clock(), opened(folder)
        self.writer = Writer(self.store, on_stored=lambda records: None)
        self.daily = Daily(self.config, self.store, self.writer, self.clock)

    def close(self) -> None:
        self.writer.close()
        self.store.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, replace(configured(tmp_path, metered()), mail=None))
    made.store.put(profile(DAY, [1500] * 48))
    yield made
    made.close()


def files(room: Room) -> list[Path]:
    folder = room.config.gateway.state_dir / FOLDER
    return sorted(folder.iterdir()) if folder.exists() else []


def test_the_round_comes_at_its_time_and_again_later_that_day(room: Room) -> None:
    room.daily.use(replace(room.config, exchange=replace(present(room.config.exchange), at=time(15, 45))))
    jobs = room.daily.jobs()
    assert [job.at for job in jobs] == [time(15, 45), time(16, 45), time(18, 45), time(21, 45), time(3, 45)]
    assert len({job.name for job in jobs}) == 5
    room.daily.use(replace(room.config, exchange=None))
    assert room.daily.jobs() == []


def test_a_round_writes_yesterdays_file(room: Room) -> None:
    room.daily.jobs()[0].action()
    (file,) = files(room)
    assert sum(values_of(file.read_bytes())) == 72


def test_while_the_clock_is_not_set_no_day_is_made(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.clock.state = "unset"
    room.daily.round()
    assert not files(room) and "clock is not set" in caplog.text
    with pytest.raises(ValueError, match="clock is not set"):
        room.daily.act({"verb": "make", "day": date(2026, 10, 5), "again": False})


def test_a_disk_that_says_no_is_logged_and_the_next_round_makes_it_good(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.store.keeper.trouble = "the disk is full"
    room.daily.round()
    room.store.keeper.trouble = None
    assert "the disk is full" in caplog.text and not room.store.notes("exchange:")
    room.daily.round()
    (file,) = files(room)
    assert file.name.startswith("80020_7700000001_20261005_2_")


def test_commands_go_through_the_daemon_that_has_the_store(run: Run, house: Path) -> None:  # noqa: F811
    change(house, "[[bus]]\n", TABLES)
    change(house, "ratio = 20", 'exchange_code = "421234567890101"')
    state = house.parent / "state"
    room = Room(state, configured(state, metered("flat-12")))
    room.store.put(profile(DAY, [1500] * 48, point="flat-12"))
    server = ControlServer(state, {"exchange": lambda args: room.daily.act(arguments.exchange(args))})
    try:
        made = run("exchange", "make", "2026-10-05", "--json", "-c", str(house))
        assert made.document["days"][0]["state"] == "made" and len(files(room)) == 1
        refused = run("exchange", "make", "2026-10-06", "-c", str(house))
        assert (refused.code, refused.out) == (1, "") and "is not over" in refused.err
        assert run("exchange", "list", "--json", "-c", str(house)).document["days"] == made.document["days"]
    finally:
        server.close()
        room.close()


def test_the_receivers_mail_server_gets_the_very_file_once(room: Room) -> None:
    post = Post()
    server = serving(post, None, wrapped=False, login=False)
    server.start()
    try:
        room.daily.use(replace(room.config, mail=MailSettings("127.0.0.1", "gw@example.org", server.port, "none")))
        for _ in range(2):
            room.daily.round()
    finally:
        server.stop()
    (letter,) = post.letters
    (attached,) = letter.iter_attachments()
    (file,) = files(room)
    assert letter["To"] == "askue@example.org" and letter["Subject"] == attached.get_filename() == file.name
    assert attached.get_content() == file.read_bytes()


def test_an_email_that_cannot_leave_is_an_event_in_the_store(room: Room) -> None:
    room.daily.use(replace(room.config, mail=MailSettings("127.0.0.1", "gw@example.org", free_port(), "none")))
    room.daily.round()
    room.daily.round()
    events = [record.event for record, _, _ in room.store.rows() if record.event]
    (event,) = events
    assert event["code"] == "exchange-refused"
    assert event["text"].startswith("80020_7700000001_20261005_1_") and " of 2026-10-05: made: " in event["text"]
