"""The simulated archives of a Mercury against frames that others published, and against what a ring is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protocols.mercury.archives import EMPTY
from protocols.mercury.frames import Energy, seal
from simulators.mercury230 import Mercury230
from simulators.mercury_archive import Archive, Journal
from tests.conversations import pairs

PAIRS = [pair for book in ("mercury-manual", "mercury-public", "mercury-synthetic") for pair in pairs(book)]
NOW = datetime(2008, 3, 5, 7, 10, tzinfo=UTC)  # 10:10 in Moscow
A1000 = bytes.fromhex("B4 E4 C2 97 DF 58 0C 00")


def archive(truth: Any, now: datetime = NOW, **more: Any) -> Archive:
    return Archive(truth, lambda: now, **more)


def stepping(at: datetime) -> dict[int, Energy]:
    """5.25 kWh between 09:30 and 10:00, no A−, no reactive energy."""
    return {0: Energy(5250 if at >= datetime(2008, 3, 5, 6, 50, tzinfo=UTC) else 0, None, 0, 0)}


SHORT_CUT = (datetime(2008, 3, 5, 6, 52, tzinfo=UTC), datetime(2008, 3, 5, 6, 53, tzinfo=UTC))
PROFILE = archive(stepping, since=NOW - timedelta(minutes=65), off=[SHORT_CUT], constant=1000)
DAY = archive(lambda at: {2: Energy(31838, None, 732, 3485)}, datetime(2019, 8, 1, tzinfo=UTC))
POINTER = archive(
    lambda at: {0: Energy(0, 0, 0, 0)},
    datetime(2008, 3, 4, 6, 5, tzinfo=UTC),
    since=datetime(2008, 3, 4, 5, 5, tzinfo=UTC),
    off=[(datetime(2008, 3, 4, 5, 40, tzinfo=UTC), datetime(2008, 3, 4, 5, 41, tzinfo=UTC))],
)


def journal(*entries: tuple[int, str], latest: int = 0) -> Journal:
    return Journal(entries={place: bytes.fromhex(data) for place, data in entries}, latest=latest)


@pytest.mark.parametrize(
    ("state", "request_", "answer"),
    [
        (
            {"address": 0x14, "archive": DAY},
            "14 18 00 23 06 19 02 2D 0D",
            "14 00 00 5E 7C FF FF FF FF 00 00 DC 02 00 00 9D 0D 19 DA",
        ),
        ({"archive": POINTER}, "80 08 13 36 25", "80 00 01 0A 09 00 04 03 08 1E 6A 42"),
        (
            {"archive": PROFILE, "variant": A1000},
            "80 06 03 00 10 0F DA 5B",
            "80 0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00 FE AF",
        ),
        (
            {"journals": {0x01: journal((2, "01 53 07 01 02 08 09 50 12 01 02 08"))}},
            "80 04 01 02 E8 74",
            "80 01 53 07 01 02 08 09 50 12 01 02 08 2F 74",
        ),
        (
            {"journals": {0x02: journal((0, "53 23 10 23 01 08 59 23 10 23 01 08"))}},
            "80 04 02 FF 29 05",
            "80 53 23 10 23 01 08 59 23 10 23 01 08 00 91 EB",
        ),
        (
            {"address": 0x14, "journals": {0x81: journal((1, "06 58 07 20 09 18 58 51 10 03 10 18"))}},
            "14 04 81 01 E5 85",
            "14 06 58 07 20 09 18 58 51 10 03 10 18 69 38",
        ),
    ],
)
def test_a_simulated_archive_says_what_was_published(state: dict[str, Any], request_: str, answer: str) -> None:
    meter = Mercury230(**{"address": 0x80, "level": 1} | state)
    assert (bytes.fromhex(request_), bytes.fromhex(answer)) in PAIRS
    assert meter.answer(bytes.fromhex(request_)) == bytes.fromhex(answer)


def test_a_record_asked_by_distance_has_the_published_layout() -> None:
    later = archive(stepping, NOW + timedelta(minutes=30), since=PROFILE.since, off=[SHORT_CUT], constant=1000)
    meter = Mercury230(address=0x80, level=1, archive=later, variant=A1000)
    request, answer = bytes.fromhex("80 16 03 00 01 01 96 0C"), "80 0A 10 00 05 03 08 1E 04 29 FF FF 00 00 00 00 FE AF"
    assert (request, bytes.fromhex(answer)) in PAIRS
    assert meter.answer(request) == bytes.fromhex(answer)


@pytest.mark.parametrize("octets", ["06 03 00 10 0E", "06 03 00 10 1E", "06 03 00 10 00"])
def test_a_wrong_count_of_octets_sets_an_error_as_in_a_real_meter(octets: str) -> None:
    meter = Mercury230(address=1, level=1, archive=PROFILE)
    assert meter.answer(seal(1, bytes.fromhex(octets))) == seal(1, b"\x01")
    assert meter.status == bytes.fromhex("00 00 00 00 40 00")


@pytest.mark.parametrize(
    "octets", ["18 00 23 06 19 00", "06 03 00 10 0F", "16 03 00 00 01", "08 13", "04 01 FF", "05 C0 00"]
)
def test_a_meter_without_archives_refuses_them(octets: str) -> None:
    assert Mercury230(address=1, level=1).answer(seal(1, bytes.fromhex(octets))) == seal(1, b"\x01")


def test_nothing_lies_where_nothing_was_recorded_yet() -> None:
    assert PROFILE.last()[0] == 1
    assert [PROFILE.record(place) == EMPTY for place in (0, 1, 2, PROFILE.places - 1)] == [False, False, True, True]


def test_while_the_meter_is_off_nothing_is_counted() -> None:
    whole = archive(lambda at: {0: Energy((at - NOW) // timedelta(seconds=1) + 10_000, 5, None, 0)})
    before, after = NOW - timedelta(minutes=30), NOW - timedelta(minutes=20)
    cut = archive(whole.truth, off=[(before, after)])
    assert cut.rows(before) == whole.rows(before)
    assert cut.rows(before + timedelta(minutes=5))[0] == whole.rows(before)[0]
    assert cut.rows(NOW)[0] == Energy(10_000 - 600, 5, None, 0)


def test_a_ring_of_entries_begins_anew_when_it_is_full() -> None:
    kept = Journal(size=6, length=3)
    assert kept.entry(0xFF) == bytes(7)
    for number in range(1, 5):
        kept.add(bytes((number,)) * 6)
    assert kept.entry(0xFF) == b"\x04" * 6 + b"\x00"
    assert [kept.entry(place) for place in range(4)] == [b"\x04" * 6, b"\x02" * 6, b"\x03" * 6, None]
