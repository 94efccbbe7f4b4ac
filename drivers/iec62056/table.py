"""Parameter tables of IEC 62056-21 meters: TOML files under ``drivers/models/iec``, and the installer's own.

A table says how a family is reached (``way``), which parameter brings which registers in which order, and with which
factor its numbers become Wh, W, V, A. ``docs/meters/iec62056-21.md`` lists every key.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from drivers.events import EVENTS
from drivers.iec62056.parts import PERIODS, Archive, ClockRow, Correction, Journal, Profile, Row
from protocols.session import Line

OWN = Path(__file__).parents[1] / "models" / "iec"
WAYS = ("session", "readout", "direct")
_REGISTER = re.compile(r"1-0:\d{1,3}\.[78]\.\d")
_LINE = re.compile(r"(\d{3,6}) ([78][NEO][12])")


class TableError(ValueError):
    """A table that cannot be used: file, key, what stands there, what may stand there."""

    def __init__(self, file: str, key: str, found: object, expected: str) -> None:
        super().__init__(f"{file}: {key}: found {found!r}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    models: tuple[str, ...]
    title: str
    way: str  # session: single parameters in programming mode; readout: one telegram; direct: group read, no session
    line: Line
    check: str
    login: bool = False  # the password is needed for reading
    password: str | None = None  # as delivered
    serial: str = ""  # the parameter of the serial number; "" in a readout: found by its usual codes
    identification: str = ""  # regular expression with the groups model and firmware
    readout: str = "0"  # which one (mode character Y)
    obis: bool = False  # readout: registers by their OBIS codes
    clock: ClockRow | None = None
    now: tuple[Row, ...] = ()
    network: tuple[Row, ...] = ()
    interval: Profile | None = None
    day: tuple[Archive, ...] = ()
    month: tuple[Archive, ...] = ()
    event: tuple[Journal, ...] = ()
    set_clock: Correction | None = None
    resolution: Decimal = Decimal(1)  # Wh
    mismatch: Decimal | None = None  # Wh by which totals and tariffs of sound meters differ
    telegram: int = 2000  # octets of a readout, for the bus budget
    verified: str = ""  # where the parameters come from


_ROW: Mapping[str, type] = {
    "name": str,
    "registers": list,
    "arguments": str,
    "factor": str,
    "split": str,
    "prefix": str,
    "modulo": int,
    "optional": bool,
    "more": bool,
}
_ARCHIVE: Mapping[str, type] = {"names": list, "depth": int, "stamped": bool}
_PROFILE: Mapping[str, type] = {
    **dict.fromkeys(("name", "arguments", "period", "register", "factor", "split"), str),
    **dict.fromkeys(("minutes", "depth"), int),
    "names": list,
    "whole": bool,
}
_TABLE: Mapping[str, type] = {
    "models": list,
    "title": str,
    "way": str,
    "line": str,
    "check": str,
    "login": bool,
    "password": str,
    "serial": str,
    "identification": str,
    "readout": str,
    "obis": bool,
    "clock": dict,
    "now": list,
    "network": list,
    "interval": dict,
    "day": list,
    "month": list,
    "event": list,
    "set_clock": dict,
    "resolution": str,
    "mismatch": str,
    "telegram": int,
    "verified": str,
}


def tables(models_dir: Path | None = None) -> tuple[Table, ...]:
    """Our tables and the installer's from ``models_dir``/iec, by name; the installer's replaces ours of that name.

    TableError for a file that cannot be used."""
    found: dict[str, Table] = {}
    for folder in (OWN, models_dir / "iec" if models_dir else None):
        if folder is not None and folder.is_dir():
            for file in sorted(folder.glob("*.toml")):
                found[file.stem] = load(file)
    return tuple(found[name] for name in sorted(found))


def load(file: Path) -> Table:
    """The table in a file; its name is the file's."""
    try:
        with file.open("rb") as source:
            raw = tomllib.load(source)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TableError(str(file), "file", str(error), "TOML in UTF-8") from None
    return _Reader(str(file)).table(file.stem, raw)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file

    def table(self, name: str, raw: Mapping[str, Any]) -> Table:
        self._known(raw, _TABLE, "")
        for key in ("models", "title", "way", "line", "check"):
            if key not in raw:
                raise self._error(key, None, "a value")
        values: dict[str, Any] = dict(raw)
        values["models"] = self._texts(raw["models"], "models")
        values["way"] = self._one_of(raw["way"], "way", WAYS)
        values["check"] = self._one_of(raw["check"], "check", ("auto", "xor", "sum", "none"))
        values["line"] = self._line(raw["line"])
        values["now"] = tuple(self._row(row, f"now[{place}]", "8") for place, row in enumerate(raw.get("now", ())))
        values["network"] = tuple(
            self._row(row, f"network[{place}]", "7") for place, row in enumerate(raw.get("network", ()))
        )
        if "interval" in raw:
            values["interval"] = self._profile(raw["interval"])
        for kind in ("day", "month"):
            values[kind] = tuple(self._archive(each, kind, place) for place, each in enumerate(raw.get(kind, ())))
        values["event"] = tuple(
            self._journal(each, f"event[{place}]") for place, each in enumerate(raw.get("event", ()))
        )
        if "set_clock" in raw:
            values["set_clock"] = self._correction(raw["set_clock"])
        for key in ("resolution", "mismatch"):
            if key in raw:
                values[key] = self._number(raw[key], key)
        if "clock" in raw:
            values["clock"] = self._clock(raw["clock"])
        if "identification" in raw:
            self._pattern(raw["identification"], "identification")
        table = Table(name=name, **values)
        if not table.now and not table.obis:
            raise self._error("now", None, "at least one [[now]], or obis = true")
        if table.way != "readout" and not table.serial:
            raise self._error("serial", "", "the parameter that holds the serial number")
        for key in ("interval", "day", "month", "event", "set_clock"):
            if key in raw and (table.way != "session" or table.clock is None):
                raise self._error(
                    key, raw[key], 'nothing, or way = "session" and a [clock]: a meter counts its own days'
                )
        return table

    def _row(self, raw: Any, key: str, group: str) -> Row:
        if not isinstance(raw, dict):
            raise self._error(key, raw, "a table")
        self._known(raw, _ROW, f"{key}.")
        for needed in ("name", "registers"):
            if not raw.get(needed):
                raise self._error(f"{key}.{needed}", raw.get(needed), "a value")
        values: dict[str, Any] = dict(raw)
        values["registers"] = self._texts(raw["registers"], f"{key}.registers")
        for register in values["registers"]:
            if register and not (_REGISTER.fullmatch(register) and register.split(".")[1] == group):
                raise self._error(f"{key}.registers", register, f'an OBIS code such as "1-0:1.{group}.0", or ""')
        if "factor" in raw:
            values["factor"] = self._number(raw["factor"], f"{key}.factor")
        if "prefix" in raw:
            self._pattern(raw["prefix"], f"{key}.prefix")
        return Row(**values)

    def _archive(self, raw: Any, kind: str, place: int) -> Archive:
        key = f"{kind}[{place}]"
        own = {name: value for name, value in raw.items() if name in _ARCHIVE} if isinstance(raw, dict) else {}
        self._known(own, _ARCHIVE, f"{key}.")
        names = self._texts(own["names"], f"{key}.names") if "names" in own else ()
        rest = {name: value for name, value in raw.items() if name not in own} if isinstance(raw, dict) else raw
        if names and isinstance(rest, dict):
            if "name" in rest:
                raise self._error(f"{key}.name", rest["name"], "name or names, not both")
            rest["name"] = names[0]
        row = self._row(rest, key, "8")
        tokens = ("DD", "MM", "YY") if kind == "day" else ("MM", "YY")
        if not names and not all(token in row.arguments for token in tokens):
            raise self._error(
                f"{key}.arguments", row.arguments, f"{' '.join(tokens)} in the place of the date, or names"
            )
        depth = own.get("depth", len(names))
        if not 1 <= depth <= (len(names) or 10_000):
            raise self._error(f"{key}.depth", depth, "how many the meter keeps; with names no more than these")
        return Archive(row, depth, names, own.get("stamped", False))

    def _profile(self, raw: Mapping[str, Any]) -> Profile:
        self._known(raw, _PROFILE, "interval.")
        values: dict[str, Any] = dict(raw)
        if not re.fullmatch(r"1-0:\d{1,3}\.29\.0", raw.get("register", "")):
            raise self._error("interval.register", raw.get("register"), 'an OBIS code such as "1-0:1.29.0"')
        if ("names" in raw) == ("name" in raw):
            raise self._error("interval.name", raw.get("name"), "a value, or names for days that are counted back")
        if "names" in raw:
            values["names"] = self._texts(raw["names"], "interval.names")
            values["name"] = values["names"][0]
        elif not all(token in raw.get("arguments", "") for token in ("DD", "MM", "YY", "n", "k")):
            raise self._error("interval.arguments", raw.get("arguments"), "DD MM YY n k: date, first interval, count")
        if ("minutes" in raw) == ("period" in raw) or raw.get("minutes", 60) not in PERIODS:
            raise self._error("interval.minutes", raw.get("minutes"), f"one of {sorted(PERIODS)}, or period alone")
        values["factor"] = self._number(raw.get("factor", "1"), "interval.factor")
        values["depth"] = raw.get("depth", len(values.get("names", ())))
        if not 1 <= values["depth"] <= (len(values.get("names", ())) or 10_000):
            raise self._error("interval.depth", values["depth"], "days that the meter keeps, this one included")
        return Profile(**values)

    def _journal(self, raw: Any, key: str) -> Journal:
        texts = self._fields(raw, {"name": str, "code": str, "text": str}, key, {"ring": bool, "pointer": str})
        if texts["code"] not in EVENTS:
            raise self._error(f"{key}.code", texts["code"], f"one of {', '.join(EVENTS)}")
        if "pointer" in texts and not texts.get("ring"):
            raise self._error(f"{key}.pointer", texts["pointer"], "ring = true with it")
        return Journal(**texts)

    def _correction(self, raw: Any) -> Correction:
        found = self._fields(raw, {"name": str, "limit": int}, "set_clock")
        if not 1 <= found["limit"] <= 99:
            raise self._error("set_clock.limit", found["limit"], "1 to 99 seconds")
        return Correction(**found)

    def _fields(
        self, raw: Any, kinds: Mapping[str, type], key: str, optional: Mapping[str, type] = MappingProxyType({})
    ) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self._error(key, raw, "a table")
        self._known(raw, {**kinds, **optional}, f"{key}.")
        for name in kinds:
            if not raw.get(name):
                raise self._error(f"{key}.{name}", raw.get(name), "a value")
        return dict(raw)

    def _clock(self, raw: Mapping[str, Any]) -> ClockRow:
        self._known(raw, {"names": list, "pattern": str}, "clock.")
        pattern = raw.get("pattern", "")
        if not all(token in pattern for token in ("YY", "MM", "DD", "hh", "mm", "ss")):
            raise self._error(
                "clock.pattern", pattern, 'YY MM DD hh mm ss in the meter\'s order, e.g. "w.DD.MM.YY hh:mm:ss"'
            )
        return ClockRow(self._texts(raw.get("names"), "clock.names"), pattern)

    def _known(self, raw: Mapping[str, Any], kinds: Mapping[str, type], where: str) -> None:
        for key, value in raw.items():
            if key not in kinds:
                raise self._error(f"{where}{key}", value, f"one of the keys {', '.join(kinds)}")
            if not isinstance(value, kinds[key]) or (isinstance(value, bool) and kinds[key] is not bool):
                raise self._error(
                    f"{where}{key}", value, {str: "text", int: "a whole number"}.get(kinds[key], kinds[key].__name__)
                )

    def _texts(self, raw: Any, key: str) -> tuple[str, ...]:
        if not isinstance(raw, list) or not raw or not all(isinstance(one, str) for one in raw):
            raise self._error(key, raw, "a list of texts")
        return tuple(raw)

    def _one_of(self, raw: str, key: str, choices: tuple[str, ...]) -> str:
        if raw not in choices:
            raise self._error(key, raw, f"one of {', '.join(choices)}")
        return raw

    def _line(self, raw: str) -> Line:
        match = _LINE.fullmatch(raw)
        if match is None:
            raise self._error("line", raw, 'speed and format, e.g. "9600 7E1"')
        return Line(int(match[1]), match[2])

    def _number(self, raw: str, key: str) -> Decimal:
        if not re.fullmatch(r"\d+(\.\d+)?", raw):
            raise self._error(key, raw, 'an exact number as text, e.g. "1000"')
        return Decimal(raw)

    def _pattern(self, raw: str, key: str) -> None:
        try:
            re.compile(raw)
        except re.error as error:
            raise self._error(key, raw, f"a regular expression ({error})") from None

    def _error(self, key: str, found: object, expected: str) -> TableError:
        return TableError(self._file, key, found, expected)


def clock_reader(pattern: str) -> Callable[[str], Mapping[str, int] | None]:
    """Reads a text by a clock pattern: the numbers under year, month, day, hour, minute, second; None: no clock."""
    expression = re.escape(pattern)
    for token, name in (
        ("YY", "year"),
        ("MM", "month"),
        ("DD", "day"),
        ("hh", "hour"),
        ("mm", "minute"),
        ("ss", "second"),
    ):
        expression = expression.replace(token, rf"(?P<{name}>\d\d)", 1)
    expression = re.sub(r"(?<![A-Za-z<?\\])w", r"\\d{1,2}", expression)
    compiled = re.compile(expression)

    def read(text: str) -> Mapping[str, int] | None:
        match = compiled.match(text)
        return {name: int(digits) for name, digits in match.groupdict().items()} if match else None

    return read
