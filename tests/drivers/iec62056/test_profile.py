"""Load profiles of the CE301, CE303 and Neva MT 3xx: each energy in its interval, what was not measured in none.

The frames are written by hand after the public drivers that docs/meters/iec62056-21.md names; no capture is public.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056.profile import powers
from drivers.reading import Reach, Reading
from protocols.errors import BadFrame, Busy, MeterError, Refused
from protocols.iec62056.block import Value
from protocols.iec62056.frames import answer
from tests.drivers.iec62056.support import RecordedMeter, driver
from tests.drivers.iec62056.test_archive import asked, ce301, moscow, questions, read
from tests.support.present import present

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")
HALF = timedelta(minutes=30)
MAY = (moscow(2022, 5, 10, 20), moscow(2022, 5, 10, 23))  # the recorded meter shows 21:42:34


def ce303(
    profile: dict[str, bytes], period: bytes = b"TAVER(30)", shown: str = "02.10.05.22 21:42:34"
) -> RecordedMeter:
    recorded = ce301(shown)
    recorded.answers[asked("TAVER")] = answer(period, "sum")
    recorded.answers |= {asked("GRAPE", arguments): answer(data, "sum") for arguments, data in profile.items()}
    return recorded


def intervals(recorded: RecordedMeter, since: datetime, until: datetime, **plan: Any) -> list[Reading]:
    return read(driver("ce303", **{"zone": "Europe/Moscow"} | plan), recorded, "interval", since, until)


def test_a_ce303_s_average_power_is_the_energy_of_its_half_hour() -> None:
    recorded = ce303({"10.05.22.40.4": b"GRAPE(0.73456)\r\nGRAPE(1)\r\nGRAPE(0.0)\r\nGRAPE(12.5)\r\n"})
    found = intervals(recorded, *MAY)
    assert questions(recorded) == ["TAVER()", "DATE_()", "TIME_()", "GRAPE(10.05.22.40.4)"]
    assert [each.at for each in found] == [MAY[0] + n * HALF for n in range(4)]  # the one to 22:00 still runs
    assert [each.start for each in found] == [MAY[0] + n * HALF for n in range(-1, 3)]
    assert [each.values for each in found] == [{"1-0:1.29.0": number} for number in (Decimal("367.28"), 500, 0, 6250)]
    assert all(each.kind == "interval" and each.flags == () and present(each.at).tzinfo == UTC for each in found)


@pytest.mark.parametrize(
    ("minutes", "power", "energy"),
    [(60, "0.001", 1), (15, "0.5", 125), (3, "0.6", 30), (6, "1.5", 150), (12, "0.3", 60)],
)
def test_intervals_of_other_lengths_are_exact_too(minutes: int, power: str, energy: int) -> None:
    number = 21 * 60 // minutes
    recorded = ce303({f"10.05.22.{number}.1": f"GRAPE({power})".encode()}, f"TAVER({minutes})".encode())
    (found,) = intervals(recorded, moscow(2022, 5, 10, 21), moscow(2022, 5, 10, 21))
    assert found.values == {"1-0:1.29.0": energy}
    assert present(found.at) - present(found.start) == timedelta(minutes=minutes)


@pytest.mark.parametrize("minutes", [b"5", b"10", b"20", b"0"])
def test_a_length_that_gives_no_exact_energies_is_refused(minutes: bytes) -> None:
    with pytest.raises(Refused, match="exact"):
        intervals(ce303({}, b"TAVER(" + minutes + b")"), *MAY)


@pytest.mark.parametrize("said", [b"TAVER()", b"TAVER(30.5)", b"TAVER(-30)", b"TAVER(30)(30)"])
def test_a_length_that_is_no_number_is_no_length(said: bytes) -> None:
    with pytest.raises(BadFrame):
        intervals(ce303({}, said), *MAY)


def test_marks_say_what_was_not_measured_and_an_unknown_mark_is_not_believed() -> None:
    said = b"GRAPE(0.5A)\r\n(0.5,A)\r\n(3.017;I)\r\n(0.25I)\r\n(2,I)\r\n(0.5Q)\r\n()\r\n(ERR11)\r\n(-1)\r\n(1)\r\n"
    found = intervals(ce303({"10.05.22.34.10": said}), moscow(2022, 5, 10, 17), MAY[1])
    assert [(each.values["1-0:1.29.0"], each.flags) for each in found] == [
        *((Decimal("1508.5"), ("partial",)), (125, ("partial",)), (1000, ("partial",)), (500, ()))
    ]
    assert [f"{present(each.at).astimezone(MOSCOW):%H:%M}" for each in found] == ["18:00", "18:30", "19:00", "21:30"]


def test_days_come_newest_first_and_a_day_that_is_not_kept_ends_nothing() -> None:
    recorded = ce303(
        {
            "10.05.22.1.1": b"GRAPE(1)",
            "09.05.22.1.48": b"",
            "08.05.22.1.48": b"GRAPE(ERR18)",
            "07.05.22.48.1": b"GRAPE(2)",
        }
    )
    found = intervals(recorded, moscow(2022, 5, 8), moscow(2022, 5, 10, 0, 30))
    assert [each.at for each in found] == [moscow(2022, 5, 10, 0, 30), moscow(2022, 5, 8)]
    assert [each.values["1-0:1.29.0"] for each in found] == [500, 1000]


def test_nothing_is_asked_that_has_not_ended_for_a_minute_or_that_the_meter_does_not_keep() -> None:
    recorded = ce303({}, shown="02.10.05.22 21:30:59")
    assert intervals(recorded, moscow(2022, 5, 10, 21, 30), moscow(2030, 1, 1)) == []
    assert intervals(recorded, moscow(2020, 1, 1), moscow(2022, 3, 28)) == []
    assert not any("GRAPE" in question for question in questions(recorded))


@pytest.mark.parametrize("data", [b"GRAPE(1)(1)(1)", b"GRAPE(1)(1)(1)(1)(1)", b"GRAPI(1)(1)(1)(1)"])
def test_an_answer_of_another_shape_is_no_profile(data: bytes) -> None:
    with pytest.raises(BadFrame):
        intervals(ce303({"10.05.22.40.4": data}), *MAY)


def test_a_meter_without_a_profile_says_so_and_one_that_refuses_an_old_day_is_not_taken_for_it() -> None:
    refused = {"09.05.22.1.48": b"(ERR12)", "10.05.22.1.1": b"(ERR12)"}
    span = (moscow(2022, 5, 9, 0, 30), moscow(2022, 5, 10))
    with pytest.raises(Refused, match="ERR12"):
        intervals(ce303(refused), *span)
    assert intervals(ce303(refused | {"10.05.22.1.1": b"GRAPE(1)"}), *span) == []


def test_hours_that_a_clock_change_repeats_or_leaves_out_are_missing_and_the_others_are_right() -> None:
    def day(year: int, month: int, number: int) -> list[tuple[str, str]]:
        def every(name: str, arguments: str) -> list[Value]:
            return [Value("1")] * int(arguments.rpartition(".")[2])

        at = datetime(year, month, number, 23, 59)
        span = (at.replace(hour=0, minute=1, tzinfo=BERLIN), at.replace(tzinfo=BERLIN))
        profile = driver("ce303").table.interval
        found = list(powers(profile, HALF, at, BERLIN, span, every))
        assert all(each.end - each.start == HALF for each in found)
        return [(f"{each.start:%H%M}", f"{each.start.astimezone(BERLIN):%H%M}") for each in found]

    spring, autumn = day(2026, 3, 29), day(2026, 10, 25)
    assert [local for _, local in spring[:8]] == ["0000", "0030", "0100", "0300", "0330", "0400", "0430", "0500"]
    assert [utc for utc, _ in spring[:4]] == ["2300", "2330", "0000", "0100"]
    assert [local for _, local in autumn[:5]] == ["0000", "0030", "0100", "0300", "0330"]
    assert [utc for utc, _ in autumn[:5]] == ["2200", "2230", "2300", "0200", "0230"]


def test_how_far_back_a_ce303_goes_is_known_once_it_has_told_its_period() -> None:
    meter, now = driver("ce303", zone="Europe/Moscow"), moscow(2022, 5, 10, 21, 43)
    assert meter.reach("interval", now) is None
    read(meter, ce303({"10.05.22.40.4": b"GRAPE(1)(1)(1)(1)"}), "interval", *MAY)
    assert meter.reach("interval", now) == Reach(moscow(2022, 3, 28, 0, 30), HALF)


# Neva MT 3xx: the days are counted back


def neva(shown: str = "260304100500", **profile: bytes) -> tuple[Any, RecordedMeter]:
    more = {asked("000980FF", rule="xor"): answer(f"000980FF({shown})".encode(), "xor")}
    for name, data in profile.items():
        said = data if data[:1] == b"(" else name[1:].encode() + b"(" + data + b")"
        more[asked(name[1:], rule="xor")] = answer(said, "xor")
    meter = driver("neva-mt3", address="00000201", password=b"00000000", zone="Europe/Moscow")
    return meter, RecordedMeter("iec-t08", more=more)


def watts(**numbers: int) -> bytes:
    """A day of half-hours in W: ``_19=251`` is the nineteenth."""
    return ",".join(f"{numbers.get(f'_{n}', 0):05}" for n in range(1, 49)).encode()


def test_a_neva_s_half_hours_are_those_of_the_day_counted_back_from_its_clock() -> None:
    meter, recorded = neva(_63010000=watts(_1=100, _19=251, _20=7), _63010001=watts(_48=1001))
    found = read(meter, recorded, "interval", moscow(2026, 3, 4), moscow(2026, 3, 4, 12))
    assert found[-1].at == moscow(2026, 3, 4) and found[-1].values == {"1-0:1.29.0": Decimal("500.5")}
    today = {f"{present(each.at).astimezone(MOSCOW):%H:%M}": each.values["1-0:1.29.0"] for each in found[:-1]}
    assert len(today) == 20 and {at: energy for at, energy in today.items() if energy} == {
        "00:30": 50,
        "09:30": Decimal("125.5"),
        "10:00": Decimal("3.5"),
    }
    assert questions(recorded) == ["000980FF()", "63010000()", "63010001()", "000980FF()"]
    assert meter.reach("interval", moscow(2026, 3, 4, 12)) == Reach(moscow(2025, 10, 28, 0, 30), HALF)


def test_a_neva_s_past_day_of_nothing_but_zeros_was_never_filled() -> None:
    meter, recorded = neva(_63010000=watts(), _63010001=watts(), _63010002=watts(_1=2))
    found = read(meter, recorded, "interval", moscow(2026, 3, 2, 0, 30), moscow(2026, 3, 4, 1))
    days = {f"{present(each.start).astimezone(MOSCOW):%d}" for each in found}
    assert days == {"04", "02"}, "this day's zeros are measured"


@pytest.mark.parametrize("shown", ["260303235930", "260304000030", "260304003030"])
def test_around_midnight_and_until_the_first_half_hour_is_written_no_day_is_counted_back(shown: str) -> None:
    meter, recorded = neva(shown, _63010000=watts())
    with pytest.raises(Busy):
        read(meter, recorded, "interval", moscow(2026, 3, 3), moscow(2026, 3, 4))
    assert questions(recorded) == ["000980FF()"]


def test_a_neva_s_profile_read_while_the_day_changed_is_not_believed() -> None:
    meter, recorded = neva(_63010000=watts(_1=100))
    later = iter([b"260303235800", b"260304000100"])
    known = recorded._answer

    def reply(data: bytes) -> list[tuple[float, bytes]]:
        if b"000980FF" in data:
            return [(0.2, answer(b"000980FF(" + next(later) + b")", "xor"))]
        return known(data)

    recorded.port.answer = reply
    with pytest.raises(Busy, match="changed"):
        read(meter, recorded, "interval", moscow(2026, 3, 3, 1), moscow(2026, 3, 3, 12))


@pytest.mark.parametrize(
    "said", [watts().replace(b"00000", b"0.251", 1), watts()[6:], watts() + b",00000"], ids=["kW?", "47", "49"]
)
def test_powers_that_are_no_whole_watts_of_48_half_hours_are_none(said: bytes) -> None:
    meter, recorded = neva(_63010000=said)
    with pytest.raises(BadFrame):
        read(meter, recorded, "interval", moscow(2026, 3, 4), moscow(2026, 3, 4, 12))


def test_a_neva_that_keeps_fewer_days_gives_those_and_one_without_a_profile_says_so() -> None:
    meter, recorded = neva(_63010000=watts(_1=100), _63010001=b"(01)")
    found = read(meter, recorded, "interval", moscow(2026, 3, 3, 12), moscow(2026, 3, 4, 0, 30))
    assert [each.at for each in found] == [moscow(2026, 3, 4, 0, 30)]
    assert read(meter, recorded, "interval", moscow(2026, 3, 3, 12), moscow(2026, 3, 3, 13)) == []
    meter, recorded = neva(_63010000=b"(01)", _63010001=b"(01)")
    with pytest.raises(Refused, match="01"):
        read(meter, recorded, "interval", moscow(2026, 3, 3, 12), moscow(2026, 3, 3, 13))


# Whatever comes

TEXTS = st.text(alphabet="0123456789.,;AIer -", max_size=12) | st.sampled_from(["0.5", "1.5A", "2;I", "ERR18", ""])


@pytest.mark.slow
@given(
    st.sampled_from(["ce303", "neva-mt3"]),
    st.lists(TEXTS, min_size=1, max_size=48),
    st.sampled_from([MOSCOW, BERLIN]),
    st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)),
)
def test_any_answer_ends_in_powers_or_in_a_declared_error(
    model: str, texts: list[str], zone: ZoneInfo, shown: datetime
) -> None:
    profile = driver(model).table.interval
    span = (datetime.min.replace(tzinfo=UTC) + timedelta(days=2), datetime.max.replace(tzinfo=UTC) - timedelta(days=2))
    try:
        for each in powers(profile, HALF, shown, zone, span, lambda name, arguments: [Value(text) for text in texts]):
            assert each.energy >= 0 and each.end - each.start == HALF
            assert each.end.astimezone(zone).replace(tzinfo=None) <= shown
            assert each.start.astimezone(zone).date() > shown.date() - timedelta(days=profile.depth)
    except MeterError:
        pass


def test_each_question_of_a_date_has_its_date() -> None:
    profile = driver("ce303").table.interval
    assert profile.asked(date(2026, 1, 9), 3, 12) == "09.01.26.3.12"
