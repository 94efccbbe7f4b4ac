"""The Modbus driver against simulated meters: exact values, few requests, and what the meter refuses."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from struct import pack, unpack
from typing import Any, NoReturn

import pytest

from drivers.modbus.driver import families
from drivers.modbus.model import Row, quadrants
from drivers.modbus.model_file import SENTINELS, SHIPPED, load
from drivers.reading import Identity
from protocols.errors import NoReply, Refused
from protocols.modbus.questions import ReadDeviceIdentification, ReadHolding, ReadInput
from simulators.modbus import ModbusMeter, b23, em24, iem3155, orno517, sdm630
from tests.drivers.modbus.support import MODELS, asker, driver, in_units, meter_like, write
from tests.support.present import present

A_PLUS = "1-0:1.8.0"
T1, T2, T3, T4 = (f"1-0:1.8.{tariff}" for tariff in (1, 2, 3, 4))
SIZES = {"16": 16, "32": 32, "64": 64}


def any_raw(row: Row, dice: Random) -> float:
    """A raw number of the row's type that marks nothing as absent; often an edge."""
    bits = SIZES[row.type[1:]]
    match row.type[0]:
        case "u":
            low: int = dice.choice([0, 1, dice.randrange(2**bits - 1), 2**bits - 2])
            return low
        case "i":
            signed: int = dice.choice(
                [0, -1, dice.randrange(2 ** (bits - 1) - 1), 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 2]
            )
            return signed
    number: float = dice.choice([0.0, -0.5, 16777216.0, dice.uniform(-1e7, 1e7), dice.uniform(0, 1)])
    single: float = unpack(">f", pack(">f", number))[0]
    return single if bits == 32 else number


@pytest.mark.parametrize("name", MODELS)
def test_every_register_of_every_model_arrives_exactly(name: str) -> None:
    meter, model = meter_like(name)
    subject, dice = driver(name), Random(name)
    for _ in range(20):
        raws = {row: any_raw(row, dice) for row in model.rows}
        for row, raw in raws.items():
            write(meter, model, row, raw)
        for kind in ("now", "network"):
            reading = getattr(subject, kind)(asker(meter, subject))
            expected = {row.obis: in_units(row, raw) for row, raw in raws.items() if row.kind == kind and not row.rule}
            found = {obis: Fraction(value) for obis, value in reading.values.items()}
            ruled = {row.obis for row in model.rows if row.rule}
            assert {obis: value for obis, value in found.items() if obis not in ruled} == expected
            assert not any(isinstance(value, float) for value in reading.values.values())
            assert reading.flags in ((), ("partial",)) if ruled else reading.flags == ()


def plan(name: str, kind: str = "now", **settings: Any) -> list[ReadHolding | ReadInput]:
    log: list[Any] = []
    meter, _ = meter_like(name)
    subject = driver(name, **settings)
    getattr(subject, kind)(asker(meter, subject, log))
    return log


@pytest.mark.parametrize(
    ("name", "questions"),
    [
        ("b23", [ReadHolding(0x5000, 20), ReadHolding(0x5170, 16)]),  # all tariffs at once
        ("orno517", [ReadHolding(0x108, 82)]),  # total and tariffs at once
        ("iem3155", [ReadHolding(3203, 8), ReadHolding(3219, 8), ReadHolding(4195, 16)]),
        ("em24", [ReadHolding(0x3E, 32)]),
        ("em340", [ReadHolding(0x34, 28)]),
        ("pac2200", [ReadHolding(801, 32)]),
        ("pro380", [ReadHolding(0x600C, 18), ReadHolding(0x6030, 18)]),
        ("sdm630", [ReadInput(0x48, 8)]),
        ("dtsu666", [ReadHolding(0x101E, 2), ReadHolding(0x1028, 2)]),
    ],
)
def test_neighbouring_registers_are_one_request(name: str, questions: list[ReadHolding | ReadInput]) -> None:
    assert plan(name) == questions


def test_a_network_poll_stays_within_reads_of_an_even_number() -> None:
    assert plan("sdm630", "network") == [ReadInput(0, 18), ReadInput(0x34, 20)]


def test_only_the_configured_tariffs_are_read() -> None:
    assert plan("b23", tariffs=("T1", "T2")) == [ReadHolding(0x5000, 20), ReadHolding(0x5170, 8)]


