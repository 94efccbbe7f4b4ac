"""Profiles: rows of the meter's archive with exact values and UTC stamps, and only those that are asked for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from drivers.dlms.meter_time import MeterTime
from protocols.dlms import axdr
from protocols.dlms.apdu import Entries, GetRequest, Range, obis
from protocols.dlms.cosem.stamp import Stamp, encode
from protocols.errors import BadFrame, Refused
from simulators.dlms_objects import CosemObject, ProfileObject, capture_object
from simulators.spodes import Spodes
from tests.support.dlms import NOW, START, household, opened, plan, spodes, station
from tests.support.present import present

TOTAL = "1-0:1.8.0"
HOUR = timedelta(hours=1)
CLOCK = obis("0.0.1.0.0.255")


def test_the_load_profile_agrees_with_registers_and_days() -> None:
    reads, wire = opened(plan(), station(spodes()).answer)
    midnight = datetime(2026, 3, 8, 21, tzinfo=UTC)
    rows = list(reads.interval(wire, midnight + HOUR / 2, midnight + 24 * HOUR))
    assert len(rows) == 48
    assert all(row.start == present(row.at) - HOUR / 2 and row.kind == "interval" and row.flags == () for row in rows)
    assert rows[0].at == midnight + HOUR / 2
    days = {row.at: row.values for row in reads.day(wire, midnight, midnight + 24 * HOUR)}
    used = days[midnight + 24 * HOUR][TOTAL] - days[midnight][TOTAL]
    assert sum(row.values["1-0:1.29.0"] for row in rows) == used
    assert days[midnight][TOTAL] == sum(days[midnight][f"1-0:1.8.{n}"] for n in (1, 2, 3, 4))


def test_months_are_the_first_days_of_local_months() -> None:
    reads, wire = opened(plan(), station(spodes()).answer)
    assert [row.at for row in reads.month(wire, START, NOW)] == [
        datetime(2026, 1, 31, 21, tzinfo=UTC),
        datetime(2026, 2, 28, 21, tzinfo=UTC),
    ]


@pytest.mark.parametrize("access", ["range", "entry"])
def test_only_the_rows_that_are_asked_for_are_read_and_given(access: str) -> None:
    meter = spodes()
    reads, wire = opened(plan(profile_access=access, rows=10), station(meter).answer)
    list(reads.interval(wire, NOW - HOUR, NOW))
    since, until = NOW - 9 * HOUR, NOW - 4 * HOUR
    before = wire.octets
    rows = list(reads.interval(wire, since, until))
    assert [row.at for row in rows] == [
        at for at in (NOW.replace(minute=0, second=0) - HOUR / 2 * n for n in range(40, -1, -1)) if since <= at <= until
    ]
    assert wire.octets - before < 4000
    assert not any(isinstance(each, GetRequest) and each.attribute.index == 2 and each.attribute.access is None
                   and each.attribute.code == obis("1.0.99.1.0.255") for each in meter.server.asked)  # fmt: skip


class Generous(ProfileObject):
    """Gives all its rows where some are asked for by their time."""

    def read(self, index: int, access: Range | Entries | None = None) -> bytes | None:
        return super().read(index, None if isinstance(access, Range) else access)


def test_rows_that_a_meter_gives_too_many_or_twice_are_dropped() -> None:
    meter = spodes(start=NOW - 12 * HOUR)
    key = 7, obis("1.0.99.1.0.255")
    meter.server.objects[key] = Generous(**vars(meter.server.objects[key]))
    reads, wire = opened(plan(rows=2), station(meter).answer)
    rows = list(reads.interval(wire, NOW - 4 * HOUR, NOW))
    assert len(rows) == len({row.at for row in rows}) == 8


def buffer(meter: Spodes, cells: list[tuple[bytes, ...]], period: int = 1800) -> None:
    """Replaces the load profile by rows of clock and one register."""
    code = obis("1.0.1.29.0.255")
    objects = axdr.array([capture_object(8, CLOCK), capture_object(3, code)])
    rows = axdr.array([axdr.structure(*row) for row in cells])
    meter.server.add(
        [CosemObject(7, obis("1.0.99.1.0.255"), {2: rows, 3: objects, 4: axdr.double_long_unsigned(period)})]
    )


def stamp(wall: datetime, deviation: int = -180, status: int = 0) -> bytes:
    return axdr.octets(encode(wall, deviation, status))


NOON = datetime(2026, 3, 10, 12)


def test_empty_cells_are_absent_unless_the_meter_means_the_cell_above() -> None:
    meter = spodes()
    value = axdr.long64_unsigned(5000)
    buffer(meter, [(stamp(NOON), value), (axdr.null(), axdr.null()), (stamp(NOON + HOUR), value)])
    reads, wire = opened(plan(), station(meter).answer)
    rows = list(reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR))
    assert [(present(row.at).hour, present(row.at).minute, dict(row.values), row.flags) for row in rows] == [
        (9, 0, {"1-0:1.29.0": 5}, ()),
        (9, 30, {}, ("partial",)),
        (10, 0, {"1-0:1.29.0": 5}, ()),
    ]
    reads, wire = opened(plan(null_cells="same"), station(meter).answer)
    rows = list(reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR))
    assert [row.values for row in rows] == [{"1-0:1.29.0": 5}] * 3
    assert [present(row.at).minute for row in rows] == [0, 30, 0]


def test_an_interval_that_ended_out_of_turn_is_partial_and_starts_at_its_boundary() -> None:
    meter = spodes()
    buffer(meter, [(stamp(NOON + timedelta(minutes=7)), axdr.long64_unsigned(1))])
    reads, wire = opened(plan(), station(meter).answer)
    (row,) = reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR)
    assert (row.start, row.flags) == (datetime(2026, 3, 10, 9, tzinfo=UTC), ("partial",))


def test_a_stamp_may_mean_the_start_of_an_interval() -> None:
    meter = spodes()
    buffer(meter, [(stamp(NOON), axdr.long64_unsigned(1))])
    reads, wire = opened(plan(stamp="start"), station(meter).answer)
    (row,) = reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR)
    assert (row.start, row.at) == (datetime(2026, 3, 10, 9, tzinfo=UTC), datetime(2026, 3, 10, 9, 30, tzinfo=UTC))


@pytest.mark.parametrize("access", ["range", "entry"])
@pytest.mark.parametrize("means", ["end", "start"])
def test_pieces_of_a_span_bring_each_interval_that_ends_within_it_once(means: str, access: str) -> None:
    """Whichever end of an interval the meter stamps: filling asks piece by piece, and what a piece lacks is absent."""
    reads, wire = opened(plan(stamp=means, profile_access=access, rows=7), station(spodes()).answer)
    first = datetime(2026, 3, 9, 21, tzinfo=UTC)
    ends = [first + HOUR / 2 * number for number in range(20)]
    pieces = [(ends[0], ends[0]), (ends[1], ends[12]), (ends[13], ends[19])]
    found = [[row.at for row in reads.interval(wire, *piece)] for piece in pieces]
    assert found == [ends[:1], ends[1:13], ends[13:]]


def test_an_interval_that_has_only_begun_is_not_given() -> None:
    meter = spodes()
    buffer(meter, [(stamp(NOON), axdr.long64_unsigned(1)), (stamp(NOON + HOUR / 2), axdr.long64_unsigned(2))])
    reads, wire = opened(plan(stamp="start"), station(meter).answer)
    noon = datetime(2026, 3, 10, 9, tzinfo=UTC)
    assert [row.at for row in reads.interval(wire, noon, noon + HOUR * 3 / 4)] == [noon + HOUR / 2]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ((stamp(NOON),), "another length"),
        ((stamp(NOON), axdr.octets(b"x")), "not a number"),
        ((axdr.octets(b"short"), axdr.unsigned(1)), "date-time of 5 octets"),
    ],
)
def test_a_row_that_does_not_fit_its_columns_is_an_error(row: tuple[bytes, ...], error: str) -> None:
    meter = spodes()
    buffer(meter, [row])
    reads, wire = opened(plan(), station(meter).answer)
    with pytest.raises(BadFrame, match=error):
        list(reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR))


def test_a_row_with_open_parts_in_its_stamp_is_left_out() -> None:
    meter = spodes()
    wild = axdr.octets(bytes.fromhex("ffff030aff0c000000ff4c00"))
    buffer(meter, [(wild, axdr.unsigned(1)), (stamp(NOON), axdr.unsigned(2))])
    reads, wire = opened(plan(), station(meter).answer)
    assert len(list(reads.interval(wire, NOW - 10 * HOUR, NOW + HOUR))) == 1


def test_columns_are_found_by_their_obis_wherever_they_stand() -> None:
    meter = spodes()
    code = obis("1.0.98.2.0.255")
    columns = [obis("1.0.2.8.0.255"), obis("1.0.1.8.0.255")]
    meter.server.add([
        ProfileObject(
            7, code,
            {3: axdr.array([capture_object(3, columns[0]), capture_object(8, CLOCK), capture_object(3, columns[1])]),
             4: axdr.double_long_unsigned(86400)},
            stamps=lambda: [NOW],
            row=lambda at: axdr.structure(axdr.unsigned(7), axdr.octets(meter.stamp(at)), axdr.long64_unsigned(9000)),
        )
    ])  # fmt: skip
    reads, wire = opened(plan(), station(meter).answer)
    (row,) = reads.day(wire, NOW - HOUR, NOW + HOUR)
    assert row.values == {"1-0:2.8.0": Decimal("0.007"), "1-0:1.8.0": 9}


def test_a_profile_that_a_meter_does_not_have_is_refused_in_words() -> None:
    meter = spodes()
    del meter.server.objects[7, obis("1.0.98.1.0.255")]
    reads, wire = opened(plan(), station(meter).answer)
    with pytest.raises(Refused, match=r"no profile 1-0:98\.1\.0"):
        list(reads.month(wire, START, NOW))


def test_scales_come_from_the_registers_where_there_is_no_companion() -> None:
    meter = spodes()
    del meter.server.objects[7, obis("1.0.94.7.2.255")]
    reads, wire = opened(plan(), station(meter).answer)
    (row,) = reads.day(wire, NOW - 24 * HOUR, NOW)
    assert row.values[TOTAL] == household().energy(present(row.at))["total"]


def test_a_column_without_any_scale_is_left_out_and_the_row_is_partial() -> None:
    meter = spodes()
    del meter.server.objects[7, obis("1.0.94.7.4.255")]
    reads, wire = opened(plan(), station(meter).answer)
    rows = list(reads.interval(wire, NOW - HOUR, NOW))
    assert [(dict(row.values), row.flags) for row in rows] == [({}, ("partial",))] * 2


@pytest.mark.parametrize(
    ("time", "wall", "deviation", "status", "utc"),
    [
        (MeterTime(), NOON, -180, 0, "09:00"),
        (MeterTime(reverse=True), NOON, 180, 0, "09:00"),
        (MeterTime(deviation=-300), NOON, None, 0, "07:00"),
        (MeterTime(), NOON, None, 0, None),
    ],
)
def test_local_time_becomes_utc_by_what_the_stamp_or_the_meter_says(
    time: MeterTime, wall: datetime, deviation: int | None, status: int, utc: str | None
) -> None:
    found = time.utc(Stamp.from_bytes(encode(wall, deviation, status)))
    assert (found and f"{found:%H:%M}") == utc


@pytest.mark.parametrize(("status", "utc"), [(0x80, 0), (0x00, 1)])
def test_in_the_hour_that_comes_twice_the_status_tells_which(status: int, utc: int) -> None:
    from zoneinfo import ZoneInfo

    berlin = MeterTime(ZoneInfo("Europe/Berlin"))
    twice = Stamp.from_bytes(encode(datetime(2026, 10, 25, 2, 30), None, status))
    assert berlin.utc(twice) == datetime(2026, 10, 25, utc, 30, tzinfo=UTC)
    once = Stamp.from_bytes(encode(datetime(2026, 7, 1, 2, 30), None, status))
    assert berlin.utc(once) == datetime(2026, 7, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deviation", "zone"),
    [(-180, "Etc/GMT-3"), (60, "Etc/GMT+1"), (0, "Etc/GMT"), (-330, None), (-900, None), (None, None)],
)
def test_a_deviation_of_whole_hours_is_a_zone_for_days_and_months(deviation: int | None, zone: str | None) -> None:
    fixed = MeterTime(deviation=deviation).fixed
    assert (fixed and fixed.key) == zone
    assert fixed is None or NOW.astimezone(fixed).replace(tzinfo=None) == MeterTime(deviation=deviation).wall(NOW)[0]


def test_a_moment_becomes_the_meters_local_time_with_its_deviation() -> None:
    moscow = MeterTime(deviation=-180)
    assert moscow.stamp(NOW, True)[:11] == bytes.fromhex("07ea030aff0c223800ff4c")
    assert moscow.stamp(NOW, False)[9:11] == b"\x80\x00"
    assert MeterTime(deviation=-180, reverse=True).stamp(NOW, True)[9:11] == (180).to_bytes(2, "big")
    with pytest.raises(Refused, match="set timezone"):
        MeterTime().wall(NOW)
