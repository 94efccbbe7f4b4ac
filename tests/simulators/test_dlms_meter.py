"""The simulated SPODES meter behaves as a real one: silent to others, strict with clients, true to its household."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms.apdu import obis
from protocols.dlms.hdlc import DISC, DM, SNRM, UA, Address, Frame
from protocols.dlms.wrapper import wrap
from simulators.dlms import WrapperMeter
from simulators.spodes import plant_meter
from tests.support.dlms import NOW, START, dialogue, household, opened, plan, spodes, station
from tests.support.present import present

CLIENT = Address(32).to_bytes()


@pytest.mark.parametrize("address", [Address(1, 17, 2), Address(1, 17, 4), Address(1)])
def test_it_answers_in_the_address_length_of_the_request(address: Address) -> None:
    said = Frame.from_bytes(station(spodes()).answer(Frame(address.to_bytes(), CLIENT, SNRM).to_bytes()))
    assert (said.control, said.source, said.destination) == (UA, address.to_bytes(), CLIENT)


@pytest.mark.parametrize("address", [Address(1, 18, 2), Address(2, 17, 2), Address(2)])
def test_it_is_silent_to_frames_for_others(address: Address) -> None:
    assert station(spodes()).answer(Frame(address.to_bytes(), CLIENT, SNRM).to_bytes()) == b""


def test_it_says_dm_to_whom_it_does_not_know() -> None:
    there = station(spodes())
    said = there.answer(Frame(Address(1, 17, 2).to_bytes(), CLIENT, DISC).to_bytes())
    assert Frame.from_bytes(said).control == DM


@pytest.mark.parametrize("apdu", ["c001c100030100010800ff0200", "62038001 00", "00", "ff", "c002c100000001"])
def test_without_an_association_nothing_is_read(apdu: str) -> None:
    there = WrapperMeter(spodes().server)
    said = there.answer(wrap(32, 1, bytes.fromhex(apdu)))
    assert said[8:9] in (b"\xd8", b"\x63")


@pytest.mark.slow
def test_profiles_agree_with_each_other_and_with_the_household() -> None:
    meter = spodes()
    days, loads = meter.stamps("day"), meter.stamps("load")
    total = obis("1.0.1.8.0.255")
    assert len(days) == (NOW - START).days
    for one, next_ in pairwise(days):
        between = [at for at in loads if one < at <= next_]
        assert len(between) == 48
        used = sum(meter.registers(at)[total] - meter.registers(at - timedelta(minutes=30))[total] for at in between)
        assert used == meter.registers(next_)[total] - meter.registers(one)[total]
        assert meter.registers(next_)[total] == household().energy(next_)["total"] * 1000
    assert set(meter.stamps("month")) <= set(days)


@pytest.mark.parametrize(("period", "rows"), [("load", 8764), ("day", 123), ("month", 39)])
def test_an_old_meter_keeps_as_many_rows_as_a_real_one(period: str, rows: int) -> None:
    meter = spodes(start=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(meter.stamps(period)) == rows


_METER = spodes()


@given(st.binary(max_size=60))
def test_any_octets_get_an_answer_or_silence(octets: bytes) -> None:
    there = station(_METER)
    assert isinstance(there.answer(octets), bytes)
    assert isinstance(WrapperMeter(_METER.server).answer(wrap(32, 1, octets)), bytes)


def test_recorded_messages_in_any_order_do_not_upset_it() -> None:
    there, other = station(spodes()), WrapperMeter(spodes().server)
    for message in dialogue():
        assert isinstance(there.answer(message), bytes)
        assert isinstance(other.answer(message), bytes)


@pytest.mark.slow
def test_cryptography_is_not_loaded_before_something_is_ciphered() -> None:
    program = (
        "import sys, drivers.dlms.driver, simulators.dlms, protocols.dlms.explain; print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_plants_meter_has_a_journal_of_what_has_happened_so_far() -> None:
    meter, move = plant_meter(17, "40701", household(), START)
    move(START + timedelta(days=200))
    reads, wire = opened(plan(), meter.answer)
    events = list(reads.event(wire, START - timedelta(days=1), NOW + timedelta(days=900)))
    assert [(present(each.at) - START, present(each.event)["code"]) for each in events] == [
        (timedelta(0), "power-on"),
        (timedelta(days=30, hours=8), "terminal-cover-open"),
        (timedelta(days=121, hours=8), "terminal-cover-open"),
    ]
    move(START + timedelta(days=300))
    assert len(list(reads.event(wire, START, NOW + timedelta(days=900)))) == 4
