"""The Mercury 230 driver against a simulated meter, octet by octet, and against answers put into its mouth."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from drivers.mercury.driver import FAMILY, Mercury230
from drivers.mercury.settings import address, password
from drivers.reading import Identity, MeterPlan, Topic
from protocols.errors import AccessDenied, BadFrame, MeterError, NoReply, NotLoggedIn, Refused
from protocols.mercury import questions
from protocols.mercury.frames import Energy
from protocols.session import Line
from simulators import mercury230 as simulated
from simulators.mercury230 import Network
from tests.drivers.mercury.support import Wire

ROWS = {
    0: Energy(9_100_000, None, 254_528, 17),
    1: Energy(6_000_000, None, 200_000, 10),
    2: Energy(3_000_000, None, 54_528, 7),
    3: Energy(100_000, None, 0, 0),
    4: Energy(0, None, 0, 0),
}


def plan(model: str = "mercury230", tariffs: tuple[str, ...] | None = None, **settings: Any) -> MeterPlan:
    return MeterPlan(model, "45", "41906467", Line(), tariffs=tariffs, settings=settings)


def wired(meter: simulated.Mercury230, given: MeterPlan | None = None) -> tuple[Mercury230, Wire]:
    """A driver that has logged in."""
    driver = Mercury230(given or plan())
    wire = Wire(meter, driver)
    driver.open(wire)
    wire.asked.clear()
    return driver, wire


def meter(**attributes: Any) -> simulated.Mercury230:
    return simulated.Mercury230(address=45, serial="41906467", registers=dict(ROWS), **attributes)


def refuse(*refused: type) -> Callable[[Any, bytes], bytes]:
    """Answers to these questions become status 01."""
    from protocols.mercury.frames import seal

    return lambda question, octets: seal(45, b"\x01") if isinstance(question, refused) else octets


def silence(*silent: type) -> Callable[[Any, bytes], bytes]:
    return lambda question, octets: b"" if isinstance(question, silent) else octets


ALL = {
    "1-0:1.8.0": 9_100_000,
    "1-0:1.8.1": 6_000_000,
    "1-0:1.8.2": 3_000_000,
    "1-0:1.8.3": 100_000,
    "1-0:1.8.4": 0,
    "1-0:3.8.0": 254_528,
    "1-0:3.8.1": 200_000,
    "1-0:3.8.2": 54_528,
    "1-0:3.8.3": 0,
    "1-0:3.8.4": 0,
    "1-0:4.8.0": 17,
    "1-0:4.8.1": 10,
    "1-0:4.8.2": 7,
    "1-0:4.8.3": 0,
    "1-0:4.8.4": 0,
}


@pytest.mark.parametrize("mode", ["auto", "always", "never"])
def test_all_registers_are_read_in_watt_hours_one_way_or_the_other(mode: str) -> None:
    driver, ask = wired(meter(), plan(group_read=mode))
    reading = driver.now(ask)
    assert reading.values == ALL
    assert all(type(value) is int for value in reading.values.values())
    assert (reading.kind, reading.flags, reading.at) == ("now", (), None)
    assert len(ask.asked) == (5 if mode == "never" else 1)


def test_a_kind_of_energy_that_the_meter_never_has_is_missing_without_a_flag() -> None:
    driver, ask = wired(meter())
    reading = driver.now(ask)
    assert not any(name.startswith("1-0:2.8") for name in reading.values)
    assert "partial" not in reading.flags


@pytest.mark.parametrize("mode", ["always", "never"])
def test_a_tariff_absent_where_its_kind_exists_is_partial(mode: str) -> None:
    gap = meter()
    gap.registers[3] = Energy(None, None, 5, 5)
    driver, ask = wired(gap, plan(group_read=mode))
    reading = driver.now(ask)
    assert "1-0:1.8.3" not in reading.values
    assert reading.values["1-0:3.8.3"] == 5
    assert reading.flags == ("partial",)


@pytest.mark.parametrize("mode", ["always", "never"])
@pytest.mark.parametrize(("tariffs", "flags"), [(None, ()), (("T1", "T4"), ("partial",))])
def test_a_tariff_that_the_meter_has_not_is_partial_only_if_the_configuration_names_it(
    mode: str, tariffs: tuple[str, ...] | None, flags: tuple[str, ...]
) -> None:
    three = meter()
    del three.registers[4]
    driver, ask = wired(three, plan(tariffs=tariffs, group_read=mode))
    reading = driver.now(ask)
    assert "1-0:1.8.4" not in reading.values
    assert reading.values["1-0:1.8.1"] == 6_000_000
    assert reading.flags == flags


def test_a_register_that_the_meter_has_brought_before_is_missed() -> None:
    fading = meter()
    driver, ask = wired(fading)
    assert driver.now(ask).flags == ()
    fading.registers = {
        tariff: Energy(row.active_import, None, row.reactive_import, None) for tariff, row in ROWS.items()
    }
    reading = driver.now(ask)
    assert reading.flags == ("partial",)
    assert not any(name.startswith("1-0:4.8") for name in reading.values)


def test_only_the_configured_tariffs_and_directions_are_brought() -> None:
    driver, ask = wired(meter(), plan(tariffs=("T1", "T2"), directions="A+", group_read="never"))
    assert list(driver.now(ask).values) == ["1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2"]
    assert ask.asked == [questions.ReadEnergy(tariff=tariff) for tariff in (0, 1, 2)]


def test_a_point_without_tariffs_needs_one_short_question() -> None:
    driver, ask = wired(meter(), plan(tariffs=()))
    assert driver.now(ask).values == {"1-0:1.8.0": 9_100_000, "1-0:3.8.0": 254_528, "1-0:4.8.0": 17}
    assert ask.asked == [questions.ReadEnergy()]


def test_a_meter_with_no_register_at_all_gives_no_reading() -> None:
    driver, ask = wired(meter())
    ask.meter.registers = {0: Energy(None, None, None, None)}
    with pytest.raises(Refused):
        driver.now(ask)


@pytest.mark.parametrize("spoil", [refuse(questions.ReadAllTariffs), silence(questions.ReadAllTariffs)])
def test_a_meter_that_cannot_give_all_tariffs_at_once_is_asked_row_by_row_from_then_on(
    spoil: Callable[[Any, bytes], bytes],
) -> None:
    driver, ask = wired(meter())
    ask.spoil = spoil
    assert driver.now(ask).values == ALL
    ask.asked.clear()
    assert driver.now(ask).values == ALL
    assert questions.ReadAllTariffs() not in ask.asked


def test_a_meter_that_is_silent_altogether_is_not_taken_for_one_that_cannot_group() -> None:
    driver, ask = wired(meter())
    ask.spoil = silence(questions.ReadAllTariffs, questions.ReadEnergy)
    with pytest.raises(NoReply):
        driver.now(ask)
    ask.spoil = silence()
    ask.asked.clear()
    assert driver.now(ask).values == ALL
    assert ask.asked == [questions.ReadAllTariffs()]


def test_a_meter_that_has_given_all_at_once_is_not_degraded_by_one_lost_answer() -> None:
    driver, ask = wired(meter())
    driver.now(ask)
    ask.spoil = silence(questions.ReadAllTariffs)
    with pytest.raises(NoReply):
        driver.now(ask)


def test_group_read_always_means_what_it_says() -> None:
    driver, ask = wired(meter(group_read=False), plan(group_read="always"))
    with pytest.raises(Refused):
        driver.now(ask)


def test_a_refused_tariff_is_asked_again_rarely_and_not_given_up() -> None:
    three = meter()
    t4 = three.registers.pop(4)
    driver, ask = wired(three, plan(group_read="never"))
    for _ in range(100):
        driver.now(ask)
    assert ask.asked.count(questions.ReadEnergy(tariff=4)) == 1
    three.registers[4] = t4
    driver.now(ask)
    assert driver.now(ask).values["1-0:1.8.4"] == 0


def test_a_poll_asks_for_nothing_needless() -> None:
    driver, ask = wired(meter())
    for _ in range(2):
        ask.asked.clear()
        driver.open(ask)
        driver.identify(ask)
        driver.now(ask)
        driver.close(ask)
    log_in = questions.OpenChannel(1, b"\x01" * 6)
    assert ask.asked == [log_in, questions.ReadSerial(), questions.ReadAllTariffs()]


def test_the_meter_says_who_it_is() -> None:
    driver, ask = wired(meter(voltage_ratio=10, current_ratio=40, firmware=(7, 1, 0)))
    identity = Identity("41906467", "Mercury 23x, variant B4E3C297DF58", "7.1.0", Decimal(400))
    assert driver.identify(ask) == identity
    ask.asked.clear()
    assert driver.identify(ask) == identity
    assert ask.asked == [questions.ReadSerial()]


def test_another_meter_on_the_same_address_is_asked_for_itself() -> None:
    driver, ask = wired(meter())
    driver.identify(ask)
    ask.meter.serial, ask.meter.firmware = "00000007", (2, 0, 1)
    found = driver.identify(ask)
    assert (found.serial, found.firmware) == ("00000007", "2.0.1")


@pytest.mark.parametrize("spoil", [refuse, silence])
def test_a_meter_that_does_not_tell_its_firmware_is_read_all_the_same(spoil: Any) -> None:
    driver, ask = wired(meter())
    ask.spoil = spoil(questions.ReadIdentity, questions.ReadRatio)
    for _ in range(5):
        assert driver.identify(ask) == Identity("41906467")
    asked = sum(isinstance(question, questions.ReadIdentity) for question in ask.asked)
    assert asked == (1 if spoil is refuse else 3)


NETWORK = Network(
    active=(Decimal("90.00"), Decimal("10.00"), Decimal("-5.00"), Decimal("85.00")),
    reactive=(Decimal("-7.25"), Decimal("1.00"), Decimal("-8.25"), Decimal("0.00")),
    apparent=(Decimal("700.01"), Decimal("10.05"), Decimal("9.65"), Decimal("85.00")),
    voltage=(Decimal("241.28"), Decimal("240.43"), Decimal("240.04")),
    current=(Decimal("0.069"), Decimal("70.001"), Decimal("0.102")),
    factor=(Decimal("0.997"), Decimal("0.995"), Decimal("-0.518"), Decimal("1.000")),
    frequency=Decimal("49.99"),
)
NETWORK_CODES = {
    "active": (16, 36, 56, 76),
    "reactive": (131, 151, 171, 191),
    "apparent": (9, 29, 49, 69),
    "voltage": (32, 52, 72),
    "current": (31, 51, 71),
    "factor": (13, 33, 53, 73),
}


def test_network_values_are_exact_and_export_is_negative() -> None:
    driver, ask = wired(meter(network=NETWORK))
    reading = driver.network(ask)
    expected = {"1-0:14.7.0": Decimal("49.99")}
    for name, codes in NETWORK_CODES.items():
        expected |= {f"1-0:{c}.7.0": v for c, v in zip(codes, getattr(NETWORK, name), strict=True)}
    assert reading.values == expected
    assert (reading.kind, reading.flags) == ("network", ())
    assert all(type(value) is Decimal for value in reading.values.values())


@pytest.mark.parametrize("model", ["mercury203.2td", "mercury230"])
def test_a_single_phase_meter_has_one_phase_and_is_not_partial(model: str) -> None:
    one = meter(network=NETWORK, variant=bytes.fromhex("B4 F3 C2 97 DF 58"))
    driver, ask = wired(one, plan(model))
    driver.identify(ask)
    reading = driver.network(ask)
    phases = ["16", "36", "131", "151", "9", "29", "32", "31", "13", "33", "14"]
    assert sorted(reading.values) == sorted(f"1-0:{code}.7.0" for code in phases)
    assert reading.flags == ()


def test_a_phase_marked_absent_is_partial_and_a_quantity_never_had_is_not() -> None:
    no_reactive = Network(reactive=(None,) * 4, voltage=(Decimal(230), None, Decimal(231)))
    driver, ask = wired(meter(network=no_reactive))
    reading = driver.network(ask)
    assert "1-0:52.7.0" not in reading.values
    assert not any(name.startswith(("1-0:131", "1-0:151")) for name in reading.values)
    assert reading.flags == ("partial",)


def test_a_refused_quantity_leaves_the_rest() -> None:
    driver, ask = wired(meter())
    ask.spoil = lambda question, octets: (
        refuse(questions.ReadNetworkGroup)(question, octets) if question == questions.ReadNetworkGroup(0x08) else octets
    )
    reading = driver.network(ask)
    assert "1-0:9.7.0" not in reading.values
    assert "1-0:16.7.0" in reading.values
    assert reading.flags == ()


def test_a_session_forgotten_in_mid_poll_is_said_and_opened_again() -> None:
    driver, ask = wired(meter())
    ask.meter.level = 0
    with pytest.raises(NotLoggedIn):
        driver.now(ask)
    driver.open(ask)
    assert driver.now(ask).values == ALL


def test_a_wrong_password_is_denied() -> None:
    driver = Mercury230(MeterPlan("mercury230", "45", "1", Line(), password=b"\x09" * 6))
    with pytest.raises(AccessDenied):
        driver.open(Wire(meter(), driver))


def test_level_two_logs_in_with_its_own_default_and_logs_out() -> None:
    driver, ask = wired(meter(), plan(level=2))
    assert ask.meter.level == 2
    driver.close(ask)
    assert ask.meter.level == 0


NOON = datetime(2026, 11, 21, 12, 0, 0)


def test_the_clock_is_the_meters_own_wall_clock() -> None:
    driver, ask = wired(meter(now=lambda: NOON))
    assert driver.clock(ask) == NOON


def test_the_clock_is_corrected_once_a_day_by_up_to_four_minutes() -> None:
    driver, ask = wired(meter(now=lambda: NOON))
    driver.set_clock(ask, NOON + timedelta(minutes=4))
    assert driver.clock(ask) == NOON + timedelta(minutes=4)
    with pytest.raises(Refused) as again:
        driver.set_clock(ask, NOON)
    assert again.value.code == 4


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (NOON, NOON + timedelta(minutes=4, seconds=1)),
        (NOON, NOON - timedelta(hours=1)),
        (NOON, (NOON).replace(tzinfo=UTC)),
        (datetime(2026, 11, 21, 23, 58), datetime(2026, 11, 21, 23, 54)),
        (datetime(2026, 11, 22, 0, 0, 30), datetime(2026, 11, 21, 23, 59, 30)),
        (datetime(2026, 11, 21, 23, 59), datetime(2026, 11, 22, 0, 1)),
    ],
)
def test_a_correction_that_the_meter_cannot_take_is_not_sent(shown: datetime, wanted: datetime) -> None:
    driver, ask = wired(meter(now=lambda: shown))
    with pytest.raises(ValueError, match=r"minutes|zone"):
        driver.set_clock(ask, wanted)
    assert not any(isinstance(question, questions.CorrectClock) for question in ask.asked)


@pytest.mark.parametrize("kind", ["now", "network", "clock"])
@pytest.mark.parametrize("group_read", ["always", "never", "auto"])
@pytest.mark.parametrize("level", [1, 2])
def test_the_budget_is_what_a_poll_puts_on_the_wire(kind: Topic, group_read: str, level: int) -> None:
    driver, ask = wired(meter(), plan(group_read=group_read, level=level))
    driver.identify(ask)
    if group_read == "auto":
        driver.now(ask)
    octets: list[tuple[int, int]] = []
    original = ask.meter.answer

    def counted(request: bytes) -> bytes:
        answer = original(request)
        octets.append((len(request), len(answer)))
        return answer

    ask.meter.answer = counted  # type: ignore[method-assign]
    driver.open(ask)
    driver.identify(ask)
    getattr(driver, kind)(ask)
    driver.close(ask)
    exchanges = driver.exchanges(kind)
    assert [(exchange.request, exchange.answer) for exchange in exchanges] == octets
    assert all(exchange.quiet == pytest.approx(0.010) for exchange in exchanges)


def test_a_kind_that_the_driver_has_not_costs_nothing() -> None:
    assert Mercury230(plan()).exchanges("statement") == ()


def test_the_multiplier_stretches_the_silences() -> None:
    driver = Mercury230(plan(multiplier=5))
    assert driver.session().send(questions.ReadEnergy()).pause == pytest.approx(0.025)
    assert driver.exchanges("clock")[0].quiet == pytest.approx(0.050)


@pytest.mark.parametrize(
    ("text", "encoding", "raw"),
    [
        ("111111", "hex", b"\x01" * 6),
        ("123450", "hex", b"\x01\x02\x03\x04\x05\x00"),
        ("111111", "ascii", b"111111"),
        ("abc xy", "ascii", b"abc xy"),
        ("hex:12 13 14 15 16 17", "ascii", b"\x12\x13\x14\x15\x16\x17"),
        ("ascii:222222", "hex", b"222222"),
    ],
)
def test_a_password_is_coded_as_the_meter_wants_it(text: str, encoding: str, raw: bytes) -> None:
    assert password(text, {"password_encoding": encoding}) == raw


@pytest.mark.parametrize(
    "text", ["", "11111", "1111111", "secret", "hex:0101", "hex:zz", "ascii:пароль", "１１１１１１", "ascii:1234567"]
)
def test_a_wrong_password_line_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match=r".{20}") as raised:
        password(text, {})
    secret = text.split(":")[-1]
    assert not secret or secret not in str(raised.value)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("1", 1), ("45", 45), ("240", 240)])
def test_an_address_is_a_number_up_to_240(text: str, number: int) -> None:
    assert address(text) == number


@pytest.mark.parametrize("text", ["", "241", "-1", "0x2D", "4.5", "٤٥", "1e2", "999999"])
def test_another_address_is_refused_with_what_may_stand_there(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 240"):
        address(text)


def test_the_registry_finds_what_it_needs() -> None:
    driver = FAMILY.build(plan())
    assert driver.capabilities == FAMILY.capabilities
    assert all(callable(getattr(driver, name)) for name in FAMILY.capabilities)
    assert FAMILY.password is not None
    assert FAMILY.default_password is not None
    defaults = {setting.name: setting.default for setting in FAMILY.settings}
    assert FAMILY.password(FAMILY.default_password, defaults) == b"\x01" * 6
    assert FAMILY.name in FAMILY.models
    FAMILY.build(plan(**defaults))


def instead(question: Any, octets: bytes) -> Callable[[Any, bytes], bytes]:
    """These octets come for an answer to this question."""
    return lambda asked, sound: octets if asked == question else sound


@pytest.mark.slow
def test_no_answer_but_the_right_one_becomes_a_reading() -> None:
    """Every single flipped bit of every answer of a poll, and every answer of another question of that poll."""
    driver, ask = wired(meter(network=NETWORK), plan(group_read="never"))
    now, network = driver.now(ask), driver.network(ask)
    session = driver.session()
    answers = {
        question: ask.meter.answer(session.send(question).data) for question in set(ask.asked) if session.proof()
    }
    wrong: list[tuple[Any, bytes]] = []
    for question, octets in answers.items():
        wrong += [(question, other) for other in answers.values() if len(other) != len(octets)]
        for bit in range(len(octets) * 8):
            damaged = bytearray(octets)
            damaged[bit // 8] ^= 1 << bit % 8
            wrong.append((question, bytes(damaged)))
    for question, octets in wrong:
        ask.spoil = instead(question, octets)
        try:
            reading = driver.now(ask) if isinstance(question, questions.ReadEnergy) else driver.network(ask)
        except BadFrame:
            continue
        except MeterError as trouble:
            pytest.fail(f"{trouble!r} for {octets.hex()}")
        assert reading in (now, network)
        pytest.fail(f"{octets.hex()} was taken for an answer to {question}")
