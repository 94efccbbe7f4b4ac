"""Frames of a Mercury 23x as text, for the technician's ``decode`` command. Passwords are never shown."""

from collections.abc import Callable
from datetime import date, time
from typing import Any

from protocols.checksums import crc16_modbus
from protocols.errors import BadFrame
from protocols.mercury import archives, frames, identity, quantities, questions
from protocols.mercury.archives import LastRecord, ProfileRecord
from protocols.mercury.frames import AllTariffs, Clock, Energy, PhaseEnergy, TariffState
from protocols.mercury.identity import Details, Ratio, Serial
from protocols.mercury.questions import Asked
from protocols.mercury.variant import Variant

_LONGEST = 258  # address, 255 octets of data in the long mode, CRC

_STATUS = {
    0: "done",
    1: "refused: command or parameter not allowed",
    2: "internal error of the meter",
    3: "refused: the access level does not suffice",
    4: "refused: the clock has been corrected today already",
    5: "the channel is not open (log in first)",
}

_QUESTIONS: dict[bytes, tuple[str, Asked]] = {
    question.encode(): (text, question)
    for text, question in (
        ("channel test", questions.TestChannel()),
        ("close the channel", questions.CloseChannel()),
        ("all tariffs since reset in one answer", questions.ReadAllTariffs()),
        ("serial number", questions.ReadSerial()),
        ("identity", questions.ReadIdentity()),
        ("identity, extended", questions.ReadIdentity(extended=True)),
        ("transformer ratios", questions.ReadRatio()),
        ("firmware version", questions.ReadFirmware()),
        ("status word", questions.ReadStatusWord()),
        ("variant", questions.ReadVariant()),
        ("tariff state", questions.ReadTariffState()),
        ("clock", questions.ReadClock()),
        ("last record of the load profile", archives.ReadLastRecord()),
    )
}

_OTHERS = (  # requests that are known by name only: first octets, what they are
    (b"\x03\x05", "set the network address"),
    (b"\x03\x08", "fix the data of this moment"),
    (b"\x03\x0c", "set the clock"),
    (b"\x03\x1f", "change a password: ***"),
    (b"\x03\x31", "switch the load"),
    (b"\x03", "write a parameter"),
    (b"\x04", "journal record"),
    (b"\x05", "energy registers"),
    (b"\x06", "memory record (load profile)"),
    (b"\x07", "write, by its journal bitmap"),
    (b"\x08\x05", "network address"),
    (b"\x08\x14", "values of the last fixation"),
    (b"\x08", "parameter"),
    (b"\x15", "reactive energy by quadrants"),
    (b"\x16", "load profile, relative"),
    (b"\x17", "monthly maxima"),
    (b"\x18", "registers at the start of a day or month"),
)

_GUESSES: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
    ("energy", frames.energy),
    ("all tariffs", frames.all_tariffs),
    ("identity", identity.details),
    ("energy by phase", frames.phase_energy),
    ("active power, sum and phases", questions.ReadNetworkGroup(0x00).decode),
    ("phase voltages", questions.ReadNetworkGroup(0x11).decode),
    ("currents", questions.ReadNetworkGroup(0x21).decode),
    ("clock", frames.clock),
    ("serial number", identity.serial),
    ("status word", frames.status_codes),
    ("variant", Variant.from_bytes),
    ("transformer ratios", identity.ratio),
    ("one instantaneous value, in hundredths", questions.ReadInstant(0x00).decode),
    ("firmware", identity.firmware),
    ("tariff state", frames.tariff_state),
)


def explain(data: bytes, answer_to: bytes | None = None) -> list[str]:
    """Lines of words for a frame, or for several in a row (requests and answers by turns).

    With ``answer_to``, the request, the data are read as its answer; alone, an answer is guessed by its length and
    the line says so. Never raises, whatever the bytes.
    """
    if answer_to is not None:
        return _pair(answer_to, data)
    if not data:
        return ["nothing to read"]
    parts = _split(data)
    lines = []
    while parts:
        first = parts.pop(0)
        follows = parts[0] if parts else b""
        if follows[:1] == first[:1] and not crc16_modbus(first) and not crc16_modbus(follows) and _request(first[1:-2]):
            lines += _pair(first, parts.pop(0))
        else:
            lines += _alone(first)
    return lines


