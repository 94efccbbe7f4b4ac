"""IEC 62056-21 meters with settable counters: an Energomera CE303, a Neva MT and a meter with a data readout.

They send 7E1: bit 7 is even parity, as an eight-bit port sees it. ``hearing`` and ``speaking`` are the speeds at which
the meter listens and at which its last answer goes out; the simulated line compares them with the client's.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from protocols.iec62056 import frames
from protocols.iec62056.frames import SPEEDS
from simulators.household import Household

NAK = b"\x15"
ACK = b"\x06"
REQUEST = re.compile(rb"/\?([^!]*)!(?:\r\n)?")
COMMAND = re.compile(rb"\x01(..)(?:\x02(.*))?[\x03]", re.DOTALL)
GROUPED = re.compile(r"([0-9A-F]{4})\(([0-9A-F]+)\)")
WAITING = 2.2  # s for the option message (t_t)


@dataclass
class IecMeter:
    """``answer`` takes one message and gives the next; ``b""`` is silence.

    ``line``: speed of the sign-on in bit/s. ``offer``: the baud character Z. ``delay``: t_r in seconds. ``patience``:
    seconds without a request after which the meter is at its start again. ``clock`` gives monotonic seconds, ``now``
    the meter's naive wall clock.
    """

    address: str = ""
    serial: str = "00000001"
    name: str = "/XYZ5METER"
    start: int = 9600
    rule: str = "xor"
    delay: float = 0.2
    patience: float = 60.0
    password: str | None = None  # P1 is needed for reading
    operand: str = ""
    now: Callable[[], datetime] = lambda: datetime(2026, 1, 1)
    clock: Callable[[], float] = time.monotonic
    energy: dict[str, int] = field(default_factory=lambda: {"total": 0})  # Wh: total, T1, T2 …
    reactive: dict[str, int] = field(default_factory=dict)  # varh
    network: dict[str, Sequence[Decimal]] = field(default_factory=dict)  # U I P PF by phase, f
    speaking: int = 0  # bit/s of the last answer
    _changed: int = 0  # bit/s that the session goes on with, 0: those of the start
    _state: str = "start"  # greeted, locked (programming mode, no password yet), open
    _heard: float = 0.0

    @property
    def hearing(self) -> int:
        """bit/s at which the meter listens now."""
        self._forget_in_time()
        return self._changed or self.start

    def _forget_in_time(self) -> None:
        if self._state != "start" and self.clock() - self._heard > self._wait:
            self._reset()

    @property
    def _wait(self) -> float:
        return WAITING if self._state == "greeted" else self.patience

    def answer(self, request: bytes) -> bytes:
        """The answer's octets with parity, or ``b""``."""
        self._forget_in_time()
        if any(byte & 0x80 and byte.bit_count() % 2 for byte in request):
            return b""
        self.speaking = self.hearing
        answer = self._answer(frames.low7(request))
        self._heard = self.clock()
        return frames.with_parity(answer)

    def _reset(self) -> None:
        self._state, self._changed = "start", 0

    def _answer(self, request: bytes) -> bytes:
        opening = REQUEST.search(request)  # whatever stood on the line before it
        if opening and self._state == "start":
            if not self._meant(opening[1].decode("ascii", "replace")):
                return b""
            if len(request) > opening.end():
                return self._direct(request[opening.end() :])
            self._state = "greeted"
            return self.name.encode("ascii") + frames.CRLF
        if self._state == "greeted":
            return self._chosen(request)
        if self._state in ("locked", "open") and request[:1] == b"\x01":
            return self._command(request)
        return b""

    def _meant(self, address: str) -> bool:
        return not address or address.lstrip("0") == self.address.lstrip("0")

    def _chosen(self, option: bytes) -> bytes:
        """The option message: a wrong one leads to the readout at the start speed (§6.4.3)."""
        self._state = "start"
        offered = self.name[4]
        if len(option) != 6 or option[:2] != b"\x060" or option[2:3].decode() not in ("0", offered):
            return self._sealed_readout("0")
        if option[2:3].decode() == offered:
            self.speaking = SPEEDS[offered]
        mode = chr(option[3])
        if mode == "1":
            self._changed = self.speaking
            self._state = "locked" if self.password is not None else "open"
            return frames.command("P0", f"({self.operand})".encode("ascii"), self.rule)
        return self._sealed_readout(mode)

    def _sealed_readout(self, mode: str) -> bytes:
        return frames.answer(self.readout(mode) + b"!\r\n", self.rule)

    def _command(self, request: bytes) -> bytes:
        match = COMMAND.fullmatch(request[:-1])
        if match is None or self.rule not in frames.rules_kept(request):
            return NAK
        kind, data = match[1].decode("ascii", "replace"), (match[2] or b"").decode("ascii", "replace")
        if kind == "B0":
            self._reset()
            return b""
        if kind == "P1":
            if self.password is None or data == f"({self.password})":
                self._state = "open"
                return ACK
            self._reset()
            return frames.command("B0", b"", self.rule)
        if kind != "R1" or self._state == "locked":
            return frames.answer(self.error(15 if kind == "R1" else 11), self.rule)
        return frames.answer(self._read(data), self.rule)

    def _read(self, data: str) -> bytes:
        name, bracket, arguments = data.partition("(")
        found = self.read(name, arguments.removesuffix(")")) if bracket else None
        return self.error(12) if found is None else found

    def _direct(self, request: bytes) -> bytes:
        if self.rule not in frames.rules_kept(request):
            return NAK
        match = COMMAND.fullmatch(request[:-1])
        if match is None or match[1] != b"R1":
            return b""
        return frames.answer(self._read((match[2] or b"").decode("ascii", "replace")), self.rule)

    def readout(self, mode: str) -> bytes:
        """Lines of the data readout, each with CR LF."""
        return b""

    def read(self, name: str, arguments: str) -> bytes | None:
        """Data of one parameter; None: the meter does not know it."""
        raise NotImplementedError

    def error(self, code: int) -> bytes:
        return f"(ERR{code:02})".encode("ascii")


