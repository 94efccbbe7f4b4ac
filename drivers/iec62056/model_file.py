"""The fields of an IEC 62056-21 model file, and a Table of what stands in them.

Model files are ours, under ``drivers/models/iec``, and the installer's, in the folder ``iec`` of ``models_dir``.
``docs/meters/iec62056-21.md`` lists every key.
"""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from drivers import model_file
from drivers.events import METER_EVENTS
from drivers.files.fields import (
    NEEDED,
    Field,
    Fields,
    Section,
    choice,
    exact,
    expression,
    flag,
    number,
    text,
    texts,
    whole,
)
from drivers.files.words import plain, shown
from drivers.iec62056.parts import PERIODS, Archive, ClockRow, Correction, Journal, Profile, Row
from drivers.iec62056.table import CHECKS, WAYS, Table
from drivers.reading import Kind
from protocols.session import Line

SHIPPED = Path(__file__).parents[1] / "models" / "iec"
DEEPEST = 10_000  # days or months
ASCII = r"[ -~]+"  # what may stand in a question
DATE, INTERVALS = ("DD", "MM", "YY"), ("n", "k")


def _line(value: Any) -> Line:
    match = re.fullmatch(r"([0-9]{3,6}) ([78][NEO][12])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return Line(int(match[1]), match[2])


def _factor(what: str, default: Any) -> Field:
    return exact("0", "1000000000", f'{what}, an exact number as text, e.g. "1000"', default, plain=True)


def _ascii(expected: str, default: Any = NEEDED) -> Field:
    return text(expected, default, ASCII if default is NEEDED else f"(?:{ASCII})?")


FILE: Fields = {
    "models": texts("a list of names that may stand in driver = …", pattern=r"\S+"),
    "title": text("a line about the meter"),
    "way": choice(*WAYS),
    "line": Field(_line, 'speed and format, e.g. "9600 7E1"'),
    "check": choice(*CHECKS),
    "login": flag(),
    "password": _ascii("the password as delivered, in ASCII", None),
    "serial": _ascii("the parameter that holds the serial number", ""),
    "identification": expression("a regular expression with the groups model and firmware", ""),
    "readout": text("one mode character", "0", r"[0-9A-Za-z]"),
    "obis": flag(),
    "resolution": _factor("Wh", Decimal(1)),
    "mismatch": _factor("Wh", None),
    "telegram": whole(1, 1_000_000, "bytes of a readout, 1 to 1000000", 2000),
    "verified": text("where the parameters come from", "", "(?s).*"),
}
TABLES = ("clock", "now", "network", "interval", "day", "month", "event", "set_clock")
OF_SESSIONS = ("interval", "day", "month", "event", "set_clock")
NAME = _ascii("the name of a parameter")
NAMES = texts("a list of texts: names of parameters", pattern=ASCII)


def _row_fields(group: int) -> Fields:
    """Of a parameter whose values are registers of this value group D."""
    return {
        "name": NAME,
        "registers": texts(
            f'a list of OBIS codes such as "1-0:1.{group}.0", or ""', pattern=rf"(?:1-0:[0-9]{{1,3}}\.{group}\.[0-9])?"
        ),
        "arguments": _ascii("what stands between the brackets of the question", ""),
        "factor": _factor("the meter's unit in ours", Decimal(1)),
        "split": _ascii("what separates the values", ""),
        "prefix": expression("a regular expression", ""),
        "modulo": whole(2, 1_000_000_000, "2 to 1000000000", None),
        "optional": flag(),
        "more": flag(),
    }


NOW, NETWORK = _row_fields(8), _row_fields(7)
KEPT = Field(lambda names: NAMES.check(names), NAMES.expected, ())
DEPTH = whole(1, DEEPEST, f"how many the meter keeps, 1 to {DEEPEST}", None)
ARCHIVE: Fields = {**NOW, "name": _ascii(NAME.expected, ""), "names": KEPT, "depth": DEPTH, "stamped": flag()}
PROFILE: Fields = {
    "name": _ascii(NAME.expected, ""),
    "names": KEPT,
    "arguments": _ascii("DD MM YY n k: date, first interval, count", ""),
    "register": text('an OBIS code such as "1-0:1.29.0"', pattern=r"1-0:[0-9]{1,3}\.29\.0"),
    "factor": _factor("the meter's unit of power in W", Decimal(1)),
    "minutes": number(*sorted(PERIODS), default=0),
    "period": _ascii("the parameter that holds the minutes", ""),
    "depth": DEPTH,
    "split": _ascii("what separates the values", ""),
    "whole": flag(),
}
JOURNAL: Fields = {
    "name": NAME,
    "code": choice(*METER_EVENTS),
    "text": text("what the journal is about"),
    "ring": flag(),
    "pointer": _ascii("the parameter that changes when an entry is written", ""),
}
CLOCK: Fields = {
    "names": NAMES,
    "pattern": text('YY MM DD hh mm ss in the meter\'s order, e.g. "w.DD.MM.YY hh:mm:ss"'),
}
CORRECTION: Fields = {"name": NAME, "limit": whole(1, 99, "1 to 99 seconds")}


def tables(models_dir: Path | None = None) -> tuple[Table, ...]:
    """Our models and the installer's from ``models_dir``/iec that hold, by name (:func:`drivers.model_file.in_force`);
    ConfigError with the faults of all files."""
    own = models_dir / "iec" if models_dir is not None else None
    found = model_file.in_force(own, SHIPPED, load, lambda table: table.models, "models")
    return tuple(replace(table, models=names) for names, table in found)


def load(file: Path) -> Table:
    """The table in a file; ConfigError with every fault in it."""
    return model_file.load(file, _table)


def _table(top: Section) -> Table | None:
    found = top.read(FILE, TABLES)
    if found["identification"] and not {"model", "firmware"} <= set(re.compile(found["identification"]).groupindex):
        top.fault("identification", shown(found["identification"]), FILE["identification"].expected)
    found["now"], found["network"] = _rows(top, "now", NOW), _rows(top, "network", NETWORK)
    found["clock"], found["interval"] = _clock(top), _interval(top)
    found["day"], found["month"] = _archives(top, "day"), _archives(top, "month")
    found["event"], found["set_clock"] = _journals(top), _correction(top)
    if not top.content.get("now") and not found["obis"]:
        top.missing("now", "at least one [[now]], or obis = true")
    if found["way"] in ("session", "direct") and not top.content.get("serial"):
        top.missing("serial", "the parameter that holds the serial number")
    if (found["way"] not in ("session", None)) or "clock" not in top.content:
        for key in top.content.keys() & set(OF_SESSIONS):
            wanted = 'nothing, or way = "session" and a [clock]: a meter counts its own days'
            top.fault_at_key(key, f"[{key}]", wanted)
    return Table(**found) if top.sound else None


def _rows(top: Section, key: str, fields: Fields) -> tuple[Row, ...]:
    found = [(section, section.read(fields)) for section in top.sections(key)]
    return tuple(Row(**values) for section, values in found if section.sound)


def _archives(top: Section, kind: Kind) -> tuple[Archive, ...]:
    return tuple(archive for section in top.sections(kind) if (archive := _archive(section, kind)) is not None)


def _archive(section: Section, kind: Kind) -> Archive | None:
    """By the date of the period that ended, or by names that count back."""
    found = section.read(ARCHIVE)
    names, depth, stamped = found.pop("names"), found.pop("depth"), found.pop("stamped")
    tokens = DATE if kind == "day" else DATE[1:]
    _one_way(section, found["name"])
    if "names" not in section.content and not all(token in found["arguments"] for token in tokens):
        _place(section, "arguments", f"{' '.join(tokens)} in the place of the date, or names")
    _depth(section, len(names))
    if not section.sound:
        return None
    row = Row(**found | {"name": names[0]}) if names else Row(**found)
    return Archive(row, depth or len(names), names, stamped)


def _interval(top: Section) -> Profile | None:
    section = top.section("interval")
    if section is None:
        return None
    found = section.read(PROFILE)
    _one_way(section, found["name"])
    tokens = (*DATE, *INTERVALS)
    if "names" not in section.content and not all(token in found["arguments"] for token in tokens):
        _place(section, "arguments", PROFILE["arguments"].expected)
    if ("minutes" in section.content) == ("period" in section.content):
        _place(section, "minutes", f"{PROFILE['minutes'].expected}, or period alone")
    _depth(section, len(found["names"]))
    if not section.sound:
        return None
    found["depth"] = found["depth"] or len(found["names"])
    found["name"] = found["name"] or found["names"][0]
    return Profile(**found)


def _one_way(section: Section, name: str) -> None:
    """Either ``name`` or ``names`` is written."""
    if ("name" in section.content) == ("names" in section.content):
        _place(section, "name", "the name of a parameter, or names for periods that are counted back; not both")


def _depth(section: Section, names: int) -> None:
    """With ``names`` no more than these, without them a number must be there."""
    written = section.content.get("depth")
    if written is None and "names" not in section.content:
        section.missing("depth", DEPTH.expected)
    elif names and type(written) is int and written > names:
        section.fault("depth", plain(written), f"how many the meter keeps, with names no more than these {names}")


def _place(section: Section, key: str, expected: str) -> None:
    """A fault at a key that is written otherwise or not at all."""
    if key in section.content:
        section.fault(key, shown(section.content[key]), expected)
    else:
        section.missing(key, expected)


def _journals(top: Section) -> tuple[Journal, ...]:
    found = []
    for section in top.sections("event"):
        values = section.read(JOURNAL)
        if "pointer" in section.content and not values["ring"]:
            section.fault("pointer", shown(section.content["pointer"]), "ring = true with it")
        if section.sound:
            found.append(Journal(**values))
    return tuple(found)


def _clock(top: Section) -> ClockRow | None:
    section = top.section("clock")
    if section is None:
        return None
    found = section.read(CLOCK)
    pattern = found["pattern"]
    if pattern and not all(token in pattern for token in ("YY", "MM", "DD", "hh", "mm", "ss")):
        section.fault("pattern", shown(pattern), CLOCK["pattern"].expected)
    return ClockRow(**found) if section.sound else None


def _correction(top: Section) -> Correction | None:
    section = top.section("set_clock")
    if section is None:
        return None
    found = section.read(CORRECTION)
    return Correction(**found) if section.sound else None