def _split(data: bytes) -> list[bytes]:
    """Sound frames in a row; what is none stays in one piece."""
    parts, at = [], 0
    while at < len(data):
        sizes = range(frames.SHORTEST, min(_LONGEST, len(data) - at) + 1)
        if not crc16_modbus(data[at:]):
            sizes = range(len(data) - at, len(data) - at + 1)
        size = next((size for size in sizes if not crc16_modbus(data[at : at + size])), len(data) - at)
        parts.append(data[at : at + size])
        at += size
    return parts


def _pair(request: bytes, answer: bytes) -> list[str]:
    lines = []
    known: tuple[str, Asked | None] | None = None
    if fault := _unsound(request):
        lines.append(f"request: {fault}")
    else:
        known = _request(request[1:-2])
        lines.append(f"request to {_whom(request[0])}: {known[0] if known else 'not known'}")
    if fault := _unsound(answer):
        return [*lines, f"answer: {fault}"]
    head = f"answer of {_whom(answer[0])}"
    if request[:1] != answer[:1] and not lines[0].startswith("request: "):
        head += " (not the one that was asked)"
    if len(answer) == frames.SHORTEST:
        return [*lines, f"{head}: {_status(answer[1])}"]
    if known is None or known[1] is None:
        return [*lines, f"{head}: {_hex(answer[1:-2])}"]
    return [*lines, *_reply(head, known[1].decode, answer[1:-2], _unit(known[1]))]


def _alone(frame: bytes) -> list[str]:
    if fault := _unsound(frame):
        return [fault]
    body, whom = frame[1:-2], _whom(frame[0])
    lines = []
    if request := _request(body):
        lines.append(f"as a request to {whom}: {request[0]}")
        if "***" in request[0]:
            return [*lines, "an answer may look the same: give its request too to have it read as one"]
    if len(frame) == frames.SHORTEST:
        return [*lines, f"as an answer of {whom}: {_status(body[0])}"]
    for name, decode in _GUESSES:
        try:
            decode(body)
        except BadFrame:
            continue
        lines += _reply(f"as an answer of {whom}, {name} (guessed by its length)", decode, body)
    return lines or [f"frame of {whom}, {len(body)} octets of data: {_hex(body)}"]


def _request(body: bytes) -> tuple[str, Asked | None] | None:
    """What a request asks as text, and the question if its answer can be read; None: it is not a request known here."""
    if body in _QUESTIONS:
        return _QUESTIONS[body]
    try:
        match body[0], len(body):
            case 0x01, 8:
                return f"open the channel at level {body[1]}, password ***", questions.OpenChannel(1, body[2:])
            case 0x05, 3:
                energy = questions.ReadEnergy(body[1] >> 4, body[1] & 0x0F, body[2])
                return f"energy, array {energy.array:X}, month {energy.month}, {_row(energy.tariff)}", energy
            case 0x08, 3 if body[1] == 0x11:
                return f"{quantities.quantity(body[2]).name} ({body[2]:02X}h)", questions.ReadInstant(body[2])
            case 0x08, 3 if body[1] == 0x16:
                return f"{quantities.quantity(body[2]).name}, group {body[2]:02X}h", questions.ReadNetworkGroup(body[2])
            case 0x06, 5 if body[1] & 0x7F == archives.MEMORY and body[4] in (0x0F, 0xFF):
                place = (body[1] >> 7) << 16 | int.from_bytes(body[2:4], "big")
                records = archives.ReadRecords(place, long=body[4] == 0xFF)
                count = "17 records" if records.long else "one record"
                return f"load profile at {place:05X}h, {count}", records
            case 0x16, 5 if body[1] == archives.MEMORY and body[4] == 1:
                back = archives.ReadBack(int.from_bytes(body[2:4], "big"))
                return f"load profile, the record {back.offset} behind the last", back
            case 0x18, 6 if body[1] < 2:
                day, month, year = map(frames.bcd, body[2:5])
                start = archives.ReadSnapshot(date(2000 + year, month, day), body[5], month=body[1] == 1)
                kind = "month" if start.month else "day"
                return f"registers at the start of the {kind} {start.day}, {_row(start.tariff)}", start
            case 0x03, 5 if body[1] == 0x0D:
                second, minute, hour = map(frames.bcd, body[2:])
                to = time(hour, minute, second)
                return f"correct the clock to {to}", questions.CorrectClock(to)
    except (ValueError, BadFrame):
        pass  # a known code with parameters that no meter understands: named below
    return next(((text, None) for start, text in _OTHERS if body.startswith(start) and len(body) > 1), None)


