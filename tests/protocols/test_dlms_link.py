"""The HDLC link: lost, damaged, late and foreign frames cost a repetition, never a value."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from protocols.dlms import axdr
from protocols.dlms.answers import (
    Notification,
)
from protocols.dlms.apdu import Attribute, Range, obis
from protocols.dlms.hdlc import DM, FRMR, POLL, RNR, UI, Address, Frame, Limits
from protocols.dlms.questions import (
    Connect,
    Disconnect,
    Done,
    Get,
    GetList,
    Value,
)
from protocols.dlms.session import Session
from protocols.errors import BadFrame, Busy, NoReply, NotLoggedIn, Refused
from tests.support.dlms import (
    ENERGIES,
    LOAD,
    METER,
    NOW,
    READER,
    TOTAL,
    TRUTH,
    Wire,
    household,
    reader,
    spodes,
    station,
)


@pytest.mark.parametrize(("window", "lost"), [(1, n) for n in range(14)] + [(3, n) for n in range(6)])
@pytest.mark.parametrize("how", ["silence", "bit", "cut", "noise", "twice"])
def test_one_lost_or_spoilt_answer_costs_a_repetition_and_no_value(lost: int, window: int, how: str) -> None:
    wire, there = reader(limits=Limits(64, 64, window, window))
    count = itertools.count()

    def spoil(said: bytes) -> bytes:
        if next(count) != lost or not said:
            return said
        middle = len(said) // 2
        return {
            "silence": b"",
            "bit": said[:middle] + bytes((said[middle] ^ 4,)) + said[middle + 1 :],
            "cut": said[:middle],
            "noise": b"\x7e\xa7\x00\xff" + said,
            "twice": said + said,
        }[how]

    wire.spoil = spoil
    values = wire(GetList(ENERGIES))
    assert values[0] == Value(TRUTH)
    assert wire(Get(TOTAL)) == Value(TRUTH)
    span = Range(spodes().stamp(NOW - timedelta(hours=3)), spodes().stamp(NOW))
    assert len(wire(Get(replace(LOAD, access=span))).data) == 6
    asked = [each for each in there.server.asked if not hasattr(each, "block")]
    assert len(asked) == 3  # repeated frames are not taken for new questions
    assert next(count) > lost  # the fault did strike


def test_a_damaged_answer_that_stays_damaged_is_broken_not_silent() -> None:
    wire, _ = reader()
    wire.spoil = lambda said: said[:-3] + b"\0\0\x7e"
    with pytest.raises(BadFrame, match="no sound HDLC frame"):
        wire(Get(TOTAL))


def test_an_answer_that_comes_during_the_next_question_is_not_taken_for_its_answer() -> None:
    wire, _ = reader()
    wire(Get(TOTAL))
    late = wire.heard[-1]
    other = Attribute(3, obis("1.0.1.8.1.255"), 2)
    wire.spoil = lambda said: late + said
    assert wire(Get(other)) == Value(household().energy(NOW)["T1"] * 1000)


def test_an_answer_that_does_not_confirm_our_question_is_not_its_answer() -> None:
    wire, _ = reader()

    def old(said: bytes) -> bytes:
        frame = Frame.from_bytes(said)
        return replace(frame, control=frame.control & 0x1F | 1 << 5).to_bytes()  # N(R) as before the question

    wire.spoil = old
    with pytest.raises(NoReply):
        wire(Get(TOTAL))


def test_another_meters_answer_is_an_error_that_names_it() -> None:
    wire, _ = reader()
    wire.spoil = lambda said: Frame(Address(32).to_bytes(), Address(1, 18, 2).to_bytes(), 0x11).to_bytes()
    with pytest.raises(BadFrame, match="meter 1/18 answered, 1/17 was asked"):
        wire(Get(TOTAL))


@pytest.mark.parametrize("control", [DM, FRMR])
def test_a_meter_that_dropped_the_link_is_asked_to_log_in_again(control: int) -> None:
    wire, _ = reader()
    wire.spoil = lambda said: Frame(Address(32).to_bytes(), METER.to_bytes(), control).to_bytes()
    with pytest.raises(NotLoggedIn):
        wire(Get(TOTAL))
    with pytest.raises(NotLoggedIn):
        wire(Get(TOTAL))
    wire.spoil = lambda said: said
    wire(Connect(METER, 32))
    wire(READER)
    assert wire(Get(TOTAL)) == Value(TRUTH)


def test_another_question_after_a_lost_one_needs_a_new_link() -> None:
    wire, _ = reader()
    wire.spoil = lambda said: b""
    with pytest.raises(NoReply):
        wire(Get(TOTAL))
    wire.spoil = lambda said: said
    with pytest.raises(NotLoggedIn, match="broke off"):
        wire(Get(ENERGIES[1]))
    assert wire(Disconnect()) == Done()


def test_a_meter_that_is_not_ready_is_polled_and_then_called_busy() -> None:
    wire, _ = reader()
    rnr = Frame(Address(32).to_bytes(), METER.to_bytes(), 2 << 5 | POLL | RNR).to_bytes()
    wire.spoil = lambda said: rnr
    with pytest.raises(Busy, match="not ready"):
        wire(Get(TOTAL))
    assert len(wire.sent) < 160


def test_a_meter_that_needs_a_moment_is_polled_until_it_answers() -> None:
    wire, _ = reader()
    answer = wire.answer
    held: list[bytes] = []

    def slow(sent: bytes) -> bytes:
        if not held:
            held.append(answer(sent))
            return Frame(Address(32).to_bytes(), METER.to_bytes(), 2 << 5 | POLL | 0x01).to_bytes()
        return held.pop()

    wire.answer = slow
    assert wire(Get(TOTAL)) == Value(TRUTH)


def test_a_pushed_frame_in_between_disturbs_nothing() -> None:
    wire, _ = reader()
    body = b"\xe6\xe7\x00" + Notification(1, b"", axdr.null()).to_bytes()
    push = Frame(Address(32).to_bytes(), METER.to_bytes(), UI, body).to_bytes()
    wire.spoil = lambda said: push + said
    assert wire(Get(TOTAL)) == Value(TRUTH)


def test_a_refused_link_says_so() -> None:
    wire = Wire(Session(), lambda sent: Frame(Address(32).to_bytes(), METER.to_bytes(), DM).to_bytes())
    with pytest.raises(Refused, match="refuses the link"):
        wire(Connect(METER, 32))


def test_a_late_dm_is_no_refusal_of_the_link() -> None:
    there = station(spodes())
    late = itertools.chain([Frame(Address(32).to_bytes(), METER.to_bytes(), DM).to_bytes()], itertools.repeat(None))
    wire = Wire(Session(), there.answer, tries=1)
    wire.spoil = lambda said: next(late) or said
    wire(Connect(METER, 32))
    wire(READER)
    assert wire(Get(TOTAL)) == Value(TRUTH)


def test_a_damaged_answer_is_asked_for_again_without_the_lines_help() -> None:
    wire, there = reader()
    wire.tries = 1
    count = itertools.count()
    wire.spoil = lambda said: said[:-3] + b"\0\0\x7e" if next(count) % 2 == 0 else said
    assert wire(GetList(ENERGIES))[0] == Value(TRUTH)
    assert len(there.server.asked) == 1
