"""Days and months from a meter's archive: the registers of the right midnight, or none."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056.archive import frozen
from drivers.reading import Reading
from protocols.errors import BadFrame, Busy, MeterError, Refused
from protocols.iec62056.block import Value, parse
from protocols.iec62056.frames import answer, command, option, request
from tests.drivers.iec62056.support import FAMILIES, RecordedMeter, driver

MOSCOW = ZoneInfo("Europe/Moscow")
Answers = dict[bytes, bytes]


def asked(name: str, arguments: str = "", rule: str = "sum") -> bytes:
    return command("R1", f"{name}({arguments})".encode(), rule)


def moscow(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=MOSCOW)  # type: ignore[arg-type, misc]


def read(meter: Any, recorded: RecordedMeter, kind: str, since: datetime, until: datetime) -> list[Reading]:
    ask = recorded.ask(meter)
    meter.open(ask)
    try:
        return list(getattr(meter, kind)(ask, since, until))
    finally:
        meter.close(ask)


def questions(recorded: RecordedMeter) -> list[str]:
    """The parameters that were asked for, in order."""
    return [data[4:-2].decode() for data in recorded.asked if data[:3] == b"\x01R1"]


# Energomera CE301, CE303: ENMPE(mm.yy)


def ce301(shown: str = "02.10.05.22 21:42:34", **answers: bytes) -> RecordedMeter:
    day, time = shown.split()
    more = {
        asked("DATE_"): answer(f"DATE_({day})\r\n".encode(), "sum"),
        asked("TIME_"): answer(f"TIME_({time})\r\n".encode(), "sum"),
    }
    months = {asked("ENMPE", name[1:].replace("_", ".")): answer(data, "sum") for name, data in answers.items()}
    return RecordedMeter("iec-t05", more=more | months)


def test_a_ce301_s_recorded_month_is_the_register_at_its_end_in_the_meter_s_zone() -> None:
    recorded = ce301()
    (month,) = read(driver("ce301", zone="Europe/Moscow"), recorded, "month", moscow(2022, 5, 1), moscow(2022, 5, 9))
    assert month == Reading(
        "month",
        {
            "1-0:1.8.0": Decimal("16550097.2645"),
            "1-0:1.8.1": Decimal("11295733.509"),
            "1-0:1.8.2": Decimal("3521292.9754"),
            "1-0:1.8.3": Decimal("1733070.7801"),
            "1-0:1.8.4": 0,
            "1-0:1.8.5": 0,
        },
        at=datetime(2022, 4, 30, 21, tzinfo=UTC),
    )
    assert questions(recorded) == ["DATE_()", "TIME_()", "ENMPE(04.22)"]


def test_only_months_that_are_asked_for_and_have_ended_cross_the_line() -> None:
    recorded = ce301(_03_22=b"ENMPE(5)(5)(0)(0)(0)(0)", _02_22=b"ENMPE(4)(4)(0)(0)(0)(0)")
    meter = driver("ce303", settings={"timezone": "Europe/Moscow"})
    found = read(meter, recorded, "month", moscow(2022, 3, 1), datetime(2030, 1, 1, tzinfo=UTC))
    assert [each.at for each in found] == [moscow(2022, month, 1) for month in (5, 4, 3)]
    assert questions(recorded)[2:] == ["ENMPE(04.22)", "ENMPE(03.22)", "ENMPE(02.22)"]
    recorded.asked.clear()
    assert read(meter, recorded, "month", moscow(2022, 5, 2), moscow(2022, 5, 31)) == []
    assert questions(recorded) == ["DATE_()", "TIME_()"]


def test_what_is_newer_than_asked_for_is_not_read() -> None:
    recorded = ce301(_03_22=b"ENMPE(5)(5)(0)(0)(0)(0)")
    found = read(driver("ce303", zone="Europe/Moscow"), recorded, "month", moscow(2022, 4, 1), moscow(2022, 4, 30))
    assert [each.at for each in found] == [moscow(2022, 4, 1)]
    assert questions(recorded)[2:] == ["ENMPE(03.22)"]


def test_a_year_is_the_most_that_is_asked_of_a_meter_whose_months_may_mean_two_years() -> None:
    recorded = RecordedMeter("iec-t05")
    known = ce301().answers

    def reply(data: bytes) -> list[tuple[float, bytes]]:
        recorded.asked.append(data)
        fallback = answer(b"ENMPE(ERR18)", "sum") if data[:3] == b"\x01R1" else None
        return [(0.2, found)] if (found := known.get(data) or fallback) else []

    recorded.port.answer = reply
    meter = driver("ce303", zone="Europe/Moscow")
    assert len(read(meter, recorded, "month", moscow(2015, 1, 1), moscow(2022, 6, 1))) == 1
    assert questions(recorded)[2:] == [
        *(f"ENMPE({month:02}.22)" for month in range(4, 0, -1)),
        *(f"ENMPE({month:02}.21)" for month in range(12, 4, -1)),
    ]


@pytest.mark.parametrize(
    "data",
    [b"ENMPE(0.0)(0.0)(0.0)(0.0)(0.0)(0.0)", b"ENMPE(ERR18)", b"(ERR17)", b"ENMPE()()()()()()"],
    ids=["a slot never filled", "not stored", "a date that it does not have", "empty"],
)
def test_a_month_that_the_meter_does_not_hold_is_missing_and_not_zero(data: bytes) -> None:
    recorded = ce301(_03_22=data)
    found = read(driver("ce303", zone="Europe/Moscow"), recorded, "month", moscow(2022, 4, 1), moscow(2022, 5, 1))
    assert [each.at for each in found] == [moscow(2022, 5, 1)]


def test_a_month_with_an_empty_register_is_partial() -> None:
    recorded = ce301(_03_22=b"ENMPE(16000.5)(ER11)(-1)(1700)(0.0)(0.0)")
    _, month = read(driver("ce303", zone="Europe/Moscow"), recorded, "month", moscow(2022, 4, 1), moscow(2022, 5, 1))
    assert month.values == {"1-0:1.8.0": 16000500, "1-0:1.8.3": 1700000, "1-0:1.8.4": 0, "1-0:1.8.5": 0}
    assert month.flags == ("partial",)


def test_only_the_tariffs_of_the_configuration_are_kept() -> None:
    meter = driver("ce303", zone="Europe/Moscow", tariffs=("T1", "T2"))
    (month,) = read(meter, ce301(), "month", moscow(2022, 5, 1), moscow(2022, 5, 1))
    assert set(month.values) == {f"1-0:1.8.{n}" for n in range(3)} and month.flags == ()


def test_a_meter_without_the_archive_says_so() -> None:
    recorded = ce301(_04_22=b"(ERR12)")
    with pytest.raises(Refused, match="ERR12"):
        read(driver("ce303", zone="Europe/Moscow"), recorded, "month", moscow(2022, 1, 1), moscow(2022, 5, 1))
    assert questions(recorded)[2:] == ["ENMPE(04.22)"]


@pytest.mark.parametrize("data", [b"ENMPE(1)(1)(0)(0)(0)", b"ENMPE(1)(1)(0)(0)(0)(0)(0)", b"EAMPE(1)(1)(0)(0)(0)(0)"])
def test_an_answer_of_another_shape_is_no_month(data: bytes) -> None:
    with pytest.raises(BadFrame):
        read(driver("ce303", zone="Europe/Moscow"), ce301(_04_22=data), "month", moscow(2022, 5, 1), moscow(2022, 5, 1))


@pytest.mark.parametrize(("plan", "words"), [({}, "set timezone"), ({"settings": {"timezone": "Mars/X"}}, "Mars/X")])
def test_without_a_zone_an_archive_has_no_moment_and_nothing_is_asked(plan: dict[str, Any], words: str) -> None:
    recorded = ce301()
    with pytest.raises(Refused, match=words):
        read(driver("ce303", **plan), recorded, "month", moscow(2022, 5, 1), moscow(2022, 5, 1))
    assert questions(recorded) == []


def test_the_meter_s_own_zone_goes_before_the_gateway_s() -> None:
    meter = driver("ce303", zone="Europe/Moscow", settings={"timezone": "Asia/Yekaterinburg"})
    (month,) = read(meter, ce301(), "month", moscow(2022, 4, 30), moscow(2022, 5, 1))
    assert month.at == datetime(2022, 4, 30, 19, tzinfo=UTC)


def test_a_ce301_s_day_is_the_register_at_its_end_and_a_day_that_it_keeps_not_is_answered_with_nothing() -> None:
    days = {"07": b"ENDPE(ERR18)", "08": b"", "09": b"ENDPE(16907.5)\r\n(11504.25)\r\n(3628)\r\n(1775.25)\r\n(0)(0)"}
    recorded = ce301()
    recorded.answers |= {asked("ENDPE", f"{day}.05.22"): answer(data, "sum") for day, data in days.items()}
    (day,) = read(driver("ce301", zone="Europe/Moscow"), recorded, "day", moscow(2022, 5, 8), moscow(2022, 5, 11))
    assert day.at == moscow(2022, 5, 10) and day.flags == ()
    assert [day.values[f"1-0:1.8.{n}"] for n in range(6)] == [16907500, 11504250, 3628000, 1775250, 0, 0]
    assert questions(recorded)[2:] == ["ENDPE(09.05.22)", "ENDPE(08.05.22)", "ENDPE(07.05.22)"]


# Energomera CE307, CE308: EMIzz(date,0,mask), the answer has its date


def ce308(**answers: bytes) -> RecordedMeter:
    more = {
        request(): b"/EMR5CE3081.1\r\n",
        option("0", "5", "1"): command("P0", b"(12345678)", "sum"),
        asked("DATE_"): answer(b"DATE_(03.04.03.26)\r\n", "sum"),
        asked("TIME_"): answer(b"TIME_(10:00:00)\r\n", "sum"),
    }
    for name, data in answers.items():
        parameter, _, day = name.partition("_")
        more[asked(parameter, f"{day.replace('_', '.')},0,F")] = answer(data, "sum")
    for number in ("01", "02", "03", "04"):
        for day in ("03.03.26", "02.03.26", "01.03.26", "00.02.26", "00.01.26"):
            more.setdefault(asked(f"EMI{number}", f"{day},0,F"), answer(b"(ERR12)", "sum"))
    return RecordedMeter(more=more)


def test_a_ce308_s_day_carries_its_date_and_is_frozen_at_the_next_midnight() -> None:
    recorded = ce308(
        EMI01_03_03_26=b"EMI01(03.03.26,0.45991)(0.41342)(0.04649)(0)(0)",
        EMI03_03_03_26=b"EMI03(03.03.26 1.5)(1.5)(0)(0)(0)",
    )
    (day,) = read(driver("ce308", zone="Europe/Moscow"), recorded, "day", moscow(2026, 3, 4), moscow(2026, 3, 4))
    assert day.at == moscow(2026, 3, 4) and day.flags == ()
    assert day.values == {
        "1-0:1.8.0": Decimal("459.91"),
        "1-0:1.8.1": Decimal("413.42"),
        "1-0:1.8.2": Decimal("46.49"),
        "1-0:1.8.3": 0,
        "1-0:1.8.4": 0,
        "1-0:3.8.0": 1500,
        "1-0:3.8.1": 1500,
        **{f"1-0:3.8.{n}": 0 for n in (2, 3, 4)},
    }


def test_an_older_day_s_registers_never_pass_for_the_day_that_is_asked_for() -> None:
    older = b"EMI01(01.03.26,7)(7)(0)(0)(0)"
    recorded = ce308(
        EMI01_03_03_26=b"EMI01(03.03.26,9)(9)(0)(0)(0)",
        EMI01_02_03_26=older,
        EMI01_01_03_26=older,
    )
    found = read(driver("ce308", zone="Europe/Moscow"), recorded, "day", moscow(2026, 3, 2), moscow(2026, 3, 4))
    assert [(each.at, each.values["1-0:1.8.0"]) for each in found] == [
        (moscow(2026, 3, 4), 9000),
        (moscow(2026, 3, 2), 7000),
    ]


@pytest.mark.parametrize(
    ("stamp", "taken"),
    [
        *(("00.02.26", True), ("28.02.26", True), ("01.02.26", False), ("01.03.26", False)),
        *(("00.01.26", False), ("00.02.25", False), ("27.02.26", False)),
    ],
)
def test_a_month_s_stamp_names_that_month_and_no_day_in_it(stamp: str, taken: bool) -> None:
    recorded = ce308(EMI01_00_02_26=f"EMI01({stamp},9)(9)(0)(0)(0)".encode())
    found = read(driver("ce308", zone="Europe/Moscow"), recorded, "month", moscow(2026, 3, 1), moscow(2026, 3, 1))
    assert [each.at for each in found] == [moscow(2026, 3, 1)] * taken


def test_a_day_without_its_date_is_no_day() -> None:
    recorded = ce308(EMI01_03_03_26=b"EMI01(0.45991)(0.41342)(0.04649)(0)(0)")
    with pytest.raises(BadFrame, match="no date"):
        read(driver("ce308", zone="Europe/Moscow"), recorded, "day", moscow(2026, 3, 4), moscow(2026, 3, 4))


def test_a_day_without_its_first_register_is_not_asked_for_the_others() -> None:
    recorded = ce308(EMI01_03_03_26=b"(ERR18)", EMI03_03_03_26=b"EMI03(03.03.26,1)(1)(0)(0)(0)")
    assert read(driver("ce308", zone="Europe/Moscow"), recorded, "day", moscow(2026, 3, 4), moscow(2026, 3, 4)) == []
    assert questions(recorded)[2:] == ["EMI01(03.03.26,0,F)"]


def test_what_a_ce308_does_not_count_is_not_asked_for_again_and_again() -> None:
    rows = {f"EMI01_0{day}_03_26": f"EMI01(0{day}.03.26,9)(9)(0)(0)(0)".encode() for day in (1, 2, 3)}
    meter, recorded = driver("ce308", zone="Europe/Moscow"), ce308(**rows)
    found = read(meter, recorded, "day", moscow(2026, 3, 2), moscow(2026, 3, 4))
    assert len(found) == 3 and {each.flags for each in found} == {()}
    assert sum("EMI02" in question for question in questions(recorded)) == 1
    recorded.asked.clear()
    read(meter, recorded, "day", moscow(2026, 3, 2), moscow(2026, 3, 4))
    assert not any("EMI02" in question for question in questions(recorded))


# Neva, CE102M: parameters that count back from now


def neva(model: str = "neva-mt3", shown: str = "260304100000", **answers: bytes) -> tuple[Any, RecordedMeter]:
    more = {asked("000980FF", rule="xor"): answer(f"000980FF({shown})".encode(), "xor")}
    more |= {asked(name[1:], rule="xor"): answer(data, "xor") for name, data in answers.items()}
    meter = driver(model, address="00000201", password=b"00000000", zone="Europe/Moscow")
    return meter, RecordedMeter("iec-t08", more=more)


FEBRUARY = b"0F088000(000046.24,000031.14,000015.10,000000.00,000000.00)"


def test_a_neva_s_month_and_day_are_those_that_began_last_by_its_own_clock() -> None:
    meter, recorded = neva(
        _0F088000=FEBRUARY,
        _0F088001=b"0F088001(000040.00,000030.00,000010.00,000000.00,000000.00)",
        _0F808000=b"0F808000(000046.90,000031.80,000015.10,000000.00,000000.00)",
    )
    found = read(meter, recorded, "month", moscow(2026, 2, 1), moscow(2026, 3, 4))
    assert [(each.at, each.values["1-0:1.8.0"]) for each in found] == [
        (moscow(2026, 3, 1), 46240),
        (moscow(2026, 2, 1), 40000),
    ]
    (day,) = read(meter, recorded, "day", moscow(2026, 3, 4), moscow(2026, 3, 4))
    assert day.at == moscow(2026, 3, 4) and day.values["1-0:1.8.1"] == 31800


def test_a_neva_s_days_are_counted_back_in_hexadecimal_and_zeros_are_none() -> None:
    rows: dict[str, Any] = {
        f"_0F8080{n:02X}": f"0F8080{n:02X}(000{90 - n:03}.00,000000.00,0,0,0)".encode() for n in range(8, 18)
    }
    meter, recorded = neva(**rows | {"_0F80800B": b"0F80800B(000000.00,000000.00,000000.00,000000.00,000000.00)"})
    found = read(meter, recorded, "day", moscow(2026, 2, 15), moscow(2026, 2, 24))
    days = [moscow(2026, 2, day) for day in range(24, 14, -1)]
    assert [each.at for each in found] == [day for day in days if day != moscow(2026, 2, 21)]
    assert [each.values["1-0:1.8.0"] for each in found][-1] == 73000
    assert questions(recorded)[1:-1] == [f"0F8080{n:02X}()" for n in range(8, 18)]


def test_a_neva_s_slots_that_were_never_filled_are_no_months() -> None:
    empty = b"(000000.00,000000.00,000000.00,000000.00,000000.00)"
    meter, recorded = neva(_0F088000=FEBRUARY, _0F088001=b"0F088001" + empty, _0F088002=b"(01)")
    found = read(meter, recorded, "month", moscow(2026, 1, 1), moscow(2026, 3, 4))
    assert [each.at for each in found] == [moscow(2026, 3, 1)]


@pytest.mark.parametrize("shown", ["260228235930", "260301000030"])
def test_around_midnight_nothing_is_asked_that_counts_back_from_now(shown: str) -> None:
    meter, recorded = neva(shown=shown, _0F088000=FEBRUARY)
    with pytest.raises(Busy):
        read(meter, recorded, "month", moscow(2026, 2, 1), moscow(2026, 3, 4))
    assert questions(recorded) == ["000980FF()"]


def test_rows_read_while_the_day_changed_are_not_believed() -> None:
    meter, recorded = neva(shown="260228235800", _0F088000=FEBRUARY)
    later = iter([b"260228235800", b"260301000100"])
    known = recorded._answer

    def reply(data: bytes) -> list[tuple[float, bytes]]:
        if b"000980FF" in data:
            return [(0.2, answer(b"000980FF(" + next(later) + b")", "xor"))]
        return known(data)

    recorded.port.answer = reply
    with pytest.raises(Busy, match="changed"):
        read(meter, recorded, "month", moscow(2026, 2, 1), moscow(2026, 3, 4))


def test_a_ce102m_s_first_month_back_ended_when_this_one_began() -> None:
    month = answer(b"ENM01(68.42)\r\n(45.54)\r\n(22.88)\r\n(0.00)\r\n(0.00)\r\n(0.00)\r\n", "sum")
    recorded = RecordedMeter("iec-t01", "iec-t03", more={asked("ENM01"): month})
    meter = driver("ce102m", zone="Europe/Moscow")
    (found,) = read(meter, recorded, "month", moscow(2016, 8, 1), moscow(2016, 8, 31))
    assert found.at == moscow(2016, 8, 1)
    assert [found.values[f"1-0:1.8.{n}"] for n in range(3)] == [68420, 45540, 22880]


def test_the_7109_and_readouts_claim_no_archive() -> None:
    for model in ("neva-mt124-7109", "iec-readout", "ce303-group", "ce102m-list"):
        assert not FAMILIES[model].capabilities & {"day", "month", "event", "interval", "set_clock"}


# Whatever comes

TEXTS = st.text(alphabet="0123456789.,- ()EIR*", max_size=40) | st.sampled_from(["03.03.26,1.5", "1.5", "ERR18", ""])


def any_answer(texts: Sequence[str]) -> Callable[[str, str], Sequence[Value]]:
    return lambda name, arguments: parse(f"{name}({')('.join(texts)})".encode()).values(name)


@pytest.mark.slow
@given(st.sampled_from(["ce303", "ce308", "neva", "ce102m"]), st.lists(TEXTS, min_size=1, max_size=8), st.dates())
def test_any_answer_ends_in_frozen_registers_or_in_a_declared_error(model: str, texts: list[str], today: date) -> None:
    table = driver(model).table
    span = (datetime.min.replace(tzinfo=UTC) + timedelta(days=1), datetime.max.replace(tzinfo=UTC) - timedelta(days=1))
    today = max(today, date(1000, 1, 1))
    for kind in ("day", "month"):
        archives = getattr(table, kind)
        try:
            for row in frozen(kind, archives, today, ZoneInfo("UTC"), span, any_answer(texts), set()):
                assert row.at.date() <= today and (kind == "day" or row.at.day == 1)
                assert all(number >= 0 for number in row.values.values())
        except MeterError:
            pass
