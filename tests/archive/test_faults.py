"""What faults do to filling: no record twice, no wrong slot, no endless asking, and no poll that waits."""

import itertools
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Poll
from agent.line.worker import Question
from protocols.mercury.frames import Energy, seal
from tests.support.archive_bus import DAY, HALF, POLL, House, intervals
from tests.support.healing import HOUR, MINUTE, NOW, assert_whole, heal, local_midnight
from tests.support.present import present

EACH_MINUTE = replace(POLL, now=60.0)
NOT_ALLOWED = b"\x01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def profile(house: House, since: int = 0) -> list[bytes]:
    return [request for _, _, request in house.exchanges[since:] if request[1] in (0x06, 0x16)]


def places(house: House, request: bytes) -> range:
    """The places of records that a question for the profile covers."""
    if request[1] == 0x16:
        first = house.simulated[0].archive.last()[0] - int.from_bytes(request[3:5], "big")
        return range(first, first + 1)
    if request[1] != 0x06:
        return range(0)
    first = ((request[2] >> 7) << 16 | int.from_bytes(request[3:5], "big")) // 16
    return range(first, first + (17 if request[5] == 0xFF else 1))


@pytest.mark.slow
@pytest.mark.parametrize("now", [60.0, 20.0])
def test_a_due_poll_never_waits_for_more_than_the_exchange_under_way(folder: Path, now: float) -> None:
    house = House(folder, NOW.replace(minute=0), 6, poll=replace(POLL, now=now), installed=(NOW - 60 * DAY).date())
    house.start()
    house.run(2 * MINUTE)
    begin = len(house.exchanges)
    house.run(8 * MINUTE, house.whole)
    delays, longest = [], 0.0
    sent = house.exchanges[begin:]
    assert len(profile(house, begin)) > 200, "it was busy with filling"
    boundary = (int(sent[0][0] + house.true_offset) // now + 1) * now - house.true_offset
    for (at, _, request), (after, _, _) in itertools.pairwise(sent):
        if at >= boundary - 0.01:  # whole milliseconds
            assert request[1] == 0x01, "what is due goes first"
            delays.append(at - boundary)
            boundary += now
        if request[1] == 0x06:
            longest = max(longest, after - at)
    assert len(delays) > 5 and max(delays) <= 0.4 and sorted(delays)[len(delays) // 2] < 0.05, (delays, longest)
    house.stop()


@pytest.mark.slow
def test_a_question_from_outside_is_answered_after_the_exchange_under_way(folder: Path) -> None:
    house = House(folder, NOW, 2, installed=(NOW - 90 * DAY).date())
    house.start()
    house.run(2 * MINUTE)
    assert house.worker is not None
    question = Question(["flat-2"], "now", answer=Future())
    asked_at: list[float] = []

    def listen(sent: bytes) -> bytes | None:
        if sent[1] == 0x06 and not asked_at:
            asked_at.append(house.time.now)
            present(house.worker).ask(question)
        return None

    house.listen = listen
    house.run(10 * MINUTE, question.answer.done)
    records, failed = question.answer.result(0)
    assert records and not failed
    later = [(at, question) for at, _, question in house.exchanges if at > asked_at[0]]
    assert later[0][1][1] == 0x01 and later[0][0] - asked_at[0] < 0.4
    house.listen = lambda question: None
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 90 * DAY) + HALF, 2)
    house.stop()


@pytest.mark.slow
def test_a_bus_with_little_time_to_spare_heals_all_the_same(folder: Path) -> None:
    """A round of six meters takes nearly all of the two seconds between two of them."""
    house = House(folder, NOW, 6, poll=replace(POLL, now=2.5), installed=(NOW - 4 * DAY).date())
    house.start()
    heal(house, 6 * HOUR)
    assert_whole(house, local_midnight(house, NOW - 4 * DAY) + HALF, 6)
    house.stop()


@pytest.mark.slow
def test_a_bus_without_any_time_to_spare_polls_as_ever_and_begins_nothing_that_it_cannot_end(folder: Path) -> None:
    house = House(folder, NOW, 4, poll=replace(POLL, now=0.2), installed=(NOW - 4 * DAY).date())
    house.start()
    house.run(2 * MINUTE)
    assert len(profile(house)) <= 8, "the polls of the newest, nothing else"
    assert not house.whole()
    house.stop()


@pytest.mark.slow
def test_a_meter_that_answers_only_some_rows_gives_those_and_the_rest_is_given_up(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 3 * DAY).date())
    place_of = house.simulated[0].archive.last()[0]
    bad = {place_of - 60, place_of - 61, place_of - 100}

    def refuse(request: bytes) -> bytes | None:
        return seal(1, NOT_ALLOWED) if bad & {*places(house, request)} else None

    house.listen = refuse
    house.start()
    house.run(3 * MINUTE)
    for _ in range(9):  # the last of the three tries of each is made after a day and more
        house.run(HOUR / 2, house.whole)
        if house.whole():
            break
        house.pass_by(DAY / 2)
    assert house.whole()
    last = intervals(NOW - DAY, NOW)[-1]
    lost = {last - HALF * (place_of - number) for number in bad}
    have = {at for at in house.moments("interval") if at <= NOW - HOUR}
    due = set(intervals(local_midnight(house, NOW - 3 * DAY), NOW - HOUR))
    assert due - have <= lost, sorted(due - have - lost)
    before = len(house.exchanges)
    house.run(2 * HOUR)
    assert not [one for one in profile(house, before) if bad & {*places(house, one)}]
    house.stop()