def _row(tariff: int) -> str:
    return {0: "total", 5: "losses"}.get(tariff, f"T{tariff}")


def _unsound(frame: bytes) -> str:
    if len(frame) < frames.SHORTEST:
        return f"{len(frame)} octets are not a frame, the shortest has {frames.SHORTEST}"
    if crc16_modbus(frame):
        right = crc16_modbus(frame[:-2]).to_bytes(2, "little")
        return f"checksum: {frame[-2:].hex(' ').upper()} stands there, {right.hex(' ').upper()} would be right"
    return ""


def _whom(address: int) -> str:
    return {0: "any meter (address 0)", 0xFE: "all meters (FEh)"}.get(address, f"meter {address}")


def _status(status: int) -> str:
    code = status & 0x0F
    return f"{_STATUS.get(code, 'a status of no manual')} (status {status:02X}h)"


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


def _unit(question: Asked) -> str:
    if isinstance(question, questions.ReadInstant | questions.ReadNetworkGroup):
        return quantities.quantity(question.parameter).unit
    return ""


def _reply(head: str, decode: Callable[[bytes], Any], data: bytes, unit: str = "") -> list[str]:
    try:
        reply = decode(data)
    except BadFrame as trouble:
        return [f"{head}: {trouble}"]
    first, *more = _words(reply, unit)
    return [f"{head}: {first}", *(f"  {line}" for line in more)]


def _words(reply: Any, unit: str = "") -> list[str]:
    match reply:
        case AllTariffs():
            rows = [(f"T{number}", row) for number, row in enumerate(reply.tariffs, 1)]
            rows += [("total", reply.total)] + ([("losses", reply.losses)] if reply.losses else [])
            return ["all tariffs", *(f"{name}: {_words(row)[0]}" for name, row in rows)]
        case Energy():
            active = f"A+ {_kilo(reply.active_import)}, A− {_kilo(reply.active_export)}"
            reactive = (reply.reactive_import, reply.reactive_export)
            return [f"{active}, R+ {_kilo(reactive[0], 'kvarh')}, R− {_kilo(reactive[1], 'kvarh')}"]
        case PhaseEnergy():
            return [f"A+ L1 {_kilo(reply.l1)}, L2 {_kilo(reply.l2)}, L3 {_kilo(reply.l3)}"]
        case Serial():
            return [f"{reply.serial}, made {reply.made or 'on no valid date'}"]
        case Details():
            made = reply.made or "on no valid date"
            return [
                f"{reply.serial}, made {made}, firmware {reply.firmware}",
                *_words(Variant.from_bytes(reply.variant)),
            ]
        case Variant():
            named = f"{reply.voltage or '?'} V, {reply.current or '?'} A, {reply.constant or '?'} imp/kWh"
            phases = "single-phase" if reply.single_phase else "three-phase"
            ways = "one direction" if reply.one_direction else "two directions"
            kinds = "active only" if reply.active_only else "active and reactive"
            return [f"{phases}, {named}, {ways}, {kinds}, port {reply.port or 'none'}"]
        case Ratio():
            return [f"voltage {reply.voltage}, current {reply.current} (information only, registers are secondary)"]
        case Clock():
            return [f"{reply.at}, {'winter' if reply.winter else 'summer'}"]
        case TariffState():
            return [f"T{reply.tariff}, {'one tariff only' if reply.single else 'several tariffs'}"]
        case LastRecord():
            return [f"at {reply.place:04X}h, {reply.at or 'nothing recorded'}, every {reply.period} minutes"]
        case ProfileRecord():
            counts = ", ".join("absent" if count is None else str(count) for count in reply.counts)
            return [f"{reply.at}, {reply.period} minutes, {counts}{' (incomplete)' * reply.incomplete}"]
        case tuple() if any(isinstance(value, ProfileRecord) for value in reply):
            lines = ["nothing recorded" if record is None else _words(record)[0] for record in reply]
            return lines if len(lines) == 1 else ["counts of A+, A−, R+, R−", *lines]
        case tuple() if all(isinstance(value, int) for value in reply):
            return [", ".join(f"E-{code:02d}" for code in reply) or "no faults"]
        case tuple():
            return [", ".join("absent" if value is None else f"{value} {unit}".rstrip() for value in reply)]
        case _:
            return [str(reply)]


def _kilo(value: int | None, unit: str = "kWh") -> str:
    return "absent" if value is None else f"{value // 1000}.{value % 1000:03d} {unit}"
