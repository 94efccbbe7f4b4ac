"""A GSM modem with its SIM and its network: AT commands in, answers with their delays out.

What it is given it reads with a strictness of its own (:mod:`simulators.short_messages`). Its plain attributes make it
slow, talkative, without a network, locked, or let it start anew in the middle of a command.
"""

import contextlib
import os
import re
import select
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from protocols.session import Line
from simulators.line import _Pty
from simulators.short_messages import Improper, Submitted, delivers, read_submit, status_report

Answer = list[tuple[float, bytes]]
"""Octets with the seconds after which they come."""

TEXT = "text"  # the name of the PDU behind the prompt, in ``faults``, ``silent``, ``restarts`` and ``delays``


@dataclass
class Modem:
    """``faults``: for a command's name (``+CMGS``; ``text`` for the PDU) the final lines that it gives instead, one
    each time; ``silent`` ones are carried out and not answered; ``restarts`` are carried out, then the modem starts
    anew, once each; ``delays`` in seconds; ``chatter`` comes before every answer."""

    sim: str = "READY"  # or SIM PIN, SIM PUK; "": there is no card
    pin: str = "1234"
    tries: int = 3
    registration: list[int] = field(default_factory=lambda: [1])  # state at each check, the last one stays
    lte: list[int] = field(default_factory=lambda: [0])
    operator: str = "MTS RUS"
    rssi: int = 21
    memories: tuple[str, ...] = ("SM", "ME", "SR")
    status: int | None = 0  # TP-ST of the delivery report for each message that asks for one; None: no report
    routed: bool = False  # reports go to the line at once (+CDS) instead of the memory SR
    echo: bool = True
    chatter: tuple[str, ...] = ()
    faults: dict[str, list[str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    restarts: list[str] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)
    start_line: str = "RDY"
    now: datetime = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)
    sent: list[Submitted] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # commands, by name
    stored: dict[str, dict[int, bytes]] = field(default_factory=dict)
    reference: int = 0
    _buffer: bytes = b""
    _pdu_length: int | None = None
    _memory: str = "SM"
    _text_mode: bool = True
    _locked: bool = False

    def __post_init__(self) -> None:
        self._locked = self.sim == "SIM PIN"

    def receive(self, sender: str, text: str, memory: str = "SM", *, size: int | None = None) -> list[int]:
        """A message comes in; its places."""
        return [self.store(pdu, memory) for pdu in delivers(sender, text, self.now, len(self.stored) + 7, size)]

    def store(self, pdu: bytes, memory: str = "SM") -> int:
        box = self.stored.setdefault(memory, {})
        place = next(number for number in range(1, 256) if number not in box)
        box[place] = pdu
        return place

    def hear(self, data: bytes) -> Answer:
        """Octets from the line."""
        self._buffer += data
        answers: Answer = []
        while True:
            found = re.search(rb"[\x1a\x1b]" if self._pdu_length is not None else rb"[\r\x1b]", self._buffer)
            if found is None:
                return answers
            piece, self._buffer = self._buffer[: found.start()], self._buffer[found.end() :]
            if found[0] == b"\x1b":
                if self._pdu_length is not None:
                    self._pdu_length = None
                    answers += self._lines(["OK"])
                continue
            echoed = [(0.0, piece + found[0])] if self.echo else []
            text = piece.decode("ascii", "replace")
            if self._pdu_length is not None:
                answers += echoed + self._answered(TEXT, self._message(text))
            elif text.strip().upper().startswith("AT"):
                name = _name(text.strip()[2:])
                self.heard.append(name)
                answers += echoed + self._answered(name, self._command(name, text.strip()[2:]))

    def _answered(self, name: str, lines: list[str]) -> Answer:
        if name in self.restarts:
            self.restarts.remove(name)
            return self._restart()
        if name in self.silent:
            return []
        delay = self.delays.get(name, 0.0)
        return [(delay + wait, data) for wait, data in self._lines([*self.chatter, *lines])]

    def _lines(self, lines: list[str]) -> Answer:
        return [(0.001, b"".join(b"\r\n> " if line == ">" else f"\r\n{line}\r\n".encode("ascii") for line in lines))]

    def _restart(self) -> Answer:
        """It forgets what it was told, and wants its PIN again."""
        self._pdu_length, self._text_mode, self.echo = None, True, True
        if self._locked:
            self.sim = "SIM PIN"
        return [(3.0, f"\r\n{self.start_line}\r\n".encode("ascii"))]

    def _command(self, name: str, text: str) -> list[str]:
        if self.faults.get(name):
            return [self.faults[name].pop(0)]
        if not self.sim and name in ("+CPIN", "+CMGF", "+CMGS", "+CPMS", "+CMGL", "+CMGD", "+CNMI"):
            return ["+CME ERROR: 10"]
        if self.sim != "READY" and name in ("+CMGF", "+CMGS", "+CPMS", "+CMGL", "+CMGD", "+CNMI"):
            return ["+CMS ERROR: 311" if self.sim == "SIM PIN" else "+CMS ERROR: 316"]
        known = getattr(self, "_do_" + name.strip("+").lower(), None)
        return known(text) if known is not None else ["ERROR"]

    def _do_(self, text: str) -> list[str]:
        return ["OK"]

    def _do_e(self, text: str) -> list[str]:
        self.echo = text == "E1"
        return ["OK"]

    _do_cmee = _do_cnmi = _do_

    def _do_cgmi(self, text: str) -> list[str]:
        return ["Simulated", "OK"]

    def _do_cgmm(self, text: str) -> list[str]:
        return ["M1", "OK"]

    def _do_cpin(self, text: str) -> list[str]:
        if text == "+CPIN?":
            return [f"+CPIN: {self.sim}", "OK"]
        if self.sim != "SIM PIN":
            return ["+CME ERROR: 3"]
        if text == f'+CPIN="{self.pin}"':
            self.sim, self.tries = "READY", 3
            return ["OK"]
        self.tries -= 1
        if not self.tries:
            self.sim = "SIM PUK"
        return ["+CME ERROR: 16"]

    def _do_creg(self, text: str) -> list[str]:
        return [f"+CREG: 0,{_next(self.registration)}", "OK"]

    def _do_cereg(self, text: str) -> list[str]:
        return [f"+CEREG: 0,{_next(self.lte)}", "OK"]

    def _do_cops(self, text: str) -> list[str]:
        if text != "+COPS?":
            return ["OK"]
        at_home = self.registration[0] in (1, 5) or self.lte[0] in (1, 5)
        return [f'+COPS: 0,0,"{self.operator}",7' if at_home else "+COPS: 0", "OK"]

    def _do_csq(self, text: str) -> list[str]:
        return [f"+CSQ: {self.rssi},99", "OK"]

    def _do_cmgf(self, text: str) -> list[str]:
        self._text_mode = text != "+CMGF=0"
        return ["OK"]

    def _do_cpms(self, text: str) -> list[str]:
        if text == "+CPMS=?":
            listed = "(" + ",".join(f'"{name}"' for name in self.memories) + ")"
            return [f'+CPMS: {listed},("SM"),("SM")', "OK"]
        memory = text.partition("=")[2].strip('"')
        if memory not in self.memories:
            return ["+CMS ERROR: 302"]
        self._memory = memory
        return [f"+CPMS: {len(self.stored.get(memory, {}))},50,0,50,0,50", "OK"]

    def _do_cmgl(self, text: str) -> list[str]:
        if self._text_mode:
            return ["+CMS ERROR: 305"]
        lines = []
        for place, pdu in sorted(self.stored.get(self._memory, {}).items()):
            lines += [f"+CMGL: {place},0,,{len(pdu) - 1 - pdu[0]}", pdu.hex().upper()]
        return [*lines, "OK"]

    def _do_cmgd(self, text: str) -> list[str]:
        gone = self.stored.get(self._memory, {}).pop(int(text.partition("=")[2]), None)
        return ["OK" if gone is not None else "+CMS ERROR: 321"]

    def _do_cmgs(self, text: str) -> list[str]:
        if self._text_mode:
            return ["+CMS ERROR: 304"]
        self._pdu_length = int(text.partition("=")[2])
        return [">"]

    def _message(self, pdu: str) -> list[str]:
        length, self._pdu_length = self._pdu_length, None
        if self.faults.get(TEXT):
            return [self.faults[TEXT].pop(0)]
        try:
            message = read_submit(pdu, length or 0)
        except Improper as trouble:
            self.heard.append(f"improper: {trouble}")
            return ["+CMS ERROR: 304"]
        self.sent.append(message)
        self.reference = (self.reference + 1) % 256
        lines = [f"+CMGS: {self.reference}", "", "OK"]
        if message.report and self.status is not None:
            report = status_report(self.reference, message.number, self.now, self.now, self.status)
            if self.routed:
                return [f"+CDS: {len(report) - 8}", report.hex().upper(), *lines]
            self.store(report, "SR")
        return lines