class ReadoutMeter(IecMeter):
    """A three-phase meter that only gives its list, as Landis+Gyr, Iskraemeco and ZPA meters do."""

    def readout(self, mode: str) -> bytes:
        now = self.now()
        lines = [
            "F.F(00000000)",
            f"0.0.0({self.serial})",
            f"C.1.0({self.serial})",
            f"0.9.1({now:%H%M%S})",
            f"0.9.2({now:%y%m%d})",
            *(f"1.8.{n}({_kwh(self.energy[key], 10)}*kWh)" for n, key in _rows(self.energy)),
            *(f"3.8.{n}({_kwh(self.reactive[key], 10)}*kvarh)" for n, key in _rows(self.reactive)),
            *(f"{code}({value}*V)" for code, value in zip(("32.7", "52.7", "72.7"), self._of("U"), strict=False)),
            *(f"{code}({value}*A)" for code, value in zip(("31.7", "51.7", "71.7"), self._of("I"), strict=False)),
        ]
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")

    def _of(self, name: str) -> Sequence[Decimal]:
        return self.network.get(name, ())

    def read(self, name: str, arguments: str) -> bytes | None:
        return None


class Ce303(IecMeter):
    """Energomera CE303: check sum, the name on each line, group reads without a session."""

    GROUPS: Mapping[str, str] = {"1001": "ET0PE", "4001": "VOLTA", "4002": "CURRE", "400D": "FREQU", "5003": "SNUMB"}

    def read(self, name: str, arguments: str) -> bytes | None:
        if name == "GROUP":
            return self._group(arguments)
        values = self._values(name)
        return None if values is None else b"".join(f"{name}({text})\r\n".encode("ascii") for text in values)

    def _values(self, name: str) -> Sequence[str] | None:
        now = self.now()
        power = self.network.get("P", ())
        match name:
            case "ET0PE":
                return [_kwh(self.energy.get(key, 0)) for key in ("total", "T1", "T2", "T3", "T4", "T5")]
            case "SNUMB":
                return [self.serial]
            case "DATE_":
                return [f"{now.isoweekday() % 7:02}.{now:%d.%m.%y}"]
            case "TIME_":
                return [f"{now:%H:%M:%S}"]
            case "VOLTA" | "CURRE" | "FREQU":
                return [str(value) for value in self.network.get({"V": "U", "C": "I", "F": "f"}[name[0]], ())]
            case "POWPP":
                return [str(value / 1000) for value in power]
            case "POWEP":
                return [str(sum(power, Decimal(0)) / 1000)]
            case "COS_f":
                return [str(value) for value in (*self.network.get("PF", ())[:1], *self.network.get("PF", ()))]
        return None

    def _group(self, arguments: str) -> bytes:
        answer = ""
        for code, mask in GROUPED.findall(arguments):
            values = self._values(self.GROUPS.get(code, "")) or ()
            wanted = [place for place in range(32) if int(mask, 16) >> place & 1]
            answer += code + "".join(f"({values[place] if place < len(values) else 'E12'})" for place in wanted)
        return answer.encode("ascii")


