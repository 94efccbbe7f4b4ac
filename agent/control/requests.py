"""What others may ask of the running daemon: technicians through the socket, the utility through its commands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agent.control.replies import diagnosis, fitted
from agent.control.unix_socket import Handler
from agent.exits import Exit, port_code
from agent.line.buses import Buses, Submit
from agent.line.hints import failure
from agent.line.trace import TraceMessage
from agent.replacement.new_meter import new_meter
from buffer.body import exact, record_json
from buffer.writer import Writer


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the handlers work with. ``changed``: records are pending again; ``ordered``: the utility's command
    ``statement``."""

    buses: Buses
    writer: Writer
    submit: Submit
    changed: Callable[[], None]
    status: Callable[[], Mapping[str, Any]]
    ordered: Callable[[Sequence[str]], dict[str, Any]]


class Questions:
    """Handlers; each gets the asker's document and gives a JSON-able result."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._orders: dict[str, Handler] = {
            "read": lambda args: self.read_and_store(self._all(args), str(args.get("kind", "now"))),
            "fill": lambda args: self.fill(self._all(args), args["kind"], args["from"], args["to"]),
            "set-clock": lambda args: self.set_clock(self._all(args)),
            "pause": lambda args: self.pause(self._all(args), True),
            "resume": lambda args: self.pause(self._all(args), False),
            "statement": lambda args: rooms.ordered(args.get("points") or ()),
            "diagnose": lambda _: diagnosis(rooms.status()),
        }

    def handlers(self) -> dict[str, Handler]:
        return {
            "status": lambda _: self._rooms.status(),
            "read": self._read,
            "pause": lambda asked: self.pause(_points(asked), True),
            "resume": lambda asked: self.pause(_points(asked), False),
            "resend": self._resend,
            "set-clock": lambda asked: self.set_clock(self._known(asked)),
            "fill": lambda asked: self.fill(self._known(asked), str(asked.get("kind")), *_period(asked)),
        }

    def command(self, op: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """A command of the utility that delivery does not serve itself. ValueError says in words why not."""
        if op not in self._orders:
            raise ValueError(f"{op} is not supported by this version")
        return fitted(self._orders[op](args))

    def _all(self, args: Mapping[str, Any]) -> Sequence[str]:
        return args.get("points") or self._rooms.buses.points()

    def _read(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        points = _points(asked) or self._rooms.buses.points()
        heard: list[tuple[str, TraceMessage]] = []
        trace = (lambda point, message: heard.append((point, message))) if asked.get("trace") else None
        records, troubles = self._rooms.buses.read(points, str(asked.get("kind", "now")), _span(asked), trace)
        lines = [[point, said.direction, said.octets, said.words()] for point, said in heard]
        return {
            "records": [record_json(record) for record in records],
            "failed": [failure(point, trouble) for point, trouble in troubles.items()],
            "exit": Exit.SOME_FAILED if records else port_code(troubles.values()),
            "trace": lines,
        }

    def read_new(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """``{"point", "serial", "address"}``: the registers of the new meter on this line; nothing is stored."""
        point, address = str(asked.get("point")), asked.get("address")
        _, known = self._rooms.buses.find(point)
        new = new_meter(known.config, str(asked.get("serial")), None if address is None else str(address))
        records, troubles = self._rooms.buses.read_in_place(point, new)
        return {
            "records": [record_json(record) for record in records],
            "failed": [failure(name, trouble) for name, trouble in troubles.items()],
        }

    def read_and_store(self, points: Sequence[str], kind: str) -> dict[str, Any]:
        """As ``read``, and what comes is stored and delivered; how many records, and the points that failed."""
        records, troubles = self._rooms.buses.read(points, kind)
        self._rooms.submit(records)
        return {"stored": len(records), "failed": [failure(point, trouble) for point, trouble in troubles.items()]}

    def pause(self, points: Sequence[str], paused: bool) -> dict[str, Any]:
        """Durable: a meter paused for work at the cabinet stays so across a restart."""
        points = points or self._rooms.buses.points()
        self._rooms.buses.pause(points, paused)
        return {"points": list(points), "paused": paused}

    def _known(self, asked: Mapping[str, Any]) -> list[str]:
        """The points that a question names: at least one, for what changes meters."""
        points = _points(asked)
        if not points:
            raise ValueError("at least one point is to be named")
        return points

    def _resend(self, asked: Mapping[str, Any]) -> dict[str, int]:
        first, last = asked.get("from_seq"), asked.get("to_seq")
        if not isinstance(first, int) or not isinstance(last, int):
            raise ValueError("resend takes from_seq and to_seq")
        count = self._rooms.writer.call(lambda store: store.resend(first, last))
        self._rooms.changed()
        return {"count": count}

    def set_clock(self, points: Sequence[str]) -> dict[str, Any]:
        """Correct the clocks of these points now, all buses at the same time, within what each meter allows; the
        outcome of each: ``corrected``, ``right`` already, or ``failed``; ``before``, ``after`` and ``offset`` in
        seconds, None: not known."""
        outcomes = self._rooms.buses.set_clocks(points)
        corrected = [
            {"point": point, "before": _exact(made.before), "after": _exact(made.after)}
            for point, made in outcomes.items()
            if made.reason is None and made.needed
        ]
        right = [{"point": point, "offset": _exact(made.before)} for point, made in outcomes.items() if not made.needed]
        failed = [
            {"point": point, "error": made.reason, "before": _exact(made.before)}
            for point, made in outcomes.items()
            if made.reason is not None
        ]
        return {"corrected": corrected, "right": right, "failed": failed}

    def fill(self, points: Sequence[str], kind: str, since: datetime, until: datetime) -> dict[str, Any]:
        """Ask these points' archives for this time (aware) before all that is missing elsewhere, also for what they did
        not have before. By point how many slots are missing and will be asked for; those where nothing can be asked."""
        for point in points:
            self._rooms.buses.find(point)
        slots: dict[str, int] = {}
        failed: list[dict[str, str]] = []
        for point in points:
            try:
                slots[point] = self._rooms.buses.filler.again(point, kind, since, until)
            except ValueError as reason:
                failed.append({"point": point, "error": str(reason)})
        return {"slots": slots, "failed": failed}


def _exact(offset: Decimal | None) -> int | float | str | None:
    return None if offset is None else exact(offset)


def _points(asked: Mapping[str, Any]) -> list[str]:
    points = asked.get("points") or []
    if not isinstance(points, list) or not all(isinstance(point, str) for point in points):
        raise ValueError("points is a list of names")
    return points


def _period(asked: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """From and to, aware."""
    try:
        since, until = (datetime.fromisoformat(str(asked.get(key))) for key in ("from", "to"))
    except ValueError:
        raise ValueError("from and to are times like 2026-11-21T10:15:00Z") from None
    if since.tzinfo is None or until.tzinfo is None or until < since:
        raise ValueError("from and to are times with their zones, from not after to")
    return since, until


def _span(asked: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    since, until = asked.get("since"), asked.get("until")
    if since is None or until is None:
        return None
    return datetime.fromisoformat(since), datetime.fromisoformat(until)
