"""What a poll of an IEC 62056-21 meter costs on its line, for the budget of ``check``."""

from collections.abc import Mapping
from typing import Any

from drivers.iec62056.parts import Journal, Row
from drivers.iec62056.table import Table
from drivers.reading import Exchange, MeterPlan, Topic
from protocols.iec62056.frames import SPEEDS
from protocols.session import Line

REACTION = 0.2  # s: t_r of both ends, IEC 62056-21:2002 §6.4.3; Energomera's meters answer after 0.20 to 0.28
SILENCE = 0.2  # s before a sign-on
IDENTIFICATION = 20  # octets, as most meters send
OPERAND = 16
VALUE = 16  # octets of one value with its brackets, id and line end
DAY_OF_POWERS = 24  # VALUEs that a day of half-hours takes in one pair of brackets
FEW_POWERS = 6  # intervals that a poll finds new at most
ENTRIES = 22  # VALUEs that ten entries of a journal take
RING = 50  # entries of a ring that are read again when one was written
RING_ENTRIES = 15  # VALUEs that ten of them take
ALL = ("now", "network", "clock")
USUAL_TOP = 9600  # bit/s that nearly all meters offer (Z = 5)


def exchanges(
    table: Table, plan: MeterPlan, settings: Mapping[str, Any], kind: Topic, *, login: bool
) -> tuple[Exchange, ...]:
    """Sign-on, speed change, identification, the questions of this kind and the break; () for a kind it has not."""
    rows = _questions(table, kind)
    if not (kind == "identify" or rows or (kind == "clock" and table.clock) or (kind in ALL and table.obis)):
        return ()
    line = plan.line
    start = Line(settings["start_speed"], line.format) if settings["start_speed"] else line
    offered = min(USUAL_TOP, settings["max_speed"] or USUAL_TOP)
    fast = start if not settings["change_speed"] or offered not in SPEEDS.values() else Line(offered, line.format)

    def at(speed: Line, request: int, answer: int, quiet: float) -> Exchange:
        if speed == line:
            return Exchange(request, answer, quiet)
        return Exchange(0, 0, quiet + (request + answer) * speed.character)

    address = len(plan.address)
    if table.way == "direct":
        asked = [("identify", 0)] + [(row.name, len(row.registers)) for row in rows]
        size = sum(len(name) + 4 for name, _ in asked)
        answer = 24 + sum(values * VALUE // 2 for _, values in asked)
        first = at(start, address + 23, 24, SILENCE + REACTION)
        return (first, at(start, address + 14 + size, answer, SILENCE + REACTION)) if rows else (first,)
    sign_on = at(start, 5 + address, IDENTIFICATION, SILENCE + REACTION)
    if table.way == "readout":
        return sign_on, at(start, 6, 0, REACTION), at(fast, 0, table.telegram, REACTION)
    steps = [sign_on, at(start, 6, 0, REACTION), at(fast, 0, OPERAND, REACTION)]
    if login:
        steps.append(at(fast, 8 + len(plan.password or b""), 1, 2 * REACTION))
    questions = [Row(table.serial, ("",)), *([*_clock(table)] if kind == "clock" else ()), *rows]
    steps += [
        at(fast, 8 + len(row.name) + len(row.arguments), 5 + VALUE * len(row.registers), 2 * REACTION)
        for row in questions
    ]
    return (*steps, at(fast, 5, 0, REACTION))


def _questions(table: Table, kind: Topic) -> list[Row]:
    """What a usual poll asks: of an archive the newest row, of each journal its newest page, a ring whole."""
    match kind:
        case "now":
            return list(table.now)
        case "network":
            return list(table.network)
        case "interval" if table.interval is not None:
            profile = table.interval
            clocks = _clock(table) * (2 if profile.names else 1)
            period = [Row(profile.period, ("",))] if profile.period else []
            size = DAY_OF_POWERS if profile.names else FEW_POWERS
            return [*clocks, *period, Row(profile.name, ("",) * size, arguments=profile.arguments)]
        case "day" | "month":
            archives = table.day if kind == "day" else table.month
            clocks = [] if not archives else _clock(table) * (2 if any(each.names for each in archives) else 1)
            return clocks + [each.row for each in archives]
        case "event":
            return [row for each in table.event for row in _of_journal(each)]
    return []


def _of_journal(journal: Journal) -> list[Row]:
    if not journal.ring:
        return [Row(journal.name, ("",) * ENTRIES, arguments="1,10")]
    pages = [Row(journal.name, ("",) * RING_ENTRIES, arguments=f"{first}.10") for first in range(1, RING, 10)]
    return [Row(journal.pointer, ("",)), *pages] if journal.pointer else pages


def _clock(table: Table) -> list[Row]:
    return [Row(name, ("",)) for name in (table.clock.names if table.clock else ())]
