"""One diagnosis in layers: whatever a line does wrong ends in a sentence of what it is and one of what to do next, of
the right layer, on every protocol that has the layer. Rows are layers, columns the protocols of
:mod:`tests.lines.spoken`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.line.link import Link
from protocols.dlms.hdlc import Address, Frame
from protocols.errors import LAYERS, LateReply, MeterError
from protocols.iec62056.frames import answer as iec_answer
from protocols.iec62056.frames import command, with_parity
from protocols.iec62056.push import Listen
from protocols.iec62056.questions import Password, Program
from protocols.iec62056.session import Session as IecSession
from protocols.mercury.frames import seal
from protocols.mercury.questions import OpenChannel
from protocols.modbus import rtu
from protocols.session import Line, Sending
from tests.lines.spoken import DZG, LINES, P1, Spoken, frame_of
from tests.support.wire import ScriptedPort, Time

Timed = list[tuple[float, bytes]]
Far = Callable[[Sending, bytes], Timed]
"""The question and its sound answer → what comes instead."""

BY_NAME = {line.name: line for line in LINES}
ASKED = [line for line in LINES if not line.talks]
TALKING = [line for line in LINES if line.talks]
HDLC = Frame(Address(16).to_bytes(), Address(1, 17, 2).to_bytes(), 0x73, b"\x81\x80\x12").to_bytes()
_BODY = bytes.fromhex("0802720102030482")
MBUS = b"\x68\x08\x08\x68" + _BODY + bytes((sum(_BODY) & 0xFF, 0x16))
ENCRYPTED = bytes.fromhex("db08 5341470000123456 820177 30 00001201") + bytes((7 * n) & 0xFF for n in range(370))


def trouble(
    spoken: Spoken, far: Far, question: Any = None, tries: int = 1, ends: list[float] | None = None
) -> MeterError:
    """The error in which the question ends; ``ends`` is given when."""
    time, spoilt = Time(), False
    session, last = spoken.session(), Sending(b"", 0.0)

    def reply(request: bytes) -> Timed:
        said = spoken.answers(request)
        return far(last, said) if spoilt else [(0.02, said)]

    port = ScriptedPort(time, reply)
    link = Link(port, monotonic=time, sleep=time.sleep)
    link.begin(spoken.line)
    send = session.send

    def watched(asked: Any) -> Sending:
        nonlocal last
        last = send(asked)
        return last

    session.send = watched  # type: ignore[method-assign,assignment]
    for before in spoken.before:
        link.ask(session, before)
    spoilt = True
    if spoken.talks:
        port.coming += [(time.now + 0.1 + at, piece) for at, piece in far(Sending(b"", 22.0), spoken.answers(b""))]
    begun = time.now
    with pytest.raises(MeterError) as raised:
        link.ask(session, question or spoken.question, tries)
    if ends is not None:
        ends.append(time.now)
    if spoken.talks:
        assert time.now - begun <= 2 * 10.0 + 4, "two intervals of the meter"
    assert raised.value.hint and str(raised.value)
    return raised.value


def names(lines: list[Spoken]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spoken", lines, ids=[line.name for line in lines])


@names(list(LINES))
def test_nothing_comes(spoken: Spoken) -> None:
    assert trouble(spoken, lambda _, said: []).layer == "octets"


@names(ASKED)
def test_characters_that_no_one_can_read_are_not_called_silence(spoken: Spoken) -> None:
    said = trouble(spoken, lambda _, answer: [(0.1, bytes.fromhex("9b5d3ac627d4"))])
    assert said.layer == "check" and "5d 3a" in str(said)


def test_noise_before_silence_stands_in_the_message() -> None:
    said = trouble(BY_NAME["mercury"], lambda _, answer: [(0.1, b"\xf3\x00")])
    assert said.layer == "octets" and "f3 00" in str(said)


@names(ASKED)
def test_only_our_own_echo_comes(spoken: Spoken) -> None:
    said = trouble(spoken, lambda sending, _: [(0.0, sending.data)])
    assert said.layer == "echo" and "echo" in str(said)


@names(ASKED)
def test_the_answer_comes_late_and_the_timeout_that_would_do_is_named(spoken: Spoken) -> None:
    said = trouble(spoken, lambda sending, answer: [(sending.wait + 0.4, answer)])
    assert isinstance(said, LateReply) and said.layer == "late"
    assert "waited" in str(said) and 'timeout = "' in said.hint


def test_a_meter_that_answers_after_seven_tenths_of_a_second_needs_a_timeout_of_two() -> None:
    said = trouble(BY_NAME["mercury"], lambda _, answer: [(0.7, answer)])
    assert "0.7 s after the question, 0.50 s are waited" in str(said) and 'timeout = "2s"' in said.hint


def test_a_converter_that_strips_parity_bits_is_told_by_the_identification() -> None:
    eight = Spoken("iec", lambda: IecSession("", Line(9600, "8N1")), Program(), lambda _: b"/EKT5CE303v11\r\n")
    said = trouble(eight, lambda _, answer: [(0.1, answer)])
    assert said.layer == "parity" and "EKT5CE303v11" in str(said) and "7E1" in said.hint


@names([BY_NAME[name] for name in ("p1", "sml", "mercury", "modbus rtu", "dlms hdlc")])
def test_parity_bits_are_seen_where_eight_bits_are_read(spoken: Spoken) -> None:
    said = trouble(spoken, lambda _, answer: [(0.1, with_parity(b"/ESY5Q3DA1024 V3.0 ok and more words\r\n"))])
    assert said.layer == "parity" and '"7E1"' in said.hint


@names([line for line in LINES if line.name not in ("iec programming", "iec readout", "modbus tcp", "dlms wrapper")])
def test_another_speed_is_told_by_its_octets(spoken: Spoken) -> None:
    said = trouble(spoken, lambda _, answer: [(0.1, bytes.fromhex("80f8e080c0fef800e0f0ffc0"))])
    assert said.layer == "speed" and "--speed" in said.hint


@names([line for line in LINES if line.name not in ("modbus tcp", "dlms wrapper", "d0")])
def test_a_frame_with_a_wrong_check_sum_is_told_as_such(spoken: Spoken) -> None:
    def damaged(_: Sending, answer: bytes) -> Timed:
        at = {"sml": -1, "p1": -3, "dlms hdlc": -2}.get(spoken.name, -1)
        octets = bytearray(answer)
        octets[at] ^= 0x03
        return [(0.1 + n, bytes(octets)) for n in range(3)]

    said = trouble(spoken, damaged)
    assert said.layer == "check"


OTHERS = {
    "SML": DZG,
    "DB 08": ENCRYPTED,
    "HDLC": HDLC,
    "M-Bus": MBUS,
    "/XXX5": P1,
    "CRC of Modbus": rtu.seal(bytes((7, 3, 4, 1, 2, 3, 4))),
    "modem": b"\r\nNO CARRIER\r\n",
}
OWN = {
    "sml": ("SML",),
    "p1": ("/XXX5",),
    "d0": ("/XXX5",),
    "dlms hdlc": ("HDLC",),
    "dlms wrapper": ("HDLC",),
    "mercury": ("CRC of Modbus",),
    "modbus rtu": ("CRC of Modbus",),
    "modbus tcp": ("CRC of Modbus",),
    "iec programming": ("/XXX5",),
}


@pytest.mark.parametrize(
    ("spoken", "other"),
    [
        pytest.param(spoken, other, id=f"{spoken.name} hears {other}")
        for spoken in LINES
        for other in OTHERS
        if other not in OWN.get(spoken.name, ()) and not (spoken.name == "iec readout" and other == "/XXX5")
    ],
)
def test_another_protocol_is_named_by_its_octets(spoken: Spoken, other: str) -> None:
    said = trouble(spoken, lambda _, answer: [(0.1, OTHERS[other])])
    assert said.layer == "protocol" and other in str(said)


@names([line for line in LINES if line.foreign and line.name != "dlms wrapper"])
def test_another_meter_answers(spoken: Spoken) -> None:
    said = trouble(spoken, lambda sending, _: [(0.1, spoken.foreign(sending.data))])  # type: ignore[misc]
    assert said.layer == "address" and "answered" in str(said)


def _mercury(status: int) -> Far:
    return lambda _, answer: [(0.1, seal(0x2D, bytes((status,))))]


def _dlms(apdu: str) -> Far:
    """This APDU in the place of the answer's."""

    def far(_: Sending, answer: bytes) -> Timed:
        frame = frame_of(answer)
        return [(0.1, replace(frame, information=b"\xe6\xe7\x00" + bytes.fromhex(apdu)).to_bytes())]

    return far


