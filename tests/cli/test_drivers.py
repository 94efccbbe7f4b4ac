"""``meterpost drivers``: what can be read, as people and as programs want it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import registry
from drivers.reading import KINDS
from tests.cli.conftest import Run

SHIPPED = registry.families()


def test_json_has_exactly_the_documented_keys(run: Run) -> None:
    listed = run("drivers", "--json").document
    assert [sorted(one) for one in listed] == [["kinds", "models", "name", "settings"]] * len(SHIPPED)
    assert [one["name"] for one in listed] == [family.name for family in SHIPPED]
    for one in listed:
        assert set(one["kinds"]) <= set(KINDS)


@pytest.mark.parametrize("name", ["mercury230", "mercury236", "sdm630", "b23"])
def test_one_driver_is_shown_with_its_settings(run: Run, name: str) -> None:
    (one,) = run("drivers", name, "--json").document
    assert name in one["models"]
    text = run("drivers", name).out
    for setting in one["settings"]:
        assert f"{setting['name']} = " in text


def test_every_model_name_belongs_to_one_family_and_is_found(run: Run) -> None:
    names = [model for family in SHIPPED for model in family.models]
    assert len(names) == len(set(names))
    for family in SHIPPED:
        for model in family.models:
            assert registry.find(model) == family


@pytest.mark.parametrize("module", registry.SHIPPED)
def test_the_index_of_names_is_what_the_modules_declare(module: str) -> None:
    declared = sorted(model for family in registry.of_module(module) for model in family.models)
    assert declared == sorted(registry.SHIPPED[module])


def test_the_index_of_languages_is_what_the_modules_declare() -> None:
    spoken = {family.language.name for family in SHIPPED if family.language is not None}
    assert spoken == set(registry.LANGUAGES) == set(registry.languages())
    for name in registry.LANGUAGES:
        assert registry.language(name).explain()(b"\x01", None), "it never raises and is never silent"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("mercury234", "mercury.driver"),
        ("b23", "modbus.driver"),
        ("neva", "iec62056.driver"),
        ("sml", "push"),
        ("spodes", "dlms.driver"),
    ],
)
def test_a_name_loads_its_own_module_and_no_other_family(name: str, module: str) -> None:
    families = [each.removeprefix("drivers.") for each in registry.SHIPPED]
    code = (
        "import sys; from drivers import registry\n"
        f"assert {name!r} in registry.find({name!r}).models\n"
        f"print(*(each for each in {families} if 'drivers.' + each in sys.modules))\n"
        "print(*(each for each in ('pymodbus', 'cryptography') if each in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded, heavy = done.stdout.splitlines()
    assert loaded.split() == [module]
    assert heavy == ""


IEC = """
models = ["my-iec"]
title = "a meter of mine"
way = "session"
line = "9600 7E1"
check = "xor"
serial = "0.0.0"
[[now]]
name = "1.8.0"
registers = ["1-0:1.8.0"]
"""
DLMS = 'names = ["my-dlms"]\nnow = ["1.0.1.8.0.255"]\n'


def models(folder: Path, **files: str) -> Path:
    """An installer's folder; ``iec="…"`` is the file iec/mine.toml, ``modbus`` mine.toml itself."""
    for kind, text in files.items():
        place = folder if kind == "modbus" else folder / kind
        place.mkdir(exist_ok=True)
        (place / "mine.toml").write_text(text, encoding="utf-8")
    return folder


def test_an_installer_s_names_are_found_in_every_language(tmp_path: Path) -> None:
    folder = models(tmp_path, iec=IEC, dlms=DLMS)
    assert registry.find("my-iec", folder).protocol == "iec"
    assert registry.find("my-dlms", folder).protocol == "dlms"
    assert {family.name for family in registry.families(folder)} == {
        *(family.name for family in SHIPPED),
        "my-iec",
        "my-dlms",
    }


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    folder = models(tmp_path, iec=IEC)
    assert registry.find("my-iec", folder) is registry.find("my-iec", folder)
    file = folder / "iec" / "mine.toml"
    file.write_text(IEC.replace("my-iec", "my-other"), encoding="utf-8")
    os.utime(file, (1, 1))
    assert registry.find("my-other", folder).name == "my-other"


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    folder = models(tmp_path, iec="way = 3", dlms='nams = ["x"]', modbus="names = 3")
    (folder / "iec" / "a.toml").symlink_to("nothing")
    with pytest.raises(registry.BrokenModels) as caught:
        registry.families(folder)
    for file in ("iec/a.toml", "dlms/mine.toml", "mine.toml"):
        assert any(fault.file == folder / file for fault in caught.value.faults), file


def test_a_broken_file_of_another_language_keeps_no_meter_from_being_read(tmp_path: Path) -> None:
    folder = models(tmp_path, modbus="names = 3", iec=IEC)
    assert registry.find("my-iec", folder).name == "my-iec"
    assert registry.find("spodes", folder).name == "spodes"
    with pytest.raises(registry.BrokenModels):
        registry.find("sdm630", folder)


def test_a_name_that_a_driver_of_another_kind_has_is_a_fault(tmp_path: Path) -> None:
    folder = models(tmp_path, iec=IEC.replace("my-iec", "sdm630"))
    with pytest.raises(registry.BrokenModels, match='found "sdm630" in'):
        registry.families(folder)


@pytest.mark.parametrize(
    ("wrong", "likely"),
    [("mercury-23O", "mercury230"), ("SDM630", "sdm630"), ("sdm-630", "sdm630"), ("b32", "b23"), ("CE-3O3", "ce303")],
)
def test_a_wrong_name_is_answered_with_the_likely_one(run: Run, wrong: str, likely: str) -> None:
    with pytest.raises(registry.UnknownDriver) as caught:
        registry.find(wrong)
    assert likely in caught.value.likely
    assert likely in run("drivers", wrong).err


@pytest.mark.parametrize("kind", ["modbus", "iec", "dlms"])
def test_a_broken_model_of_the_installer_is_named(run: Run, tmp_path: Path, kind: str) -> None:
    (tmp_path / "models").mkdir()
    models(tmp_path / "models", **{kind: "names = 3\n"})
    config = tmp_path / "meterpost.toml"
    config.write_text('[gateway]\nmodels_dir = "models"\n', encoding="utf-8")
    done = run("drivers", "-c", str(config))
    assert done.code == 78
    assert "mine.toml" in done.err


@pytest.mark.slow
def test_a_text_that_names_drivers_brings_their_modules_and_no_others() -> None:
    script = (
        'import sys; from drivers import registry; registry.expect(\'driver = "mercury230"\\nserial = "b23" # x\');'
        "print(*sorted(name for name in registry.SHIPPED if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["drivers.mercury.driver", "drivers.modbus.driver"]
