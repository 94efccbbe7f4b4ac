"""AT commands and their answers (3GPP TS 27.007, 27.005; ITU-T V.250): lines in, one reply out, no port and no clock.

A modem talks whenever it likes: its echo may be on, messages about calls, signal and incoming messages come between,
and it may start anew in the middle of everything.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise

from protocols.errors import BadFrame, NotLoggedIn, Refused
from protocols.gsm.words import meaning

CTRL_Z, ESCAPE, CR = b"\x1a", b"\x1b", b"\r"
LONGEST = 1 << 16  # octets of one answer: a full SIM lists 50 messages of at most 400

REFUSALS = ("ERROR", "NO CARRIER", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS")
ERROR = re.compile(r"\+(CM[ES]) ERROR: *(\d+)?(.*)")
STARTED = ("RDY", "^SYSSTART", "START", "NORMAL POWER DOWN", "POWERED DOWN")
"""Lines by which makers' modems say that they have just started or stop: SIMCom and Quectel RDY, Cinterion ^SYSSTART,
SIMCom START and NORMAL POWER DOWN, Quectel POWERED DOWN."""

WITH_PDU = ("+CMGL:", "+CMGR:", "+CMT:", "+CDS:")
HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line without ``AT``. ``prefix`` begins the lines of its answer ("": any line). ``shown`` stands in
    messages, where the line itself holds a secret."""

    text: str
    prefix: str = ""
    prompt: bool = False  # it ends in ``> ``, and takes a text
    shown: str = ""

    @property
    def name(self) -> str:
        return f"AT{self.shown or self.text}"


@dataclass(frozen=True, slots=True)
class Reply:
    """``OK``, or ``>`` where the modem waits for a text, and the lines before that."""

    final: str
    lines: tuple[str, ...] = ()


@dataclass
class Dialogue:
    """One command at a time: :meth:`ask` gives its octets, :meth:`hear` takes what comes until the reply is whole.

    ``unasked`` collects what the modem says by itself; a message routed at once (``+CDS:``, ``+CMT:``) with its PDU,
    as ``+CDS: 25 0006…``.
    """

    unasked: list[str] = field(default_factory=list)
    _command: Command | None = None
    _sent: tuple[str, ...] = ()
    _buffer: bytes = b""
    _lines: list[str] = field(default_factory=list)
    _pdu_of: str = ""
    _heard: int = 0

    def ask(self, command: Command) -> bytes:
        """The octets of a command. What was heard of an earlier one is forgotten."""
        self._begin(command, (f"AT{command.text}",))
        return f"AT{command.text}".encode("ascii") + CR

    def give(self, pdu: bytes) -> bytes:
        """The octets of a PDU behind the prompt, with the Ctrl-Z that sends it."""
        self._begin(Command("+CMGS", "+CMGS:"), (pdu.decode("ascii"), f"> {pdu.decode('ascii')}"))
        return pdu + CTRL_Z

    @property
    def so_far(self) -> tuple[str, ...]:
        """Lines of an answer that is not whole yet."""
        return tuple(self._lines)

    def _begin(self, command: Command, sent: tuple[str, ...]) -> None:
        self._command, self._sent = command, sent
        self._buffer, self._lines, self._pdu_of, self._heard = b"", [], "", 0

    def hear(self, data: bytes) -> Reply | None:
        """None until the reply is whole. Refused with the modem's words and, as ``code``, its number; NotLoggedIn if
        it has started anew and forgot what it was told; BadFrame if it does not stop talking."""
        if self._command is None:
            raise RuntimeError("nothing was asked")
        self._buffer += data
        self._heard += len(data)
        if self._heard > LONGEST:
            raise BadFrame(f"{self._command.name}: the modem does not stop talking")
        while (end := _end_of_line(self._buffer)) is not None:
            text, self._buffer = self._buffer[: end[0]], self._buffer[end[1] :]
            reply = self._line(text.replace(b"\0", b"").replace(CTRL_Z, b"").decode("ascii", "replace").strip())
            if reply is not None:
                return reply
        if self._command.prompt and self._buffer.strip() == b">":
            self._buffer = b""
            return Reply(">", tuple(self._lines))
        return None

    def _line(self, line: str) -> Reply | None:
        assert self._command is not None
        if not line or line in self._sent:
            return None
        if self._pdu_of and HEX.fullmatch(line):
            head, self._pdu_of = self._pdu_of, ""
            if self._wanted(head):
                self._lines += [head, line]
            else:
                self.unasked.append(f"{head} {line}")
            return None
        if line == "OK" and self._command.prompt:
            return None  # it belongs to an earlier command: a prompt is not followed by OK before the text is given
        if line == "OK":
            return Reply("OK", tuple(self._lines))
        if line in STARTED:
            raise NotLoggedIn(f"{self._command.name}: the modem started anew ({line})")
        if line in REFUSALS:
            raise Refused(f"{self._command.name}: the modem says {line}")
        if error := ERROR.fullmatch(line):
            raise _refused(self._command, error)
        if line.startswith(WITH_PDU):
            self._pdu_of = line
        elif self._wanted(line):
            self._lines.append(line)
        else:
            self.unasked.append(line)
        return None

    def _wanted(self, line: str) -> bool:
        return self._command is not None and line.startswith(self._command.prefix)


