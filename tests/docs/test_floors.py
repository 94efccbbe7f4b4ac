"""The floors of ``agent/``: the contract, the packages' own sentences and the table in CONTRIBUTING.md say the same."""

import ast
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, names, section

AGENT = ROOT / "agent"
ENTRY = "__main__"  # python -m agent: only calls the command line


def floors() -> list[list[str]]:
    """Packages of each floor, the highest first, as the import contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["agent"]]
    packages = [[package.strip() for package in layer.split("|")] for layer in layers]
    return [[package for package in floor if package != ENTRY] for floor in packages if floor != [ENTRY]]


def sentences(package: str) -> list[str]:
    """Paragraphs of the package's own docstring, each in one line."""
    path = AGENT / package / "__init__.py"
    text = ast.get_docstring(ast.parse((path if path.exists() else AGENT / f"{package}.py").read_text("utf-8")))
    assert text, f"{package} says nothing of itself"
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def folders() -> list[Path]:
    return [path for path in AGENT.iterdir() if path.is_dir() and path.name != "__pycache__"]


def allowed(below: Sequence[str]) -> str:
    listed = ", ".join(below) if len(below) != 2 else " and ".join(below)
    return f"May import {listed}, and everything below." if below else "Imports no other package."


def test_the_contract_has_every_folder_and_module_of_agent() -> None:
    modules = {path.stem for path in AGENT.glob("*.py")} - {"__init__", ENTRY}
    assert sorted(package for floor in floors() for package in floor) == sorted(
        {path.name for path in folders()} | modules
    )


def test_the_contributors_table_has_the_floors_and_the_packages_own_sentences() -> None:
    lines = [line.split("|") for line in section("CONTRIBUTING.md", "Layout").splitlines() if line.count("|") == 4]
    found = [
        (number.strip(), *names([package]), text.strip())
        for _, number, package, text, _ in lines
        if number.strip().isdigit()
    ]
    height = len(floors())
    assert found == [
        (str(height - place), package, sentences(package)[0].split(". ")[0].rstrip(".").replace("``", "`"))
        for place, floor in enumerate(floors())
        for package in floor
    ]


@pytest.mark.parametrize("package", sorted(path.name for path in folders()))
def test_a_package_says_what_it_may_import(package: str) -> None:
    place = next(place for place, floor in enumerate(floors()) if package in floor)
    below = floors()[place + 1] if place + 1 < len(floors()) else []
    assert sentences(package)[1].startswith(allowed(below))


@pytest.mark.parametrize("folder", ["mercury", "modbus", "iec62056", "dlms"])
def test_a_family_of_drivers_has_its_driver_where_its_protocol_has_its_frames(folder: str) -> None:
    assert (ROOT / "drivers" / folder / "driver.py").is_file()
    assert (ROOT / "protocols" / folder).is_dir()
