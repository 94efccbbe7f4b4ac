"""docs/configuration.md against the code: every key, its default, and nothing that does not exist."""

import re
from pathlib import Path

import pytest

from agent.config import shape
from agent.config.explain import explain
from agent.config.load import load

TABLES: dict[str, type[shape.Table]] = {
    "gateway": shape.GatewayTable,
    "intake": shape.IntakeTable,
    "poll": shape.PollTable,
    "statements": shape.StatementsTable,
    "modem": shape.ModemTable,
    "mail": shape.MailTable,
    "exchange": shape.ExchangeTable,
    "bus": shape.BusTable,
    "meter": shape.MeterTable,
    "meter.before": shape.EarlierTable,
}
"""Every table of the file has a section."""
PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
MANY = ("bus", "meter", "meter.before")
HEADINGS = {table: f"[[{table}]]" if table in MANY else f"[{table}]" for table in TABLES}

MINIMAL = """\
[gateway]
id = "gw"
[intake]
url = "mqtts://h"
[modem]
port = "/dev/ttyUSB1"
[mail]
host = "h"
sender = "a@h"
[exchange]
inn = "7707083893"
name = "n"
area_inn = "7707083893"
area_name = "n"
[[bus]]
name = "b"
port = "/dev/ttyUSB0"
[[meter]]
point = "p"
bus = "b"
driver = "mercury230"
address = 1
serial = "1"
"""


def rows(heading: str) -> dict[str, str]:
    """Key → default of one section's table."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", section, flags=re.MULTILINE))


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_documented_and_no_other(table: str) -> None:
    assert sorted(rows(HEADINGS[table])) == sorted(TABLES[table].model_fields)


@pytest.mark.parametrize("table", [table for table in TABLES if table != "meter.before"])
def test_required_keys_are_marked(table: str) -> None:
    marked = [key for key, default in rows(HEADINGS[table]).items() if default == "required"]
    assert sorted(marked) == sorted(TABLES[table].required)


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is in force where nothing is written, as ``check --explain`` shows it."""
    file = tmp_path_factory.mktemp("minimal") / "meterpost.toml"
    file.write_text(MINIMAL, encoding="utf-8")
    return {entry.key: entry.value for entry in explain(load(file)) if entry.origin == "default"}


@pytest.mark.parametrize("table", ["gateway", "intake", "statements", "modem", "mail", "exchange", "bus"])
def test_documented_defaults_are_those_in_force(defaults: dict[str, str], table: str) -> None:
    name = "bus[1]" if table == "bus" else table
    documented = {key: value for key, value in rows(HEADINGS[table]).items() if value != "required"}
    assert documented
    for key, value in documented.items():
        assert defaults[f"{name}.{key}"] == value.strip("`"), key


def test_documented_defaults_of_a_meter_are_those_in_force(defaults: dict[str, str]) -> None:
    documented = rows("[[meter]]")
    assert defaults["meter[1].ratio"] == documented["ratio"].strip("`")
    assert defaults["meter[1].initial"].replace(" ", "") == documented["initial"].strip("`").replace(" ", "")
    assert defaults["meter[1].before"] == "0 earlier meters"
    nothing = ("timeout", "account", "utility", "tariffs", "installed", "limit_kw", "digits", "region", "place", "plan")
    for key in ("set_clock", "plan_limit"):
        assert defaults[f"meter[1].{key}"] == documented[key].strip("`")
    for key in (*nothing, "exchange_code"):
        assert defaults[f"meter[1].{key}"] == documented[key] == "none"


def test_documented_polls_are_those_in_force() -> None:
    from agent.config.values import Poll
    from agent.config.words import period

    common = Poll()
    for key, value in rows("[poll]").items():
        default = getattr(common, key)
        assert value.strip('`"') == (period(default) if isinstance(default, float) else f"{default:%H:%M}")
