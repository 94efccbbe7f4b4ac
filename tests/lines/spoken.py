"""One recorded exchange of each protocol: how it is asked, what the meter answered, what that says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from protocols.checksums import crc16_modbus
from protocols.dlms import wrapper
from protocols.dlms.hdlc import Address, Deframer, Frame
from protocols.dlms.questions import Associate, Connect, Get
from protocols.dlms.session import Session as DlmsSession
from protocols.iec62056.frames import with_parity
from protocols.iec62056.push import Listen, PushSession, TextCut
from protocols.iec62056.questions import Get as GetParameter
from protocols.iec62056.questions import Program, Readout
from protocols.iec62056.session import Session as IecSession
from protocols.mercury.frames import seal
from protocols.mercury.questions import ReadEnergy, ReadSerial
from protocols.mercury.session import Session as MercurySession
from protocols.modbus.questions import ReadInput
from protocols.modbus.session import Session as ModbusSession
from protocols.session import Line, Session
from protocols.sml.messages import Registers, registers
from protocols.sml.transport import cut
from tests.conversations import load, pairs
from tests.support.dlms import ENERGIES

Answers = Callable[[bytes], bytes]
LINE = Line()
INTERVAL = 10.0  # s between two telegrams of a meter that only talks


@dataclass(frozen=True)
class Spoken:
    """``before``: questions that bring the session to where ``question`` may be asked. ``answers``: what a sound meter
    says to a request; ``b""`` is silence. ``other``: another question, for what a late answer may do to it; None where
    a session has one question only. ``foreign``: the same answer as another meter of the line would give it.
    """

    name: str
    session: Callable[[], Session]
    question: Any
    answers: Answers
    line: Line = LINE
    before: Sequence[Any] = ()
    other: Any = None
    foreign: Answers | None = None
    talks: bool = False  # it only listens: nothing is sent


def table(known: dict[bytes, bytes]) -> Answers:
    return lambda request: known.get(request, b"")


# ── Mercury: a row of energy, as published for the 230 ──────────────────────

ME, NEIGHBOUR = 0x2D, 0x2E
ROW = bytes.fromhex("30 00 28 C5 FF FF FF FF 04 00 9C 95 00 00 00 00")
T1_ROW = bytes.fromhex("20 00 12 34 FF FF FF FF 03 00 11 22 00 00 00 00")
SERIAL = bytes.fromhex("29 5A 40 43 16 06 14")


def _mercury(address: int) -> Answers:
    def answer(request: bytes) -> bytes:
        known = {ReadEnergy().encode(): ROW, ReadEnergy(tariff=1).encode(): T1_ROW, ReadSerial().encode(): SERIAL}
        return next((seal(address, data) for asked, data in known.items() if request == seal(ME, asked)), b"")

    return answer


# ── Modbus: the maker's example of a line voltage ───────────────────────────

((_, VOLTAGE),) = pairs("modbus-eastron")
READ, READ_OTHER = ReadInput(0, 2), ReadInput(0x156, 4)


def _rtu(unit: int) -> Answers:
    other = bytes((1, 4, 8)) + bytes(range(8))
    whole = {READ: VOLTAGE, READ_OTHER: other + crc16_modbus(other).to_bytes(2, "little")}

    def answer(request: bytes) -> bytes:
        for question, frame in whole.items():
            if request == ModbusSession(1, Line()).send(question).data:
                body = bytes((unit,)) + frame[1:-2]
                return body + crc16_modbus(body).to_bytes(2, "little")
        return b""

    return answer


def _tcp(unit: int, count_from: int = 0) -> Answers:
    def answer(request: bytes) -> bytes:
        sum_of = request[6:] + crc16_modbus(request[6:]).to_bytes(2, "little")
        body = _rtu(unit)(sum_of)[:-2]
        number = (int.from_bytes(request[:2], "big") + count_from) % 65536
        return number.to_bytes(2, "big") + bytes(2) + len(body).to_bytes(2, "big") + body if body else b""

    return answer


# ── IEC 62056-21: a CE102M in programming mode, an LEM's readout ────────────


def dialogue(name: str) -> list[tuple[bytes, bytes]]:
    lines = [(way, b"".join(data for _, data in part)) for way, part in groupby(load(name), lambda line: line[0])]
    return [(sent, heard) for (_, sent), (_, heard) in zip(lines[::2], lines[1::2], strict=False)]


# ── DLMS: a password dialogue over HDLC; its APDUs over the wrapper ─────────

HDLC = [Connect(Address(1, 4583, 4), 32), Associate(1, b"12345678", conformance=0x1E1D)]
LLC = 3  # octets in front of each APDU


def frame_of(octets: bytes) -> Frame:
    scanner = Deframer()
    scanner.feed(octets)
    frame = scanner.frame()
    assert frame is not None
    return frame


def _of_neighbour(answers: Answers) -> Answers:
    """The same answer from a meter with another lower address on this line, sound in itself."""

    def answer(request: bytes) -> bytes:
        said = answers(request)
        return replace(frame_of(said), source=Address(1, 4584, 4).to_bytes()).to_bytes() if said else b""

    return answer


def _wrapped(source: int) -> Answers:
    known = {
        frame_of(sent).information[LLC:]: frame_of(heard).information[LLC:] for sent, heard in pairs("dlms-lls")[1:3]
    }
    return lambda request: wrapper.wrap(source, 32, known[request[8:]]) if request[8:] in known else b""


# ── Meters that only talk ───────────────────────────────────────────────────

DZG = b"".join(data for _, data in load("sml-dzg-dvs"))
P1 = b"".join(data for _, data in load("iec-t23"))
D0 = b"".join(data for _, data in load("iec-t24"))


def _registers(buffer: bytearray) -> Registers | None:
    file = cut(buffer)
    return None if file is None else registers(file)


def _listening(check: str, parity: str) -> PushSession:
    text = TextCut(check, parity)
    return PushSession(text, INTERVAL, text.prepare)


LINES = (
    Spoken(
        "mercury",
        lambda: MercurySession(ME, Line()),
        ReadEnergy(),
        _mercury(ME),
        other=ReadEnergy(tariff=1),
        foreign=_mercury(NEIGHBOUR),
    ),
    Spoken("modbus rtu", lambda: ModbusSession(1, Line()), READ, _rtu(1), other=READ_OTHER, foreign=_rtu(2)),
    Spoken(
        "modbus tcp",
        lambda: ModbusSession(1, Line(), framing="tcp"),
        READ,
        _tcp(1),
        other=READ_OTHER,
        foreign=_tcp(2),
    ),
    Spoken(
        "iec programming",
        lambda: IecSession("", Line(9600, "7E1")),
        GetParameter("POWEP"),
        table(dict(dialogue("iec-t01"))),
        line=Line(9600, "7E1"),
        before=[Program()],
        other=GetParameter("CURRE"),
    ),
    Spoken(
        "iec readout",
        lambda: IecSession("", Line(9600, "7E1")),
        Readout(),
        table(dict(dialogue("iec-t14"))),
        line=Line(9600, "7E1"),
    ),
    Spoken(
        "dlms hdlc",
        DlmsSession,
        Get(ENERGIES[1]),
        table(dict(pairs("dlms-lls"))),
        before=HDLC,
        foreign=_of_neighbour(table(dict(pairs("dlms-lls")))),
    ),
    Spoken(
        "dlms wrapper",
        lambda: DlmsSession(wrapper=True),
        Get(ENERGIES[1]),
        _wrapped(1),
        before=HDLC,
        foreign=_wrapped(17),
    ),
    Spoken("sml", lambda: PushSession(_registers, INTERVAL, spoken="sml"), Listen(), lambda _: DZG, talks=True),
    Spoken("p1", lambda: _listening("crc", "none"), Listen(), lambda _: P1, line=Line(115200), talks=True),
    Spoken("d0", lambda: _listening("none", "software"), Listen(), lambda _: with_parity(D0), talks=True),
)
