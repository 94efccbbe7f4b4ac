"""Energomera CE308 in its IEC dialect: archives by date, journals, a clock that takes corrections.

Energomera CE208/CE308, protocol IEC: further values come without the name (CDP default), an archive answers with the
nearest older entry where the one that is asked for is not kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from simulators.iec62056_meter import IecMeter, kwh, month_back

ENTRIES = 40  # of a journal
LARGEST = 29  # s of one correction
DATED = re.compile(r"(\d\d)\.(\d\d)\.(\d\d),0,([0-9A-Fa-f]+)")
COUNTED = re.compile(r"(\d+),(\d+)")


@dataclass
class Ce308(IecMeter):
    """``journals``: parameter → entries, oldest first, as wall time and state. ``error_of_clock``: what its clock is
    ahead of ``now``."""

    journals: dict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: {"LOE04": [], "LOP02": []})
    error_of_clock: timedelta = timedelta(0)
    _corrected: date | None = None

    @property
    def shown(self) -> datetime:
        return self.now() + self.error_of_clock

    def read(self, name: str, arguments: str) -> bytes | None:
        if name[:3] in ("EMD", "EMI"):
            return self._energies(name, arguments) if name[3:] == "01" else None
        if name in self.journals:
            return self._journal(name, arguments)
        values = self._values(name)
        return None if values is None else self._said(name, values)

    def _values(self, name: str) -> Sequence[str] | None:
        match name:
            case "SNUMB":
                return [self.serial]
            case "DATE_":
                return [f"{self.shown.isoweekday() % 7:02}.{self.shown:%d.%m.%y}"]
            case "TIME_":
                return [f"{self.shown:%H:%M:%S}"]
            case "VOLTA" | "CURRE" | "FREQU":
                return [str(value) for value in self.network.get({"V": "U", "C": "I", "F": "f"}[name[0]], ())]
            case "POWEP":
                power = self.network.get("P", ())
                return [str(value / 1000) for value in (*power, sum(power))]
            case "COS_f":
                factors = self.network.get("PF", ())
                return [str(value) for value in (*factors, *factors[:1])]
        return None

    def _said(self, name: str, values: Sequence[str]) -> bytes:
        return (name + "".join(f"({value})\r\n" for value in values)).encode("ascii")

    def _energies(self, name: str, arguments: str) -> bytes:
        """``EMD01(0.0,F)`` the running registers, ``EMI01(date,0,F)`` those of a day or month that ended."""
        match = DATED.fullmatch(arguments)
        if name[:3] == "EMD" and arguments == "0.0,F":
            stamp, energy = f"{self.shown:%d.%m.%y}", dict(self.energy)
        elif name[:3] == "EMI" and match is not None:
            found = self._kept(int(match[1]), int(match[2]), 2000 + int(match[3]))
            if found is None:
                return self.error(18)
            stamp, energy = found
        else:
            return self.error(17)
        return self._said(
            name, [f"{stamp},{kwh(energy['total'])}", *(kwh(energy.get(f"T{n}", 0)) for n in range(1, 5))]
        )

    def _kept(self, day: int, month: int, year: int) -> tuple[str, dict[str, int]] | None:
        """Stamp and registers of the newest kept entry that is not newer than the one asked for."""
        today = self.shown.date()
        try:
            start = date(year, month, day) + timedelta(days=1) if day else month_back(date(year, month, 1), -1)
        except ValueError:
            return None
        start = min(start, today)
        while (today - start).days < (self.days if day else self.months * 31):
            start = start if day else start.replace(day=1)
            ended = start - timedelta(days=1)
            energy = self.frozen(start)
            if energy is not None:
                return (f"{ended:%d.%m.%y}" if day else f"00.{ended:%m.%y}"), dict(energy)
            start -= timedelta(days=1)
        return None

    def _journal(self, name: str, arguments: str) -> bytes:
        match = COUNTED.fullmatch(arguments)
        if match is None or int(match[1]) < 1:
            return self.error(17)
        numbered = list(enumerate(self.journals[name], 1))[::-1][:ENTRIES]
        wanted = numbered[int(match[1]) - 1 :][: int(match[2])]
        if not wanted:
            return self.error(18)
        return self._said(name, [f"{number},{at:%d.%m.%y,%H:%M:%S},{state}" for number, (at, state) in wanted])

    def write(self, name: str, arguments: str) -> int:
        if name != "CTIME":
            return 12
        if not re.fullmatch(r"[+-]\d\d", arguments) or abs(int(arguments)) > LARGEST:
            return 17
        if self._corrected == self.shown.date():
            return 16
        self.journals.setdefault("LOP02", []).append((self.shown, "00000001"))
        self.error_of_clock += timedelta(seconds=int(arguments))
        self._corrected = self.shown.date()
        return 0
