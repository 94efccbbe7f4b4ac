"""``meterpost drivers``: what can be read, as people and as programs want it."""

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


def test_a_mercury_is_found_without_the_modbus_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(models_dir: Path | None) -> None:
        raise AssertionError("the Modbus models were loaded")

    monkeypatch.setattr(registry, "_modbus", forbidden)
    assert registry.find("mercury234").name == "mercury230"


@pytest.mark.parametrize(
    ("wrong", "likely"), [("mercury-23O", "mercury230"), ("SDM630", "sdm630"), ("sdm-630", "sdm630"), ("b32", "b23")]
)
def test_a_wrong_name_is_answered_with_the_likely_one(run: Run, wrong: str, likely: str) -> None:
    with pytest.raises(registry.UnknownDriver) as caught:
        registry.find(wrong)
    assert likely in caught.value.likely
    assert likely in run("drivers", wrong).err


def test_a_broken_model_of_the_installer_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text("names = 3\n", encoding="utf-8")
    config = tmp_path / "meterpost.toml"
    config.write_text('[gateway]\nmodels_dir = "models"\n', encoding="utf-8")
    done = run("drivers", "-c", str(config))
    assert done.code == 78
    assert "mine.toml" in done.err
