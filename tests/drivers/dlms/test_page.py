"""The meter page names every setting of the driver with its default."""

from pathlib import Path

from drivers.dlms.model_file import models
from drivers.dlms.settings import SETTINGS

PAGE = (Path(__file__).parents[3] / "docs" / "meters" / "dlms.md").read_text("utf-8")


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    rows = {line.split("|")[1]: line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| `")}
    named = {name.strip(" `"): default.strip(" `") for cell, default in rows.items() for name in cell.split(",")}
    assert set(named) == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        if setting.name == "client":
            continue
        shown = "" if setting.default is None else str(setting.default)
        assert named[setting.name].lower() == shown.lower()


def test_the_example_of_an_own_list_loads(tmp_path: Path) -> None:
    (tmp_path / "dlms").mkdir()
    example = next(part for part in PAGE.split("```") if part.startswith("toml\nnames"))
    (tmp_path / "dlms" / "own.toml").write_text(example.removeprefix("toml\n"))
    own = next(model for model in models(tmp_path) if model.names == ("my-meter",))
    assert own.kinds == {"now", "network", "interval", "day", "event"}
