"""Drivers over recorded bytes of real meters: what a point's record then holds, to the watt-hour."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from drivers.reading import Exchange, Identity
from protocols.errors import AccessDenied, BadFrame, NoReply, Refused
from protocols.iec62056 import frames
from protocols.iec62056.frames import answer, command, option, request
from protocols.session import Line
from tests.drivers.iec62056.support import FAMILIES, RecordedMeter, driver

LINE = Line(9600, "7E1")


def asked(name: str, arguments: str = "", rule: str = "sum") -> bytes:
    return command("R1", f"{name}({arguments})".encode(), rule)


def dialogue(meter: Any, recorded: RecordedMeter, *kinds: str) -> list[Any]:
    """Identity and readings of one dialogue, opened and closed."""
    ask = recorded.ask(meter)
    meter.open(ask)
    found = [meter.identify(ask), *(getattr(meter, kind)(ask) for kind in kinds)]
    meter.close(ask)
    return found


def test_ce301_gives_all_tariffs_in_one_answer_exactly() -> None:
    recorded = RecordedMeter("iec-t04", more={asked("SNUMB"): answer(b"SNUMB(009114135064195)\r\n", "sum")})
    identity, now, clock = dialogue(driver("ce301"), recorded, "now", "clock")
    assert identity == Identity("009114135064195", "CE301", "v11")
    assert now.values == {
        "1-0:1.8.0": Decimal("10879927.572"),
        "1-0:1.8.1": Decimal("8032516.0368"),
        "1-0:1.8.2": Decimal("2847411.5352"),
        "1-0:1.8.3": 0,
        "1-0:1.8.4": 0,
        "1-0:1.8.5": 0,
    }
    assert now.flags == () and clock == datetime(2016, 10, 24, 21, 42, 34)
    assert recorded.asked[-1] == command("B0", b"", "sum")


def test_ce301_network_leaves_out_what_the_meter_refuses() -> None:
    more = {
        asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum"),
        asked("CURRE"): answer(b"CURRE(1.5)\r\nCURRE(0.0)\r\nCURRE()\r\n", "sum"),
        asked("COS_f"): answer(b"(ERR12)", "sum"),
        asked("FREQU"): answer(b"(ERR12)", "sum"),
    }
    meter, recorded = driver("ce303"), RecordedMeter("iec-t04", more=more)
    _, network = dialogue(meter, recorded, "network")
    assert network.values == {
        "1-0:32.7.0": Decimal("209.185"),
        "1-0:52.7.0": Decimal("217.742"),
        "1-0:72.7.0": Decimal("217.465"),
        "1-0:31.7.0": Decimal("1.5"),
        "1-0:51.7.0": 0,
        "1-0:36.7.0": Decimal("276.6"),
        "1-0:56.7.0": Decimal("306.8"),
        "1-0:76.7.0": Decimal("11.9"),
        "1-0:16.7.0": Decimal("605.8"),
    }
    assert network.flags == ("partial",)  # an empty current, a frequency that every CE303 has
    recorded.asked.clear()
    dialogue(meter, recorded, "network")
    assert asked("COS_f") not in recorded.asked and asked("VOLTA") in recorded.asked


@pytest.mark.parametrize("tariffs", [("T1",), ("T1", "T2")])
def test_only_the_tariffs_that_the_configuration_names_are_kept(tariffs: tuple[str, ...]) -> None:
    recorded = RecordedMeter("iec-t04", more={asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum")})
    _, now = dialogue(driver("ce303", tariffs=tariffs), recorded, "now")
    assert set(now.values) == {"1-0:1.8.0", *(f"1-0:1.8.{name[1]}" for name in tariffs)}


def test_ce102m_gives_everything_in_its_short_list() -> None:
    recorded = RecordedMeter("iec-t02")
    identity, now, clock = dialogue(driver("ce102m-list"), recorded, "now", "clock")
    assert identity == Identity("010748065001474", "CE102M", "v01")
    assert [now.values[f"1-0:1.8.{n}"] for n in range(4)] == [9832390, 6383960, 3448250, 0]
    assert clock == datetime(2016, 8, 29, 15, 51, 3)
    assert len(recorded.asked) == 2  # one telegram brought all three


def test_ce102m_network_and_clock() -> None:
    recorded = RecordedMeter("iec-t01", "iec-t03")
    identity, network, clock = dialogue(driver("ce102m"), recorded, "network", "clock")
    assert identity.serial == "010748065001474" and clock == datetime(2016, 8, 31, 18, 59, 8)
    assert network.values == {
        "1-0:32.7.0": Decimal("215.78"),
        "1-0:31.7.0": Decimal("1.767"),
        "1-0:16.7.0": Decimal("378.816"),
        "1-0:13.7.0": 1,
        "1-0:14.7.0": Decimal("50.01"),
    }


def test_ce303_group_read_proves_whose_values_they_are() -> None:
    def group(data: bytes) -> bytes:
        return b"/?00000211!" + command("R1", b"GROUP(" + data + b")", "sum")

    wanted = b"5003(1)1001(3F)1004(3F)1008(3F)"
    values = b"1001(10.5)(7)(3.5)(0)(0)(0)1004(E12)(E12)(E12)(E12)(E12)(E12)1008(1)(1)(0)(0)(0)(0)"
    sound = {
        group(b"5003(1)"): answer(b"5003(009114135064195)", "sum"),
        group(wanted): answer(b"5003(009114135064195)" + values, "sum"),
    }
    meter = driver("ce303-group", address="00000211")
    identity, now = dialogue(meter, RecordedMeter(more=sound), "now")
    assert identity.serial == "009114135064195"
    assert now.values == {"1-0:1.8.0": 10500, "1-0:1.8.1": 7000, "1-0:1.8.2": 3500} | {
        f"1-0:1.8.{n}": 0 for n in (3, 4, 5)
    } | {"1-0:4.8.0": 1000, "1-0:4.8.1": 1000} | {f"1-0:4.8.{n}": 0 for n in (2, 3, 4, 5)}
    assert now.flags == ()
    other = sound | {group(wanted): answer(b"5003(009114135064196)" + values, "sum")}
    with pytest.raises(BadFrame, match="in place of"):
        dialogue(meter, RecordedMeter(more=other), "now")


def test_ce308_reads_its_archive_commands() -> None:
    entry = {
        request(): b"/EMRz\\2CE2089.1\r\n",
        request("5"): b"/EMR5CE3081.1\r\n",
        option("0", "5", "1"): command("P0", b"(12345678)", "sum"),
        asked("SNUMB"): answer(b"SNUMB(0112233)\r\n", "sum"),
        asked("EMD01", "0.0,F"): answer(b"EMD01(20.08.24,0.45991)(0.41342)(0.04649)(0)(0)", "sum"),
        asked("EMD02", "0.0,F"): answer(b"(ERR12)", "sum"),
        asked("EMD03", "0.0,F"): answer(b"EMD03(20.08.24 1.5)(1.5)(0)(0)(0)", "sum"),
        asked("EMD04", "0.0,F"): answer(b"EMD04(20.08.24,)()()()()", "sum"),
    }
    identity, now = dialogue(driver("ce308", address="5"), RecordedMeter(more=entry), "now")
    assert identity == Identity("0112233", "CE308", "1.1")
    assert [now.values[f"1-0:1.8.{n}"] for n in range(3)] == [Decimal("459.91"), Decimal("413.42"), Decimal("46.49")]
    assert now.values["1-0:3.8.0"] == 1500 and not any(":4.8" in code or ":2.8" in code for code in now.values)
    assert now.flags == ()


def test_neva_logs_in_first_and_skips_what_it_does_not_count() -> None:
    serial = answer(b"600100FF(60089784)", "xor")
    recorded = RecordedMeter("iec-t08", more={
        asked("600100FF", rule="xor"): serial,
        asked("040880FF", rule="xor"): answer(b"(01)", "xor"),
        asked("000980FF", rule="xor"): answer(b"000980FF(231006232957)", "xor"),
    })  # fmt: skip
    meter = driver("neva-mt3", address="00000201", password=b"00000000")
    identity, now, clock = dialogue(meter, recorded, "now", "clock")
    assert identity == Identity("60089784", "NEVAMT324", "2307")
    assert now.values == {f"1-0:1.8.{n}": wh for n, wh in enumerate((46240, 31140, 15100, 0, 0))}
    assert now.flags == () and clock == datetime(2023, 10, 6, 23, 29, 57)
    assert recorded.asked[2] == command("P1", b"(00000000)", "xor")
    assert recorded.asked[-1] == command("B0", b"", "xor")


def test_neva_7109_gives_tariffs_without_a_total_and_none_is_invented() -> None:
    more = {
        request(): b"/TPC5NEVAMT124.7109\r\n",
        option("0", "5", "1"): command("P0", b"()", "xor"),
        command("P1", b"()", "xor"): b"\x06",
        asked("600100FF", rule="xor"): answer(b"600100FF(123)", "xor"),
        asked("0F0880FF", "S", "xor"): answer(b"0F0880FF([231006:232957]01242.39,00401.98,01234.99,05678.88)", "xor"),
    }
    _, now = dialogue(driver("neva-mt124-7109"), RecordedMeter(more=more), "now")
    assert now.values == {f"1-0:1.8.{n}": wh for n, wh in enumerate((1242390, 401980, 1234990, 5678880), 1)}


@pytest.mark.parametrize(("sent", "factor"), [("00.717", "0.717"), ("10.717", "0.717"), ("21.000", "1")])
def test_neva_s_sign_digit_is_no_part_of_the_power_factor(sent: str, factor: str) -> None:
    more = {
        asked("0D07FFFF", rule="xor"): answer(f"0D07FFFF({sent})".encode(), "xor"),
        asked("600100FF", rule="xor"): answer(b"600100FF(1)", "xor"),
    }
    refused = {asked(row.name, rule="xor"): answer(b"(01)", "xor") for row in driver("neva-mt3").table.network}
    recorded = RecordedMeter("iec-t08", more=refused | more)
    _, network = dialogue(driver("neva-mt3", address="00000201", password=b"00000000"), recorded, "network")
    assert network.values == {"1-0:13.7.0": Decimal(factor)}


def test_a_refused_password_is_access_denied_and_the_break_is_still_sent() -> None:
    recorded = RecordedMeter("iec-t08", more={command("P1", b"(1)", "xor"): command("B0", b"", "xor")})
    meter = driver("neva-mt3", address="00000201", password=b"1")
    ask = recorded.ask(meter)
    with pytest.raises(AccessDenied):
        meter.open(ask)
    meter.close(ask)
    assert recorded.asked[-1] == command("B0", b"", "xor")


def test_after_a_dialogue_that_broke_off_the_next_one_begins_with_a_break() -> None:
    recorded = RecordedMeter("iec-t04", more={asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum")})
    meter = driver("ce303")
    meter.open(recorded.ask(meter))  # the port vanished: no goodbye
    recorded.asked.clear()
    dialogue(meter, recorded, "now")
    assert recorded.asked[0] == command("B0", b"", "sum") and recorded.asked[1] == request()


def test_a_meter_that_greeted_and_then_fell_silent_gets_a_break_before_the_next_sign_on() -> None:
    recorded = RecordedMeter("iec-t04", more={option("0", "5", "1"): b""})
    meter = driver("ce303")
    with pytest.raises(NoReply):
        meter.open(recorded.ask(meter))
    recorded.asked.clear()
    with pytest.raises(NoReply):
        meter.open(recorded.ask(meter))
    assert recorded.asked[:2] == [command("B0", b"", "sum"), request()]


def test_a_silent_meter_gets_nothing_but_the_sign_on() -> None:
    recorded, meter = RecordedMeter(), driver("ce303")
    for _ in range(2):
        with pytest.raises(NoReply):
            meter.open(recorded.ask(meter))
    assert set(recorded.asked) == {request()}


@pytest.mark.parametrize("data", [b"ET0PE(1)(2)(3)(4)(5)", b"ET0PE(1)(2)(3)(4)(5)(6)(7)"])
def test_a_wrong_number_of_values_is_never_spread_over_the_tariffs(data: bytes) -> None:
    more = {asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum"), asked("ET0PE"): answer(data, "sum")}
    with pytest.raises(BadFrame, match="6 are due"):
        dialogue(driver("ce303"), RecordedMeter("iec-t04", more=more), "now")


@pytest.mark.parametrize("value", [b"", b"-1.5", b"ER11", b"1.2.3", b"1e5", b"         "])
def test_what_is_no_number_is_missing_and_not_zero(value: bytes) -> None:
    data = b"ET0PE(" + value + b")(2)(3)(4)(5)(6)"
    more = {asked("SNUMB"): answer(b"SNUMB(1)\r\n", "sum"), asked("ET0PE"): answer(data, "sum")}
    _, now = dialogue(driver("ce303"), RecordedMeter("iec-t04", more=more), "now")
    assert "1-0:1.8.0" not in now.values and now.values["1-0:1.8.1"] == 2000 and now.flags == ("partial",)


def test_a_clock_is_read_again_when_midnight_may_lie_inside() -> None:
    answers = iter([b"DATE_(01.24.10.16)", b"TIME_(00:00:01)", b"DATE_(02.25.10.16)", b"TIME_(00:00:02)"])
    meter, recorded = driver("ce303"), RecordedMeter("iec-t04")
    ask = recorded.ask(meter)
    meter.open(ask)
    known = recorded._answer
    recorded.port.answer = lambda data: [(0.2, answer(next(answers), "sum"))] if data[1:2] == b"R" else known(data)
    assert meter.clock(ask) == datetime(2016, 10, 25, 0, 0, 2)


# Readouts


def readout(name: str, answers: dict[bytes, bytes] | None = None, **plan: Any) -> tuple[Any, RecordedMeter]:
    return driver("iec-readout", **plan), RecordedMeter(name, more=answers)


def test_zpa_readout_becomes_registers_by_itself() -> None:
    meter, recorded = readout("iec-t11")
    identity, now, network, clock = dialogue(meter, recorded, "now", "network", "clock")
    assert identity == Identity("06213678", "AM363801C0269")
    assert now.values == {
        "1-0:1.8.1": 36483000,
        "1-0:1.8.2": 3000,
        "1-0:1.8.0": 36486000,
        "1-0:2.8.0": 0,
    }
    assert network.values == {
        "1-0:32.7.0": 238,
        "1-0:52.7.0": Decimal("242.2"),
        "1-0:72.7.0": Decimal("239.2"),
        "1-0:31.7.0": Decimal("2.14"),
        "1-0:51.7.0": Decimal("2.17"),
        "1-0:71.7.0": Decimal("1.64"),
    }
    assert clock == datetime(2026, 1, 30, 21, 11, 56)
    assert recorded.asked == [request(), option("0", "5", "0")]


def test_lem_readout() -> None:
    meter, recorded = readout("iec-t14", line=LINE)
    identity, now, clock = dialogue(meter, recorded, "now", "clock")
    assert identity.serial == "03878504" and clock == datetime(2012, 12, 21, 14, 2, 53)
    assert now.values == {f"1-0:{c}.8.0": 0 for c in (1, 2, 3, 4)} and now.flags == ()


def telegram(*lines: str, rule: str = "xor") -> dict[bytes, bytes]:
    text = "".join(f"{line}\r\n" for line in lines).encode("cp1251")
    return {request(): b"/XYZ5METER\r\n", option("0", "5", "0"): answer(text + b"!\r\n", rule)}


@pytest.mark.parametrize(
    ("line", "wh"),
    [
        ("1.8.0(0302.8260*kWh)", 302826),
        ("1-0:1.8.0*255(0000502.853*kWh)", 502853),
        ("1-1:1.8.0(00000391.3*Wh)", Decimal("391.3")),
        ("1.8.0(024562 kWh)", 24562000),
        ("1.8.0(7,4*kW*h)", 7400),
        ("1.8.0(1.5*MWh)", 1500000),
        ("1.8.0(1*кВт*ч)", None),
    ],
)
def test_units_become_watt_hours_exactly(line: str, wh: Decimal | None) -> None:
    meter = driver("iec-readout")
    if wh is None:  # seven bits carry no Cyrillic
        with pytest.raises((BadFrame, Refused)):
            dialogue(meter, RecordedMeter(more=telegram(line)), "now")
        return
    _, now = dialogue(meter, RecordedMeter(more=telegram(line)), "now")
    assert now.values == {"1-0:1.8.0": wh}


def test_cyrillic_units_of_a_true_eight_bit_meter() -> None:
    meter = driver("iec-readout", line=Line(9600, "8N1"), settings={"parity": "none"})
    more = telegram("1.8.0(12.5*кВт*ч)", "3.8.0(2*кВАр*ч)", "32.7.0(230.1*В)")
    _, now, network = dialogue(meter, RecordedMeter(more=more), "now", "network")
    assert now.values == {"1-0:1.8.0": 12500, "1-0:3.8.0": 2000}
    assert network.values == {"1-0:32.7.0": Decimal("230.1")}


@pytest.mark.parametrize(
    "line",
    [
        "1.8.1(013925.5*)",
        "1.8.1(013925.5)",
        "1.8.1(12*GJ)",
        "1.8.1(12*kvarh)",
        "1.8.1()",
        "1.8.1(ER23)",
        "1.8.1(-12*kWh)",
    ],
)
def test_a_register_that_cannot_be_believed_is_left_out_with_a_flag(line: str) -> None:
    _, now = dialogue(driver("iec-readout"), RecordedMeter(more=telegram("1.8.0(1*kWh)", line)), "now")
    assert now.values == {"1-0:1.8.0": 1000} and now.flags == ("partial",)


def test_the_same_register_twice_with_different_values_is_left_out() -> None:
    lines = ("1.8.1(1*kWh)", "1.8.0(3*kWh)", "1.8.0(4*kWh)", "1.8.2(2*kWh)", "1.8.2(2*kWh)")
    _, now = dialogue(driver("iec-readout"), RecordedMeter(more=telegram(*lines)), "now")
    assert now.values == {"1-0:1.8.1": 1000, "1-0:1.8.2": 2000} and now.flags == ("partial",)


@pytest.mark.parametrize(
    ("lines", "step"), [(("1.8.0(36486*kWh)", "1.8.1(36483.5*kWh)"), 1000), (("1.8.0(1.50*kWh)",), 10)]
)
def test_the_resolution_of_a_readout_is_its_last_digit(lines: tuple[str, ...], step: int) -> None:
    meter = driver("iec-readout")
    dialogue(meter, RecordedMeter(more=telegram(*lines)), "now")
    assert meter.traits.resolution == step


def test_history_is_never_taken_for_the_present() -> None:
    lines = ("1.8.0*12(1*kWh)", "1.8.0&12(2*kWh)", "1.8.0*00(3*kWh)", "1.6.0(4*kW)", "1.8.0,5(9)", "1.8.0(5*kWh)")
    _, now = dialogue(driver("iec-readout"), RecordedMeter(more=telegram(*lines)), "now")
    assert now.values == {"1-0:1.8.0": 5000} and now.flags == ()


def test_energies_without_a_unit_need_the_installer_s_word() -> None:
    more = telegram("1.8.0(013925.5)", "3.8.0(1.5)")
    _, now = dialogue(driver("iec-readout", settings={"energy_unit": "kWh"}), RecordedMeter(more=more), "now")
    assert now.values == {"1-0:1.8.0": 13925500, "1-0:3.8.0": 1500}


def test_a_meter_without_serial_number_is_unidentified_and_not_invented() -> None:
    (identity,) = dialogue(driver("iec-readout"), RecordedMeter(more=telegram("1.8.0(1*kWh)", "0.0.0()")))
    assert identity.serial is None
    named = driver("iec-readout", settings={"serial_code": "C.90.1"})
    (identity,) = dialogue(named, RecordedMeter(more=telegram("C.90.1(77)", "0.0.0(5)")))
    assert identity.serial == "77"


def test_a_heat_meter_s_energy_is_not_electricity() -> None:
    more = telegram("6.8(00433.65*GJ)", "6.26(03052.95*m3)", "0.0(5077354)")
    with pytest.raises(Refused):
        dialogue(driver("iec-readout"), RecordedMeter(more=more), "now")


def test_kilohertz_and_unknown_units_of_the_network() -> None:
    more = telegram("14.7.0(0.05000*kHz)", "13.7.0(0.000315*k)", "16.7(-001.66*kW)")
    _, network = dialogue(driver("iec-readout"), RecordedMeter(more=more), "network")
    assert network.values == {"1-0:14.7.0": 50, "1-0:16.7.0": -1660} and network.flags == ("partial",)


# Families


@pytest.mark.parametrize("name", sorted({family.name for family in FAMILIES.values()}))
def test_every_family_says_what_it_costs_and_can(name: str) -> None:
    family = next(one for one in FAMILIES.values() if one.name == name)
    meter = driver(family.models[0])
    assert meter.capabilities == family.capabilities >= {"identify", "now"}
    for kind in ("identify", "now", "network", "clock", "interval", "day", "month", "event"):
        costs = meter.exchanges(kind)
        assert bool(costs) == (kind in family.capabilities), kind
        assert all(isinstance(one, Exchange) and one.quiet > 0 for one in costs)


def test_the_budget_counts_the_speed_change_of_an_optical_head() -> None:
    def seconds(line: Line) -> float:
        costs = driver("iec-readout", line=line).exchanges("now")
        found: float = sum((one.request + one.answer) * line.character + one.quiet for one in costs)
        return found

    slow, fast = seconds(Line(300, "7E1")), seconds(LINE)
    assert slow - fast == pytest.approx(31 * (10 / 300 - 10 / 9600), abs=0.01)


@pytest.mark.parametrize(("text", "same"), [("10203", "000010203"), ("0", "000"), ("www.energomera.ru",) * 2])
def test_leading_zeros_of_an_address_do_not_count(text: str, same: str) -> None:
    address = FAMILIES["ce303"].address
    assert address(text) == address(same) != address("")
    with pytest.raises(ValueError, match="at most 32"):
        address("№ 5")


def test_passwords_are_checked_without_being_shown() -> None:
    password = FAMILIES["neva"].password
    assert password is not None
    assert password("777777", {}) == password("hex:373737373737", {}) == b"777777"
    assert password("373737", {"password_encoding": "hex"}) == b"777"
    for wrong in ("пароль", "hex:zz", "a(b", "x" * 33):
        with pytest.raises(ValueError) as error:
            password(wrong, {})
        assert wrong not in str(error.value)


def test_the_check_rule_can_be_set_by_the_installer() -> None:
    more = telegram("1.8.0(1*kWh)", rule="sum")
    with pytest.raises(BadFrame, match='keeps the rule "sum"'):
        dialogue(driver("iec-readout"), RecordedMeter(more=more), "now")
    _, now = dialogue(driver("iec-readout", settings={"check": "sum"}), RecordedMeter(more=more), "now")
    assert now.values == {"1-0:1.8.0": 1000}
    assert frames.RULES == ("xor", "sum")
