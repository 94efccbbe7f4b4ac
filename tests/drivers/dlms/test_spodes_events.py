"""A SPODES meter's journals as events."""

from datetime import datetime, timedelta
from typing import Any

from drivers.dlms.model_file import models
from drivers.reading import Reading
from protocols.dlms.apdu import obis
from tests.support.dlms import NOW, opened, plan, spodes, station
from tests.support.present import present

DAY = timedelta(days=1)


def read(
    events: dict[int, list[tuple[datetime, int]]],
    since: datetime = NOW - 3 * DAY,
    until: datetime = NOW,
    **settings: Any,
) -> list[Reading]:
    reads, wire = opened(plan(**settings), station(spodes(events=events)).answer)
    return list(reads.event(wire, since, until))


def test_events_carry_our_code_the_makers_and_words() -> None:
    (found,) = read({4: [(NOW - DAY, 3)]})
    assert found.at == NOW - DAY
    assert found.event == {
        "code": "terminal-cover-open",
        "maker": "external.3",
        "text": "terminal cover opened",
        "n": 1,
    }
    assert found.values == {}


def test_events_of_one_second_are_all_kept_and_numbered() -> None:
    found = read({3: [(NOW - DAY, 35), (NOW - DAY, 36), (NOW - DAY, 3)]})
    assert sorted((present(each.event)["code"], present(each.event)["n"]) for each in found) == [
        ("archive-cleared", 1),
        ("archive-cleared", 2),
        ("clock-set", 1),
    ]


def test_only_events_of_the_span_are_read() -> None:
    events = {2: [(NOW - 5 * DAY, 1), (NOW - DAY, 1), (NOW - DAY / 2, 2)]}
    assert [present(each.event)["code"] for each in read(events, NOW - DAY, NOW - DAY / 4)] == ["power-off", "power-on"]
    assert [present(each.event)["code"] for each in read(events, profile_access="entry")] == ["power-off", "power-on"]


def test_a_code_that_no_table_knows_is_kept_as_it_is() -> None:
    (found,) = read({4: [(NOW - DAY, 250)]})
    assert (present(found.event)["code"], present(found.event)["maker"]) == ("other", "external.250")


def test_journals_that_a_meter_does_not_have_are_left_out() -> None:
    meter = spodes(events={4: [(NOW - DAY, 4)]})
    del meter.server.objects[7, obis("0.0.99.98.0.255")]
    reads, wire = opened(plan(), station(meter).answer)
    assert [present(each.event)["code"] for each in reads.event(wire, NOW - 2 * DAY, NOW)] == ["cover-open"]


def test_event_codes_are_short_words_and_every_event_has_a_text() -> None:
    model = next(model for model in models() if model.names[0] == "spodes")
    assert len(model.journals) == 10
    for journal in model.journals:
        for code, text in journal.events.values():
            assert code.replace("-", "").isalpha()
            assert code.islower()
            assert text
