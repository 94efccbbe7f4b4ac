"""IEC 62056-21 meters with settable counters: Energomera CE303 and CE308, a Neva MT, a meter with a data readout.

``BUILDERS`` makes them, ``move`` sets their registers and archives by a household.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from simulators.household import Household
from simulators.iec62056_ce308 import Ce308
from simulators.iec62056_meter import IecMeter as IecMeter
from simulators.iec62056_meter import kwh, month_back

SLOTS = re.compile(r"(\d\d?)\.(\d\d?)\.(\d\d)(?:\.(\d\d?)\.(\d\d?))?")
GROUPED = re.compile(r"([0-9A-F]{4})\(([0-9A-F]+)\)")
COUNTED = re.compile(r"(\d+)\.(\d+)")
RING = 50  # entries of a CE303's journal
DATED = re.compile(r"(?:(\d\d?)\.)?(\d\d?)\.(\d\d)")


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
            *(f"1.8.{n}({kwh(self.energy[key], 10)}*kWh)" for n, key in _rows(self.energy)),
            *(f"3.8.{n}({kwh(self.reactive[key], 10)}*kvarh)" for n, key in _rows(self.reactive)),
            *(f"{code}({value}*V)" for code, value in zip(("32.7", "52.7", "72.7"), self._of("U"), strict=False)),
            *(f"{code}({value}*A)" for code, value in zip(("31.7", "51.7", "71.7"), self._of("I"), strict=False)),
        ]
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")

    def _of(self, name: str) -> Sequence[Decimal]:
        return self.network.get(name, ())

    def read(self, name: str, arguments: str) -> bytes | None:
        return None


@dataclass
class Ce303(IecMeter):
    """Energomera CE303: check sum, the name on each line, group reads without a session.

    ``phases``: wall time and state of what its journal of phases and supply was told, oldest first."""

    phases: list[tuple[datetime, int]] = field(default_factory=list)

    GROUPS: ClassVar[Mapping[str, str]] = {
        "1001": "ET0PE",
        "4001": "VOLTA",
        "4002": "CURRE",
        "400D": "FREQU",
        "5003": "SNUMB",
    }

    def read(self, name: str, arguments: str) -> bytes | None:
        if name == "GROUP":
            return self._group(arguments)
        if name in ("ENDPE", "ENMPE", "EAMPE"):
            return self._energies(name, arguments)
        if name == "GRAPE":
            return self._powers(arguments)
        if name == "PHASE":
            return self._journal(arguments)
        values = self._values(name)
        return None if values is None else b"".join(f"{name}({text})\r\n".encode("ascii") for text in values)

    def _values(self, name: str) -> Sequence[str] | None:
        now = self.now()
        power = self.network.get("P", ())
        match name:
            case "ET0PE":
                return [kwh(self.energy.get(key, 0)) for key in ("total", "T1", "T2", "T3", "T4", "T5")]
            case "SNUMB":
                return [self.serial]
            case "TAVER":
                return [str(self.minutes)]
            case "PPHAS":  # the place, from zero, of the entry that was written last
                return [str(max(0, len(self.phases) - 1) % RING)]
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

    def _energies(self, name: str, arguments: str) -> bytes:
        """The registers at the end of a day or month, or what they grew by during it; nothing at all for a day that is
        not kept."""
        match = DATED.fullmatch(arguments)
        if match is None or (match[1] is not None) != (name == "ENDPE"):
            return self.error(17)
        try:
            first = date(2000 + int(match[3]), int(match[2]), int(match[1] or 1))
        except ValueError:
            return self.error(17)
        today = self.now().date()
        after = month_back(first, -1) if match[1] is None else first + timedelta(days=1)
        oldest = month_back(today, self.months - 1) if match[1] is None else today - timedelta(days=self.days - 1)
        end, begin = (self.frozen(after), self.frozen(first)) if after >= oldest else (None, None)
        if end is None or (name == "EAMPE" and begin is None):
            return b"" if name == "ENDPE" else self.error(18)
        less = begin if name == "EAMPE" and begin is not None else {}
        amounts = (end.get(key, 0) - less.get(key, 0) for key in ("total", "T1", "T2", "T3", "T4", "T5"))
        return b"".join(f"{name}({kwh(amount)})\r\n".encode("ascii") for amount in amounts)

    def _powers(self, arguments: str) -> bytes:
        """Average kW of a day's intervals, or of this many from a first one on; nothing for a day that is not kept."""
        match = SLOTS.fullmatch(arguments)
        if match is None:
            return self.error(17)
        day, count = datetime(2000 + int(match[3]), int(match[2]), int(match[1])), 1440 // self.minutes
        first, wanted = (int(match[4]), int(match[5])) if match[4] else (1, count)
        if not 1 <= first <= first + wanted - 1 <= count:
            return self.error(17)
        if not 0 <= (self.now().date() - day.date()).days < self.days:
            return b""
        starts = [day + timedelta(minutes=self.minutes * (number - 1)) for number in range(first, first + wanted)]
        said = [kwh(self.power(at) or 0) + self.marks.get(at, "") for at in starts]
        return b"".join(f"GRAPE({text})\r\n".encode("ascii") for text in said)

    def _journal(self, arguments: str) -> bytes:
        """Entries of the ring by their places, from one on."""
        match = COUNTED.fullmatch(arguments)
        if match is None or not 1 <= int(match[1]) <= RING:
            return self.error(17)
        places: list[tuple[datetime, int] | None] = [None] * RING
        for n, entry in enumerate(self.phases):
            places[n % RING] = entry
        kept = [entry for entry in places[int(match[1]) - 1 :][: int(match[2])] if entry]
        return b"".join(
            f"PHASE({at.day}-{at.month}-{at:%y}-{at.hour}-{at.minute}-{state})\r\n".encode("ascii")
            for at, state in kept
        )

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
                return self._energies(self.energy)
            case _ if name[:6] == "0F8080" and int(name[6:], 16) < self.days:
                return self._energies(self.frozen(self.now().date() - timedelta(days=int(name[6:], 16))))
            case _ if name[:6] == "0F0880" and int(name[6:], 16) < min(12, self.months):
                return self._energies(self.frozen(month_back(self.now().date(), int(name[6:], 16))))
            case _ if name[:6] == "630100" and int(name[6:], 16) < self.days:
                return self._powers(int(name[6:], 16))
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

    def _powers(self, back: int) -> str:
        """Average W of 48 half-hours; the days are counted from the one whose first half-hour has ended."""
        day = (self.now() - timedelta(minutes=30)).date() - timedelta(days=back)
        starts = (datetime.combine(day, time()) + timedelta(minutes=30 * number) for number in range(48))
        return ",".join(f"{self.power(at) or 0:05}" for at in starts)

    def _energies(self, energy: Mapping[str, int] | None) -> str:
        """Total, T1 … T4; zeros in a slot that was never filled."""
        rows = ((energy or {}).get(key, 0) for key in ("total", "T1", "T2", "T3", "T4"))
        return ",".join(f"{Decimal(row // 10 * 10) / 1000:09.2f}" for row in rows)

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
        "days": 44,
    } | more
    return Ce303(address=address, serial=serial, **settings)


