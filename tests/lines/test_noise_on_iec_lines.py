"""IEC 62056-21 meters that share a pair on which octets of noise come with every answer: all are read, none wrongly.

Simulated meters on the simulated pair in fake time; a session that stays open in one meter would spoil the next.
"""

from zoneinfo import ZoneInfo

import pytest

from agent.config.values import Meter, Poll
from agent.line.dialogue import Dialogue
from agent.line.link import Link
from agent.meters.state import MeterState
from drivers.reading import MeterPlan
from protocols.errors import BadFrame
from protocols.iec62056.frames import answer, command, option, request
from protocols.session import Line
from simulators import iec62056
from simulators.faults import Fault, Faults
from simulators.pair import Pair, Station
from tests.drivers.iec62056.support import FAMILIES, RecordedMeter, driver
from tests.support.bus import FakeClock
from tests.support.pair import PairPort
from tests.support.wire import Time

ENERGY = {"total": 10000, "T1": 1000, "T2": 2000, "T3": 3000, "T4": 4000}
SERIALS = {"ce303": "009114135064195", "neva": "60089784", "iec-readout": "06213678"}
DRIVERS = {"neva": "neva-mt3"}
FORM = "7E1"
PAIRS = [("ce303", "neva"), ("neva", "ce303"), ("iec-readout", "neva"), ("neva", "iec-readout")]
TELLING = (b"\x01", b"\x02", b"\x03", b"\x04", b"\x06", b"\x15", b"/", b"!", b"\x02\x03", b"\x01\x42\x30\x03")
"""Octets that mean something to the protocol: the noise of one in ten answers holds one."""


def states(models: tuple[str, ...], faults: Faults, time: Time) -> tuple[list[MeterState], Dialogue]:
    """The meters of a pair as the gateway knows them, and its dialogue with them."""
    clock = FakeClock(time)
    stations, known = [], []
    for number, model in enumerate(models, 1):
        address, serial = str(number), SERIALS[model]
        meter = iec62056.BUILDERS[model](
            address, serial, now=lambda: clock.stamp().utc.replace(tzinfo=None), clock=time, energy=dict(ENERGY)
        )
        line, name = Line(meter.start, FORM), DRIVERS.get(model, model)
        stations.append(Station(meter, line))
        config = Meter(f"p{number}", "pair", name, address, serial, line, poll=Poll(now=60.0, network=None))
        plan = MeterPlan(name, address, serial, line, zone="UTC")
        known.append(MeterState(config, FAMILIES[name].build(plan), line, ZoneInfo("UTC")))
    port = PairPort(Pair(stations, line=Line(9600, FORM), faults=faults), time)
    return known, Dialogue(Link(port, monotonic=time, sleep=time.sleep), clock, lambda *_: None)


def all_are_read(models: tuple[str, ...], faults: Faults) -> None:
    time = Time()
    meters, dialogue = states(models, faults, time)
    for meter in meters:
        begun = time.now
        outcome = dialogue.run(meter, ["now"])
        assert not outcome.failed and outcome.records[0].values["1-0:1.8.0"] == ENERGY["total"]
        assert time.now - begun < 15.0


@pytest.mark.parametrize("place", ["noise-before", "noise-after"])
@pytest.mark.parametrize("models", PAIRS, ids=" beside ".join)
def test_meters_of_one_pair_are_read_whatever_noise_comes_with_every_answer(
    models: tuple[str, ...], place: str
) -> None:
    for seed in range(12):
        all_are_read(models, Faults(chances={place: 1.0}, seed=seed))


@pytest.mark.parametrize("place", ["noise-before", "noise-after"])
@pytest.mark.parametrize("noise", TELLING, ids=lambda noise: noise.hex(" "))
def test_noise_that_looks_like_a_word_of_the_protocol_is_still_noise(noise: bytes, place: str) -> None:
    all_are_read(("ce303", "neva"), Faults([Fault(place, data=noise)] * 100))


@pytest.mark.parametrize("check", ["auto", "none"])
@pytest.mark.parametrize("stray", [b"", b"\xff", b"a", b"/", *TELLING], ids=lambda stray: stray.hex(" "))
def test_a_readout_meter_with_a_stray_octet_after_each_answer_is_read(stray: bytes, check: str) -> None:
    """With and without a check character, at 300 bit/s."""
    text = b"C.1.0(77)\r\n1.8.0(60.5*kWh)\r\n!\r\n"
    telegram = answer(text, "xor") if check == "auto" else b"\x02" + text
    meter = RecordedMeter(more={request(): b"/ACE0METER\r\n" + stray, option("0", "0", "0"): telegram + stray})
    asked = driver("iec-readout", line=Line(300, FORM), settings={"check": check})
    ask = meter.ask(asked)
    asked.open(ask)
    asked.identify(ask)
    assert asked.now(ask).values == {"1-0:1.8.0": 60500}
    assert meter.time.now < 1000 + 15


def test_a_meter_whose_operand_came_damaged_is_sent_the_break_before_its_neighbour_is_asked() -> None:
    """In programming mode it would answer the commands that are meant for the other one."""
    opening = option("0", "5", "1")
    meter = RecordedMeter(more={request(): b"/EKT5CE303v11\r\n", opening: b"\x01P0\x02(777778)\x03\x20"})
    with pytest.raises(BadFrame):
        (ce303 := driver("ce303")).open(meter.ask(ce303, 1))
    assert meter.asked == [request(), opening, command("B0", b"", "sum")]
