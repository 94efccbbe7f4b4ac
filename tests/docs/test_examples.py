"""What the pages show can be typed: commands parse, output is the program's, files are taken by their loaders."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli import COMMANDS, application
from agent.cli.status import screen
from agent.config.load import load
from agent.config.utility import profile_file
from drivers import plugins, registry
from simulators import models
from tests.cli.conftest import run  # noqa: F401 - a fixture
from tests.docs.pages import PAGES, ROOT, blocks, calls, prose, section, sessions, words

CALLS = sorted({call for page in PAGES for call in calls(page)})
TOML = [(page, number) for page in PAGES for number, _ in enumerate(blocks(page, "toml"))]
SECRETS = {"neva.secret": "00000000", "house-3.guek": "0" * 31 + "1", "house-3.gak": "0" * 31 + "2"}
DECODED = [(call, output) for page in PAGES for call, output in sessions(page) if call.startswith("meterpost decode")]


def test_the_pages_are_found() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/technician.md", "docs/meters/mercury.md"} <= set(PAGES)
    assert len(CALLS) > 20
    assert len(TOML) > 8
    assert len(DECODED) >= 2


@pytest.mark.parametrize("call", CALLS)
def test_every_call_that_is_shown_parses(call: str) -> None:
    from typer.main import get_command

    args = words(call.replace("…", ""))
    assert args[0] in COMMANDS
    group: Any = get_command(application(args))
    name, command, rest = group.resolve_command(group.make_context("meterpost", [], resilient_parsing=True), args)
    while hasattr(command, "resolve_command") and rest:
        name, command, rest = command.resolve_command(command.make_context(name, [], resilient_parsing=True), rest)
    takes = {option for parameter in command.params for option in parameter.opts}
    if not {"--help"} & set(rest):
        # Prose names a command without its arguments.
        command.make_context(name, list(rest), resilient_parsing=not rest)
    assert {word for word in rest if word.startswith("--")} <= takes | {"--help"}


@pytest.mark.parametrize(("call", "output"), DECODED)
def test_decode_says_what_the_page_shows(
    run: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    output: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert run(*words(call)[1:]).out == output


def test_the_status_screen_is_what_the_program_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = next(output for call, output in sessions("docs/technician.md") if call == "meterpost status")
    lines = shown.replace("\n  ", " ").splitlines()
    gateway, online, clock = re.fullmatch(r"(\S+): (online), clock (\w+)", lines[0]).groups()  # type: ignore[union-attr]
    counts = {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", lines[1])}
    errors = dict(line.split(": ", 1) for line in lines[3:] if ": " in line)
    meters = [_meter(line, errors) for line in lines[3:] if ": " not in line]
    document = {"gateway": gateway, "online": online == "online", "clock": clock, "buses": [], "meters": meters}
    document |= counts | {"last_seq": counts["stored"]}
    assert "\n".join(screen(document, running=True)) + "\n" == shown


def _meter(line: str, errors: dict[str, str]) -> dict[str, Any]:
    """One row of the screen as the daemon would have told it."""
    point, *figures, age, state = line.split()
    codes = ("1-0:1.8.1", "1-0:1.8.2", "1-0:1.8.3") if len(figures) > 1 else ("1-0:1.8.0",)
    values = {code: round(float(figure) * 1000) for code, figure in zip(codes, figures, strict=False)}
    last = None if age == "never" else (datetime.now(UTC) - timedelta(seconds=int(age[:-1]))).isoformat()
    return {"point": point, "values": values, "last": last, "state": state, "error": errors.get(point)}


@pytest.mark.parametrize(("page", "number"), TOML)
def test_every_toml_example_is_sound(tmp_path: Path, page: str, number: int) -> None:
    shown = blocks(page, "toml")[number]
    document = tomllib.loads(shown)
    if "names" in document:
        _take_model(tmp_path, shown, document)
        return
    if "extends" in document:
        (tmp_path / "own.toml").write_text(shown, encoding="utf-8")
        assert document["name"] in profile_file.load(tmp_path)
        return
    if "project" in document:  # another package's pyproject.toml
        assert set(document["project"]["entry-points"]) == {plugins.GROUP, models.GROUP}
        return
    file = tmp_path / "meterpost.toml"
    file.write_text(_whole(_with_files(shown, document, tmp_path), document), encoding="utf-8")
    loaded = load(file)
    points = [meter["point"] for meter in document.get("meter", [])]
    assert [meter.point for meter in loaded.meters][: len(points)] == points


def _take_model(folder: Path, shown: str, document: dict[str, Any]) -> None:
    """An installer's model: Modbus lies in models_dir itself, DLMS in its folder dlms."""
    place = folder / "dlms" if isinstance(document["now"], list) else folder
    place.mkdir(exist_ok=True)
    (place / "own.toml").write_text(shown, encoding="utf-8")
    for name in document["names"]:
        assert name in registry.find(name, folder).models


def _with_files(shown: str, document: dict[str, Any], folder: Path) -> str:
    """Secrets, certificates and folders that the example names are made, and named where they were made."""
    tables = [document.get(name, {}) for name in ("gateway", "intake", "modem", "mail")] + document.get("meter", [])
    for name, value in ((key, value) for table in tables for key, value in table.items()):
        if name not in ("models_dir", "state_dir") and not name.endswith("_file"):
            continue
        place = folder / Path(value).name
        if name.endswith("_dir"):
            place.mkdir(exist_ok=True)
        else:
            place.write_text(SECRETS.get(place.name, "12345678") + "\n", encoding="utf-8")
            place.chmod(0o600)
        shown = shown.replace(f'"{value}"', f'"{place}"')
    return shown


def _whole(shown: str, document: dict[str, Any]) -> str:
    """The example with what a whole file needs beside it."""
    parts = [shown]
    if "gateway" not in document:
        parts.append('[gateway]\nid = "gw"')
    elif "id" not in document["gateway"]:
        parts[0] = shown.replace("[gateway]\n", '[gateway]\nid = "gw"\n', 1)
    if "intake" not in document:
        parts.append('[intake]\nurl = "mqtts://intake.example.org"')
    meters = document.get("meter", [])
    if not meters:
        parts.append('[[meter]]\npoint = "p"\nbus = "b"\ndriver = "mercury230"\naddress = 1\nserial = "1"')
    there = {bus["name"] for bus in document.get("bus", [])}
    for number, bus in enumerate(sorted({meter["bus"] for meter in meters} - there or {"b"} - there)):
        if bus != "b" or not meters:
            parts.append(f'[[bus]]\nname = "{bus}"\nport = "/dev/ttyUSB{number}"')
    return "\n".join(parts) + "\n"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    shown = "\n".join([*blocks(page, "sh", "console"), *re.findall(r"`(make [^`]+)`", prose(page))])
    targets = set((ROOT / "Makefile").read_text().split(".PHONY:")[1].splitlines()[0].split())
    assert set(re.findall(r"^(?:\$ )?make ([a-z]+)", shown, flags=re.MULTILINE)) <= targets


def test_every_exit_code_stands_in_its_table_and_no_other() -> None:
    from agent.exits import Exit
    from tests.docs.pages import column

    assert [int(cell) for cell in column(section("docs/technician.md", "Exit codes"))] == sorted(Exit)
