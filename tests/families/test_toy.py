"""What another package brings is listed, checked, found, read and polled: a family changes no file of the program."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.demo_house import configuration
from agent.config.load import load as load_config
from agent.daemon import Daemon
from drivers import registry
from simulators.plant import Plant, load
from tests.cli.conftest import HOUSE, Run
from tests.families.toy import ENTRY_POINTS
from tests.families.toy.session import seal
from tests.support.waiting import until

PLANT = """
timezone = "Europe/Moscow"
[[bus]]
name = "shelf"
speed = 2400
[[meter]]
bus = "shelf"
model = "toy"
address = 7
serial = "701"
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    """A package with these entry points on the search path, as pip leaves it."""
    package = folder / "site" / "meterpost_toy-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: meterpost-toy\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(folder / "site")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, ENTRY_POINTS)


@pytest.fixture
def shelf(installed: None, tmp_path: Path) -> Iterator[Plant]:
    (tmp_path / "plant.toml").write_text(PLANT)
    with load(tmp_path / "plant.toml", tmp_path) as plant:
        yield plant


@pytest.fixture
def file(shelf: Plant, tmp_path: Path) -> Path:
    """What an installer writes for this shelf, as the demo does."""
    path = tmp_path / "meterpost.toml"
    path.write_text(configuration(shelf, "mqtt://127.0.0.1:9", tmp_path / "state", period="1s"))
    return path


def test_without_the_package_the_name_is_unknown() -> None:
    with pytest.raises(registry.UnknownDriver):
        registry.find("toy")
    assert "toy" not in registry.languages()


@pytest.mark.usefixtures("installed")
def test_drivers_lists_it_with_its_settings(run: Run) -> None:
    assert "toy" in [one["name"] for one in run("drivers", "--json").document]
    for name in ("toy", "toy-two"):
        said = run("drivers", name).out
        assert "A toy that counts" in said and "usual line: 2400 8N1" in said and "rows = 1" in said


@pytest.mark.usefixtures("installed")
def test_decode_says_its_frames_in_words(run: Run) -> None:
    done = run("decode", "toy", seal("7?serial").hex(), seal("7!serial=701").hex(), "--json")
    assert [one["lines"] for one in done.document] == [["toy 7?serial"], ["toy 7!serial=701, as it was asked"]]
    assert "mercury, modbus, iec, dlms, sml, p1, d0, toy" in " ".join(run("decode", "nonsense", "00").err.split())


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("changed", "said"),
    [("address = 7", "an address of toy"), ('driver = "toy"', 'did you mean "toy"?'), ("rows", "rows")],
)
def test_check_judges_its_table(run: Run, tmp_path: Path, changed: str, said: str) -> None:
    (tmp_path / "plant.toml").write_text(PLANT)
    text = configuration(load(tmp_path / "plant.toml", tmp_path), "mqtt://127.0.0.1:9", tmp_path / "state")
    wrong = {"address = 7": "address = 700", 'driver = "toy"': 'driver = "t0y"', "rows": ""}[changed]
    text = text.replace(changed, wrong) if wrong else text + "rows = 3\n"
    (tmp_path / "meterpost.toml").write_text(text)
    done = run("check", "-c", str(tmp_path / "meterpost.toml"))
    assert done.code == 78 and said in " ".join(done.err.split()), done.err


@pytest.mark.slow
def test_check_counts_its_bus_time_and_scan_and_read_find_it(run: Run, shelf: Plant, file: Path) -> None:
    checked = run("check", "-c", str(file), "--json").document
    assert checked["buses"][0]["load"] > 0
    found = run("scan", str(shelf.ports["shelf"]), "--driver", "toy", "--addresses", "6-8", "--json").document
    assert [(one["address"], one["serial"], one["model"]) for one in found["found"]] == [("7", "701", "Toy")]
    read = run("read", "flat-1", "-c", str(file), "--json", "--trace")
    (record,) = read.document["records"]
    assert record["values"]["1-0:1.8.0"] > 0 and record["meter"] == "701"
    assert "toy 7!serial=701" in read.err, "its own words"


@pytest.mark.slow
def test_the_daemon_polls_it_and_keeps_what_it_showed(shelf: Plant, file: Path) -> None:
    daemon = Daemon(load_config(file), file)
    daemon.start()
    try:
        record = until(lambda: daemon.store.last("flat-1", "now", "701"))
    finally:
        daemon.close()
    (register,) = record.values
    assert shelf.meter("701").showed(register, record.values[register], record.at)


@pytest.mark.parametrize(
    ("module", "said"),
    [("tests.families.missing", "No module named"), ("tests.families.toy.session", "no attribute 'FAMILY'")],
)
def test_a_package_that_is_broken_takes_no_other_driver_away_and_is_named(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    said: str,
) -> None:
    install(tmp_path, monkeypatch, f"[meterpost.families]\ntoy = {module}\n")
    assert json.loads(run("drivers", "--json").out)
    with pytest.raises(registry.UnknownDriver) as caught:
        registry.find("toy")
    assert "package meterpost-toy" in str(caught.value) and said in str(caught.value)
    done = run("drivers", "toy")
    assert done.code == 2 and "meterpost-toy" in done.err
    file = tmp_path / "meterpost.toml"
    file.write_text(HOUSE.format(port="/dev/none").replace("mercury230", "toy"))
    done = run("check", "-c", str(file))
    assert done.code == 78 and "meterpost-toy" in done.err


def test_a_name_of_ours_is_never_another_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "[meterpost.families]\nmercury230 = tests.families.toy.driver\n")
    assert registry.find("mercury230").protocol == "mercury23x"
