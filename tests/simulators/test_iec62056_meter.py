"""Simulated IEC 62056-21 meters: bytes as real meters send them, and the whole way over a pseudo-terminal."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from agent.line.link import Link
from agent.line.port import Port
from drivers.reading import Reading
from protocols.errors import AccessDenied, BadFrame, MeterError, NoReply
from protocols.iec62056.frames import command, low7, option, request, rules_kept
from protocols.session import Line
from simulators.faults import Faults
from simulators.household import Household
from simulators.iec62056 import BUILDERS, ce303, ce308, move, neva, readout
from simulators.iec62056_meter import IecMeter
from simulators.line import PtyLine
from simulators.pair import Station
from tests.drivers.iec62056.support import driver
from tests.protocols.iec62056_player import joined

LINE, OPTICAL = Line(9600, "7E1"), Line(300, "7E1")
ENERGY = {"total": 10_879_927, "T1": 8_032_516, "T2": 2_847_411}
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def meters() -> list[IecMeter]:
    return [builder("7", serial="12345678") for builder in BUILDERS.values()]


def said(meter: IecMeter, *messages: bytes) -> list[bytes]:
    return [low7(meter.answer(message)) for message in messages]


def test_a_ce303_answers_as_the_recorded_ce301() -> None:
    meter = ce303(name="/EKT5CE301v11", now=lambda: datetime(2016, 10, 24, 21, 42, 34))
    meter.network = {"U": [Decimal("209.185"), Decimal("217.742"), Decimal("217.465")]}
    recorded = joined("iec-t04")
    for (way, sent), (_, heard) in pairwise(recorded):
        if way == ">>" and any(name in sent for name in (b"/?!", b"\x06051", b"DATE_", b"TIME_", b"VOLTA")):
            assert said(meter, sent) == [heard]


def test_a_neva_answers_as_the_recorded_one() -> None:
    meter = neva("00000201", energy={"total": 46_240, "T1": 31_140, "T2": 15_100})
    meter.network = {"P": [Decimal("5.3"), Decimal(0), Decimal(0)]}
    recorded = joined("iec-t08")
    for (way, sent), (_, heard) in pairwise(recorded):
        if way == ">>" and not any(name in sent for name in (b"2107FFFF", b"600900FF")):
            assert said(meter, sent) == [heard]


def test_only_the_meter_that_is_meant_answers() -> None:
    meter = ce303("00123")
    assert said(meter, request("124"), request("123x")) == [b"", b""]
    assert said(meter, request("123"))[0].startswith(b"/EKT5")


def test_a_wrong_password_ends_the_session() -> None:
    meter = neva("5")
    _, _, refused, after = said(
        meter, request("5"), option("0", "5", "1"), command("P1", b"(1)", "xor"), command("R1", b"600100FF()", "xor")
    )
    assert refused == command("B0", b"", "xor") and after == b""


def test_a_command_with_a_wrong_check_character_gets_nak() -> None:
    meter = ce303()
    said(meter, request(), option("0", "5", "1"))
    assert said(meter, command("R1", b"VOLTA()", "xor")) == [b"\x15"]


def test_a_session_is_forgotten_in_time() -> None:
    now = [0.0]
    meter = readout(clock=lambda: now[0])
    said(meter, request())
    now[0] = 3.0  # longer than it waits for the option message
    assert said(meter, option("0", "5", "0")) == [b""]
    other = ce303(start=300, clock=lambda: now[0])
    said(other, request(), option("0", "5", "1"))
    assert other.hearing == 9600
    now[0] += 3.1
    assert other.hearing == 300


def test_a_misunderstood_option_message_leads_to_a_readout_at_the_start_speed() -> None:
    meter = readout(energy={"total": 1000})
    _, telegram = said(meter, request(), option("0", "6", "1"))
    assert telegram.startswith(b"\x02F.F") and rules_kept(telegram) and meter.speaking == meter.hearing == 300


# Over a pseudo-terminal


def dialogue(link: Link, model: str, wire: Line, *kinds: str, tries: int | None = None, **plan: Any) -> list[Any]:
    """Identity and readings of one dialogue with the real driver."""
    meter = driver(model, line=wire, **plan)
    link.begin(wire)
    ask = partial(link.ask, meter.session(), tries=tries)
    try:
        meter.open(ask)
        return [meter.identify(ask), *(getattr(meter, kind)(ask) for kind in kinds)]
    finally:
        meter.close(ask)


def read(model: str, line: PtyLine, wire: Line, *kinds: str, **more: Any) -> list[Any]:
    """One dialogue over the real port."""
    port = Port(str(line.path), wire)
    try:
        return dialogue(Link(port), model, wire, *kinds, **more)
    finally:
        port.close()


def moved(meter: IecMeter) -> dict[str, int]:
    return move(meter, Household(7, tariffs=("T1", "T2", "T3")), AT)


def assert_moved_values_are_read(model: str, build: Callable[..., IecMeter], wire: Line, **plan: Any) -> None:
    """All that the driver reads over a line at its real speed is what the meter shows."""
    meter = build("41", start=wire.speed)
    shown = moved(meter)
    with PtyLine([Station(meter, wire)], line=wire) as line:
        identity, now, network = read(model, line, wire, "now", "network", address="41", **plan)
    assert identity.serial == meter.serial
    assert isinstance(now, Reading) and dict(now.values) == shown and now.flags == ()
    assert network.values["1-0:32.7.0"] == meter.network["U"][0]


@pytest.mark.slow
def test_a_group_read_over_a_pseudo_terminal() -> None:
    assert_moved_values_are_read("ce303-group", ce303, LINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "build", "wire", "plan"),
    [
        ("ce303", ce303, LINE, {}),
        ("ce303", ce303, OPTICAL, {}),
        ("ce308", ce308, LINE, {}),
        ("neva-mt3", neva, LINE, {"password": b"00000000"}),
        ("iec-readout", readout, OPTICAL, {}),
        ("ce303", ce303, Line(9600, "8N1"), {}),
    ],
    ids=["RS-485", "optical head", "archive commands", "password", "readout", "software parity"],
)
def test_drivers_read_the_simulated_meters_over_a_pseudo_terminal(
    model: str, build: Callable[..., IecMeter], wire: Line, plan: dict[str, Any]
) -> None:
    assert_moved_values_are_read(model, build, wire, **plan)


@pytest.mark.slow
def test_a_client_that_does_not_follow_the_speed_hears_garbage() -> None:
    meter = readout("41", energy={"total": 1})
    with PtyLine([Station(meter, OPTICAL)], line=OPTICAL) as line, pytest.raises((BadFrame, NoReply)):
        read("iec-readout", line, OPTICAL, "now", address="41", settings={"change_speed": False}, tries=1)


@pytest.mark.slow
def test_a_meter_at_another_speed_hears_nothing() -> None:
    with PtyLine([Station(readout("41"), OPTICAL)], line=OPTICAL, pace=False) as line, pytest.raises(NoReply):
        read("iec-readout", line, LINE, "now", address="41", timeout=0.1)


@pytest.mark.slow
def test_a_wrong_password_over_the_line_is_access_denied() -> None:
    with PtyLine([Station(neva("41"), LINE)], line=LINE) as line, pytest.raises(AccessDenied):
        read("neva", line, LINE, "now", address="41", password=b"1")


@pytest.mark.slow
def test_an_optical_head_that_echoes_is_read_as_well() -> None:
    meter = readout("41")
    shown = moved(meter)
    with PtyLine([Station(meter, OPTICAL)], line=OPTICAL, echo=True) as line:
        _, now = read("iec-readout", line, OPTICAL, "now", address="41")
    assert dict(now.values) == shown


@pytest.mark.slow
def test_faults_on_the_line_never_make_a_wrong_value() -> None:
    meter = ce303("41")
    shown = moved(meter)
    chances = {"flip": 0.12, "cut": 0.08, "noise-before": 0.1, "noise-after": 0.05, "echo": 0.1, "drop": 0.03}
    faults = Faults(chances=chances, seed=3)
    right = 0
    with PtyLine([Station(meter, LINE)], line=LINE, pace=False, faults=faults) as line:
        port = Port(str(line.path), LINE)
        link = Link(port)
        for _ in range(12):
            try:
                identity, now = dialogue(link, "ce303", LINE, "now", address="41", timeout=0.1)
            except MeterError:
                continue
            assert identity.serial == meter.serial and dict(now.values) == shown
            right += 1
        port.close()
    assert right >= 2 and sum(faults.struck.values()) >= 5


@pytest.mark.slow
def test_a_readout_over_an_optical_head_at_its_real_speed() -> None:
    meter = readout("41")
    shown = moved(meter)
    with PtyLine([Station(meter, OPTICAL)], line=OPTICAL, stamps=True) as line:
        _, now = read("iec-readout", line, OPTICAL, "now", address="41")
        first, second = line.traffic.transactions
    assert dict(now.values) == shown
    assert first.answer_octets == len("/XYZ5READOUT\r\n") and second.answered is not None
    assert second.begin - first.begin > (5 + 2 + 14) * 10 / 300  # request and identification at 300 bit/s
