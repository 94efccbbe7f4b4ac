"""Model files: the shipped ones are sound, an installer's wrong one is explained."""

import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.files.faults import ConfigError
from drivers.modbus.driver import families
from drivers.modbus.model_file import SHIPPED, load
from protocols.session import Line
from tests.drivers.modbus.support import MODELS
from tests.support.present import present

GUIDE = Path(__file__).parents[3] / "docs" / "adding-a-modbus-meter.md"
METERS = Path(__file__).parents[3] / "docs" / "meters" / "modbus.md"
EXAMPLE = next(text for text in re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.S) if "names" in text)
SMALL = """
names = ["small"]
maker = "Acme"
title = "one register"
sources = ["none"]
function = 3
word_order = "high"
max_read = 10
[now]
"1-0:1.8.0" = { address = 0, type = "u32", unit = "Wh", status = "official" }
"""


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(written(folder, text))
    assert {fault.file for fault in raised.value.faults} == {folder / "mine.toml"}
    return [
        f"{fault.line}: {fault.key}: found {fault.found}, expected {fault.expected}" for fault in raised.value.faults
    ]


def test_every_promised_meter_is_shipped() -> None:
    names = {name for family in families() for name in family.models}
    assert names >= {"sdm120", "sdm230", "sdm630", "b21", "b23", "b24", "orno516", "orno517", "iem3155", "iem3255"}
    assert names >= {"em24", "em340", "pac2200", "pro380", "dtsu666"}


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_names_its_sources_and_is_its_first_name(name: str) -> None:
    model = load(SHIPPED / f"{name}.toml")
    assert model.names[0] == name
    assert model.sources
    assert {row.kind for row in model.rows} == {"now", "network"}


@pytest.mark.parametrize(
    ("name", "tariffs"),
    [
        ("b23", 4),
        ("orno517", 4),
        ("iem3155", 4),
        ("em24", 4),
        ("em340", 2),
        ("pac2200", 2),
        ("pro380", 2),
        ("sdm630", 0),
    ],
)
def test_the_confirmed_tariffs_are_there(name: str, tariffs: int) -> None:
    rows = load(SHIPPED / f"{name}.toml").rows
    assert len([row for row in rows if row.group == "1" and row.tariff and row.status != "unverified"]) == tariffs


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("em24", [0x42]),  # resettable partial counter
        ("em340", [0x3C]),
        ("iem3155", [3255]),
        ("sdm120", [0x156, 0x158]),  # sum of both directions
        ("sdm630", [0x156, 0x158, 0x160]),
        ("orno517", [0x100, 0x118, 0x130]),
        ("pro380", [0x6000, 0x6024]),
    ],
)
def test_resettable_counters_and_sums_of_both_directions_are_no_rows(name: str, never: list[int]) -> None:
    rows = load(SHIPPED / f"{name}.toml").rows
    assert not [row for row in rows for address in never if row.address <= address < row.end]


def test_the_guides_example_is_a_model(tmp_path: Path) -> None:
    model = load(written(tmp_path, EXAMPLE))
    assert model.names == ("acme-100", "acme-101")
    assert (model.line, model.holes, model.unit_pause) == (Line(9600, "8E1"), 8, Decimal("0.05"))
    assert present(model.serial).count == 4
    assert present(model.check).allows("100")
    assert not present(model.check).allows("1010")
    assert [row.obis for row in model.rows if row.optional] == ["1-0:2.8.0"]
    assert model.rows[0].value(bytes.fromhex("00 00 30 39"), False) == 123_450
    assert model.rows[0].value(b"\xff" * 4, False) is None


def test_the_guide_names_every_key_that_a_file_may_have(tmp_path: Path) -> None:
    guide = GUIDE.read_text("utf-8")
    (unknown,) = faults(tmp_path, SMALL.replace("[now]", "colour = 1\n[now]"))
    keys = re.findall(r'"(\w+)"', unknown.partition("expected ")[2])
    assert len(keys) > 15
    assert [key for key in keys if f"`{key}`" not in guide and f"[{key}]" not in guide] == []


def test_the_table_of_meters_has_every_model() -> None:
    table = METERS.read_text("utf-8")
    assert [name for family in families() for name in family.models if f"`{name}`" not in table] == []


def test_an_installers_folder_adds_a_model_and_may_replace_one(tmp_path: Path) -> None:
    written(tmp_path, SMALL, "small.toml")
    written(tmp_path, SMALL.replace('"small"', '"sdm630"'), "own.toml")
    found = {name: family for family in families(tmp_path) for name in family.models}
    assert found["small"].help == "Acme one register"
    assert found["sdm630"].help == "Acme one register"
    assert "b23" in found


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL, "small.toml")
    families(tmp_path)
    path.write_text(SMALL.replace("one register", "another"), "utf-8")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert "Acme another" in {family.help for family in families(tmp_path)}