def _iec(text: bytes) -> Far:
    return lambda _, answer: [(0.1, iec_answer(text, RULE))]


RULE = "sum"  # of this meter, a CE102M
END = command("B0", b"", RULE)
NO = {
    "a meter that forgot us (Mercury)": ("mercury", _mercury(5), None, "session"),
    "a meter that ends the session (IEC)": ("iec programming", lambda _, said: [(0.1, END)], None, "session"),
    "an exception response D8 (DLMS)": ("dlms hdlc", _dlms("d80102"), None, "session"),
    "a wrong password (Mercury)": ("mercury", _mercury(1), OpenChannel(1, b"\1" * 6), "password"),
    "a wrong password (IEC)": ("iec programming", lambda _, said: [(0.1, END)], Password(b"777777"), "password"),
    "a level that does not suffice (Mercury)": ("mercury", _mercury(3), None, "rights"),
    "read-write-denied (DLMS)": ("dlms hdlc", _dlms("c401c10103"), None, "rights"),
    "a parameter that is not there (Mercury)": ("mercury", _mercury(1), None, "object"),
    "an address that is not there (Modbus)": (
        "modbus rtu",
        lambda _, said: [(0.1, rtu.seal(bytes((1, 0x84, 2))))],
        None,
        "object",
    ),
    "an error message (IEC)": ("iec programming", _iec(b"(ERR12)"), None, "object"),
    "object-undefined (DLMS)": ("dlms hdlc", _dlms("c401c10104"), None, "object"),
}