class Neva(IecMeter):
    """Neva MT 3xx: XOR, four OBIS bytes in hexadecimal, values behind commas, an error is ``(01)``."""

    NETWORK: Mapping[str, tuple[str, int]] = {
        "200700FF": ("U", 0), "340700FF": ("U", 1), "480700FF": ("U", 2),
        "1F0700FF": ("I", 0), "330700FF": ("I", 1), "470700FF": ("I", 2),
        "240700FF": ("P", 0), "380700FF": ("P", 1), "4C0700FF": ("P", 2), "0E0701FF": ("f", 0),
    }  # fmt: skip

    def read(self, name: str, arguments: str) -> bytes | None:
        text = self._text(name)
        return None if text is None else f"{name}({text})".encode("ascii")

    def _text(self, name: str) -> str | None:
        match name:
            case "0F0880FF":
                rows = (self.energy.get(key, 0) for key in ("total", "T1", "T2", "T3", "T4"))
                return ",".join(f"{Decimal(row // 10 * 10) / 1000:09.2f}" for row in rows)
            case "600100FF":
                return self.serial
            case "000980FF":
                return f"{self.now():%y%m%d%H%M%S}"
            case "100700FF":
                return f"{sum(self.network.get('P', ()), Decimal(0)):07.1f}"
            case _ if name in self.NETWORK:
                key, place = self.NETWORK[name]
                values = self.network.get(key, ())
                return str(values[place]) if place < len(values) else None
        return None

    def error(self, code: int) -> bytes:
        return b"(01)"


def ce303(address: str = "", serial: str = "009114135064195", **more: Any) -> Ce303:
    """A CE303 on RS-485: 9600 bit/s from the start; as the optical one with ``start=300``."""
    settings: dict[str, Any] = {
        "name": "/EKT5CE303v11",
        "rule": "sum",
        "operand": "777777",
        "patience": 3.0,
        "delay": 0.2,
    } | more
    return Ce303(address=address, serial=serial, **settings)


def neva(address: str = "", serial: str = "60089784", **more: Any) -> Neva:
    settings: dict[str, Any] = {"name": "/TPC5NEVAMT324.2307", "operand": "00000000", "password": "00000000"} | more
    return Neva(address=address, serial=serial, **settings)


def readout(address: str = "", serial: str = "06213678", **more: Any) -> ReadoutMeter:
    """A meter behind an optical head: 300 bit/s, then 9600."""
    settings: dict[str, Any] = {"name": "/XYZ5READOUT", "start": 300} | more
    return ReadoutMeter(address=address, serial=serial, **settings)


BUILDERS: Mapping[str, Callable[..., IecMeter]] = {"ce303": ce303, "neva": neva, "iec-readout": readout}
"""Model in a plant file → the meter: ``BUILDERS[model](address, serial, now=…)``."""


def move(meter: IecMeter, household: Household, at: datetime) -> dict[str, int]:
    """Set the counters and network values of this moment; what the registers then show, by OBIS code, in Wh."""
    meter.energy = household.energy(at)
    network = household.network(at)
    meter.network = {
        "U": [phase.voltage for phase in network.phases],
        "I": [phase.current for phase in network.phases],
        "P": [Decimal(phase.power) for phase in network.phases],
        "PF": [phase.factor for phase in network.phases],
        "f": [network.frequency],
    }
    step = 1 if isinstance(meter, Ce303) else 10
    names = ("total", "T1", "T2", "T3", "T4") + (("T5",) if isinstance(meter, Ce303) else ())
    shown = meter.energy if isinstance(meter, ReadoutMeter) else dict.fromkeys(names, 0) | meter.energy
    return {f"1-0:1.8.{n}": shown[name] // step * step for n, name in enumerate(names) if name in shown}


def _kwh(amount: int, step: int = 1) -> str:
    """Wh as the kWh that a register shows; ``step``: the Wh of its last digit."""
    return str(Decimal(amount // step * step) / 1000)


def _rows(energy: Mapping[str, int]) -> list[tuple[int, str]]:
    return [(n, key) for n, key in enumerate(("total", "T1", "T2", "T3", "T4")) if key in energy]
