"""Another master on the pair: no answer to its questions is taken for one to ours, and polls make way to it."""

from collections.abc import Callable

import pytest

from agent.config.values import Bus, Poll
from agent.line.others import OtherMaster
from protocols.errors import SecondMaster
from protocols.iec62056.frames import with_parity
from protocols.iec62056.questions import Readout
from protocols.iec62056.session import Session as IecSession
from protocols.mercury.frames import Energy, seal
from protocols.modbus import rtu
from protocols.modbus.questions import ReadHolding
from protocols.modbus.session import Session
from protocols.overheard import Overheard, second_master
from protocols.session import Line
from tests.support.bus import FakeBus, Timed
from tests.support.present import present

T1, T2 = b"\x05\x00\x01", b"\x05\x00\x02"


Twist = Callable[["SharedPair", bytes], Timed | None]


class SharedPair(FakeBus):
    """A bus whose meter is read row by row. ``twist(question) -> pieces`` says what comes instead of the answer; None:
    the answer as it is."""

    def __init__(self, twist: Twist, poll: Poll | None = None) -> None:
        self.twist, self.wrong = twist, True
        super().__init__(1, poll, settings={"group_read": "never"})

    def of(self, data: bytes) -> bytes:
        """The meter's answer to this question."""
        return self.simulated[0].answer(seal(1, data))

    def honest(self, request: bytes) -> list[tuple[float, bytes]]:
        if self.wrong and (pieces := self.twist(self, request[1:-2])) is not None:
            return pieces
        return super().honest(request)