def _name(text: str) -> str:
    """``+CPIN`` of ``+CPIN="1234"``, ``E`` of ``E0``, "" of a bare AT."""
    found = re.match(r"\+?[A-Z]*", text)
    return found[0] if found else ""


def _next(states: list[int]) -> int:
    return states.pop(0) if len(states) > 1 else states[0]


class ModemLine:
    """The modem on a pseudo-terminal, in a thread of its own; ``path`` is what a client opens."""

    def __init__(self, modem: Modem, link: Path | None = None) -> None:
        self.modem = modem
        self._folder = tempfile.TemporaryDirectory(prefix="meterpost-modem-")
        self.path = link or Path(self._folder.name) / "modem"
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="modem", daemon=True)

    def __enter__(self) -> Self:
        self._pty = _Pty(self.path, Line(115200))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._stop_write, b"!")
        self._thread.join()
        with contextlib.suppress(OSError):
            self._pty.close()
        os.close(self._stop_read)
        os.close(self._stop_write)
        self._folder.cleanup()

    def _run(self) -> None:
        coming: Answer = []
        while True:
            wait = max(0.0, coming[0][0] - time.monotonic()) if coming else None
            ready, _, _ = select.select([self._stop_read, self._pty.fileno()], [], [], wait)
            if self._stop_read in ready:
                return
            now = time.monotonic()
            if ready:
                coming += [(now + delay, data) for delay, data in self.modem.hear(self._pty.read())]
                coming.sort(key=lambda item: item[0])
            while coming and coming[0][0] <= now:
                self._pty.write(coming.pop(0)[1])