def test_a_lower_limit_of_the_meter_keeps_the_tariffs_together() -> None:
    assert plan("orno517", max_read=48) == [ReadHolding(0x108, 34), ReadHolding(0x132, 40)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_the_budget_is_what_a_poll_really_puts_on_the_wire(name: str, framing: str) -> None:
    meter, _ = meter_like(name)
    subject = driver(name, framing=framing)
    sizes = []

    class Counting:
        def answer(self, request: bytes) -> bytes:
            return self._count(request, meter.answer(request))

        def answer_tcp(self, request: bytes) -> bytes:
            return self._count(request, meter.answer_tcp(request))

        def _count(self, request: bytes, answer: bytes) -> bytes:
            sizes.append((len(request), len(answer)))
            return answer

    for kind in ("now", "network"):
        sizes.clear()
        ask = asker(Counting(), subject)
        subject.open(ask)
        subject.identify(ask)
        getattr(subject, kind)(ask)
        subject.close(ask)
        assert [(one.request, one.answer) for one in subject.exchanges(kind)] == sizes


def test_float_kilowatt_hours_are_the_watt_hours_that_the_display_means() -> None:
    meter = sdm630(1)
    meter.set_energy({"total": 1_234_567, "export": 100})
    subject = driver("sdm630")
    reading = subject.now(asker(meter, subject))
    assert reading.values[A_PLUS] == 1_234_567
    assert reading.values["1-0:2.8.0"] == 100


def test_tariffs_of_each_simulated_meter_arrive() -> None:
    energy = {"total": 60_000, "T1": 10_000, "T2": 20_000, "T3": 30_000, "T4": 0}
    for name, meter in (("b23", b23(1, 7)), ("orno517", orno517(1, 7)), ("iem3155", iem3155(1, 7)), ("em24", em24(1))):
        meter.set_energy(energy)
        subject = driver(name)
        values = subject.now(asker(meter, subject)).values
        assert [values[obis] for obis in (A_PLUS, T1, T2, T3, T4)] == [60_000, 10_000, 20_000, 30_000, 0], name


def test_network_values_of_each_simulated_meter_arrive() -> None:
    network: dict[str, int | Decimal] = {
        "U1": Decimal("230.1"),
        "I2": Decimal("4.25"),
        "P": -1500,
        "PF": Decimal("0.5"),
        "f": Decimal("49.9"),
    }
    for name, meter in (
        ("sdm630", sdm630(1)),
        ("b23", b23(1, 7)),
        ("orno517", orno517(1, 7)),
        ("iem3155", iem3155(1, 7)),
    ):
        meter.set_network(network)
        subject = driver(name)
        values = subject.network(asker(meter, subject)).values
        got = [values[f"1-0:{code}.7.0"] for code in (32, 51, 16, 13, 14)]
        assert got == [Decimal("230.1"), Decimal("4.25"), -1500, Decimal("0.5"), Decimal("49.9")], name


def test_a_total_that_the_meter_lacks_stays_missing() -> None:
    meter, _ = meter_like("pac2200")
    subject = driver("pac2200")
    assert A_PLUS not in subject.now(asker(meter, subject)).values


@pytest.mark.parametrize(("name", "builder"), [("b23", b23), ("orno517", orno517), ("iem3155", iem3155)])
def test_the_meters_own_serial_number_is_read(name: str, builder: Callable[[int, int], ModbusMeter]) -> None:
    subject = driver(name)
    assert subject.identify(asker(builder(1, 12345678), subject)) == Identity("12345678", name)


def test_a_meter_that_refuses_its_serial_register_is_unidentified_and_rarely_asked_again() -> None:
    log: list[Any] = []
    subject = driver("sdm630")
    ask = asker(sdm630(1), subject, log)
    assert [subject.identify(ask) for _ in range(30)] == [Identity(None, "sdm630")] * 30
    assert log == [ReadHolding(0xFC00, 2)] * 2


@pytest.mark.parametrize("model", ["sdm120", "sdm230", "sdm630", "sdm72"])
def test_an_eastron_tells_its_number(model: str) -> None:
    subject = driver(model)
    numbers = {0xFC00: 0x00BC, 0xFC01: 0x614E}
    assert subject.identify(told(subject, numbers)) == Identity("12345678", model)
    assert subject.identify(told(subject, {0xFC00: 0xFFFF, 0xFC01: 0xFFFF})) == Identity(None, model)


def test_an_em24_e1_tells_its_number_and_its_kind() -> None:
    subject = driver("em24-e1")
    text = b"XB1234567890A\0"
    words = {0x5000 + n: int.from_bytes(text[2 * n : 2 * n + 2], "big") for n in range(7)}
    for kind in range(1648, 1654):
        assert subject.identify(told(subject, words | {0x000B: kind})).serial == "XB1234567890A"
        with pytest.raises(Refused, match="another model"):
            driver("em24").identify(told(driver("em24"), {0x000B: kind}))


def told(subject: object, registers: dict[int, int]) -> Callable[[Any], Any]:
    """Answers each question for these registers."""

    def ask(question: Any) -> bytes:
        found: list[Any] = [registers.get(question.address + n) for n in range(question.count)]
        if None in found:
            raise Refused("exception 2", 2)
        return b"".join(word.to_bytes(2, "big") for word in found)

    return ask


@pytest.mark.parametrize(
    ("register", "factor"), [("1.05", "0.95"), ("-1.1", "-0.9"), ("0.9", "0.9"), ("-2", "0"), ("2.5", None)]
)
def test_a_power_factor_of_four_quadrants_is_read_by_its_makers_rule(register: str, factor: str | None) -> None:
    assert quadrants(Decimal(register)) == (None if factor is None else Decimal(factor))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_a_mark_for_no_value_is_absent_in_every_register_of_every_model(path: Path) -> None:
    for row in load(path).rows:
        if row.type[0] != "f":
            marks = SENTINELS[row.type]
            assert marks and all(row.value(mark, low_first=False) is None for mark in marks), row.obis


def test_a_register_that_is_refused_three_times_is_one_that_the_meter_does_not_have() -> None:
    subject = driver("em340")
    everything = dict.fromkeys(range(96), 0) | {0x0B: 0}
    gone = {address: word for address, word in everything.items() if address not in (0x4E, 0x4F)}
    readings = [subject.now(told(subject, gone)) for _ in range(60)]
    assert readings[0].flags == ("partial",) and readings[-1].flags == ()
    assert "1-0:2.8.0" not in readings[-1].values
    assert "1-0:2.8.0" in [subject.now(told(subject, everything)) for _ in range(24)][-1].values


def test_another_model_at_the_same_address_is_refused_before_anything_is_read() -> None:
    meter = em24(1)
    meter.registers[3][0x000B] = 1651
    subject = driver("em24")
    with pytest.raises(Refused, match="another model answers"):
        subject.identify(asker(meter, subject))
    other = driver("em24-e1")
    assert other.identify(asker(meter, other)) == Identity(None, "em24-e1")


def test_what_the_meter_marks_as_absent_is_missing_and_the_record_partial() -> None:
    meter = b23(1, 7)
    meter.set_energy({"total": 1000, "T1": 1000})
    for address in range(0x517C, 0x5180):
        meter.registers[3][address] = 0xFFFF
    subject = driver("b23")
    reading = subject.now(asker(meter, subject))
    assert T4 not in reading.values
    assert reading.values[T1] == 1000
    assert reading.flags == ("partial",)


def test_what_some_variants_lack_makes_no_partial_record() -> None:
    meter = b23(1, 7)
    for address in range(0x5004, 0x5008):
        meter.registers[3][address] = 0xFFFF
    subject = driver("b23")
    reading = subject.now(asker(meter, subject))
    assert "1-0:2.8.0" not in reading.values
    assert reading.flags == ()


def test_a_float_that_is_no_number_is_missing_not_zero() -> None:
    meter = sdm630(1)
    meter.registers[4] |= {0x48: 0x7FC0, 0x49: 0}
    subject = driver("sdm630")
    reading = subject.now(asker(meter, subject))
    assert A_PLUS not in reading.values
    assert reading.flags == ("partial",)


def test_a_refused_hole_is_given_up_and_the_parts_are_read_in_the_same_poll() -> None:
    meter = em24(1)
    meter.open_holes = False
    meter.set_energy({"total": 5000, "T4": 5000})
    del meter.registers[3][meter.fields["partial"].address]
    subject = driver("em24")
    log: list[Any] = []
    ask = asker(meter, subject, log)
    assert subject.now(ask).values[T4] == 5000
    assert subject.now(ask).flags == ()
    apart = [ReadHolding(0x3E, 2), ReadHolding(0x4C, 18)]
    assert log == [ReadHolding(0x3E, 32), *apart, *apart]


def test_a_length_that_is_too_long_is_found_out_once() -> None:
    meter = orno517(1, 7)
    meter.max_read = 50
    meter.set_energy({"total": 70_000, "T1": 70_000})
    subject = driver("orno517")
    log: list[Any] = []
    ask = asker(meter, subject, log)
    first = subject.now(ask)
    asked = len(log)
    log.clear()
    second = subject.now(ask)
    assert first.values == second.values
    assert second.flags == first.flags == ()
    assert len(log) < asked
    assert all(question.count <= 50 for question in log)


def refusing(meter: ModbusMeter, address: int) -> ModbusMeter:
    """The meter refuses every read that touches this register."""
    meter.hook = lambda function, start, count: 2 if start <= address < start + count else None
    return meter


def test_a_refused_register_leaves_the_rest_and_is_asked_again_rarely() -> None:
    meter = refusing(iem3155(1, 7), 4203)
    meter.set_energy({"total": 9, "T1": 4, "T2": 5})
    subject = driver("iem3155")
    log: list[Any] = []
    ask = asker(meter, subject, log)
    reading = subject.now(ask)
    assert reading.flags == ("partial",)
    assert T3 not in reading.values
    assert (reading.values[T1], reading.values[T4]) == (4, 0)
    log.clear()
    asks = []
    for _ in range(24):
        assert subject.now(ask).flags == ("partial",)
        asks.append(any(q.address <= 4203 < q.address + q.count for q in log))
        log.clear()
    assert asks == [False] * 23 + [True]
    meter.hook = None
    for _ in range(24):
        reading = subject.now(ask)
    assert reading.flags == ()
    assert reading.values[T3] == 0


def test_a_meter_that_refuses_everything_gives_no_record_and_is_still_asked() -> None:
    meter = b23(1, 7)
    meter.hook = lambda function, start, count: 1
    subject = driver("b23")
    log: list[Any] = []
    ask = asker(meter, subject, log)
    for _ in range(3):
        log.clear()
        with pytest.raises(Refused):
            subject.now(ask)
        assert log == [ReadHolding(0x5000, 20), ReadHolding(0x5170, 16)]


def test_silence_in_the_middle_of_a_poll_gives_no_half_record() -> None:
    meter = b23(1, 7)
    subject = driver("b23")
    ask = asker(meter, subject)

    def dies(question: ReadHolding) -> Any:
        if question.address == 0x5170:
            raise NoReply("silence")
        return ask(question)

    with pytest.raises(NoReply):
        subject.now(dies)


def test_a_counter_that_moves_between_total_and_tariffs_is_read_again() -> None:
    meter = iem3155(1, 7)
    meter.set_energy({"total": 100, "T1": 100})
    subject = driver("iem3155")
    log: list[Any] = []
    inner = asker(meter, subject, log)

    def ask(question: ReadHolding) -> Any:
        if question.address == 4195:
            meter.set_energy({"total": 140, "T1": 140})
        return inner(question)

    values = subject.now(ask).values
    assert (values[A_PLUS], values[T1]) == (140, 140)
    assert log[-1] == ReadHolding(3203, 4)
    log.clear()
    subject.now(inner)
    assert len(log) == 3  # nothing moved: nothing is asked twice


@pytest.mark.parametrize("name", MODELS)
def test_after_a_time_out_the_channel_is_proved_by_an_answer_like_no_other(name: str) -> None:
    meter, model = meter_like(name)
    subject = driver(name)
    log: list[Any] = []
    ask = asker(meter, subject, log)
    subject.identify(ask)
    subject.now(ask)
    subject.network(ask)
    proof = subject.session().proof()
    if isinstance(proof, ReadDeviceIdentification):
        assert name == "sdm72"
        return
    serial = model.serial.question() if model.serial and model.serial.status != "unverified" else None
    assert present(proof).count not in {question.count for question in log if question != serial}
    assert ask(proof)


@pytest.mark.parametrize("text", ["0", "248", "-1", "0x10", "", "one", "1.5"])
def test_an_address_that_is_no_unit_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 247"):
        families()[0].address(text)


def test_units_are_read_as_written() -> None:
    assert [families()[0].address(text) for text in ("1", "247", " 45 ")] == [1, 247, 45]


def silent(question: object) -> NoReturn:
    raise AssertionError("nothing is asked")


def test_eastron_meters_get_the_pause_between_units_unless_it_is_switched_off() -> None:
    subject = driver("sdm630")
    subject.open(silent)
    assert subject.session().send(ReadInput(0, 2)).pause == 0.2
    quick = driver("sdm630", unit_pause=Decimal(0))
    quick.open(silent)
    assert quick.session().send(ReadInput(0, 2)).pause < 0.01


def test_the_word_order_is_a_setting_only_where_the_meter_has_one() -> None:
    by_name = {family.name: {setting.name for setting in family.settings} for family in families()}
    assert "word_order" in by_name["sdm630"]
    assert "word_order" not in by_name["em24"]
    meter = sdm630(1)
    meter.registers[4] |= {0x48: 0x5225, 0x49: 0x449A}
    subject = driver("sdm630", word_order="low")
    assert subject.now(asker(meter, subject)).values[A_PLUS] == 1_234_567