@pytest.mark.slow
def test_a_noisy_line_costs_time_and_no_slot(folder: Path) -> None:
    house = House(folder, NOW, 2, installed=(NOW - 8 * DAY).date())
    count = [0]

    def noise(request: bytes) -> bytes | None:
        count[0] += 1
        return b"\x01\x55\xaa\x00" if count[0] % 5 == 0 and request[1] == 0x06 else None

    house.listen = noise
    house.start()
    heal(house)
    for number in (1, 2):
        assert_whole(house, local_midnight(house, NOW - 8 * DAY) + HALF, number)
    house.stop()


@pytest.mark.slow
def test_a_row_that_no_connection_could_carry_travels_with_a_flag_and_as_it_is(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 3 * DAY).date(), limit_kw=Decimal(15))
    archive = house.simulated[0].archive
    truth, jump = archive.truth, NOW - 2 * DAY

    def broken(at: datetime) -> dict[int, Energy]:
        more = 20_000 if at > jump else 0
        return {n: replace(row, active_import=row.active_import + more) for n, row in truth(at).items()}

    archive.truth = broken
    house.start()
    heal(house)
    (flagged,) = [record for record in house.records("interval") if "step-too-large" in record.flags]
    assert present(flagged.start) <= jump < flagged.at and flagged.values["1-0:1.29.0"] > 20_000
    house.stop()


@pytest.mark.slow
@pytest.mark.parametrize("shift", [timedelta(minutes=-7), timedelta(minutes=40), timedelta(days=-400)])
def test_a_row_outside_of_what_was_asked_or_between_two_slots_fills_no_slot(folder: Path, shift: timedelta) -> None:
    """A driver that is led astray: whatever it yields, nothing that was not asked for is stored."""
    house = House(folder, NOW, installed=(NOW - 2 * DAY).date())
    house.start()
    driver: Any = house.meters[0].driver
    honest = type(driver).interval

    def astray(ask: Any, since: datetime, until: datetime) -> Any:
        for reading in honest(driver, ask, since, until):
            yield (
                reading
                if reading.at != NOW_SLOT
                else replace(reading, at=reading.at + shift, start=reading.start + shift)
            )

    driver.__class__ = type("Astray", (type(driver),), {"interval": staticmethod(astray)})
    house.run(10 * MINUTE)
    house.flush()
    have = house.moments("interval")
    assert NOW_SLOT not in have
    assert NOW_SLOT + timedelta(days=-400) not in have
    house.stop()


NOW_SLOT = intervals(NOW - 30 * HOUR, NOW - 20 * HOUR)[3]


@pytest.mark.slow
def test_while_the_clock_is_not_set_nothing_is_filled_and_then_everything(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 5 * DAY).date())
    house.clock.state = "unset"
    house.clock.offset = -house.time.now + 86400.0
    house.start()
    house.run(20 * MINUTE)
    assert not profile(house)
    house.clock.state, house.clock.offset = "synced", house.true_offset
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 5 * DAY) + HALF)
    house.stop()


@pytest.mark.slow
@pytest.mark.parametrize("step", [-3 * 86400.0, -5400.0, 5400.0, 20 * 86400.0])
def test_a_step_of_the_gateways_clock_makes_and_skips_no_slot(folder: Path, step: float) -> None:
    house = House(folder, NOW, installed=(NOW - 6 * DAY).date())
    house.start()
    house.run(70 * timedelta(seconds=1))
    house.clock.step(step)
    house.run(10 * MINUTE)
    house.clock.step(-step)
    house.pass_by(DAY)  # a meter whose clock seems wrong is left alone for a day
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 6 * DAY) + HALF)
    house.stop()


@pytest.mark.slow
@pytest.mark.parametrize("step", [HOUR, -HOUR, timedelta(minutes=10), timedelta(minutes=-45)])
def test_a_meter_whose_clock_was_changed_gives_what_it_stamped_and_no_slot_twice(folder: Path, step: timedelta) -> None:
    """What was written twice, or skipped, is no reason to ask without end."""
    house = House(folder, NOW, installed=(NOW - 4 * DAY).date(), archive={"steps": [(NOW - 2 * DAY, step)]})
    archive = house.simulated[0].archive
    house.simulated[0].now = archive.wall
    archive.steps.append((NOW - DAY, -step))  # and was put right again
    house.start()
    heal(house)
    at = house.moments("interval")
    assert len(at) == len(set(at)) and len(at) > 4 * 48 - 12
    before = len(house.exchanges)
    house.run(2 * HOUR)
    assert len(profile(house, before)) < 12, "the polls of the newest"
    house.stop()


