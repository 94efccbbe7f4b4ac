"""PLANT.toml: which buses and meters a simulated house has. Every fault of a file is told at once."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from protocols.session import Line
from simulators import models
from simulators.faults import Faults
from simulators.model import PlannedMeter, SimulatedModel, numbers

FORMATS = [f"{bits}{parity}{stop}" for bits in "78" for parity in "NEO" for stop in "12"]


class PlantError(ValueError):
    """A plant file that cannot be built; ``faults`` lists every reason as ``FILE: key: what stands there, …``."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class BusPlan:
    """A pair behind the link ``name``. ``faults``: kind → chance per answer; ``seed`` rules them."""

    name: str
    line: Line
    echo: bool = False
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PlantPlan:
    timezone: str
    buses: tuple[BusPlan, ...]
    meters: tuple[PlannedMeter, ...]


def read(path: Path) -> PlantPlan:
    """The plan in a file; PlantError with all faults, the file's absence and wrong TOML included."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise PlantError([f"{path}: {trouble}"]) from None
    reader = _Reader()
    plan = reader.plan(document)
    if reader.faults:
        raise PlantError([f"{path}: {fault}" for fault in reader.faults])
    return plan


BUS_KEYS = {"name": str, "speed": int, "format": str, "echo": bool, "faults": dict, "seed": int}
METER_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "bus": str,
    "model": str,
    "address": (int, str),
    "serial": str,
    "household": int,
    "tariffs": list,
    "dead": bool,
    "speed": int,
    "format": str,
}
WORDS: Mapping[type | tuple[type, ...], str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    (int, str): "a whole number, or a text in quotes",
}


class _Reader:
    def __init__(self) -> None:
        self.faults: list[str] = []

    def plan(self, document: Mapping[str, Any]) -> PlantPlan:
        top = self._table("", document, {"timezone": str, "bus": list, "meter": list}, ())
        zone = top.get("timezone", "UTC")
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            self._fault("timezone", zone, "a zone's name such as Europe/Moscow")
        buses = [self._bus(f"bus[{n}]", bus) for n, bus in enumerate(top.get("bus", []))]
        if not buses:
            self.faults.append("bus: at least one [[bus]] is needed")
        lines = {bus.name: bus.line for bus in buses}
        if len(lines) < len(buses):
            self.faults.append("bus: each name may stand once")
        meters = [self._meter(f"meter[{n}]", meter, lines) for n, meter in enumerate(top.get("meter", []))]
        self._twins(meters)
        return PlantPlan(zone, tuple(buses), tuple(meters))

    def _bus(self, where: str, found: Any) -> BusPlan:
        table = self._table(where, found, BUS_KEYS, ("name",))
        name = table.get("name", "")
        if name and (name in (".", "..") or "/" in name):
            self._fault(f"{where}.name", name, "a plain file name")
        chances = table.get("faults", {})
        try:
            Faults(chances=chances)
        except (ValueError, TypeError) as trouble:
            self._fault(f"{where}.faults", chances, f"fault = chance ({trouble})")
        line = self._line(where, table, Line())
        return BusPlan(name, line, table.get("echo", False), chances, table.get("seed", 0))

    def _meter(self, where: str, found: Any, lines: Mapping[str, Line]) -> PlannedMeter:
        table = self._table(where, found, METER_KEYS, ("bus", "model", "address", "serial"))
        bus, model = table.get("bus", ""), table.get("model", "")
        serial, tariffs = table.get("serial", ""), table.get("tariffs", ["T1", "T2", "T3"])
        if bus and bus not in lines:
            self._fault(f"{where}.bus", bus, f"one of {', '.join(lines)}")
        known = self._model(f"{where}.model", model)
        address = self._address(f"{where}.address", known, table)
        digits = known.digits if known else 9
        if serial and not (serial.isascii() and serial.isdigit() and len(serial) <= digits):
            self._fault(f"{where}.serial", serial, f"at most {digits} digits")
        if tariffs not in (["T1"], ["T1", "T2"], ["T1", "T2", "T3"]):
            self._fault(f"{where}.tariffs", tariffs, '["T1"], ["T1", "T2"] or ["T1", "T2", "T3"]')
        line = self._line(where, table, lines.get(bus, Line()))
        household, dead = table.get("household", 0), table.get("dead", False)
        return PlannedMeter(bus, model, address, serial, line, household, tuple(map(str, tariffs)), dead)

    def _model(self, where: str, name: str) -> SimulatedModel | None:
        known = _known(name)
        if name and known is None:
            self._fault(where, name, f"one of {', '.join(models.names())}")
        return known

    def _address(self, where: str, model: SimulatedModel | None, table: Mapping[str, Any]) -> int | str:
        if "address" not in table:  # said already
            return 0
        found, check = table["address"], model.address if model else numbers(1, 247)
        try:
            return check(found)
        except ValueError as wanted:
            self._fault(where, found, str(wanted))
            return 0

    def _line(self, where: str, table: Mapping[str, Any], usual: Line) -> Line:
        speed, form = table.get("speed", usual.speed), table.get("format", usual.format)
        if not 300 <= speed <= 115200:
            self._fault(f"{where}.speed", speed, "300 to 115200 bit/s")
        if form not in FORMATS:
            self._fault(f"{where}.format", form, "data bits, parity and stop bits such as 8N1")
        return Line(speed, form)

    def _twins(self, meters: list[PlannedMeter]) -> None:
        """Two meters of one address on a pair collide at every question; a file that says so is a slip."""
        for number, meter in enumerate(meters):
            if any(_place(one) == _place(meter) for one in meters[:number]):
                self._fault(f"meter[{number}].address", meter.address, f"an address that is free on {meter.bus}")

    def _table(
        self, where: str, found: Any, keys: Mapping[str, type | tuple[type, ...]], needed: tuple[str, ...]
    ) -> dict[str, Any]:
        """The keys of the right type; a fault for every other one."""
        if not isinstance(found, dict):
            self._fault(where, found, "a table")
            return {}
        good = dict(self._sound(f"{where}." if where else "", found, keys))
        self.faults += [f"{where}.{key}: is missing" for key in needed if key not in found]
        return good

    def _sound(
        self, prefix: str, found: Mapping[str, Any], keys: Mapping[str, type | tuple[type, ...]]
    ) -> Iterator[tuple[str, Any]]:
        for key, value in found.items():
            if key not in keys:
                likely = difflib.get_close_matches(key, keys, 1)
                self.faults.append(f"{prefix}{key}: unknown key" + (f", perhaps {likely[0]}" if likely else ""))
            elif type(value) not in (kinds if isinstance(kinds := keys[key], tuple) else (kinds,)):
                self._fault(f"{prefix}{key}", value, WORDS[keys[key]])
            else:
                yield key, value

    def _fault(self, where: str, found: object, expected: str) -> None:
        self.faults.append(f"{where}: found {found!r}, expected {expected}")


def _place(meter: PlannedMeter) -> tuple[str, str, int | str]:
    """What no other meter may have: bus, form of the address, address (leading zeros do not count)."""
    address = meter.address.lstrip("0") if isinstance(meter.address, str) else meter.address
    model = _known(meter.model)
    return meter.bus, model.form if model else "", address


def _known(name: str) -> SimulatedModel | None:
    try:
        return models.find(name)
    except KeyError:
        return None