def test_two_files_with_one_name_are_a_fault(tmp_path: Path) -> None:
    written(tmp_path, SMALL, "a.toml")
    written(tmp_path, SMALL, "b.toml")
    with pytest.raises(
        ConfigError, match=r'b\.toml:2:9: names: found "small", expected a name that .*a\.toml does not have'
    ):
        families(tmp_path)


def test_the_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    written(tmp_path, "names = [", "a.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "c.toml").mkdir()
    with pytest.raises(ConfigError) as raised:
        families(tmp_path)
    assert [fault.file for fault in raised.value.faults] == [tmp_path / f"{name}.toml" for name in "abc"]


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        families(tmp_path / "none")


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            '"u32"',
            '"float"',
            'now."1-0:1.8.0".type: found "float", expected "u16", "i16", "u32", "i32", "u64", "i64", "f32" or "f64"',
        ),
        ("address = 0", "address = 70000", 'now."1-0:1.8.0".address: found 70000, expected the address on the wire'),
        ("address = 0", "address = true", 'now."1-0:1.8.0".address: found true, expected the address on the wire'),
        ("address = 0, ", "", 'now."1-0:1.8.0".address: found nothing, expected the address on the wire'),
        ('"Wh"', '"W"', 'now."1-0:1.8.0".unit: found "W", expected an energy unit for x.8.x and no other'),
        ("1-0:1.8.0", "1.8.0", 'now."1.8.0": found "1.8.0", expected an OBIS code'),
        ("[now]", "[network]", 'network."1-0:1.8.0": found "1-0:1.8.0", expected [now]'),
        ('"official"', '"sure"', 'now."1-0:1.8.0".status: found "sure", expected "official", "driver" or "unverified"'),
        ("function = 3", "function = 6", "function: found 6, expected 3"),
        ("max_read = 10", "max_read = 200", "max_read: found 200, expected registers in one read, 1 to 125"),
        (
            "max_read = 10",
            "max_read = 1",
            'now."1-0:1.8.0": found 2 registers, expected at most max_read = 1 registers',
        ),
        ("max_read = 10", "max_raed = 10\nmax_read = 10", 'max_raed: found an unknown key, expected "names"'),
        (
            "address = 0",
            "address = 65535",
            'now."1-0:1.8.0": found address 65535, expected an address whose registers end',
        ),
        (
            "max_read = 10",
            "max_read = 10\neven_only = true\nholes = 'no'",
            'holes: found "no", expected unused registers',
        ),
        (
            "address = 0,",
            "address = 1, scale = '0',",
            'now."1-0:1.8.0".scale: found "0", expected a factor other than 0',
        ),
        ("address = 0,", "address = 1, scale = 0.01,", 'now."1-0:1.8.0".scale: found 0.01, expected a factor as text'),
        ("address = 0,", "address = 1, scale = 'x',", 'now."1-0:1.8.0".scale: found "x", expected a factor as text'),
        ('names = ["small"]', 'names = ["Small One"]', "names: found an array, expected a list of names"),
        ('names = ["small"]', "", "names: found nothing, expected a list of names"),
        (
            "[now]",
            "[absent]\nu32 = ['FF']\n[now]",
            "absent.u32: found an array, expected a list of texts of 8 hex digits",
        ),
        ("[now]", "serial = 5\n[now]", "serial: found 5, expected a table"),
        (
            "[now]",
            "[check]\naddress = 1\ntype = 'u16'\nstatus = 'driver'\n[now]",
            "check.expected: found nothing, expected",
        ),
    ],
)
def test_a_wrong_file_says_where_what_stands_there_and_what_may(
    tmp_path: Path, before: str, after: str, fault: str
) -> None:
    assert any(line.partition(": ")[2].startswith(fault) for line in faults(tmp_path, SMALL.replace(before, after, 1)))


def test_two_rows_on_the_same_registers_are_a_fault(tmp_path: Path) -> None:
    row = '"1-0:2.8.0" = { address = 1, type = "u32", unit = "Wh", status = "official" }\n'
    assert faults(tmp_path, SMALL + row) == [
        '11: now."1-0:2.8.0": found register 1, which 1-0:1.8.0 has too, expected registers that no other row has'
    ]


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("function = 3", "function = 5").replace('"u32"', '"x"').replace('"Wh"', '"J"')
    assert len(faults(tmp_path, text)) == 3


@pytest.mark.parametrize(
    "junk", ["1", "'x'", "[]", "{}", "[1]", "-1", "1.5", "true", "{ a = 1 }", "['']", "1979-05-27"]
)
def test_no_value_of_any_key_makes_it_fail_without_words(tmp_path: Path, junk: str) -> None:
    content = tomllib.loads(EXAMPLE)
    for key in content:
        kept = [line for line in EXAMPLE.split("[absent]")[0].splitlines() if not line.startswith(f"{key} ")]
        text = "\n".join([*kept, f"{key} = {junk}"])
        assert all(": found " in fault for fault in faults(tmp_path, text))
