"""The program outside drivers and protocols knows no meter by name: what it needs of one is data of its family."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = (
    *("mercury", "incotex", "energomera", "neva", "ce30[0-9]", "eastron", "sdm[0-9]*", "abb", "b2[0-9]", "spodes"),
    *("modbus", "dlms", "cosem", "hdlc", "iec ?62056-(21|46)", "iec62056", "dsmr", "sml", "p1", "d0", "iec"),
)
"""Makers, models and protocols, as words of their own."""
WORD = re.compile(rf"(?<![a-z0-9-])({'|'.join(NAMES)})(?![a-z0-9])", re.IGNORECASE)
OF_SOMETHING_ELSE = re.compile(r"IEC 62056-6-[12]")
"""The standard of register codes (OBIS), which is the words of our own records."""
EXAMPLE = re.compile(r"^\s*(Example: )?meterpost (drivers|scan|decode) ")
"""A line of a command's help that shows how it is called: no driver is called "a driver"."""


def lines(path: Path) -> list[str]:
    text = OF_SOMETHING_ELSE.sub("", path.read_text("utf-8"))
    return [f"{path.relative_to(ROOT)}: {line.strip()}" for line in text.splitlines() if not EXAMPLE.match(line)]


def test_no_module_of_agent_names_a_protocol_a_maker_or_a_model() -> None:
    modules = sorted((ROOT / "agent").rglob("*.py"))
    assert len(modules) > 100
    assert [line for path in modules for line in lines(path) if WORD.search(line.partition(": ")[2])] == []


def test_the_store_names_none_either() -> None:
    modules = sorted((ROOT / "buffer").rglob("*.py"))
    assert [line for path in modules for line in lines(path) if WORD.search(line.partition(": ")[2])] == []


BY_NAME = re.compile(r"\b(?:get|has|set)attr\(")


def test_no_module_of_agent_fetches_a_member_of_a_driver_by_name() -> None:
    """What a driver can do is in drivers/reading.py, where the type checker sees it."""
    calls = [
        (path, ast.unparse(node))
        for path in sorted((ROOT / "agent").rglob("*.py"))
        if BY_NAME.search(text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("getattr", "hasattr", "setattr") and "driver" in ast.unparse(node.args[0])
    ]
    assert calls == []


def test_nothing_but_the_registry_fetches_a_driver_by_its_module() -> None:
    """A driver's own package is imported by its name in the configuration, never by ours."""
    imported = re.compile(r"(from|import) drivers\.(\w+)")
    found = {name[2] for path in (ROOT / "agent").rglob("*.py") for name in imported.finditer(path.read_text("utf-8"))}
    shared = {path.stem for path in (ROOT / "drivers").glob("*.py")} - {"push"} | {"files"}
    assert found <= shared