@pytest.mark.parametrize(("name", "far", "question", "layer"), NO.values(), ids=NO)
def test_a_no_is_of_its_own_layer(name: str, far: Far, question: Any, layer: str) -> None:
    assert trouble(BY_NAME[name], far, question).layer == layer


def test_a_link_that_is_refused_is_a_session_still_open() -> None:
    spoken = BY_NAME["dlms hdlc"]
    connect = spoken.before[0]
    bare = Spoken("dlms", spoken.session, connect, spoken.answers)

    def denied(_: Sending, answer: bytes) -> Timed:
        return [(0.1, replace(frame_of(answer), control=0x1F, information=b"").to_bytes())]

    said = trouble(bare, denied)
    assert said.layer == "session" and "DM" in str(said) and "still open" in said.hint


@names(TALKING)
def test_a_line_that_talks_without_end_and_is_not_understood_is_left_after_two_intervals(spoken: Spoken) -> None:
    said = trouble(spoken, lambda _, answer: [(0.01 * n, b"?#%&") for n in range(9000)])
    assert said.layer in ("check", "protocol")


def test_listening_is_not_repeated_and_nothing_is_drained_behind_it() -> None:
    assert not Listen().repeatable
    said = trouble(BY_NAME["p1"], lambda _, answer: [(2.0 * n, ENCRYPTED) for n in range(100)], tries=3)
    assert "encrypted" in str(said) and "encrypted" in said.hint


def test_every_layer_is_shown_by_a_class_of_errors() -> None:
    shown = {"port", "octets", "echo", "late", "parity", "speed", "check", "protocol", "address", "session"}
    assert shown | {"password", "rights", "object", "master"} == set(LAYERS)


ENDLESS = {
    "SML every two seconds": [(0.3 + 2.0 * n, DZG) for n in range(200)],
    "P1 every second": [(0.3 + n, P1) for n in range(400)],
    "noise": [(0.002 * n, bytes([(n * 73 + 41) & 0xFF])) for n in range(100_000)],
}


@pytest.mark.parametrize("stream", ENDLESS.values(), ids=ENDLESS)
@names(ASKED)
def test_a_meter_that_is_asked_on_a_line_that_talks_without_end_costs_no_minutes(spoken: Spoken, stream: Timed) -> None:
    """No draining and no repetition where another protocol speaks; one of each at most where nothing is known."""
    begun = Time().now
    ends: list[float] = []

    def far(_: Sending, answer: bytes) -> Timed:
        return stream if not ends else []

    said = trouble(spoken, far, tries=3, ends=ends)
    assert said.layer in ("protocol", "check")
    assert ends[0] - begun < (10.0 if said.layer == "protocol" else 35.0)