class ModemError(Refused):
    """A refusal with a number. ``kind``: ``CMS`` or ``CME``."""

    def __init__(self, message: str, kind: str, code: int | None) -> None:
        super().__init__(message, code)
        self.kind = kind


def _refused(command: Command, error: re.Match[str]) -> ModemError:
    code = int(error[2]) if error[2] else None
    said = meaning(error[1], code) if code is not None else f"{error[1]} error: {error[3].strip()}"
    return ModemError(f"{command.name}: the modem says {said}", error[1], code)


def _end_of_line(buffer: bytes) -> tuple[int, int] | None:
    """Where the first line ends and the next begins."""
    found = re.search(rb"[\r\n]+", buffer)
    return found.span() if found else None


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the modem's memory."""

    index: int
    pdu: bytes


def _fields(line: str) -> list[str]:
    """What stands behind the colon, cut at commas outside of quotes."""
    _, _, rest = line.partition(":")
    return [text.strip().strip('"') for text in re.findall(r'(?:"[^"]*"|[^,])+|(?<=,)(?=,|$)', rest.strip())]


def _number(text: str, line: str) -> int:
    # isascii: int() takes other scripts' digits, a modem has none.
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadFrame(f"found {line!r}, expected a number in {text!r}")
    return int(text)


def registration(lines: tuple[str, ...]) -> int | None:
    """``+CREG: <n>,<stat>[,…]`` or ``+CEREG:`` (27.007, clauses 7.2, 10.1.22): the state; None where none stands.
    ``+CREG: <stat>`` alone is news that came by itself."""
    for line in lines:
        fields = _fields(line)
        if len(fields) >= 2:
            return _number(fields[1], line)
    return None


def signal(lines: tuple[str, ...]) -> int | None:
    """``+CSQ: <rssi>,<ber>`` (27.007, clause 8.5): dBm, at its best −51 or more; None where it is not known."""
    for line in lines:
        rssi = _number(_fields(line)[0] if _fields(line) else "", line)
        return -113 + 2 * rssi if rssi <= 31 else None
    return None


def operator(lines: tuple[str, ...]) -> str | None:
    """``+COPS: <mode>[,<format>,<oper>[,…]]`` (27.007, clause 7.3): the network's name; None if there is none."""
    for line in lines:
        fields = _fields(line)
        if len(fields) >= 3 and fields[2]:
            return fields[2]
    return None


def sim(lines: tuple[str, ...]) -> str:
    """``+CPIN: <code>`` (27.007, clause 8.3): READY, SIM PIN, SIM PUK…"""
    for line in lines:
        return line.partition(":")[2].strip()
    raise BadFrame("AT+CPIN?: OK without a state")


def reference(lines: tuple[str, ...]) -> int | None:
    """``+CMGS: <mr>[,…]`` (27.005, clause 3.5.1): TP-MR; None where the modem does not say it."""
    for line in lines:
        fields = _fields(line)
        if fields and fields[0].isascii() and fields[0].isdigit() and int(fields[0][:9]) <= 255:
            return int(fields[0])
    return None


def stored(lines: tuple[str, ...]) -> list[Stored]:
    """``+CMGL: <index>,<stat>,[<alpha>],<length>`` and the PDU in the next line (27.005, clause 4.1). What cannot be
    read so is left out: the other messages are none the worse for it."""
    found = []
    for head, pdu in pairwise(lines):
        fields = _fields(head)
        if head.startswith("+CMGL:") and HEX.fullmatch(pdu) and fields and re.fullmatch("[0-9]{1,6}", fields[0]):
            found.append(Stored(int(fields[0]), bytes.fromhex(pdu)))
    return found


def memories(lines: tuple[str, ...]) -> tuple[str, ...]:
    """``+CPMS: ("SM","ME","SR"),…`` (27.005, clause 3.2.2), the answer to the test command: memories to read from."""
    for line in lines:
        listed = re.match(r"\+CPMS: *\(([^)]*)\)", line)
        if listed:
            return tuple(re.findall(r'"([A-Z]+)"', listed[1]))
    return ()


def routed(line: str) -> bytes | None:
    """The PDU of a report that came by itself: ``+CDS: <length> <pdu>`` as :class:`Dialogue` keeps it."""
    found = re.fullmatch(r"\+CDS:.* ((?:[0-9A-Fa-f]{2})+)", line)
    return bytes.fromhex(found[1]) if found else None
