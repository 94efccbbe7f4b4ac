"""What the file says of a point beside its line: statements, plans, displays; and points that is read by hand."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from agent.config.explain import explain
from agent.config.values import Poll
from protocols.session import Line
from tests.config.conftest import House

Meter = Callable[..., str]

MANUAL: dict[str, object] = {"driver": '"manual"', "bus": None, "address": None, "point": '"cellar"'}


def test_all_keys_of_a_point_are_read(house: House) -> None:
    house.write("month;kwh\n2026-11;300\n", "plan.csv")
    house.add('account = "1"\nutility = "regional"\nregion = "Алтайский край"\nplace = "ул. Красная, 1"\n')
    house.add('digits = 6\nplan = "plan.csv"\nplan_limit = 2.5\nexchange_code = "230010000012101"\nset_clock = false\n')
    (meter,) = house.load().meters
    assert (meter.utility, meter.region, meter.place) == ("regional", "Алтайский край", "ул. Красная, 1")
    assert (meter.digits, meter.plan, meter.plan_limit) == (6, house.folder / "plan.csv", Decimal("2.5"))
    assert (meter.exchange_code, meter.set_clock) == ("230010000012101", False)


def test_what_is_not_written_of_a_point_has_its_default(house: House) -> None:
    (meter,) = house.load().meters
    assert (meter.digits, meter.plan, meter.plan_limit, meter.set_clock) == (None, None, Decimal(10), False)
    assert not meter.manual


@pytest.mark.parametrize(
    ("written", "key", "found", "expected"),
    [
        ("digits = 3", "digits", "3", "4 to 9"),
        ("digits = 10", "digits", "10", "4 to 9"),
        ('digits = "6"', "digits", '"6"', "4 to 9"),
        ("digits = true", "digits", "true", "4 to 9"),
        ('set_clock = "yes"', "set_clock", '"yes"', "true or false"),
        ("set_clock = 1", "set_clock", "1", "true or false"),
        ("plan_limit = -1", "plan_limit", "-1", "percent"),
        ('plan = "plan.csv"', "plan", "plan.csv", "existing CSV file"),
        ('plan = "."', "plan", "", "existing CSV file"),
        ('exchange_code = ""', "exchange_code", '""', "in quotes"),
        ("exchange_code = 23", "exchange_code", "23", "in quotes"),
        ('place = " "', "place", '" "', "200 characters"),
        ("digit = 6", "digit", "unknown key", '"digits"?'),
    ],
)
def test_what_does_not_fit_a_point_is_said(house: House, written: str, key: str, found: str, expected: str) -> None:
    house.add(written + "\n")
    fault = house.fault()
    assert (fault.key, fault.line) == (f"meter[1].{key}", 20)
    assert found in fault.found
    assert expected in fault.expected


def test_one_exchange_code_is_one_measuring_point(house: House, meter: Meter) -> None:
    house.add('exchange_code = "1"\n' + meter(exchange_code='"1"'))
    assert house.fault().key == "meter[2].exchange_code"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('account = "1"', "account without utility"),
        ('utility = "regional"', "utility without account"),
        ('region = "moscow"', "region without utility"),
        ("plan_limit = 5", "plan_limit without plan"),
        ("set_clock = true", "mercury230 has no clock that the gateway can set"),
    ],
)
def test_what_says_nothing_alone_is_a_warning(house: House, written: str, words: str) -> None:
    house.add(written + "\n")
    (warning,) = house.load().warnings
    assert warning.startswith(f"{house.file}:20:1: flat-12: ")
    assert words in warning


@pytest.mark.parametrize(
    ("written", "key", "found", "expected"),
    [
        ('account = "1"\nutility = "nesk-krasnodarr"', "utility", "nesk-krasnodarr", 'did you mean "nesk-krasnodar"?'),
        ('account = "x/1"\nutility = "mosenergosbyt"', "account", '"x/1"', "account of digits"),
        ('account = "1"\nutility = "regional"\nregion = "Тверская"', "region", "Тверская", "Тверская область"),
    ],
)
def test_what_a_utility_does_not_take_is_a_fault_with_its_place(
    house: House, written: str, key: str, found: str, expected: str
) -> None:
    house.add(written + "\n")
    fault = house.fault()
    assert (fault.file, fault.key) == (house.file, f"meter[1].{key}")
    assert found in fault.found
    assert expected in fault.expected


def test_tariffs_that_a_utility_does_not_take_are_a_fault(house: House) -> None:
    house.change('T2 = "night"', 'T2 = "weekend"')
    house.add('account = "12345"\nutility = "mosenergosbyt"\n')
    assert house.fault().key == "meter[1].tariffs"


def test_a_key_that_is_wrong_by_itself_is_not_judged_by_the_utility_too(house: House) -> None:
    house.change('T2 = "night"', 'T2 = "nigth"')
    house.add('account = "12345"\nutility = "mosenergosbyt"\ndigits = 3\n')
    assert [fault.key for fault in house.faults()] == ["meter[1].tariffs.T2", "meter[1].digits"]


def test_a_broken_profile_of_the_installer_is_a_fault_in_its_own_file(house: House) -> None:
    house.change('timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nutilities_dir = "utilities"')
    broken = house.write('name = "own"\ntitle = "Own"\nfrom = 32\n', "utilities/own.toml")
    house.add("digits = 3\n")
    assert [(fault.file, fault.line, fault.key) for fault in house.faults()] == [
        (house.file, 21, "meter[1].digits"),
        (broken, 3, "from"),
    ]


def test_an_installer_s_own_utility_is_taken(house: House) -> None:
    house.change('timezone = "Europe/Moscow"', 'timezone = "Europe/Moscow"\nutilities_dir = "utilities"')
    house.write('name = "own"\nextends = "mosenergosbyt"\n', "utilities/own.toml")
    house.add('account = "12345"\nutility = "own"\n')
    assert house.load().meters[0].utility == "own"


def test_a_line_of_a_plan_that_is_none_is_a_fault_at_that_line(house: House) -> None:
    plan = house.write("month;kwh\n2026-11;300\n2026-13;300\n", "plan.csv")
    house.add('plan = "plan.csv"\n')
    (fault,) = house.faults(service=False)
    assert (fault.file, fault.line) == (plan, 3)
    assert "2026-13" in fault.found


# --- points that is read by hand


def test_a_point_without_a_port_needs_neither_bus_nor_address(house: House, meter: Meter) -> None:
    house.add(meter(**MANUAL, digits=5, tariffs='{ T1 = "day" }'))
    manual = house.load().meters[1]
    assert manual.manual
    assert (manual.bus, manual.address, manual.line, manual.digits) == ("", "", Line(), 5)
    assert manual.poll == Poll(None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bus", '"riser-1"'),
        ("bus", '"nowhere"'),
        ("address", "7"),
        ("speed", "9600"),
        ("format", '"8N1"'),
        ("timeout", '"1s"'),
        ("poll", '{ now = "1m" }'),
        ("password_file", '"none"'),
    ],
)
def test_what_only_a_line_has_is_refused_at_a_point_that_a_person_reads(
    house: House, meter: Meter, key: str, value: str
) -> None:
    house.add(meter(**MANUAL | {key: value}))
    fault = house.fault()
    assert fault.key == f"meter[2].{key}"
    assert fault.expected == "nothing: this meter is read by hand"


@pytest.mark.parametrize("key", ["point", "serial"])
def test_a_point_that_a_person_reads_has_its_name_and_its_meter_s_number(house: House, meter: Meter, key: str) -> None:
    house.add(meter(**MANUAL | {key: None}))
    assert house.fault().key == f"meter[2].{key}"


@pytest.mark.parametrize("key", ["bus", "address"])
def test_any_other_meter_needs_its_bus_and_address(house: House, meter: Meter, key: str) -> None:
    house.add(meter(**{key: None}))
    assert house.fault().key == f"meter[2].{key}"


def test_points_that_a_person_reads_share_nothing_that_could_clash(house: House, meter: Meter) -> None:
    house.add(meter(**MANUAL, tariffs='{ T1 = "day" }'))
    house.add(meter(**MANUAL | {"point": '"attic"'}, serial='"7"', tariffs='{ T1 = "day" }'))
    house.add('\n[poll]\nnetwork = "1m"\n')
    loaded = house.load()
    assert [one.point for one in loaded.meters] == ["flat-12", "cellar", "attic"]
    assert loaded.warnings == ()


def test_one_serial_number_is_one_meter_that_a_person_reads(house: House, meter: Meter) -> None:
    house.add(meter(**MANUAL) + meter(**MANUAL | {"point": '"attic"'}))
    assert house.fault().key == "meter[3].serial"


def test_explain_shows_of_a_point_that_a_person_reads_what_it_has(house: House, meter: Meter) -> None:
    house.add(meter(**MANUAL))
    shown = {entry.key.removeprefix("meter[2]."): entry.value for entry in explain(house.load())}
    assert shown["driver"] == '"manual"'
    assert not {"bus", "address", "speed", "format", "timeout", "password_file", "poll.now"} & {
        key for key in shown if "." not in key or key.startswith("poll")
    }
