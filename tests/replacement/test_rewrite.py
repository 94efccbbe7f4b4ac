"""The installer's file after a replacement: only what has to change changes, however the file is written."""

import stat
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.replacement.act import Readings, ReplacementRecord
from agent.replacement.rewrite import Unwritable, new_text, put
from drivers.files.source import Source
from tests.history.house import metered

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACT = ReplacementRecord(
    metered(),
    "30000001",
    date(2026, 11, 20),
    Readings({"T1": Decimal("30122.7"), "T2": Decimal(11873)}, "as given"),
    Readings({"T1": Decimal("0.4"), "T2": Decimal(0)}, "as given"),
)

USUAL = """\
# The house   of the Lenin street
[gateway]
id = "gw"

[[bus]]
name = "riser-1"

[[meter]]
point = "lift"
serial = "1"

# second floor, left
[[meter]]
  point = "flat-12"
  serial = "23456789"  # on its face
  tariffs = { T1 = "day", T2 = "night" }

  [meter.poll]
  now = "5m"

# third floor
[[meter]]
point = "flat-13"
serial = "3"
"""


def edited(text: str, index: int = 1, act: ReplacementRecord = ACT) -> str:
    source = Source(Path("meterpost.toml"), tomllib.loads(text, parse_float=Decimal), text)
    return new_text(text, source, index, act)


def test_the_usual_file_keeps_its_comments_order_and_indents() -> None:
    assert edited(USUAL) == USUAL.replace(
        '  serial = "23456789"  # on its face\n',
        '  serial = "30000001"  # on its face\n  installed = 2026-11-20\n  initial = { T1 = 0.4, T2 = 0 }\n',
    ).replace(
        '  now = "5m"\n',
        '  now = "5m"\n\n[[meter.before]]\nserial = "23456789"\nremoved = 2026-11-20\n'
        "final = { T1 = 30122.7, T2 = 11873 }\n",
    )


def test_what_stands_there_already_is_replaced_and_the_next_act_stands_below_the_first() -> None:
    first = edited(USUAL)
    second = edited(first, act=replace(ACT, meter=replace(ACT.meter, serial="30000001"), serial="4", address="46"))
    table = tomllib.loads(second)["meter"][1]
    assert (table["serial"], table["installed"], table["address"]) == ("4", date(2026, 11, 20), 46)
    assert [old["serial"] for old in table["before"]] == ["23456789", "30000001"]
    assert second.count("installed") == 1 and second.count("# third floor\n[[meter]]") == 1


@pytest.mark.parametrize(
    "text",
    [
        '[[meter]]\nserial="23456789"',
        "[[meter]]\nserial = '23456789' # a\ninitial = { T1 = 1.10, T2 = 2 } # b\ninstalled=2020-01-01\n# end\n\n\n",
        '[[meter]]\r\npoint = "x"\r\nserial = "23456789"\r\n\r\n# next\r\n[poll]\r\nnow = "1m"\r\n',
        '\ufeff[[meter]]\nserial = "23456789"\n',
        '[[meter]]\nserial = """23456789"""\naddress = "45"\n[[meter.before]]\nserial = "1"\nremoved = 2020-01-01\n'
        "final = { T1 = 1 }\n[[bus]]\nname = 'a [[b]]'\n",
        '[[ meter ]]\n"serial" = "2345\\u0036789"\n[gateway]\nid = "[[meter]]"\n',
        '[[meter]]\nserial = "23456789"\ntariffs.T1 = "d"\nmulti = """\n[[meter]]\n# no comment\n"""\n#c\n[[x]]\n',
    ],
)
@pytest.mark.parametrize("act", [ACT, replace(ACT, address="46", driver="mercury236")])
def test_the_new_text_says_what_was_meant_and_all_else_stays(text: str, act: ReplacementRecord) -> None:
    plain = text.removeprefix("\ufeff")
    source = Source(Path("m.toml"), tomllib.loads(plain, parse_float=Decimal), plain)
    new = new_text(text, source, 0, act)
    assert new.startswith("\ufeff") == text.startswith("\ufeff")
    assert ("\r\n" in new) == ("\r\n" in text) and new.replace("\r\n", "").count("\r") == 0
    data, old = tomllib.loads(new.removeprefix("\ufeff"), parse_float=Decimal), source.data
    table = data["meter"][0]
    assert table["before"][-1]["final"] == {"T1": Decimal("30122.7"), "T2": 11873}
    for key in ("serial", "installed", "initial", "before", "address", "driver"):
        table.pop(key, None), old["meter"][0].pop(key, None)
    assert data == old
    assert all(line in new for line in text.splitlines() if line.lstrip().startswith("#"))


@pytest.mark.parametrize(
    "text",
    [
        'meter = [{ point = "flat-12", serial = "23456789" }]\n',
        '[[meter]]\nserial = "23456789"\n[meter.initial]\nT1 = 1\n',
        '[[meter]]\nserial = "23456789"\ninitial.T1 = 1\n',
        '[[meter]]\nserial = "23456789"\nbefore = [{ serial = "1", removed = 2020-01-01, final = { T1 = 1 } }]\n',
    ],
)
def test_an_unusual_file_is_not_touched_and_the_person_is_told_what_to_write(text: str) -> None:
    with pytest.raises(Unwritable, match="not edited here") as trouble:
        edited(text, 0)
    assert 'serial = "30000001"' in trouble.value.lines and "[[meter.before]]" in trouble.value.lines


KEYS = ('account = "1"', "ratio = 20", "initial = { T1 = 9 }", "digits = 6  # of the display", "installed = 2020-01-01")
blanks = st.lists(st.sampled_from(["", "  ", "# a comment", '# serial = "9"', "#[[meter]]"]), max_size=3)


@pytest.mark.slow
@given(st.permutations([*KEYS, 'serial = "23456789"']), st.data(), st.booleans())
def test_any_order_of_lines_and_comments_survives(
    keys: list[str], data: st._internal.core.DataObject, more: bool
) -> None:
    lines = ["[[meter]]"]
    for key in keys:
        lines += [*data.draw(blanks), key]
    lines += [*data.draw(blanks), *(["[[bus]]", 'name = "b"'] if more else []), *data.draw(blanks)]
    text = "\n".join(lines)
    new = edited(text, 0)
    table = tomllib.loads(new)["meter"][0]
    assert (table["serial"], table["before"][0]["serial"]) == ("30000001", "23456789")
    kept = [line for line in lines if line.split(" ")[0] not in ("serial", "initial", "installed", "")]
    assert [line for line in new.split("\n") if line in kept] == kept


def test_the_file_is_replaced_whole_with_its_mode_and_a_copy_of_the_old_one(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "meterpost.toml"
    link.symlink_to(real)
    copy = put(link, b"old", b"new", NOW)
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == stat.S_IMODE(copy.stat().st_mode) == 0o640
    assert (copy.name, copy.read_bytes()) == ("real.toml.20261121T120000.bak", b"old")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["meterpost.toml", "real.toml", copy.name]


def test_a_file_that_somebody_else_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "meterpost.toml"
    file.write_bytes(b"theirs")
    with pytest.raises(FileExistsError, match="begin again"):
        put(file, b"old", b"new", NOW)
    assert file.read_bytes() == b"theirs" and len(list(tmp_path.iterdir())) == 1
