"""An installer's own table: read, and refused with words where it is wrong."""

from pathlib import Path

import pytest

from drivers.iec62056 import families
from drivers.iec62056_table import OWN, TableError, clock_reader, load

GOOD = """
models = ["my-meter"]
title = "a meter of mine"
way = "session"
line = "9600 7E1"
check = "xor"
serial = "0.0.0"

[[now]]
name = "1.8.0"
registers = ["1-0:1.8.0"]
factor = "1000"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "iec").mkdir(exist_ok=True)
    file = folder / "iec" / "my-meter.toml"
    file.write_text(text, "utf-8")
    return file


def test_an_installer_adds_a_meter_by_one_file(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    mine = next(family for family in families(tmp_path) if family.name == "my-meter")
    assert mine.models == ("my-meter",) and mine.capabilities == {"identify", "now"}
    assert {family.name for family in families()} < {family.name for family in families(tmp_path)}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('way = "session"', 'way = "sesion"', "way: found 'sesion', expected one of session, readout, direct"),
        ('check = "xor"', 'check = "crc"', "check"),
        ('line = "9600 7E1"', 'line = "9600"', "speed and format"),
        ('serial = "0.0.0"', "", "serial"),
        ('name = "1.8.0"', "", "now[0].name"),
        ('"1-0:1.8.0"]', '"1.8.0"]', "OBIS code"),
        ('"1-0:1.8.0"]', '"1-0:1.7.0"]', "OBIS code"),
        ('factor = "1000"', "factor = 1000", "now[0].factor: found 1000, expected text"),
        ('factor = "1000"', 'factor = "1e3"', "exact number"),
        ('factor = "1000"', 'prefix = "("', "regular expression"),
        ('factor = "1000"', 'facter = "1000"', "now[0].facter"),
        ('title = "a meter of mine"', "", "title"),
        ("[[now]]", "[[later]]", "later"),
        ("models", "mo dels", "TOML"),
    ],
)
def test_a_wrong_table_says_where_and_what_may_stand_there(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(TableError) as error:
        load(file)
    assert words in str(error.value) and str(file) in str(error.value)


@pytest.mark.parametrize("file", sorted(OWN.glob("*.toml")), ids=lambda file: file.stem)
def test_our_own_tables_say_where_they_come_from(file: Path) -> None:
    table = load(file)
    assert table.verified and table.title and table.name == table.models[0]


@pytest.mark.parametrize(
    ("pattern", "text", "hour"),
    [
        ("w.DD.MM.YY hh:mm:ss", "01.24.10.16 21:42:34", 21),
        ("w.DD.MM.YY hh:mm:ss", "1.24.10.16 21:42:34", 21),
        ("hh:mm:ss,w.DD.MM.YY", "18:59:08,03.31.08.16,0", 18),
        ("YYMMDDhhmmss", "231006232957", 23),
    ],
)
def test_clock_patterns(pattern: str, text: str, hour: int) -> None:
    found = clock_reader(pattern)(text)
    assert found is not None and found["hour"] == hour and len(found) == 6
    assert clock_reader(pattern)("no clock") is None
