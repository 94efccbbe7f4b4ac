"""The fields of a Modbus model file, and a Model of what stands in them."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from drivers import model_file
from drivers.files.fields import Field, Fields, Section, choice, exact, flag, number, text, texts, whole
from drivers.files.words import plain
from drivers.modbus import values
from drivers.modbus.model import UNITS, Cell, Check, Model, Row
from drivers.modbus.values import TYPES
from drivers.reading import Kind
from protocols.session import SPEEDS, Line

SHIPPED = Path(__file__).parents[1] / "models" / "modbus"
STATUSES = ("official", "driver", "unverified")
OBIS = text('an OBIS code such as "1-0:1.8.0"', pattern=r"1-0:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
FILE: Fields = {
    "names": texts("a list of names, a-z 0-9 - .", pattern=r"[a-z0-9][a-z0-9.-]*"),
    "maker": text("the maker's name"),
    "title": text("a line about the meter"),
    "sources": texts("a list: which papers or programs this file follows"),
    "speed": number(*SPEEDS, default=9600),
    "format": choice("8N1", "8N2", "8E1", "8O1", default="8N1"),
    "function": number(3, 4),
    "word_order": choice("high", "low"),
    "word_order_settable": flag(),
    "max_read": whole(1, 125, "registers in one read, 1 to 125"),
    "even_only": flag(),
    "holes": whole(0, 124, "unused registers that one read may run over, 0 to 124", 0),
    "unit_pause": exact("0", "5", 'seconds as text, "0" to "5"', Decimal(0)),
    "timeout": exact("0.05", "30", 'seconds as text, "0.05" to "30"', None),
    "resolution": exact("0", "1000000", "Wh as text, of the coarsest energy register", None),
}
TABLES = ("absent", "serial", "check", "now", "network")
ADDRESS = whole(0, 65535, "the address on the wire, 0 to 65535")
CELL: Fields = {
    "function": number(3, 4, default=None),  # that of the file
    "address": ADDRESS,
    "type": choice("u16", "u32", "u64", "ascii"),
    "status": choice(*STATUSES),
    "registers": whole(1, 32, "how many registers the text takes, 1 to 32", None),
}
CHECK: Fields = {
    **CELL,
    "expected": texts("a list of texts that the answer may begin with", ()),
    "never": texts("a list of texts that other models answer", ()),
}
ROW: Fields = {
    "function": number(3, 4, default=None),
    "address": ADDRESS,
    "type": choice(*TYPES),
    "unit": choice(*UNITS),
    "scale": exact("-1000000", "1000000", 'a factor as text of at most 8 digits, "0.01"', Decimal(1)),
    "status": choice(*STATUSES),
    "optional": flag(),
    "rule": choice("quadrants", default=""),
}
Marks = Mapping[str, frozenset[bytes]]
SENTINELS: Marks = {
    **{f"u{bits}": frozenset({b"\xff" * (bits // 8)}) for bits in (16, 32, 64)},
    **{
        f"i{bits}": frozenset({b"\x7f" + b"\xff" * (bits // 8 - 1), b"\x80" + bytes(bits // 8 - 1)})
        for bits in (16, 32, 64)
    },
    "f32": frozenset(),  # what is not a number is absent anyway
    "f64": frozenset(),
}
"""What an integer of this type holds for "not available" in every model, besides what its [absent] says."""


def load(path: Path) -> Model:
    """The model of this file; ConfigError with every fault in it."""
    return model_file.load(path, _model)


def _model(top: Section) -> Model | None:
    found = top.read(FILE, TABLES)
    function: int = found["function"] or 3
    absent = _absent(top)
    serial, check = _serial(top, function), _check(top, function)
    rows = _rows(top, "now", function, absent) + _rows(top, "network", function, absent)
    _together(top, rows, serial, check, found)
    if not top.sound:
        return None
    line = Line(found["speed"], found["format"])
    coarsest = [values.exact(row.factor, row.exponent) for row in rows if row.kind == "now" and row.type[0] != "f"]
    resolution = found["resolution"]
    return Model(
        found["names"], found["maker"], found["title"], found["sources"], line, found["word_order"] == "low",
        found["word_order_settable"], found["max_read"], found["holes"], found["unit_pause"], found["timeout"],
        Decimal(max(coarsest, default=1)) if resolution is None else resolution, serial, check, tuple(rows),
    )  # fmt: skip


def _absent(top: Section) -> Marks:
    """Type → what the meter sends for "not available", high word first."""
    table = top.section("absent")
    if table is None:
        return SENTINELS
    marks = table.read({name: _hexes(4 * count) for name, (count, _) in TYPES.items()})
    return {name: SENTINELS[name] | frozenset(map(bytes.fromhex, each)) for name, each in marks.items()}


def _hexes(digits: int) -> Field:
    return texts(f"a list of texts of {digits} hex digits", (), f"[0-9A-Fa-f]{{{digits}}}")


def _serial(top: Section, function: int) -> Cell | None:
    table = top.section("serial")
    return None if table is None else _cell(table, table.read(CELL), function)


def _check(top: Section, function: int) -> Check | None:
    table = top.section("check")
    if table is None:
        return None
    found = table.read(CHECK)
    if not {"expected", "never"} & table.content.keys():
        table.missing("expected", "expected or never, else nothing is checked")
    cell = _cell(table, found, function)
    return None if cell is None else Check(cell, found["expected"], found["never"])


def _cell(table: Section, found: Mapping[str, Any], function: int) -> Cell | None:
    """An identification register."""
    kind, count = found["type"], found["registers"]
    if kind == "ascii" and "registers" not in table.content:
        table.missing("registers", CELL["registers"].expected)
    elif kind not in ("ascii", None) and "registers" in table.content:
        table.fault_at_key("registers", "a length", 'nothing, unless type is "ascii"')
    if not table.sound:
        return None
    return Cell(found["function"] or function, found["address"], count or TYPES[kind][0], kind, found["status"])


def _rows(top: Section, kind: Kind, function: int, absent: Marks) -> list[Row]:
    table = top.section(kind)
    if table is None:
        return []
    found = [_row(table, obis, kind, function, absent) for obis in table.content]
    return [row for row in found if row is not None]


def _row(rows: Section, obis: str, kind: Kind, function: int, absent: Marks) -> Row | None:
    try:
        OBIS.check(obis)
    except ValueError:
        rows.fault_at_key(obis, plain(obis), OBIS.expected)
        return None
    table = rows.section(obis)
    if table is None:
        return None
    found = table.read(ROW)
    if found["unit"] is not None:
        _fits(table, obis, kind, found["unit"])
    sign, digits, exponent = found["scale"].as_tuple()
    factor = int("".join(map(str, digits))) * (-1 if sign else 1)
    if not factor:
        table.fault("scale", plain(table.content["scale"]), "a factor other than 0")
    if not table.sound:
        return None
    name = found["type"]
    return Row(
        found["function"] or function, found["address"], TYPES[name][0], name, found["status"],
        obis, kind, factor, int(exponent) + UNITS[found["unit"]], found["optional"],
        absent.get(name, SENTINELS[name]), found["rule"],
    )  # fmt: skip


def _fits(table: Section, obis: str, kind: Kind, unit: str) -> None:
    """Energy registers (value group D is 8) have energy units and stand in [now], nothing else does."""
    energy = unit.endswith("h")
    if energy != (obis.split(".")[1] == "8"):
        table.fault("unit", plain(unit), "an energy unit for x.8.x and no other")
    if energy != (kind == "now"):
        table.fault_here(plain(obis), f"[{'now' if energy else 'network'}] as its table")


def _together(
    top: Section, rows: list[Row], serial: Cell | None, check: Check | None, found: Mapping[str, Any]
) -> None:
    """What no single key can be blamed for."""
    if not rows and top.sound:
        top.missing("now", "at least one register")
    cells: list[tuple[tuple[str, ...], Cell]] = [((row.kind, row.obis), row) for row in rows]
    cells += [(("serial",), serial)] if serial else []
    cells += [(("check",), check.cell)] if check else []
    max_read = found["max_read"] or 125
    for path, cell in cells:
        if cell.count > max_read:
            _fault(top, path, f"{cell.count} registers", f"at most max_read = {max_read} registers")
        if cell.end > 0x10000:
            _fault(top, path, f"address {cell.address}", "an address whose registers end at 65535")
        if found["even_only"] and (cell.address % 2 or cell.count % 2):
            what = f"{cell.count} registers from {cell.address} on"
            _fault(top, path, what, "an even address and an even number of registers (even_only)")
    taken: dict[tuple[int, int], Row] = {}
    for row in rows:
        for address in range(row.address, row.end):
            other = taken.setdefault((row.function, address), row)
            if other is not row:
                what = f"register {address}, which {other.obis} has too"
                _fault(top, (row.kind, row.obis), what, "registers that no other row has")
                break


def _fault(top: Section, path: tuple[str, ...], found: str, expected: str) -> None:
    top.faults.append(top.source.fault(path, found, expected, at_key=True))
