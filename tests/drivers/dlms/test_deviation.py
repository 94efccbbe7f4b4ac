"""The sign of a SPODES meter's deviation: ГОСТ Р 58940-2020 words it one way, IEC 62056-6-2 the other."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drivers.dlms.meter_time import MeterTime
from protocols.dlms.cosem.stamp import Stamp, encode

NOW = datetime(2026, 3, 10, 9, 34, 56, tzinfo=UTC)
ZONES = {"Europe/Moscow": 180, "Asia/Krasnoyarsk": 420, "Asia/Kamchatka": 720, "Europe/Kaliningrad": 120}
GOST = bytes.fromhex("07 DE 01 01 05 00 00 00 00 01 A4 00")  # of the standard itself: 2014-01-01 00:00, +420


def shown(minutes: int, sign: int, off: timedelta = timedelta()) -> Stamp:
    """The clock object of a meter this far east of UTC, which states its deviation with this sign."""
    wall = (NOW + off + timedelta(minutes=minutes)).replace(tzinfo=None)
    return Stamp.from_bytes(encode(wall, sign * minutes, 0))


@pytest.mark.parametrize("minutes", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("sign", [-1, 1], ids=["UTC minus local", "local minus UTC"])
@pytest.mark.parametrize("off", [timedelta(), timedelta(minutes=14), timedelta(minutes=-14)], ids=str)
def test_auto_takes_the_sign_that_comes_near_the_gateways_time(minutes: int, sign: int, off: timedelta) -> None:
    time = MeterTime(auto=True)
    clock = shown(minutes, sign, off)
    time.decide(clock, NOW)
    assert time.reverse is (sign > 0) and not time.doubt
    assert time.utc(clock) == NOW + off
    archived = Stamp.from_bytes(encode(datetime(2026, 1, 1), sign * minutes, 0))
    assert time.utc(archived) == datetime(2026, 1, 1, tzinfo=UTC) - timedelta(minutes=minutes)


def test_the_published_stamp_of_the_standard_is_local_minus_utc() -> None:
    time = MeterTime(auto=True)
    time.decide(shown(420, 1), NOW)
    assert time.utc(Stamp.from_bytes(GOST)) == datetime(2013, 12, 31, 17, tzinfo=UTC)


def test_a_deviation_that_was_learnt_before_the_sign_turns_with_it() -> None:
    time = MeterTime(auto=True)
    time.learn(180)  # attribute 3, in the meter's own sign
    time.decide(shown(180, 1), NOW)
    assert time.deviation == -180
    assert time.moment(datetime(2026, 3, 10, 12)) == datetime(2026, 3, 10, 9, tzinfo=UTC)


def test_where_neither_sign_fits_the_configured_zone_counts_and_it_is_said() -> None:
    time = MeterTime(ZoneInfo("Europe/Moscow"), auto=True)
    wrong = Stamp.from_bytes(encode(datetime(2026, 3, 10, 12, 34, 56), 60, 0))
    time.decide(wrong, NOW)
    assert time.doubt and time.utc(wrong) == NOW, "not applied twice, nor from a wrong statement"
    time.decide(shown(180, -1), NOW)
    assert not time.doubt


@pytest.mark.parametrize("now", [None])
def test_without_the_gateways_time_nothing_is_decided(now: datetime | None) -> None:
    time = MeterTime(auto=True)
    time.decide(shown(180, 1), now)
    assert not time.reverse and not time.doubt


def test_a_sign_that_is_written_is_never_changed() -> None:
    for reverse in (False, True):
        time = MeterTime(reverse=reverse)
        time.decide(shown(180, -1), NOW)
        time.decide(shown(180, 1), NOW)
        assert time.reverse is reverse and not time.doubt
