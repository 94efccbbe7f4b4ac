"""The DLMS driver reads what the meter has, exactly, and says what it has not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from protocols.dlms import axdr
from protocols.dlms.answers import ExceptionAnswer, ServiceError
from protocols.dlms.apdu import GetListRequest, GetRequest, obis
from protocols.errors import BadFrame, Refused
from simulators.dlms import WrapperMeter
from simulators.dlms_objects import register
from tests.support.dlms import NOW, Wire, household, opened, plan, spodes, station

TOTAL = "1-0:1.8.0"
HOUR = timedelta(hours=1)
CLOCK = obis("0.0.1.0.0.255")


def test_energies_of_all_tariffs_come_in_one_exchange_once_scales_are_known() -> None:
    meter = spodes()
    reads, wire = opened(plan(), station(meter).answer)
    first = reads.now(wire)
    meter.server.asked.clear()
    assert reads.now(wire) == first
    (asked,) = meter.server.asked
    assert isinstance(asked, GetListRequest)
    assert len(first.values) == 20
    truth = household().energy(NOW)
    assert first.values[TOTAL] == truth["total"] == sum(truth[name] for name in ("T1", "T2", "T3"))
    assert [first.values[f"1-0:1.8.{n}"] for n in (1, 2, 3, 4)] == [truth["T1"], truth["T2"], truth["T3"], 0]
    assert first.flags == ()


def test_a_later_session_asks_serial_number_and_energies_and_nothing_else() -> None:
    meter = spodes()
    there = station(meter)
    reads, wire = opened(plan(), there.answer)
    reads.now(wire)
    reads.close(wire)
    meter.server.asked.clear()
    wire = Wire(reads.session(), there.answer)
    reads.open(wire)
    assert reads.identify(wire).serial == "40701"
    reads.now(wire)
    reads.close(wire)
    assert len(meter.server.asked) == 2
    assert len(wire.sent) <= 8  # SNRM, AARQ, two lists in segments of 239 octets, DISC


def test_only_the_tariffs_of_the_plan_are_read() -> None:
    reads, wire = opened(replace(plan(), tariffs=("T1", "T2")), station(spodes()).answer)
    assert set(reads.now(wire).values) == {f"1-0:{c}.8.{n}" for c in (1, 2, 3, 4) for n in (0, 1, 2)}


def test_a_meter_without_lists_is_read_one_by_one() -> None:
    meter = spodes()
    meter.server.conformance &= ~0x000200  # no multiple references
    reads, wire = opened(plan(), station(meter).answer)
    assert reads.now(wire).values[TOTAL] == household().energy(NOW)["total"]
    assert all(isinstance(each, GetRequest) for each in meter.server.asked)


@pytest.mark.parametrize(("max_pdu", "most"), [(1224, 20), (128, 8)])
def test_lists_fit_the_pdu_that_the_meter_takes(max_pdu: int, most: int) -> None:
    meter = spodes(max_pdu=max_pdu)
    reads, wire = opened(plan(), station(meter).answer)
    reads.now(wire)
    lengths = [len(each.attributes) for each in meter.server.asked if isinstance(each, GetListRequest)]
    assert max(lengths) == most


@pytest.mark.parametrize(
    ("tag", "raw", "scaler", "value"),
    [
        (0x15, 2**64 - 1, -3, Decimal("18446744073709551.615")),
        (0x15, 2000100000, -3, 2000100),
        (0x14, -1, -3, Decimal("-0.001")),
        (0x06, 4294967295, 3, 4294967295000),
        (0x05, -7, 0, -7),
    ],
)
def test_every_scale_is_exact(tag: int, raw: int, scaler: int, value: int | Decimal) -> None:
    meter = spodes()
    code = obis("1.0.1.8.0.255")
    meter.server.objects[3, code] = register(code, axdr.number(tag, raw), scaler, 30)
    reads, wire = opened(plan(), station(meter).answer)
    read = reads.now(wire).values[TOTAL]
    assert read == value
    assert isinstance(read, int) is (value == int(value))


def test_a_float_register_is_the_shortest_decimal() -> None:
    meter = spodes()
    code = obis("1.0.1.8.0.255")
    meter.server.objects[3, code] = register(code, b"\x17\x44\x9a\x52\x25", 3, 30)  # 1234.567 kWh
    reads, wire = opened(plan(), station(meter).answer)
    assert reads.now(wire).values[TOTAL] == 1234567


def test_registers_that_a_meter_does_not_have_are_not_there_and_no_flag_says_so() -> None:
    meter = spodes()
    for key_ in [each for each in meter.server.objects if each[0] == 3 and each[1][2] in (2, 4)]:
        del meter.server.objects[key_]
    reads, wire = opened(plan(), station(meter).answer)
    reading = reads.now(wire)
    assert len(reading.values) == 10
    assert reading.flags == ()
    meter.server.asked.clear()
    reads.now(wire)
    (asked, *_) = meter.server.asked
    assert isinstance(asked, GetListRequest) and len(asked.attributes) == 10  # not asked for again each time


@pytest.mark.parametrize("value", [axdr.null(), None, b"\x17\x7f\xc0\x00\x00"])
def test_a_register_that_is_refused_or_empty_leaves_the_others_and_a_flag(value: bytes | None) -> None:
    meter = spodes()
    register = meter.server.objects[3, obis("1.0.1.8.2.255")]
    if value is None:
        del register.attributes[2]
    else:
        register.attributes[2] = value
    reads, wire = opened(plan(), station(meter).answer)
    reading = reads.now(wire)
    assert "1-0:1.8.2" not in reading.values
    assert reading.values[TOTAL] == household().energy(NOW)["total"]
    assert reading.flags == ("partial",)


def test_a_register_that_this_client_may_not_read_is_missed_each_time() -> None:
    meter = spodes()
    hidden = obis("1.0.1.8.2.255")
    meter.server.clients[32].only = frozenset(code for _, code in meter.server.objects) - {hidden}
    reads, wire = opened(plan(), station(meter).answer)
    for _ in range(2):
        reading = reads.now(wire)
        assert "1-0:1.8.2" not in reading.values
        assert reading.flags == ("partial",)
    meter.server.clients[32].only = None
    assert reads.now(wire).flags == ()


def test_a_register_that_is_text_is_no_value() -> None:
    meter = spodes()
    meter.server.objects[3, obis("1.0.1.8.2.255")].attributes[2] = axdr.octets(b"12")
    reads, wire = opened(plan(), station(meter).answer)
    with pytest.raises(BadFrame, match="not a number"):
        reads.now(wire)


def test_another_meter_at_the_address_makes_us_forget_what_we_learned() -> None:
    meters = [spodes(serial="40701"), spodes(serial="40702")]
    code = obis("1.0.1.8.0.255")
    meters[1].server.objects[3, code] = register(code, axdr.double_long_unsigned(5), 0, 30)
    reads, wire = opened(plan(), station(meters[0]).answer)
    reads.now(wire)
    wire = Wire(reads.session(), station(meters[1]).answer)
    reads.open(wire)
    assert reads.identify(wire).serial == "40702"
    assert reads.now(wire).values[TOTAL] == 5


def test_identity_has_serial_type_firmware_and_ratio() -> None:
    reads, wire = opened(plan(), station(spodes()).answer)
    found = reads.identify(wire)
    assert (found.serial, found.model, found.firmware, found.ratio) == ("40701", "SIM-1", "1.0", Decimal(1))


def test_network_values_come_by_one_profile_or_register_by_register() -> None:
    meter = spodes()
    reads, wire = opened(plan(), station(meter).answer)
    by_profile = reads.network(wire)
    del meter.server.objects[7, obis("1.0.94.7.0.255")]
    reads, wire = opened(plan(), station(meter).answer)
    by_register = reads.network(wire)
    assert by_profile.values == by_register.values
    assert by_profile.values["1-0:12.7.0"] == 230
    assert by_profile.values["1-0:1.7.0"] == household().power(NOW)


def test_the_meters_clock_is_aware_and_can_be_set_by_the_configurator_alone() -> None:
    meter = spodes(shift=-42.0)
    reads, wire = opened(plan(), station(meter).answer)
    assert reads.clock(wire) == NOW - timedelta(seconds=42)
    assert "set_clock" not in reads.capabilities
    with pytest.raises(Refused, match="denied"):
        reads.set_clock(wire, NOW)
    reads, wire = opened(plan(client=48, password=b"0" * 16), station(meter).answer)
    assert "set_clock" in reads.capabilities
    reads.set_clock(wire, NOW)
    assert meter.time() == NOW
    reads.set_clock(wire, NOW.replace(tzinfo=None) + 3 * HOUR)  # the meter's wall time in Moscow
    assert meter.time() == NOW


@pytest.mark.parametrize("said", [ExceptionAnswer(2, 4), ServiceError(1, 6, 4)])
def test_an_exception_is_not_taken_for_a_register_that_is_not_there(said: ExceptionAnswer | ServiceError) -> None:
    meter = spodes()
    reads, wire = opened(plan(framing="wrapper", list_size=1), WrapperMeter(meter.server).answer)
    sound, body = wire.spoil, said.to_bytes()
    wire.spoil = lambda heard: heard[:6] + len(body).to_bytes(2, "big") + body
    with pytest.raises(Refused):
        reads.now(wire)
    wire.spoil = sound
    assert len(reads.now(wire).values) == 20
