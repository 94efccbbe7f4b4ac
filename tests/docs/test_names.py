"""The pages name everything that exists, and nothing that does not."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from typer.main import get_command

from agent.cli import COMMANDS, application
from agent.events import EVENTS, GATEWAY_EVENTS, GatewayEvent
from agent.exits import Exit
from buffer import faults
from drivers import registry
from drivers.dlms.model_file import models
from drivers.events import FLAGS, METER_EVENTS, Flag
from drivers.iec62056.model_file import tables
from drivers.mercury import journal
from drivers.reading import KINDS, TARIFFS
from protocols.errors import LAYERS
from simulators import plant_file
from tests.docs.pages import PAGES, ROOT, blocks, calls, column, names, prose, section, text, unfenced, words

TECHNICIAN = "docs/technician.md"
READ = json.loads((ROOT / "docs/schemas/read.json").read_text())
STATUS = json.loads((ROOT / "docs/schemas/status.json").read_text())
PATH = re.compile(r"(?<![\w.:/<>*$}+-])/([a-z][\w.-]*)/")
PLACES = {"dev", "etc", "opt", "proc", "run", "sys", "usr", "var"}
"""Where things are on a gateway. Anything else is someone's own machine."""


def test_the_readme_names_every_command_and_no_other() -> None:
    named = set(names([unfenced(section("README.md", "Use it"))]))
    assert set(COMMANDS) <= named | {words(call)[0] for call in calls("README.md")}
    assert {words(call)[0] for page in PAGES for call in calls(page)} <= set(COMMANDS)


def options() -> dict[str, set[str]]:
    """Each command with the options that its help shows."""
    found = {}
    for name in COMMANDS:
        group: Any = get_command(application([name]))
        command = group.commands[name]
        parts = getattr(command, "commands", None)
        own = [(name, command)] if not parts or command.invoke_without_command else []
        for called, one in own + [(f"{name} {part}", one) for part, one in (parts or {}).items()]:
            shown = [parameter for parameter in one.params if not getattr(parameter, "hidden", False)]
            found[called] = {option for each in shown for option in each.opts if option.startswith("-")}
    return found


def test_every_option_of_every_command_is_listed_and_no_other() -> None:
    table = section(TECHNICIAN, "Every command")
    rows = zip(names(column(table)), column(table, 2), strict=True)
    listed = {command: {name for name in names([cell]) if name.startswith("--")} for command, cell in rows}
    assert listed == {
        command: {name for name in known if name.startswith("--")} for command, known in options().items()
    }
    short = {name for name in names(column(table, 2)) if re.fullmatch("-[a-z]", name)}
    assert short == {name for known in options().values() for name in known if re.fullmatch("-[a-z]", name)}


def test_every_setting_of_every_driver_stands_on_a_page_of_its_meters() -> None:
    named = set(names([prose(page) for page in PAGES if page.startswith("docs/meters/")]))
    assert {setting.name for family in registry.families() for setting in family.settings} <= named


def test_the_table_of_meters_has_every_name_that_a_driver_has_and_no_other() -> None:
    listed = names(column(section("README.md", "Meters")))
    shipped = [model for family in registry.families() for model in family.models]
    assert sorted(listed) == sorted(shipped)


def test_each_row_of_the_table_of_meters_is_one_driver() -> None:
    rows = [set(names([cell])) for cell in column(section("README.md", "Meters"))]
    assert sorted(map(sorted, rows)) == sorted(sorted(family.models) for family in registry.families())


def test_the_demo_that_is_shown_has_the_meters_of_the_shipped_house() -> None:
    plan = plant_file.read(ROOT / "simulators" / "plants" / "house.toml")
    (shown,) = (block for block in blocks("README.md", "text") if block.startswith("demo: "))
    assert shown.startswith(f"demo: {len(plan.meters)} simulated meters on {len(plan.buses)} buses, ")
    assert re.findall(r"^flat-\d+  ([a-z0-9]+)", shown, flags=re.MULTILINE) == [meter.model for meter in plan.meters]