def before(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
    """Their question is heard ahead of the answer to it."""
    return [(0.02, seal(1, T1)), (0.06, bus.of(T1))] if question == T2 else None


def between(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
    """Their question comes right behind our answer to T1, and they have the meter's ear."""
    if question == T1:
        return [(0.03, bus.of(T1)), (0.0301, seal(1, T1))]
    return [(0.03, bus.of(T1))] if question == T2 else None


def behind(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
    """Their answer comes first, and ours behind it in one piece."""
    return [(0.03, bus.of(T1) + bus.of(T2))] if question == T2 else None


def late(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
    """Their question is not heard at all (two clients of one serial server), ours is answered behind theirs."""
    return [(0.03, bus.of(T1)), (0.033, bus.of(T2))] if question == T2 else None


def currents(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
    """Another quantity of the same length."""
    theirs = b"\x08\x16\x21"
    return [(0.02, seal(1, theirs)), (0.06, bus.of(theirs))] if question == b"\x08\x16\x11" else None


TWISTS = {"before": before, "between": between, "behind": behind, "late": late}


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)
def test_an_answer_to_somebody_elses_question_is_never_a_reading(twist: Twist) -> None:
    bus = SharedPair(twist)
    bus.simulated[0].registers[1] = bus.simulated[0].registers[0]
    bus.run(50)
    assert not bus.readings()
    assert bus.meters[0].trouble == "second-master" and "another master" in (bus.meters[0].error or "")
    bus.wrong = False
    bus.run(100)
    assert bus.readings() and all(record.values["1-0:1.8.2"] == 1000 for record in bus.readings())
    assert bus.meters[0].error is None


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)
def test_what_was_disturbed_once_is_read_anew_in_the_same_dialogue(twist: Twist) -> None:
    bus = SharedPair(twist)

    def once(of: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
        pieces = twist(of, question)
        bus.wrong = pieces is None
        return pieces

    bus.twist = once
    bus.run(30)
    assert [record.values["1-0:1.8.2"] for record in bus.readings()] == [1000]
    assert bus.readings()[0].flags == ()


def test_currents_are_never_voltages() -> None:
    bus = SharedPair(currents, Poll(now=None, network=60.0))
    bus.run(50)
    assert not bus.readings(kind="network")


def test_a_second_master_is_one_event_and_is_shown_with_whose_address_was_heard() -> None:
    bus = SharedPair(before)
    bus.run(600)
    assert bus.events() == ["second-master"]
    (event,) = [record for record in bus.records if record.event]
    assert "address 1" in present(event.event)["text"]
    shown = bus.worker.second_master
    assert shown is not None and shown["addresses"]["1"] > 10 and shown["ago"] <= 60


def test_rows_that_disagree_with_their_total_are_read_once_more_and_no_more() -> None:
    asked = []

    def swapped(bus: SharedPair, question: bytes) -> list[tuple[float, bytes]] | None:
        if question == T2:
            asked.append(question)
        return [(0.03, bus.of(T1))] if question == T2 and len(asked) == 1 else None

    bus = SharedPair(swapped)
    bus.simulated[0].registers[1] = Energy(*[500000] * 4)
    bus.simulated[0].registers[0] = Energy(*[502000] * 4)
    bus.run(30)
    assert [record.values["1-0:1.8.2"] for record in bus.readings()] == [1000] and len(asked) == 2
    assert bus.readings()[0].flags == ()
    bus.simulated[0].registers[0] = Energy(*[900000] * 4)  # a tariff that no one reads
    bus.run(60 * 5)
    assert len(asked) == 2 + 1 + 5
    first, *later = bus.readings()[1:]
    assert "sum-mismatch" in first.flags and {record.flags for record in later} == {()}, "it stays the same"
    told = [record.event for record in bus.records if record.event and record.event["code"] == "tariff-remainder"]
    assert len(told) == 1 and told[0]["text"].startswith("1.8.0: 398 kWh")


def test_behind_a_serial_server_the_answer_too_many_is_waited_for() -> None:
    """Questions of its other clients are not heard there; the last answer of a reading may be one to them."""

    def last(bus: SharedPair, question: bytes) -> Timed | None:
        bus.wrong = question != b"\x05\x00\x04"
        return None if bus.wrong else [(0.03, bus.of(T1)), (0.06, bus.of(question))]

    bus = SharedPair(last)
    bus.meters[0].margin = 1.0
    bus.run(30)
    assert [record.values["1-0:1.8.4"] for record in bus.readings()] == [0]
    assert bus.events() == ["second-master"]


def test_noise_and_our_own_echo_are_no_second_master() -> None:
    bus = SharedPair(
        lambda bus, question: [(0.0, seal(1, question)), (0.01, b"\xff\x00\xf3"), (0.04, bus.of(question))]
    )
    bus.run(200)
    assert len(bus.readings()) == 4 and bus.events() == []


def other_speaks(
    bus: FakeBus, every: float, length: float, at: float
) -> tuple[Callable[[], None], list[tuple[float, float]]]:
    """It asks meter 9, which is not ours, for ``length`` seconds each ``every`` seconds."""

    def speak() -> None:
        nonlocal at
        while bus.port is not None and at < bus.time.now + 1:
            count = int(length / 0.1)
            bus.port.coming += [(at + 0.1 * number, seal(9, b"\x05\x00\x00")) for number in range(count)]
            bus.port.coming.sort(key=lambda item: item[0])
            spans.append((at, at + length))
            at += every

    spans: list[tuple[float, float]] = []
    return speak, spans


def test_on_a_shared_bus_polls_are_moved_away_from_the_moments_at_which_the_other_one_speaks() -> None:
    bus = FakeBus(1, Poll(now=20.0, network=None))
    bus.worker.bus = Bus("riser", "/dev/fake", shared=True)
    speak, spans = other_speaks(bus, every=20.0, length=4.0, at=bus.time.now + 17.9)  # we poll at :00, :20 and :40
    bus.run(600, each=speak)
    asked = [moment for moment, _ in present(bus.port).written]
    learnt = spans[4][0]
    disturbed = [moment for moment in asked if moment > learnt and any(a <= moment <= b for a, b in spans)]
    assert not disturbed
    assert len(bus.readings()) >= 28 and all(record.flags == () for record in bus.readings())


def test_another_master_that_never_rests_does_not_keep_a_shared_bus_from_being_polled() -> None:
    bus = FakeBus(1, Poll(now=20.0, network=None))
    bus.worker.bus = Bus("riser", "/dev/fake", shared=True)
    speak, _ = other_speaks(bus, every=0.3, length=0.2, at=bus.time.now + 30)
    bus.run(300, each=speak)
    assert len([moment for moment, _ in present(bus.port).written if moment > bus.time.now - 150]) > 1


@pytest.mark.parametrize("early", [0.0, 0.4])
def test_the_other_masters_period_is_learnt_from_its_bursts(early: float) -> None:
    other = OtherMaster()
    for number in range(6):
        start = 1000 + 60 * number - early * (number % 2)
        for step in range(4):
            other.heard([Overheard("9", True, b"")], start + step)
    assert present(other.document(1310.0))["period"] == pytest.approx(60, abs=1)
    assert other.free(1310.0, 1.0) == 1310.0
    assert other.free(1359.5, 1.0) > 1363


def modbus() -> Session:
    session = Session(1, Line())
    session.send(ReadHolding(0, 2))
    return session


def test_modbus_of_another_master_is_known_by_its_questions() -> None:
    asked = rtu.seal(bytes((1, 3, 0, 10, 0, 2)))
    theirs = rtu.seal(bytes((1, 3, 4, 9, 9, 9, 9)))
    session = modbus()
    with pytest.raises(SecondMaster):
        session.receive(asked + theirs)
    session = modbus()
    assert session.receive(rtu.seal(bytes((2, 3, 4, 9, 9, 9, 9))) + theirs) == bytes((9, 9, 9, 9)), "a neighbour, late"


def test_another_masters_sign_ons_and_commands_are_known_on_an_iec_line() -> None:
    session = IecSession("00123456", Line(9600, "7E1"))
    ours = session.send(Readout()).data
    heard = session.foreign(b"\xff" + ours + with_parity(b"/?777!\r\n") + b"\x01P1\x02(12345678)\x03!" + b"\x01B0\x03q")
    assert [one.address for one in heard] == ["777", "any"]
    assert "12345678" not in str(second_master("a meter", heard))
