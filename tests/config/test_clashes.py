"""Meters that cannot share a bus, though nothing in their protocols' numbers says so."""

from collections.abc import Callable

import pytest

from tests.config.conftest import House

Meter = Callable[..., str]
IEC = {"driver": '"ce303"'}


def test_an_iec_meter_without_an_address_is_refused_beside_another_one(house: House, meter: Meter) -> None:
    house.add(meter(**IEC, address='""') + meter(**IEC, address='"064195"', point='"m"', serial='"3"'))
    fault = house.fault()
    assert fault.key == "meter[2].address"
    assert fault.expected == "the meter's own address: every meter on this bus answers this one"


def test_two_iec_meters_without_an_address_are_told_once_each(house: House, meter: Meter) -> None:
    house.add(meter(**IEC, address='""') + meter(**IEC, address='""', point='"m"', serial='"3"'))
    assert [fault.key for fault in house.faults()] == ["meter[2].address", "meter[3].address"]


@pytest.mark.parametrize("address", ['""', '"064195"'])
def test_an_iec_meter_alone_of_its_kind_needs_no_address(house: House, meter: Meter, address: str) -> None:
    house.add(meter(**IEC, address=address))
    assert house.load().meters[1].address == address.strip('"')


def test_iec_meters_of_different_buses_do_not_hear_each_other(house: House, meter: Meter) -> None:
    house.add(
        '\n[[bus]]\nname = "riser-2"\nport = "/dev/ttyUSB1"\n'
        + meter(**IEC, address='""')
        + meter(**IEC, bus='"riser-2"', address='"7"', point='"m"', serial='"3"')
    )
    assert len(house.load().meters) == 3


def test_a_meter_that_talks_unasked_is_refused_beside_any_other(house: House, meter: Meter) -> None:
    house.add(meter(driver='"p1"', address='""'))
    fault = house.fault()
    assert fault.key == "meter[2].bus"
    assert "talks unasked" in fault.expected


def test_two_meters_that_talk_unasked_are_told_once_each(house: House, meter: Meter) -> None:
    house.add(
        '\n[[bus]]\nname = "p1"\nport = "/dev/ttyUSB1"\n'
        + meter(driver='"p1"', bus='"p1"', address='""')
        + meter(driver='"p1"', bus='"p1"', address='""', point='"m"', serial='"3"')
    )
    assert [fault.key for fault in house.faults()] == ["meter[2].bus", "meter[3].bus"]
