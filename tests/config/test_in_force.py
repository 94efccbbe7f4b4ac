"""The configuration in force: a new one is taken as a whole, or everything stays as it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config.in_force import ConfigInForce
from agent.config.load import load
from agent.config.values import Config
from tests.support.files import FLAT


class House:
    """``taken``: what the parts of the daemon were handed, with the configuration before."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "meterpost.toml"
        self.file.write_text(FLAT, encoding="utf-8")
        self.first = load(self.file)
        self.taken: list[tuple[Config, Config]] = []
        self.in_force = ConfigInForce(self.first, self.file, lambda before, fresh: self.taken.append((before, fresh)))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_new_configuration_is_handed_on_with_the_one_before(house: House) -> None:
    fresh = replace(house.first, meters=())
    assert house.in_force.use(fresh)
    assert house.taken == [(house.first, fresh)] and house.in_force.values is fresh
    assert house.in_force.summary() == "0 meters on 1 buses"


@pytest.mark.parametrize("key", ["id", "state_dir"])
def test_what_only_a_restart_can_change_leaves_the_old_one_in_force(
    house: House, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = replace(
        house.first.gateway, **dict[str, Any]({key: Path("/elsewhere") if key == "state_dir" else "gw-2"})
    )
    assert not house.in_force.use(replace(house.first, gateway=gateway))
    assert house.taken == [] and house.in_force.values is house.first
    assert "change with a restart only" in caplog.text


@pytest.mark.slow
def test_a_reload_comes_with_the_look_after_it_was_asked_for(house: House) -> None:
    house.file.write_text(FLAT.replace("address = 1", "address = 2"), encoding="utf-8")
    house.in_force.tick()
    assert house.taken == []
    house.in_force.ask()
    house.in_force.tick()
    house.in_force.tick()
    assert [fresh.meters[0].address for _, fresh in house.taken] == ["2"]


@pytest.mark.slow
def test_a_broken_file_leaves_the_old_one_in_force(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.file.write_text(FLAT.replace("address", "adress"), encoding="utf-8")
    house.in_force.reload()
    assert house.taken == [] and "the old one goes on" in caplog.text
