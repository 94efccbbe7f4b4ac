"""``meterpost demo``: the installer's file that it writes for its house, and the whole way with every kind of meter."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.demo import HOUSE, meter_table
from agent.cli.demo_house import configuration, write_passwords
from agent.config.load import load as load_config
from simulators.plant import load
from tests.cli.conftest import Run
from tests.support.waiting import until

PLANTS = Path(__file__).parents[1] / "plants"


@pytest.mark.parametrize(
    "plant", [HOUSE, PLANTS / "flats.toml", PLANTS / "families.toml"], ids=lambda plant: plant.stem
)
def test_the_house_s_configuration_is_sound_and_names_every_meter(tmp_path: Path, plant: Path) -> None:
    built = load(plant, tmp_path)
    file = tmp_path / "meterpost.toml"
    file.write_text(configuration(built, "mqtt://127.0.0.1:1883", tmp_path / "state"), encoding="utf-8")
    write_passwords(built, tmp_path)
    meters = load_config(file).meters
    assert [(meter.serial, meter.address, meter.line) for meter in meters] == [
        (meter.plan.serial, str(meter.plan.address), meter.plan.line) for meter in built.meters
    ]


def test_the_house_has_a_meter_of_each_language_and_passwords_are_the_owner_s_alone(tmp_path: Path) -> None:
    house = load(HOUSE, tmp_path)
    assert {meter.plan.model for meter in house.meters} >= {"mercury230", "sdm630", "b23", "ce303", "spodes"}
    write_passwords(house, tmp_path)
    (secret,) = tmp_path.glob("*.secret")
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
def test_the_demo_s_table_has_the_columns_that_the_screen_has_space_for(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("flat-1", "mercury230", "9185.98", "9004.86", "11965.31", "30156.17", "2s", "3")
    for columns, headings in ((80, 8), (60, 7), (45, 4)):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = meter_table([row])
        assert len(lines[0].split()) == headings and max(map(len, lines)) <= columns
    assert lines[1].split() == ["flat-1", "30156.17", "2s", "3"]


@pytest.mark.slow
def test_the_demo_delivers_every_meter_at_its_real_speed_and_says_so(run: Run) -> None:
    done = run("demo", "--for", "12")
    assert done.code == 0, done.out + done.err
    assert "7 simulated meters on 4 buses" in done.out
    assert "lost 0" in done.out and "exactly what the meters said" in done.out


@pytest.mark.slow
def test_a_demo_whose_terminal_goes_leaves_nobody_behind(tmp_path: Path) -> None:
    surroundings = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "agent", "demo", "--for", "120"]
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        until(lambda: list(tmp_path.glob("meterpost-demo-*/state/store.db")))
        assert len(_running(tmp_path)) >= 2  # daemon and broker
        demo.send_signal(signal.SIGHUP)
        demo.wait(60)
    assert _running(tmp_path) == [] and list(tmp_path.iterdir()) == []


def _running(folder: Path) -> list[str]:
    """Command lines of the processes that work in this folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if str(folder) in line]