def neva(address: str = "", serial: str = "60089784", **more: Any) -> Neva:
    settings: dict[str, Any] = {"name": "/TPC5NEVAMT324.2307", "operand": "00000000", "password": "00000000"} | more
    return Neva(address=address, serial=serial, **settings)


def ce308(address: str = "", serial: str = "011308170000001", **more: Any) -> Ce308:
    settings: dict[str, Any] = {
        "name": "/EMR5CE3081.1",
        "rule": "sum",
        "operand": "12345678",
        "patience": 4.0,
        "master": "777777",
    } | more
    return Ce308(address=address, serial=serial, **settings)


def readout(address: str = "", serial: str = "06213678", **more: Any) -> ReadoutMeter:
    """A meter behind an optical head: 300 bit/s, then 9600."""
    settings: dict[str, Any] = {"name": "/XYZ5READOUT", "start": 300} | more
    return ReadoutMeter(address=address, serial=serial, **settings)


BUILDERS: Mapping[str, Callable[..., IecMeter]] = {"ce303": ce303, "ce308": ce308, "neva": neva, "iec-readout": readout}
"""Model in a plant file → the meter: ``BUILDERS[model](address, serial, now=…)``."""


def move(meter: IecMeter, household: Household, at: datetime) -> dict[str, int]:
    """Set the counters, the network values and the past of this moment; what the registers then show, by OBIS code,
    in Wh."""

    def past(wall: datetime) -> Mapping[str, int] | None:
        then = wall.replace(tzinfo=household.zone).astimezone(UTC)
        return household.energy(then) if then >= household.start else None

    meter.past = past
    meter.energy = household.energy(at)
    network = household.network(at)
    meter.network = {
        "U": [phase.voltage for phase in network.phases],
        "I": [phase.current for phase in network.phases],
        "P": [Decimal(phase.power) for phase in network.phases],
        "PF": [phase.factor for phase in network.phases],
        "f": [network.frequency],
    }
    step = 1 if isinstance(meter, Ce303 | Ce308) else 10
    names = ("total", "T1", "T2", "T3", "T4") + (("T5",) if isinstance(meter, Ce303) else ())
    shown = meter.energy if isinstance(meter, ReadoutMeter) else dict.fromkeys(names, 0) | meter.energy
    return {f"1-0:1.8.{n}": shown[name] // step * step for n, name in enumerate(names) if name in shown}


def _rows(energy: Mapping[str, int]) -> list[tuple[int, str]]:
    return [(n, key) for n, key in enumerate(("total", "T1", "T2", "T3", "T4")) if key in energy]
