"""An installer's own table: read, and refused with words where it is wrong."""

import re
from datetime import date
from pathlib import Path

import pytest

from drivers.files.faults import ConfigError
from drivers.iec62056.driver import capabilities, families
from drivers.iec62056.model_file import SHIPPED, load
from drivers.iec62056.table import clock_reader
from tests.support.present import present

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


ARCHIVES = """
[clock]
names = ["0.9.2", "0.9.1"]
pattern = "YYMMDD hhmmss"

[set_clock]
name = "CTIME"
limit = 29

[[day]]
name = "ENDPE"
arguments = "DD.MM.YY"
registers = ["1-0:1.8.0"]
factor = "1000"
depth = 40

[[month]]
names = ["M1", "M2"]
registers = ["1-0:1.8.0"]
factor = "1000"

[interval]
name = "GRAPE"
arguments = "DD.MM.YY.n.k"
period = "TAVER"
register = "1-0:1.29.0"
factor = "1000"
depth = 44

[[event]]
name = "LOG"
code = "cover-open"
text = "lid"
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
        (
            'way = "session"',
            'way = "sesion"',
            'way: found "sesion", expected "session", "readout" or',
        ),
        ('check = "xor"', 'check = "crc"', "check"),
        ('line = "9600 7E1"', 'line = "9600"', "speed and format"),
        ('serial = "0.0.0"', "", "serial"),
        ('name = "1.8.0"', "", "now[1].name"),
        ('"1-0:1.8.0"]', '"1.8.0"]', "OBIS code"),
        ('"1-0:1.8.0"]', '"1-0:1.7.0"]', "OBIS code"),
        (
            'factor = "1000"',
            "factor = 1000",
            "now[1].factor: found 1000, expected the meter's unit in ours",
        ),
        ('factor = "1000"', 'factor = "1e3"', "exact number"),
        ('factor = "1000"', 'prefix = "("', "regular expression"),
        ('factor = "1000"', 'facter = "1000"', "now[1].facter"),
        ('title = "a meter of mine"', "", "title"),
        ("[[now]]", "[[later]]", "later"),
        ("models", "mo dels", "TOML"),
    ],
)
def test_a_wrong_table_says_where_and_what_may_stand_there(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as error:
        load(file)
    assert words in str(error.value) and str(file) in str(error.value)


def test_an_installer_s_table_may_say_where_the_archives_are(tmp_path: Path) -> None:
    table = load(written(tmp_path, GOOD + ARCHIVES))
    assert capabilities(table) == {"identify", "now", "clock", "interval", "day", "month", "event", "set_clock"}
    assert table.day[0].arguments(date(2026, 3, 4)) == "04.03.26" and table.day[0].depth == 40
    assert present(table.interval).asked(date(2026, 3, 4), 7, 12) == "04.03.26.7.12"
    assert table.month[0].names == ("M1", "M2") and table.month[0].depth == 2


def test_the_journal_of_a_ce303_that_the_page_shows_fits_its_table(tmp_path: Path) -> None:
    page = (SHIPPED.parents[2] / "docs/meters/iec62056-21.md").read_text("utf-8")
    (shown,) = re.findall(r"```\n(\[\[event\]\]\n.*?)```", page, re.DOTALL)
    table = load(written(tmp_path, (SHIPPED / "ce303.toml").read_text("utf-8") + shown))
    assert [(journal.name, journal.ring, journal.pointer) for journal in table.event] == [
        ("PHASE", True, "PPHAS"),
        ("JOVER", True, ""),
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"DD.MM.YY"', '"MM.YY"', 'day[1].arguments: found "MM.YY", expected DD MM YY'),
        ("depth = 40", "", "day[1].depth: found nothing"),
        ("depth = 40", "depth = true", "day[1].depth: found true, expected how many"),
        ('"DD.MM.YY"\nregisters = ["1-0:1.8.0"]', '"DD.MM.YY"\nregisters = ["1-0:1.7.0"]', "day[1].registers"),
        ('names = ["M1", "M2"]', 'names = ["M1", "M2"]\ndepth = 3', "month[1].depth: found 3"),
        ('names = ["M1", "M2"]', 'names = ["M1", "M2"]\nname = "M"', 'month[1].name: found "M"'),
        ('names = ["M1", "M2"]', "names = []", "a list of texts"),
        ('"1-0:1.29.0"', '"1-0:1.8.0"', 'interval.register: found "1-0:1.8.0"'),
        ('"DD.MM.YY.n.k"', '"DD.MM.YY.n"', 'interval.arguments: found "DD.MM.YY.n", expected DD MM YY n k'),
        (
            'period = "TAVER"',
            "",
            "interval.minutes: found nothing, expected 3, 6, 12, 15, 30 or 60, or period alone",
        ),
        ('period = "TAVER"', "minutes = 5", "interval.minutes: found 5"),
        ('period = "TAVER"', 'minutes = 30\nperiod = "TAVER"', "interval.minutes"),
        ("depth = 44", "", "interval.depth: found nothing"),
        ('"1-0:1.29.0"\nfactor = "1000"', '"1-0:1.29.0"\nfactor = "1e3"', "interval.factor"),
        ('"1-0:1.29.0"', '"1-0:1.29.0"\nnames = ["P0"]', 'interval.name: found "GRAPE"'),
        ('name = "GRAPE"\narguments = "DD.MM.YY.n.k"', 'names = ["P0", "P1"]', "interval.depth: found 44"),
        ('name = "GRAPE"\narguments = "DD.MM.YY.n.k"', "names = []", "a list of texts"),
        ('name = "GRAPE"', 'name = "GRAPE"\nsplat = ","', "interval.splat"),
        ('code = "cover-open"', 'code = "lid-open"', 'event[1].code: found "lid-open", expected "power-off"'),
        ('text = "lid"', "", "event[1].text"),
        ('text = "lid"', 'text = "lid"\npointer = "PLOG"', 'event[1].pointer: found "PLOG", expected ring = true'),
        ('text = "lid"', 'text = "lid"\nring = 1', "event[1].ring"),
        ("limit = 29", "limit = 0", "set_clock.limit"),
        ("limit = 29", "limit = 100", "1 to 99"),
        ("limit = 29", 'limit = 29\nhow = "W1"', "set_clock.how"),
        ('[clock]\nnames = ["0.9.2", "0.9.1"]\npattern = "YYMMDD hhmmss"', "", "a meter counts its own days"),
    ],
)
def test_a_wrong_archive_says_where_and_what_may_stand_there(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ARCHIVES
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, GOOD + ARCHIVES.replace(old, new)))
    assert words in str(error.value)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.toml")), ids=lambda file: file.stem)
def test_our_own_tables_say_where_they_come_from(file: Path) -> None:
    table = load(file)
    assert table.verified and table.title and table.models[0] == file.stem


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
