"""A poll that is ended midway spoils nothing: what it had read of the journals need not be read again, and nothing that
was learned is wrong. The daemon ends a long poll by an exception of its own that passes through ``ask``."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.iec62056.journal import events
from drivers.iec62056.parts import Journal as IecJournal
from drivers.mercury.journal import JOURNALS, journals
from drivers.unfinished import FRESH, Unfinished
from protocols.mercury.frames import seal
from simulators.mercury_archive import Journal, moments
from tests.drivers.iec62056.test_journal import MOSCOW, SPAN, Meter, numbered
from tests.drivers.mercury.support import Bench, bench
from tests.support.dlms import NOW as MARCH
from tests.support.dlms import opened, plan, spodes, station

NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
WEEK = NOW - timedelta(days=7)
KINDS = ("now", "network", "interval", "day", "month", "event")


class Ended(Exception):
    """Someone else needs the line. No trouble of the meter."""


class Few:
    """Lets this many questions through."""

    def __init__(self, ask: Callable[[Any], Any], count: int) -> None:
        self.ask, self.left = ask, count

    def __call__(self, question: Any) -> Any:
        if not self.left:
            raise Ended
        self.left -= 1
        return self.ask(question)


def full() -> Bench:
    """A meter with an entry in each journal, and in the first three of them several."""
    it = bench(NOW)
    for number, kind in JOURNALS.items():
        kept = it.meter.journals[number] = Journal(kind.size, kind.ring)
        for back in range(5 if number < 4 else 1, 0, -1):
            at = datetime(2026, 11, 20, 12) - timedelta(hours=back)
            data = moments(at, at + timedelta(minutes=3)) if kind.over else moments(at)
            kept.add(data if number not in (0x13, 0x14) else bytes(12))
    return it


def keys(found: list[Any]) -> list[Any]:
    return [(each.at, *sorted((each.event or {}).items())) for each in found]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_a_mercury_s_event_poll_comes_to_its_end_in_pieces_of_any_size(count: int) -> None:
    whole = keys(full().read("event", WEEK, NOW))
    it = full()
    found, pieces = None, 0
    while found is None:
        pieces += 1
        assert pieces < 200
        with suppress(Ended):
            found = list(it.driver.event(Few(it.ask, count), WEEK, NOW))
    assert keys(found) == whole
    assert sorted({question.journal for question in it.ask.asked}) == journals(False)
    assert len(set(it.ask.asked)) == len(it.ask.asked), "nothing is asked twice"


def test_a_poll_that_came_to_its_end_is_begun_anew() -> None:
    it = full()
    first = it.read("event", WEEK, NOW)
    new = datetime(2026, 11, 21, 12, 5)
    it.meter.journals[0x12].add(moments(new, None))
    later = it.read("event", WEEK, NOW)
    assert len(later) == len(first) + 1


def test_what_comes_into_a_journal_that_was_read_already_is_not_lost_to_the_next_poll() -> None:
    it = full()
    with pytest.raises(Ended):
        list(it.driver.event(Few(it.ask, 30), WEEK, NOW))
    it.meter.journals[0x01].add(moments(datetime(2026, 11, 21, 12, 9), None))
    it.now = NOW + FRESH
    it.driver.open(it.ask)
    gone_on = it.read("event", WEEK, it.now)
    it.now += timedelta(hours=1)
    it.driver.open(it.ask)
    since = it.now - timedelta(hours=2)  # an hour before the poll that came to its end began
    fresh = {each.at for each in it.read("event", since, it.now)}
    assert datetime(2026, 11, 21, 9, 9, tzinfo=UTC) in {each.at for each in gone_on} | fresh


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (WEEK, NOW + FRESH + timedelta(seconds=1)),
        (WEEK - timedelta(seconds=1), NOW),
        (WEEK, NOW - timedelta(seconds=1)),
    ],
)
def test_what_is_stale_or_covers_too_little_is_read_again(since: datetime, until: datetime) -> None:
    kept = Unfinished[int]()
    kept.begin(WEEK, NOW)
    assert kept.get("LOE04", lambda: 1) == 1
    kept.begin(WEEK + timedelta(minutes=5), NOW + FRESH)
    assert kept.get("LOE04", lambda: 2) == 1
    kept.begin(since, until)
    assert kept.get("LOE04", lambda: 3) == 3


def test_an_energomera_s_event_poll_is_gone_on_with() -> None:
    kinds = [IecJournal(f"LOE{n:02}", "other", "x") for n in range(1, 6)]
    entries = {each.name: numbered(25, 25) for each in kinds}
    whole = keys(list(events(kinds, MOSCOW, SPAN, Meter(**entries).read, set())))
    meter, kept, found = Meter(**entries), Unfinished[Any](), None
    pieces = 0
    while found is None:
        pieces += 1
        few = Few(lambda question: meter.read(*question), 4)
        with suppress(Ended):
            found = list(events(kinds, MOSCOW, SPAN, lambda *question, few=few: few(question), set(), kept))
    assert keys(found) == whole
    assert pieces == 4 and len(meter.asked) == len(set(meter.asked)) == 5 * 3, "three pages a journal, each asked once"


def test_a_spodes_meter_s_event_poll_is_gone_on_with() -> None:
    happened = {number: [(MARCH - timedelta(days=1, minutes=number), 3)] for number in range(9)}
    reads, wire = opened(plan(), station(spodes(events=happened)).answer)
    whole = keys(list(reads.event(wire, MARCH - timedelta(days=7), MARCH)))
    asked: list[Any] = []

    def noted(question: Any) -> Any:
        asked.append(question)
        return wire(question)

    found = None
    while found is None:
        with suppress(Ended):
            found = list(reads.event(Few(noted, 2), MARCH - timedelta(days=7), MARCH))
    assert keys(found) == whole
    assert len(asked) == 9


def polls() -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        for count in range(12):
            yield kind, count


@pytest.mark.parametrize("multiplier", [1, 5])
@pytest.mark.parametrize(("kind", "count"), list(polls()))
def test_a_poll_ended_after_any_question_leaves_the_driver_as_good_as_new(
    kind: str, count: int, multiplier: int
) -> None:
    settings = {"multiplier": multiplier}
    fresh, it = (bench(NOW, settings=settings) for _ in range(2))
    span = (NOW - timedelta(days=1), NOW)

    def read(of: Bench, ask: Any) -> list[Any]:
        if kind in ("now", "network"):
            return [getattr(of.driver, kind)(ask)]
        return list(getattr(of.driver, kind)(ask, *span))

    with suppress(Ended):
        read(it, Few(it.ask, count))
    assert read(it, it.ask) == read(fresh, fresh.ask)
    it.ask.asked.clear()
    fresh.ask.asked.clear()
    assert read(it, it.ask) == read(fresh, fresh.ask)
    assert len(it.ask.asked) == len(fresh.ask.asked), "no way of asking was given up because of it"


def test_a_long_answer_that_was_never_asked_for_does_not_count_as_refused() -> None:
    it = bench(NOW, settings={"multiplier": 5})
    it.ask.spoil = lambda question, octets: seal(45, octets[1:-2])
    with pytest.raises(Ended):
        list(it.driver.interval(Few(it.ask, 1), NOW - timedelta(days=1), NOW))
    it.ask.asked.clear()
    it.read("interval", NOW - timedelta(days=1), NOW)
    assert any(getattr(question, "long", False) for question in it.ask.asked)


def test_a_poll_that_was_ended_before_it_had_read_anything_takes_no_time_from_the_next() -> None:
    kept = Unfinished[int]()
    kept.begin(WEEK, NOW)
    later = NOW + FRESH
    kept.begin(WEEK, later)
    kept.get("journal", lambda: 1)
    kept.begin(WEEK, later + FRESH)
    assert kept.get("journal", lambda: 2) == 1
