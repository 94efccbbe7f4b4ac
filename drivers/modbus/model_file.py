"""A model file's TOML into a Model, or every fault in it at once."""

import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from drivers.modbus.model import UNITS, Cell, Check, Model, ModelError, Row
from drivers.modbus.values import TYPES, exact
from protocols.session import Line

STATUSES = ("official", "driver", "unverified")
SPEEDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
OBIS = re.compile(r"1-0:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
MISSING = object()

Test = Callable[[Any], bool]


def model(path: Path, content: dict[str, Any]) -> Model:
    """The checked model; ModelError with all faults."""
    return _File(path).model(content)


def _whole(low: int, high: int) -> Test:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(*allowed: object) -> Test:
    return lambda value: value in allowed and type(value) in {type(one) for one in allowed}


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_text, value))


def _hexes(digits: int) -> Test:
    right = re.compile(f"[0-9A-Fa-f]{{{digits}}}")
    return lambda value: _texts(value) and all(right.fullmatch(one) for one in value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _decimal(low: str, high: str, digits: int = 8) -> Test:
    def test(value: Any) -> bool:
        try:
            number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
        except InvalidOperation:
            return False
        return (
            number.is_finite() and Decimal(low) <= number <= Decimal(high) and len(number.as_tuple().digits) <= digits
        )

    return test


class _Table:
    """One table of the file; what was not taken out of it is an unknown key."""

    def __init__(self, faults: list[str], where: str, content: Mapping[str, Any]) -> None:
        self.faults, self.where, self.content = faults, where, content
        self.known: list[str] = []

    def fault(self, key: str, found: object, expected: str) -> None:
        place = "/".join(part for part in (self.where.partition(": ")[2], key) if part)
        shown = "nothing" if found is MISSING else repr(found)
        self.faults.append(f"{self.where.partition(': ')[0]}: {place}: found {shown}, expected {expected}")

    def take(self, key: str, test: Test, expected: str, default: Any = MISSING) -> Any:
        """The value, or the default where it is missing or wrong (then with a fault)."""
        self.known.append(key)
        value = self.content.get(key, default)
        if value is MISSING or (key in self.content and not test(value)):
            self.fault(key, value, expected)
            return None if default is MISSING else default
        return value

    def table(self, key: str) -> "_Table | None":
        self.known.append(key)
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fault(key, value, "a table")
            return None
        where = f"{self.where}/{key}" if ": " in self.where else f"{self.where}: {key}"
        return _Table(self.faults, where, value)

    def finish(self) -> None:
        for key in self.content:
            if key not in self.known:
                near = get_close_matches(key, self.known, 1)
                likely = f"; was {near[0]!r} meant?" if near else ""
                self.fault(key, self.content[key], f"one of {', '.join(self.known)}{likely}")


class _File:
    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, list[str]()

    def model(self, content: dict[str, Any]) -> Model:
        top = _Table(self.faults, str(self.path), content)
        names = top.take(
            "names", lambda v: _texts(v) and all(NAME.fullmatch(n) for n in v), "a list of names, a-z 0-9 - ."
        )
        maker = top.take("maker", _text, "the maker's name")
        title = top.take("title", _text, "a line about the meter")
        sources = top.take("sources", _texts, "a list: which papers or programs this file follows")
        speed = top.take("speed", _one_of(*SPEEDS), f"one of {', '.join(map(str, SPEEDS))}", 9600)
        form = top.take("format", _one_of("8N1", "8N2", "8E1", "8O1"), "8N1, 8N2, 8E1 or 8O1", "8N1")
        function = top.take("function", _one_of(3, 4), "3 (holding registers) or 4 (input registers)")
        order = top.take("word_order", _one_of("high", "low"), '"high" or "low": the word that comes first')
        settable = top.take("word_order_settable", _flag, "true or false", False)
        max_read = top.take("max_read", _whole(1, 125), "registers in one read, 1 to 125")
        even = top.take("even_only", _flag, "true or false", False)
        holes = top.take("holes", _whole(0, 124), "unused registers that one read may run over, 0 to 124", 0)
        pause = top.take("unit_pause", _decimal("0", "5"), 'seconds as text, "0" to "5"', "0")
        timeout = top.take("timeout", _decimal("0.05", "30"), 'seconds as text, "0.05" to "30"', None)
        resolution = top.take(
            "resolution", _decimal("0", "1000000"), "Wh as text, of the coarsest energy register", None
        )
        absent = self._absent(top)
        serial = self._cell(top.table("serial"), function, ())
        check = self._check(top.table("check"), function)
        rows = [row for kind in ("now", "network") for row in self._rows(top.table(kind), kind, function, absent)]
        top.finish()
        self._together(top, rows, serial, check, max_read, even)
        if self.faults:
            raise ModelError(self.faults)
        coarsest = max((exact(r.factor, r.exponent) for r in rows if r.kind == "now" and r.type[0] != "f"), default=1)
        return Model(
            tuple(names), maker, title, tuple(sources), Line(speed, form), order == "low", settable, max_read, holes,
            Decimal(pause), None if timeout is None else Decimal(timeout),
            Decimal(coarsest if resolution is None else resolution), serial, check, tuple(rows),
        )  # fmt: skip

    def _absent(self, top: _Table) -> dict[str, frozenset[bytes]]:
        table = top.table("absent")
        if table is None:
            return {}
        marks = {}
        for name, (count, _) in TYPES.items():
            digits = 4 * count
            found = table.take(name, _hexes(digits), f"a list of texts of {digits} hex digits", [])
            marks[name] = frozenset(bytes.fromhex(one) for one in found)
        table.finish()
        return marks

    def _cell(self, table: _Table | None, function: int | None, more: tuple[str, ...]) -> Cell | None:
        """An identification register; ``more`` are keys that the caller takes."""
        if table is None:
            return None
        table.known.extend(more)
        function = table.take("function", _one_of(3, 4), "3 or 4", function)
        address = table.take("address", _whole(0, 65535), "the address on the wire, 0 to 65535")
        kind = table.take("type", _one_of("u16", "u32", "u64", "ascii"), "u16, u32, u64 or ascii")
        status = table.take("status", _one_of(*STATUSES), f"one of {', '.join(STATUSES)}")
        count = TYPES[kind][0] if kind in TYPES else 1
        if kind == "ascii":
            count = table.take("registers", _whole(1, 32), "how many registers the text takes, 1 to 32") or 1
        table.finish()
        if None in (function, address, kind, status):
            return None
        return Cell(function or 3, address, count, kind, status)

    def _check(self, table: _Table | None, function: int | None) -> Check | None:
        cell = self._cell(table, function, ("expected", "never"))
        if table is None:
            return None
        expected = table.take("expected", _texts, "a list of texts that the answer may begin with", [])
        never = table.take("never", _texts, "a list of texts that other models answer", [])
        if not expected and not never:
            table.fault("expected", MISSING, "expected or never, else nothing is checked")
        return None if cell is None else Check(cell, tuple(expected), tuple(never))

    def _rows(
        self, table: _Table | None, kind: str, function: int | None, absent: Mapping[str, frozenset[bytes]]
    ) -> list[Row]:
        if table is None:
            return []
        found = [self._row(table, obis, kind, function, absent) for obis in table.content]
        return [row for row in found if row is not None]

    def _row(
        self, rows: _Table, obis: str, kind: str, function: int | None, absent: Mapping[str, frozenset[bytes]]
    ) -> Row | None:
        if not OBIS.fullmatch(obis):
            rows.fault(obis, obis, 'an OBIS code such as "1-0:1.8.0"')
            return None
        table = rows.table(obis)
        if table is None:
            return None
        function = table.take("function", _one_of(3, 4), "3 or 4", function)
        address = table.take("address", _whole(0, 65535), "the address on the wire, 0 to 65535")
        name = table.take("type", _one_of(*TYPES), f"one of {', '.join(TYPES)}")
        unit = table.take("unit", _one_of(*UNITS), f"one of {', '.join(UNITS)}")
        scale = table.take(
            "scale", _decimal("-1000000", "1000000"), 'a factor as text of at most 8 digits, "0.01"', "1"
        )
        status = table.take("status", _one_of(*STATUSES), f"one of {', '.join(STATUSES)}")
        optional = table.take("optional", _flag, "true or false", False)
        table.finish()
        if unit in UNITS:
            self._fits(table, obis, kind, unit)
        if None in (function, address, name, unit, status):
            return None
        sign, digits, exponent = Decimal(scale).as_tuple()
        factor = int("".join(map(str, digits))) * (-1 if sign else 1)
        if not factor:
            table.fault("scale", scale, "a factor other than 0")
        return Row(
            function or 3, address, TYPES[name][0], name, status,
            obis, kind, factor, int(exponent) + UNITS[unit], optional, absent.get(name, frozenset()),
        )  # fmt: skip

    def _fits(self, table: _Table, obis: str, kind: str, unit: str) -> None:
        """Energy registers (value group D is 8) have energy units and stand in [now], nothing else does."""
        processing = obis.split(".")[1]
        energy = unit.endswith("h")
        if energy != (processing == "8"):
            table.fault("unit", unit, "an energy unit for x.8.x and no other")
        if energy != (kind == "now"):
            table.fault("", obis, f"in [{'now' if energy else 'network'}]")

    def _together(
        self, top: _Table, rows: list[Row], serial: Cell | None, check: Check | None, max_read: int | None, even: bool
    ) -> None:
        """What no single key can be blamed for."""
        if not rows and not self.faults:
            top.fault("now", MISSING, "at least one register")
        cells: list[tuple[str, Cell]] = [(f"{row.kind}/{row.obis}", row) for row in rows]
        cells += [("serial", serial)] if serial else []
        cells += [("check", check.cell)] if check else []
        for where, cell in cells:
            if max_read and cell.count > max_read:
                top.fault(where, cell.count, f"at most max_read = {max_read} registers")
            if cell.end > 0x10000:
                top.fault(where, cell.address, "an address whose registers end at 65535")
            if even and (cell.address % 2 or cell.count % 2):
                top.fault(where, cell.address, "an even address and an even number of registers (even_only)")
        taken: dict[tuple[int, int], Row] = {}
        for row in rows:
            for address in range(row.address, row.end):
                other = taken.setdefault((row.function, address), row)
                if other is not row:
                    top.fault(f"{row.kind}/{row.obis}", row.address, f"registers that {other.obis} has not")
                    break


SHIPPED = Path(__file__).parents[1] / "models" / "modbus"


def load(path: Path) -> Model:
    """The model of this file; ModelError with every fault in it."""
    from drivers.modbus.model_file import model  # only what reads files needs the checks

    return model(path, table(path))


def table(path: Path) -> dict[str, Any]:
    """The file's TOML; ModelError where it is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as trouble:
        raise ModelError([f"{path}: cannot be read: {trouble.strerror}"]) from trouble
    except UnicodeDecodeError as trouble:
        raise ModelError([f"{path}: found octets that are no UTF-8, expected a TOML text"]) from trouble
    except tomllib.TOMLDecodeError as trouble:
        raise ModelError([f"{path}: no TOML: {trouble}"]) from trouble
