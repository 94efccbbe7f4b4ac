"""The states of dialogues: the tables are whole, and the page shows them."""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from protocols.dlms import link as dlms_link
from protocols.dlms import states as dlms
from protocols.iec62056 import states as iec62056
from protocols.mercury import session as mercury
from protocols.modbus import session as modbus
from tests.support.diagrams import diagram, reachable

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
Tables = tuple[Mapping[tuple[Any, Any], Any], ...]

DIALOGUES: dict[str, tuple[enum.Enum, Tables]] = {  # heading on the page: where it begins, the tables
    "Mercury 23x": (mercury.State.IDLE, (mercury.NEXT,)),
    "Modbus": (modbus.State.IDLE, (modbus.NEXT,)),
    "IEC 62056-21": (iec62056.State.CLOSED, (iec62056.ASKED, iec62056.HEARD)),
    "DLMS over HDLC": (dlms.State.CLOSED, (dlms.ASKED, dlms.HEARD)),
    "DLMS over TCP": (dlms.State.CLOSED, (dlms.ASKED_OVER_TCP, dlms.HEARD)),
    "HDLC link": (dlms_link.State.DOWN, (dlms_link.NEXT,)),
}
CASES = pytest.mark.parametrize(("heading", "start", "tables"), [(name, *each) for name, each in DIALOGUES.items()])


@CASES
def test_the_diagram_on_the_page_is_that_of_the_tables(heading: str, start: enum.Enum, tables: Tables) -> None:
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    drawn = f"```mermaid\n{diagram(start, *tables)}```\n"
    assert drawn in section, f"the page should show\n{drawn}"


@CASES
def test_every_state_can_be_reached_and_left(heading: str, start: enum.Enum, tables: Tables) -> None:
    rows = {key: end for table in tables for key, end in table.items()}
    reached = reachable(start, rows)
    if heading != "DLMS over TCP":  # which has no link of its own to set up
        assert reached == set(type(start))
    assert all(any(state is here and end is not here for (state, _), end in rows.items()) for here in reached)


def test_an_event_that_leads_to_one_state_from_everywhere_is_drawn_once_and_one_without_effect_not_at_all() -> None:
    class State(enum.Enum):
        UP = "up"
        TOO_HIGH = "too high"

    table: dict[tuple[State, type | enum.Enum | str], State] = {
        **{(state, "stop"): State.UP for state in State},
        **{(state, "look"): state for state in State},
        (State.UP, "climb"): State.TOO_HIGH,
    }
    assert diagram(State.UP, table) == (
        "stateDiagram-v2\n    [*] --> up\n    any --> up : stop\n    up --> too_high : climb\n"
    )
