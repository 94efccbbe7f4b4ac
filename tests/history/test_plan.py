"""Plans as files, and the event of a crossed one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.plan import parse, read_plan
from agent.config.values import Bus, Config, Gateway, Intake
from agent.history import plan_watch
from agent.history.plan_watch import EVERY, PlanWatch
from agent.host.clock import Stamp
from agent.host.periods import period_of, periods
from buffer.record import ClockQuality, Record
from drivers.files.faults import ConfigError
from tests.buffer.plant import opened
from tests.history.house import BERLIN, MOSCOW, metered, reading, readings, snapshots
from tests.support.present import present

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11,300\n2026-12,310.5\n",
        "month;kWh\r\n2026-11;300\r\n2026-12;310,5\r\n",
        "Month;kWh\r2026-11;300\r2026-12;310,5\r",
        "\nMonth,Plan\n\n 2026-11 , 300 \n2026-12,310.50",
    ],
)
def test_a_plan_by_the_month_is_read_however_the_office_writes_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    plan = read_plan(file)
    assert plan.of(period_of("month", at("2026-11-21T10:00+03:00"), MOSCOW), "month", MOSCOW) == 300_000
    assert plan.of(period_of("month", at("2026-12-31T23:59+03:00"), MOSCOW), "month", MOSCOW) == 310_500
    assert plan.of(period_of("month", at("2027-01-01T00:00+03:00"), MOSCOW), "month", MOSCOW) is None
    assert plan.of(period_of("day", at("2026-11-21T10:00+03:00"), MOSCOW), "day", MOSCOW) is None, "a guess"


def test_hours_of_a_plan_are_local_and_sum_up_to_days_where_all_are_there() -> None:
    since, until = at("2026-11-21T00:00+03:00"), at("2026-11-23T00:00+03:00")
    hours = [f"{slot.start.astimezone(MOSCOW):%Y-%m-%dT%H:00},1.25" for slot in periods("hour", since, until, MOSCOW)]
    plan = parse("\n".join(hours[:-1]))
    first, second = periods("day", since, until, MOSCOW)
    assert plan.of(period_of("hour", since, MOSCOW), "hour", MOSCOW) == 1250
    assert (plan.of(first, "day", MOSCOW), plan.of(second, "day", MOSCOW)) == (30_000, None)


def test_the_hour_that_comes_twice_in_autumn_has_its_row_twice_or_one_for_each() -> None:
    twice = list(periods("hour", at("2026-10-25T02:00+02:00"), at("2026-10-25T04:00+01:00"), BERLIN))
    plan = parse("2026-10-25T02:00,5\n2026-10-25T02:00+01:00,7\n2026-10-25 03:00,1\n")
    assert [plan.of(slot, "hour", BERLIN) for slot in twice] == [5000, 7000, 1000]
    assert parse("2026-10-25T02:00,5\n").of(twice[1], "hour", BERLIN) == 5000


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "no rows"),
        ("month,kWh\n", 1, 1, "no rows"),
        ("2026-11,300\n2026-13,300\n", 2, 1, '"2026-13"'),
        ("2026-11,300\n\n2026-12,many\n", 3, 9, '"many"'),
        ("2026-11,300\n2026-11,301\n", 2, 1, "2026-11 again"),
        ("2026-11,300,5\n", 1, 1, "3 cells"),
        ("2026-11\n", 1, 1, "1 cell,"),
        ("2026-11,-1\n", 1, 9, '"-1"'),
        ("2026-11;  1\u00a0234,5\n", 1, 11, "a no-break space"),
        ("\n  2026-11 , −1\n", 2, 13, '"−1"'),
        ("2026-11,nan\n", 1, 9, '"nan"'),
        ("2026-11,1e9\n", 1, 9, '"1e9"'),
        ("2026-11-21T10:30,1\n", 1, 1, '"2026-11-21T10:30"'),
        ("2026-02-30T10:00,1\n", 1, 1, '"2026-02-30T10:00"'),
        ("2026-11,300\n2026-11-21T10:00,1\n", 2, 1, "an hour among rows of months"),
    ],
)
def test_what_is_wrong_in_a_plan_is_said_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as trouble:
        parse(text)
    (fault,) = trouble.value.faults
    assert (fault.line, fault.column) == (line, column)
    assert fault.found and fault.expected


def test_every_faulty_line_is_said_at_once_up_to_a_bound() -> None:
    with pytest.raises(ConfigError) as trouble:
        parse("2026-11,390.5\n2026-13,4\nx; y\n2026-12,-3\n2026-11,2\n")
    places = [(fault.line, fault.column) for fault in trouble.value.faults]
    assert places == [(2, 1), (3, 1), (3, 4), (4, 9), (5, 1)]
    with pytest.raises(ConfigError) as trouble:
        parse("1\n" * 100_000)
    assert len(trouble.value.faults) == 20


def test_a_plan_in_another_encoding_or_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_bytes(b"2026-11,300\n\xef\xf0\n")
    with pytest.raises(ConfigError, match="0xef") as trouble:
        read_plan(file)
    assert [(fault.file, fault.line, fault.column) for fault in trouble.value.faults] == [(file, 2, 1)]
    file.write_bytes("2026-11,300\n".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-16, little endian"):
        read_plan(file)
    file.write_bytes(b"2026-11,300\n" * 400_000)
    with pytest.raises(ConfigError, match="4 MiB"):
        read_plan(file)


@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_a_plan_error(text: str) -> None:
    try:
        plan = parse(text)
    except ConfigError as trouble:
        lines = text.split("\n")
        assert all(1 <= fault.line <= len(lines) for fault in trouble.faults)
        assert all(1 <= fault.column <= len(lines[fault.line - 1]) + 1 for fault in trouble.faults)
    else:
        assert plan.energies and all(energy >= 0 for energy in plan.energies.values())


class Watched:
    """A point with a plan, a store, and the time as the test says."""

    def __init__(self, folder: Path, plan: str, **more: object) -> None:
        self.file = folder / "plan.csv"
        self.file.write_text(plan)
        self.store = opened(folder)
        meter = metered(plan=self.file, **more)
        self.config = Config(
            Gateway("gw", timezone="Europe/Moscow"),
            Intake("h", 1, False, "mqtt://h"),
            (Bus("riser-1", "/dev/fake"),),
            (meter,),
        )
        self.raised: list[Record] = []
        self.seconds = 1000.0
        self.power = True  # False: it goes before anything is on the disk
        self.restart()

    def searched_since(self) -> datetime:
        """The earliest moment that the store was searched from since the last question."""
        found = min(since for since, _ in self.store.searches)
        self.store.searches.clear()
        return found

    def restart(self) -> None:
        self.watch = PlanWatch(self.config, self.store, submit=self.submit)

    def submit(self, records: Sequence[Record], notes: Mapping[str, str | None] | None = None) -> None:
        self.raised.extend(records)
        if self.power:
            self.store.apply(records, notes=notes or {})

    def tick(self, now: datetime, state: ClockQuality = "synced") -> list[str]:
        self.raised.clear()
        self.seconds += EVERY
        self.watch.tick(Stamp(now, state, "boot", self.seconds))
        assert {present(event.event)["code"] for event in self.raised} <= {"plan-exceeded"}
        return [present(event.event)["text"] for event in self.raised]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made = []

    def make(plan: str, **more: object) -> Watched:
        made.append(Watched(tmp_path, plan, **more))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_a_month_that_goes_over_its_plan_is_told_once_and_within_the_month(watched: Callable[..., Watched]) -> None:
    """1.5 kW are 36 kWh a day: 300 kWh and 10 % more are crossed on the tenth day."""
    house = watched("2026-11,300\n")
    since = at("2026-11-01T00:00+03:00")
    told = {}
    for hour in range(0, 15 * 24, 4):
        now = since + hour * HOUR
        house.store.put([reading(now)])
        if said := house.tick(now + timedelta(minutes=1)):
            told[hour] = said
        if hour == 240:
            house.restart()
    assert list(told) == [224], "330 kWh / 1.5 kW = 220 h are not yet over it"
    assert told[224] == ["2026-11: 336 kWh used, planned 300, with 10 % more 330"]


def test_an_hour_over_its_plan_is_told_once_each_also_when_its_archive_comes_late(
    watched: Callable[..., Watched],
) -> None:
    plan = "".join(f"2026-11-21T{hour:02}:00,1.4\n" for hour in range(24))
    house = watched(plan, plan_limit=Decimal(0))
    start = at("2026-11-21T00:00+03:00")
    house.store.put(snapshots("day", start, start + DAY, MOSCOW) + readings(start, start + 3 * HOUR, HOUR))
    assert house.tick(start + 2 * HOUR + timedelta(minutes=1)) == [
        "2026-11-21 00:00: 1.5 kWh used, planned 1.4, with 0 % more 1.4",
        "2026-11-21 01:00: 1.5 kWh used, planned 1.4, with 0 % more 1.4",
    ]
    assert len({(event.at, present(event.event)["n"]) for event in house.raised}) == 2, (
        "two events of one moment stay two"
    )
    assert house.tick(start + 2 * HOUR + timedelta(minutes=11)) == []
    house.store.put([reading(start + 3 * HOUR + timedelta(minutes=1))])
    assert len(house.tick(start + 30 * HOUR)) == 1


@pytest.mark.parametrize("number", [1, 2])
def test_a_power_cut_around_the_event_neither_doubles_nor_swallows_it(
    watched: Callable[..., Watched], number: int
) -> None:
    """Each number is a transaction of its own: before it nothing is kept, after it the event and that it was told."""
    house = watched("2026-11,10\n")
    since = at("2026-11-01T00:00+03:00")
    house.store.put([reading(since), reading(since + DAY)])
    house.power = number > 1
    house.tick(since + DAY)
    house.power = True
    for _ in range(3):
        house.restart()
        house.tick(since + DAY + HOUR)
    events = list(house.store.find(None, ("event",), since, since + 9 * DAY))
    assert [present(event.event)["code"] for event in events] == ["plan-exceeded"]


def test_what_waits_for_the_disk_is_not_told_again_meanwhile(watched: Callable[..., Watched]) -> None:
    house = watched("2026-11,10\n")
    since = at("2026-11-01T00:00+03:00")
    house.store.put([reading(since), reading(since + DAY)])
    house.power = False
    assert len(house.tick(since + DAY)) == 1
    assert house.tick(since + DAY + HOUR) == []


def test_ratio_counts_and_the_limit_itself_is_allowed(watched: Callable[..., Watched]) -> None:
    house = watched("2026-11,3600\n", ratio=Decimal(20), plan_limit=Decimal(0))
    since = at("2026-11-01T00:00+03:00")
    house.store.put([reading(since), reading(since + 5 * DAY)])
    assert house.tick(since + 5 * DAY) == []
    house.store.put([reading(since + 5 * DAY + HOUR)])
    assert house.tick(since + 6 * DAY) == ["2026-11: 3630 kWh used, planned 3600, with 0 % more 3600"]


def test_one_wrong_reading_and_an_unset_clock_raise_no_alarm(watched: Callable[..., Watched]) -> None:
    house = watched("2026-11,10\n")
    since = at("2026-11-01T00:00+03:00")
    house.store.put([reading(since), reading(since + 5 * DAY, flags=("step-too-large",))])
    assert house.tick(since + 5 * DAY) == []
    house.store.put([reading(since + 5 * DAY + HOUR)])
    assert house.tick(since + 5 * DAY + HOUR, "unset") == []
    assert len(house.tick(since + 5 * DAY + HOUR)) == 1


def test_a_plan_that_breaks_or_vanishes_is_logged_and_mended_without_a_restart(
    watched: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    house = watched("2026-11,10\n2026-11,11\n")
    since = at("2026-11-01T00:00+03:00")
    house.store.put([reading(since), reading(since + DAY)])
    assert house.tick(since + DAY) == []
    assert "plan.csv:2:1: found 2026-11 again" in caplog.text
    house.file.unlink()
    assert house.tick(since + DAY) == []
    house.file.write_text("2026-11,10\n")
    assert len(house.tick(since + DAY)) == 1


def test_what_is_settled_is_not_read_again_and_not_told_again_after_a_restart(
    watched: Callable[..., Watched],
) -> None:
    plan = "".join(f"2026-11-{day}T{hour:02}:00,1.4\n" for day in (20, 21) for hour in range(24))
    house = watched(plan, plan_limit=Decimal(0))
    start = at("2026-11-20T00:00+03:00")
    house.store.put(readings(start - 9 * HOUR, start + 41 * HOUR, HOUR))
    assert len(house.tick(start + 40 * HOUR + timedelta(minutes=2))) == 40
    house.store.searches.clear()
    assert house.tick(start + 40 * HOUR + timedelta(minutes=12)) == []
    assert len(house.store.searches) <= 4, "the running hour alone"
    house.restart()
    house.store.put([reading(start + 41 * HOUR)])
    assert len(house.tick(start + 41 * HOUR + timedelta(minutes=1))) == 1, "the hour that is over since"


def test_a_plan_for_the_first_or_last_year_does_not_break_who_reads_it() -> None:
    for text in ("0001-01-01T00:00+03:00,1\n", "9999-12-31T23:00-03:00,1\n"):
        with pytest.raises(ConfigError, match="expected a month"):
            parse(text)


def test_many_points_have_their_turns_one_after_the_other(tmp_path: Path) -> None:
    """The daemon's own loop calls this: it must not stand still for a hundred points at once."""
    house = Watched(tmp_path, "2026-11,10\n")
    meters = [replace(metered(plan=house.file), point=f"flat-{number}") for number in range(5)]
    since = at("2026-11-01T00:00+03:00")
    for meter in meters:
        house.store.put([replace(reading(moment), point=meter.point) for moment in (since, since + DAY)])
    clock = iter(range(100))
    raised: list[Record] = []
    journals_until = PlanWatch(
        replace(house.config, meters=tuple(meters)),
        house.store,
        submit=lambda records, notes: raised.extend(records),
        spent=lambda: float(next(clock)),
    )
    told = []
    for second in range(7):
        journals_until.tick(Stamp(since + DAY, "synced", "boot", 1000.0 + second))
        told.append([event.point for event in raised])
        raised.clear()
    house.store.close()
    assert told == [["flat-0"], ["flat-1"], ["flat-2"], ["flat-3"], ["flat-4"], [], []]


def test_what_ended_with_something_missing_is_read_again_seldom(watched: Callable[..., Watched]) -> None:
    plan = "".join(f"2026-11-21T{hour:02}:00,1.4\n" for hour in range(24))
    house = watched(plan, plan_limit=Decimal(0))
    start = at("2026-11-21T00:00+03:00")
    house.tick(start + 10 * HOUR)
    assert house.searched_since() < start - 37 * HOUR, "two days"
    house.tick(start + 10 * HOUR + timedelta(minutes=10))
    assert house.searched_since() > start + 8 * HOUR, "the running hour, and the one that has just ended"
    house.store.put(readings(start, start + 3 * HOUR, HOUR))
    house.seconds += plan_watch.REST["hour"].total_seconds()
    assert len(house.tick(start + 10 * HOUR + timedelta(minutes=20))) == 2, "what the archive brought"
