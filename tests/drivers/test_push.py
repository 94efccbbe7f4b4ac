"""Meters that only talk: P1, D0 and SML telegrams of real meters become registers."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from agent.line.link import Link
from drivers.family import Family
from drivers.iec62056 import obis
from drivers.push import FAMILIES, server_text
from drivers.reading import Identity, Reading
from protocols.checksums import crc16_arc, crc16_kermit, crc16_x25
from protocols.errors import BadFrame, Refused, WrongCheck
from protocols.iec62056.block import Value
from protocols.session import Line
from protocols.sml import transport
from protocols.sml.messages import Entry, Registers
from tests.conversations import load
from tests.drivers.iec62056.support import driver
from tests.support.present import present
from tests.support.wire import ScriptedPort, Time


def pushed(model: str, name: str, *kinds: str, line: Line | None = None, **settings: object) -> list[Any]:
    """Identity and readings of one dialogue; the telegram comes in two pieces, nothing is sent."""
    meter = driver(model, line=line, settings=settings)
    stream = b"".join(data for _, data in load(name))
    time = Time()
    port = ScriptedPort(time, lambda data: [])
    port.coming = [(time.now + 3, stream[:50]), (time.now + 3.2, stream[50:])]
    link = Link(port, monotonic=time, sleep=time.sleep)
    ask = partial(link.ask, meter.session())
    meter.open(ask)
    found = [meter.identify(ask), *(getattr(meter, kind)(ask) for kind in kinds)]
    meter.close(ask)
    assert not port.written
    return found


def test_p1_telegram() -> None:
    identity, now, network, clock = pushed("p1", "iec-t23", "now", "network", "clock")
    assert (identity.serial, identity.model) == ("E0031003277898816", "XMX5LGBBFG1012530239")
    assert now.values == {"1-0:1.8.1": 75067, "1-0:1.8.2": 84813, "1-0:2.8.1": 0, "1-0:2.8.2": 0}
    assert network.values == {
        "1-0:1.7.0": 2778,
        "1-0:2.7.0": 0,
        "1-0:31.7.0": 12,
        "1-0:21.7.0": 2778,
        "1-0:22.7.0": 0,
    }
    assert clock == datetime(2016, 11, 16, 20, 10, 35)


def test_d0_telegram_with_negative_power() -> None:
    identity, now, network = pushed("d0", "iec-t24", "now", "network")
    assert identity.serial == "111940207"
    assert now.values == {"1-0:1.8.0": Decimal("780.1269"), "1-0:2.8.0": Decimal("7041229.2533")}
    assert network.values["1-0:1.7.0"] == Decimal("-142.30") and network.values["1-0:41.7.0"] == 0


def test_sml_file() -> None:
    identity, now, network = pushed("sml", "sml-emh-ehz", "now", "network")
    assert identity.serial == "1EMH0004321349"
    assert now.values == {
        "1-0:1.8.0": Decimal("15338555.7"),
        "1-0:1.8.1": Decimal("15338555.7"),
        "1-0:1.8.2": 0,
    }
    assert network.values == {"1-0:16.7.0": Decimal("563.5")}


def test_a_telegram_without_crc_is_refused_where_one_is_due() -> None:
    with pytest.raises(WrongCheck, match="without CRC"):
        pushed("p1", "iec-t24", "now")


def test_a_damaged_p1_telegram_is_no_reading() -> None:
    with pytest.raises(BadFrame):
        pushed("p1", "iec-t28", "now")


def test_a_telegram_without_clock_says_so() -> None:
    with pytest.raises(Refused, match="clock"):
        pushed("d0", "iec-t24", "clock")


def test_server_ids_are_read_as_printed_or_in_hexadecimal() -> None:
    assert server_text(bytes.fromhex("0A01445A4700039E2053")) == "1DZG0060694611"
    assert server_text(bytes.fromhex("06454D4801027156CD45")) == "06454D4801027156CD45"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_push_family_says_what_it_costs(family: Family) -> None:
    meter = driver(family.models[0])
    assert meter.exchanges("now") and not meter.exchanges("month")


# ── identity, direction, check sums and units of the field (reports of those who read such meters) ──

SERVER = bytes.fromhex("0A01445A470002822274")  # 1DZG0042082932


def sml(*entries: Entry, server: bytes = b"") -> bytes:
    return transport.wrap(Registers(server, entries).to_bytes())


def text(*lines: str, crc: str | None = None) -> bytes:
    body = ("/KFM5TEST\r\n\r\n" + "".join(f"{line}\r\n" for line in lines) + "!").encode()
    return body + (f"{crc16_arc(body):04X}" if crc is None else crc).encode() + b"\r\n"


def told(model: str, stream: bytes, **settings: object) -> tuple[Identity, Reading | None, Reading | None]:
    """Identity, registers and network values of one telegram, None where it holds nothing of a kind."""
    meter = driver(model, settings=settings)
    time = Time()
    port = ScriptedPort(time, lambda data: [])
    port.coming = [(time.now + 1, stream)]
    link = Link(port, monotonic=time, sleep=time.sleep)
    ask = partial(link.ask, meter.session())
    meter.open(ask)
    found: list[Reading | None] = []
    for read in (meter.now, meter.network):
        try:
            found.append(read(ask))
        except Refused:
            found.append(None)
    return meter.identify(ask), found[0], found[1]


ENERGY = Entry("1-0:1.8.0*255", "Wh", Decimal("100.5"))


@pytest.mark.parametrize("code", ["1-0:96.1.0*255", "1-0:0.0.9*255", "1-0:0.0.0*255", "0-0:96.1.255*255"])
def test_an_sml_meter_tells_its_number_under_any_of_its_codes_or_with_the_list(code: str) -> None:
    named = sml(ENERGY, Entry(code, None, None, b"01234567"), server=SERVER)
    assert told("sml", named)[0].serial == "01234567"
    assert told("sml", sml(ENERGY, server=SERVER))[0].serial == "1DZG0042082932"
    assert told("sml", sml(ENERGY))[0].serial is None


@pytest.mark.parametrize("code", ["0-0:96.1.1", "1-0:96.1.0", "1-0:0.0.0", "0-0:96.1.255", "0-0:42.0.0"])
def test_a_p1_meter_tells_its_number_under_any_of_its_codes(code: str) -> None:
    line = f"{code}(53414731303330303030303030303131)"
    assert told("p1", text(line, "1-0:1.8.0(1*kWh)"))[0].serial == "SAG1030000000011"


def test_the_setting_says_which_code_holds_the_number() -> None:
    both = text("0-0:96.1.1(111)", "0-0:96.13.1(222)", "1-0:1.8.0(1*kWh)")
    assert told("p1", both)[0].serial == "111"
    assert told("p1", both, serial_code="0-0:96.13.1")[0].serial == "222"
    assert told("p1", both, serial_code="96.9.9")[0].serial is None


def test_a_dzg_whose_powers_are_unsigned_gives_no_negative_one() -> None:
    power = Entry("1-0:16.7.0*255", "W", Decimal("-299.12"))
    _, now, network = told("sml", sml(ENERGY, power, server=SERVER))
    assert now is not None and network is None, "which direction it is cannot be told"
    signed = bytes.fromhex("0A01445A4700039E2053")  # 1DZG0060694611
    assert present(told("sml", sml(ENERGY, power, server=signed))[2]).values == {"1-0:16.7.0": Decimal("-299.12")}


@pytest.mark.parametrize(("status", "power"), [(0x182, Decimal("137.1")), (0x1B0, Decimal("-137.1"))])
def test_the_direction_of_an_edl_meter_stands_in_its_status(status: int, power: Decimal) -> None:
    energy = replace(ENERGY, status=status)
    network = told("sml", sml(energy, Entry("1-0:15.7.0*255", "W", Decimal("137.1"))))[2]
    assert network is not None and network.values["1-0:16.7.0"] == power


def test_the_other_check_sum_of_an_sml_file_is_named_and_taken_where_the_setting_says_so() -> None:
    file = sml(ENERGY)
    holley = file[:-2] + crc16_kermit(file[:-2]).to_bytes(2, "big")
    with pytest.raises(BadFrame, match='KERMIT: check = "kermit"'):
        told("sml", holley * 3)
    for check in ("kermit", "none"):
        assert present(told("sml", holley, check=check)[1]).values == {"1-0:1.8.0": Decimal("100.5")}
    with pytest.raises(BadFrame, match="CRC"):
        told("sml", file * 3, check="kermit")


def test_a_scaler_that_no_register_has_is_a_broken_file() -> None:
    wild = sml(replace(ENERGY, number=Decimal((0, (5,), 100))))
    with pytest.raises(BadFrame, match="a scaler of 100"):
        told("sml", wild * 3)


LINES = ("0-0:96.1.1(111)", "1-0:1.8.0(000123.456*kWh)")


def test_a_p1_check_sum_without_its_leading_zeros_or_of_the_other_rule_is_sound() -> None:
    numbers = (text(*LINES, f"1-0:2.8.0({n * 7919:06d}.000*kWh)") for n in range(120))
    short = next(one for one in numbers if one[-6:-5] == b"0")
    assert present(told("p1", short[:-6] + short[-5:])[1]).values["1-0:1.8.0"] == 123456
    body = text(*LINES)[:-6]
    assert present(told("p1", body + f"{crc16_x25(body):04X}\r\n".encode())[1]).values["1-0:1.8.0"] == 123456


def test_no_check_is_none_and_a_wrong_sum_says_which_setting_would_take_it() -> None:
    wrong = text(*LINES, crc="0001")
    assert present(told("p1", wrong, check="none")[1]).values == {"1-0:1.8.0": 123456}
    with pytest.raises(WrongCheck, match='check = "none"'):
        told("p1", wrong * 3)


@pytest.mark.parametrize("unit", ["kvarh", "kVArh", "kVarh", "KVARH", "kvar*h", "kVAr·h", "квар·ч", "кВАр·ч"])
def test_units_are_read_in_any_case_of_their_letters(unit: str) -> None:
    assert obis.scaled(Value("2.116", unit), "varh") == 2116


def test_only_mega_and_milli_differ_by_their_case() -> None:
    assert obis.scaled(Value("2", "MW"), "W") == 2_000_000 and obis.scaled(Value("2", "mW"), "W") is None
    assert obis.scaled(Value("2", "mV"), "V") == Decimal("0.002") and obis.scaled(Value("2", "MV"), "V") is None
    assert obis.scaled(Value("2", "KW"), "W") == obis.scaled(Value("2", "kw"), "W") == 2000