@pytest.mark.slow
def test_two_gateways_that_read_the_same_meter_make_each_record_once(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 4 * DAY).date())
    house.start()
    heal(house)
    first = house.records("interval")
    house.store.put([replace(record, read_at=record.read_at + MINUTE) for record in first])
    assert house.records("interval") == first
    house.stop()


@pytest.mark.slow
def test_a_dead_meter_and_a_foreign_one_are_not_asked_and_the_others_heal(folder: Path) -> None:
    house = House(folder, NOW, 3, poll=EACH_MINUTE, installed=(NOW - 5 * DAY).date())
    house.dead.add(2)
    house.start()
    house.simulated[2].serial = "99999999"
    house.run(20 * MINUTE)
    house.flush()
    assert house.filler.missing("flat-1") == {"month": 0, "day": 0, "interval": 0}
    assert not house.moments("interval", 2) and not house.moments("interval", 3)
    house.dead.clear()
    house.simulated[2].serial = "20000003"
    heal(house)
    for number in (1, 2, 3):
        assert_whole(house, local_midnight(house, NOW - 5 * DAY) + HALF, number)
    house.stop()


@pytest.mark.slow
def test_a_meter_that_dies_in_the_middle_of_a_piece_keeps_what_came_and_goes_on_where_it_was(folder: Path) -> None:
    house = House(folder, NOW, poll=EACH_MINUTE, installed=(NOW - 20 * DAY).date())
    house.start()

    def die(request: bytes) -> bytes | None:
        if len(profile(house)) == 30 and request[1] == 0x06:
            house.dead.add(1)
        return None

    house.listen = die
    house.run(8 * MINUTE)
    house.flush()
    came = len(house.moments("interval"))
    assert 300 < came < 900 and house.worker is not None and house.worker.state(house.worker.meters[0]) == "silent"
    house.dead.clear()
    before = len(house.exchanges)
    heal(house)
    assert_whole(house, local_midnight(house, NOW - 20 * DAY) + HALF)
    assert len(profile(house, before)) < 60
    house.stop()


@pytest.mark.slow
def test_what_the_utility_wants_is_asked_at_once_also_what_counted_as_absent(folder: Path) -> None:
    off = (NOW - 3 * DAY, NOW - 2 * DAY)
    house = House(folder, NOW, installed=(NOW - 6 * DAY).date(), archive={"off": [off]})
    house.start()
    heal(house)
    house.simulated[0].archive.off = []  # it has them after all
    assert house.filler.again("flat-1", "interval", *off) == 47
    assert not house.whole()
    heal(house)
    assert set(intervals(*off)) <= set(house.moments("interval"))
    assert house.filler.again("flat-1", "interval", *off) == 0
    for since in (NOW - 900 * DAY, NOW - 20 * DAY, NOW + DAY):
        with pytest.raises(ValueError, match="can be asked from 2026-11-15 00:30 to 2026-11-21 "):
            house.filler.again("flat-1", "interval", since, since + HOUR)
    with pytest.raises(ValueError, match="is not kept"):
        house.filler.again("flat-1", "event", *off)
    with pytest.raises(KeyError):
        house.filler.again("no one", "interval", *off)
    house.stop()


@pytest.mark.slow
def test_an_archive_that_is_not_polled_is_not_filled(folder: Path) -> None:
    house = House(folder, NOW, poll=Poll(now=900.0, network=None, interval=None, day=time(0, 10), month=time(0, 15)))
    house.start()
    heal(house)
    assert house.filler.missing("flat-1") == {"month": 0, "day": 0} and not profile(house)
    assert house.moments("day") and not house.moments("interval")
    house.stop()


@pytest.mark.slow
def test_a_meter_whose_clock_is_far_off_loses_no_slot_for_it(folder: Path) -> None:
    house = House(folder, NOW, installed=(NOW - 3 * DAY).date())
    right = house.simulated[0].now
    house.simulated[0].now = lambda: right() + timedelta(hours=5)
    house.simulated[0].archive.off = [(NOW - 2 * DAY, NOW - 2 * DAY + 2 * HOUR)]
    house.start()
    house.run(20 * MINUTE)
    assert not house.whole(), "what did not come may lie elsewhere"
    assert not [gaps for gaps in house.filler._known.values() if len(gaps.absent)]
    house.stop()


@pytest.mark.slow
def test_the_newest_snapshots_of_all_meters_come_before_any_interval(folder: Path) -> None:
    house = House(folder, datetime(2026, 11, 21, 12, 7, tzinfo=UTC), 3, installed=(NOW - 40 * DAY).date())
    house.start()
    house.run(timedelta(seconds=40))
    polled = len(house.exchanges)
    house.run(4 * MINUTE)
    first = min(i for i, (_, _, request) in enumerate(house.exchanges) if i > polled and request[1] == 0x06)
    meters = {meter for _, meter, request in house.exchanges[polled:first] if request[1] == 0x18}
    assert meters == {1, 2, 3}
    assert not [request for _, _, request in house.exchanges[first:] if request[1] == 0x18]
    house.stop()
