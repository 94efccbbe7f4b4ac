"""What may be asked of the running daemon: one table for technicians (the Unix socket) and the utility (MQTT).

A *request* comes from outside, by one of the two doors. Each door decodes its own envelope and finds the operation
here: its arguments are parsed, then it runs and gives a JSON-able result, with the same fields at both doors.
ValueError says why not, and nothing has changed then. What is asked of a meter is a *question*
(:mod:`agent.line.worker`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from agent.control import arguments
from agent.control.arguments import Args
from agent.control.replies import clocks_set, diagnosis, fitted
from agent.exits import meter_code
from agent.line.buses import Answer, Buses, Submit
from agent.line.hints import failure
from agent.line.trace import TraceMessage
from agent.manual.reminder import ManualPoints
from agent.replacement.new_meter import new_meter
from agent.report.daily import Daily
from agent.statement.service import StatementService
from buffer.body import record_json
from buffer.writer import Writer

Result = dict[str, Any]
Door = Literal["socket", "mqtt"]


@dataclass(frozen=True, slots=True)
class Operation:
    """``parse`` checks the arguments, ``run`` takes them as parsed."""

    parse: Callable[[Args], Args]
    run: Callable[[Args], Result]
    doors: tuple[Door, ...] = ("socket",)


@dataclass(frozen=True, slots=True)
class Parts:
    """What operations work with. ``resent``: these numbers are pending again (None: some, whose numbers are not known);
    ``reload``: read the configuration again, soon."""

    buses: Buses
    writer: Writer
    submit: Submit
    resent: Callable[[tuple[int, int] | None], None]
    status: Callable[[], Result]
    reload: Callable[[], None]
    manual: ManualPoints
    exchange: Daily
    statements: StatementService


def table(parts: Parts) -> dict[str, Operation]:
    """Each operation by its name."""
    both: tuple[Door, ...] = ("socket", "mqtt")
    return {
        "read": Operation(arguments.read, partial(_read, parts), both),
        "fill": Operation(arguments.fill, partial(_fill, parts), both),
        "resend": Operation(arguments.resend, partial(_resend, parts), both),
        "set-clock": Operation(arguments.points, partial(_set_clock, parts), both),
        "pause": Operation(arguments.points, partial(_pause, parts, True), both),
        "resume": Operation(arguments.points, partial(_pause, parts, False), both),
        "diagnose": Operation(arguments.nothing, lambda _: diagnosis(parts.status()), both),
        "statement": Operation(arguments.points, partial(_statement, parts), ("mqtt",)),
        "statement-action": Operation(arguments.statement_action, parts.statements.act),
        "status": Operation(arguments.nothing, lambda _: parts.status()),
        "peek": Operation(arguments.peek, partial(_peek, parts)),
        "read-new": Operation(arguments.read_new, partial(_read_new, parts)),
        "enter": Operation(arguments.enter, parts.manual.enter),
        "exchange": Operation(arguments.exchange, parts.exchange.act),
        "reload": Operation(arguments.nothing, partial(_reload, parts)),
    }


# ── the doors ────────────────────────────────────────────────────────────


def handlers(operations: Mapping[str, Operation]) -> dict[str, Callable[[Args], Result]]:
    """For the socket: what answers each operation's arguments as they came."""

    def answer(operation: Operation, args: Args) -> Result:
        return operation.run(operation.parse(args))

    return {op: partial(answer, one) for op, one in operations.items() if "socket" in one.doors}


class Commands:
    """For MQTT: the :class:`~agent.delivery.commands.Operations` of the utility. A result fits one message."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = {op: one for op, one in operations.items() if "mqtt" in one.doors}

    def parse(self, op: str, args: Args) -> Args:
        return self._of(op).parse(args)

    def run(self, op: str, args: Args) -> Result:
        return fitted(self._of(op).run(args))

    def _of(self, op: str) -> Operation:
        if op not in self._operations:
            raise ValueError(f"op {op!r} is unknown, known are {', '.join(self._operations)}")
        return self._operations[op]


# ── what is done ─────────────────────────────────────────────────────────


def _points(parts: Parts, args: Args) -> list[str]:
    return list(args["points"] or parts.buses.points())


def _read(parts: Parts, args: Args) -> Result:
    """Read meters now, store and deliver what comes; how many records, and the points that failed."""
    records, troubles = parts.buses.read(_points(parts, args), args["kind"])
    parts.submit(records)
    return {"stored": len(records), "failed": [failure(point, trouble) for point, trouble in troubles.items()]}


def _peek(parts: Parts, args: Args) -> Result:
    """Read meters now and show what comes; nothing is stored."""
    heard: list[tuple[str, TraceMessage]] = []
    trace = (lambda point, message: heard.append((point, message))) if args["trace"] else None
    shown = _shown(parts.buses.read(_points(parts, args), args["kind"], args["span"], trace))
    return shown | {"trace": [[point, said.direction, said.octets, said.words()] for point, said in heard]}


def _read_new(parts: Parts, args: Args) -> Result:
    """The registers of a new meter on the line of its point; nothing is stored."""
    _, known = parts.buses.find(args["point"])
    return _shown(parts.buses.read_in_place(args["point"], new_meter(known.config, args["serial"], args["address"])))


def _shown(answer: Answer) -> Result:
    """``exit``: what a command ends with that this point's failure stops."""
    records, troubles = answer
    failed = [failure(point, trouble) | {"exit": int(meter_code(trouble))} for point, trouble in troubles.items()]
    return {"records": [record_json(record) for record in records], "failed": failed}


def _fill(parts: Parts, args: Args) -> Result:
    """Ask archives for this time before all that is missing elsewhere, also for what they did not have before. By point
    how many slots are missing and will be asked for; those where nothing can be asked."""
    points = _points(parts, args)
    for point in points:
        parts.buses.find(point)
    slots: dict[str, int] = {}
    failed: list[dict[str, str]] = []
    for point in points:
        try:
            slots[point] = parts.buses.filler.again(point, args["kind"], *args["span"])
        except ValueError as reason:
            failed.append({"point": point, "error": str(reason)})
    return {"slots": slots, "failed": failed}


def _resend(parts: Parts, args: Args) -> Result:
    """Confirmed and refused records are pending again, by their numbers or their time; how many."""
    if args["seqs"] is not None:
        first, last = args["seqs"]
        count = parts.writer.call(lambda store: store.resend(first, last))
    else:
        since, until = args["span"]
        count = parts.writer.call(lambda store: store.resend_time(since, until))
    parts.resent(args["seqs"])
    return {"records": count}


def _set_clock(parts: Parts, args: Args) -> Result:
    return clocks_set(parts.buses.set_clocks(_points(parts, args)))


def _pause(parts: Parts, paused: bool, args: Args) -> Result:
    points = _points(parts, args)
    parts.buses.pause(points, paused)
    return {"points": points, "paused": paused}


def _statement(parts: Parts, args: Args) -> Result:
    """For the utility: the figures of these points now. A technician has ``statement-action``."""
    return parts.statements.ordered(args["points"] or ())


def _reload(parts: Parts, _: Args) -> Result:
    """As SIGHUP; the status shows when it is done."""
    parts.reload()
    return {}
