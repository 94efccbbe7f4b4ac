"""The states of a dialogue as a diagram, drawn from the tables that decide them.

A table maps (state, event) to the next state. An event is a question (its class), an outcome (a member of an Enum) or
the name of a frame. Each protocol keeps its tables beside its session; ``docs/protocols.md`` shows them so.
"""

import enum
from collections.abc import Mapping
from typing import TypeVar

Event = type | enum.Enum | str
S = TypeVar("S", bound=enum.Enum)


def diagram(start: S, *tables: Mapping[tuple[S, Event], S]) -> str:
    """A Mermaid state diagram of what can be reached from ``start``. An event that leads from every state to the same
    one is drawn once, from ``any``; one that is possible everywhere and changes nothing is left out."""
    rows = {key: end for table in tables for key, end in table.items()}
    states, kept = list(type(start)), reachable(start, rows)
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), end in rows.items():
        ends = [rows.get((each, event)) for each in states]
        everywhere = set(ends) == {end}
        if ends == states or not (everywhere or state in kept):
            continue
        labels = arrows.setdefault(("any" if everywhere else _name(state), _name(end)), [])
        if _label(event) not in labels:
            labels.append(_label(event))
    lines = [f"    {begin} --> {end} : {', '.join(labels)}" for (begin, end), labels in arrows.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {_name(start)}", *lines]) + "\n"


def reachable(start: S, rows: Mapping[tuple[S, Event], S]) -> set[S]:
    """The states that the rows lead to from ``start``, itself included."""
    found = {start}
    while more := {end for (state, _), end in rows.items() if state in found} - found:
        found |= more
    return found


def _label(event: Event) -> str:
    match event:
        case type():
            return event.__name__
        case enum.Enum():
            return str(event.value)
    return event


def _name(state: enum.Enum) -> str:
    return str(state.value).replace(" ", "_")