def test_the_words_are_those_of_the_code() -> None:
    listed = set(names(column(section("README.md", "Words"), 1)))
    assert set(KINDS) - {"now"} <= listed
    assert {"point", "meter", "serial", "account", "ratio", "intake", "receipt", TARIFFS[0], TARIFFS[-1]} <= listed


def test_every_state_of_a_meter_is_explained_and_no_other() -> None:
    table = section(TECHNICIAN, "How is it?").split("| state |")[1].split("\n\n")[0]
    known = _enum(STATUS, "ok")
    assert names(column("| state |" + table)) == known


def test_every_layer_of_the_diagnosis_is_explained_in_its_order_and_no_other() -> None:
    table = section(TECHNICIAN, "Fault and remedy").split("| layer |")[1].split("\n\n")[0]
    assert names(column("| layer |" + table)) == list(LAYERS) == _enum(READ, "octets")


def test_every_state_of_the_clock_is_explained_and_no_other() -> None:
    table = section(TECHNICIAN, "How is it?").split("| clock |")[1].split("\n\n")[0]
    assert sorted(names(column("| clock |" + table))) == sorted(set(_enum(STATUS, "synced")) - {"restamped"})


def _enum(schema: object, member: str) -> list[str]:
    """The first list of choices in a schema that has this member."""
    if isinstance(schema, dict):
        if member in schema.get("enum", []):
            return list(schema["enum"])
        schema = list(schema.values())
    if isinstance(schema, list):
        return next((found for part in schema if (found := _enum(part, member))), [])
    return []


def test_every_flag_is_explained_and_no_other() -> None:
    table = section(TECHNICIAN, "Read a meter now").split("| flag |")[1].split("\n\n")[0]
    assert names(column("| flag |" + table)) == list(FLAGS)


def test_every_event_code_is_explained_once_and_no_other() -> None:
    assert sorted(names(column(section(TECHNICIAN, "Events")))) == sorted(EVENTS)


def emitted() -> Iterator[tuple[str, str]]:
    """Every event code that the program raises by itself, and where."""
    for folder in ("agent", "buffer"):
        for path in sorted((ROOT / folder).glob("**/*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _called(node) in ("gateway_event", "_event", "_put_event", "_renew"):
                    for given in node.args:
                        if isinstance(given, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)+", str(given.value)):
                            yield str(given.value), f"{path.relative_to(ROOT)}:{node.lineno}"


def _called(node: ast.Call) -> str:
    return str(getattr(node.func, "attr", None) or getattr(node.func, "id", ""))


@pytest.mark.slow
def test_every_event_code_that_the_gateway_raises_is_in_the_list() -> None:
    found = dict(emitted())
    assert {"port-lost", "meter-silent", "wrong-serial", "store-full", "store-tail-lost"} <= set(found)
    assert {code: place for code, place in found.items() if code not in GATEWAY_EVENTS} == {}


def test_the_types_of_codes_and_flags_have_the_members_of_the_lists() -> None:
    own, store = get_args(GatewayEvent), get_args(faults.StoreEvent)
    assert {code for part in own for code in (get_args(part) or (part,))} == set(GATEWAY_EVENTS)
    assert set(store) == set(faults.STORE_EVENTS)
    assert set(get_args(Flag)) == set(FLAGS)
    assert not set(GATEWAY_EVENTS) & set(METER_EVENTS), "the gateway's codes and the meters' are apart"


@pytest.mark.slow
def test_every_event_code_of_the_shipped_journals_is_in_the_list_and_none_is_without_a_source() -> None:
    journals = [journal for model in models() for journal in model.journals]
    told = {code for journal in journals for code, _ in journal.events.values()} | {"other"}
    told |= {journal.code for table in tables() for journal in table.event} | journal.CODES
    assert told == set(METER_EVENTS)
    assert set(GATEWAY_EVENTS) == set(dict(emitted())) | set(faults.STORE_EVENTS)


def test_exit_codes_in_prose_exist() -> None:
    for page in PAGES:
        for number in re.findall(r"\bexit (?:code )?(\d+)", prose(page)):
            assert int(number) in set(Exit), (page, number)


@pytest.mark.parametrize("page", PAGES)
def test_paths_are_those_of_a_gateway(page: str) -> None:
    assert {found[1] for found in PATH.finditer(text(page))} <= PLACES
