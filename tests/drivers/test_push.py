"""Meters that only talk: P1, D0 and SML telegrams of real meters become registers."""

from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest

from agent.line.link import Link
from drivers.push import FAMILIES, server_text
from protocols.errors import BadFrame, Refused, WrongCheck
from protocols.session import Line
from tests.conversations import load
from tests.drivers.iec62056.support import driver
from tests.support.wire import ScriptedPort, Time


def pushed(model: str, name: str, *kinds: str, line: Line | None = None, **settings: object) -> list[object]:
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
def test_every_push_family_says_what_it_costs(family: object) -> None:
    meter = driver(family.models[0])
    assert meter.exchanges("now") and not meter.exchanges("month")
