"""What others may ask of the running daemon: technicians through the socket, the utility through its commands."""

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from agent.control.replies import Orders
from agent.control.unix_socket import ControlError, Handler
from agent.exits import Exit, port_code
from agent.line.hints import failure
from agent.line.trace import TraceMessage
from agent.line.worker import Request
from agent.meters.clock_state import Correction
from agent.meters.pauses import keep
from agent.meters.state import MeterState
from buffer.body import exact, record_json
from buffer.record import Record
from protocols.errors import LinkLost, MeterError

if TYPE_CHECKING:
    from agent.daemon import Daemon
    from agent.line.worker import Worker

ANSWER_LIMIT = 570.0  # s; less than the socket's own patience


class Questions:
    """Handlers; each gets the asker's document and gives a JSON-able result."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon
        self.orders = Orders(daemon, self)

    def handlers(self) -> dict[str, Handler]:
        return {
            "status": lambda _: self._daemon.status(),
            "read": self._read,
            "pause": lambda asked: self.pause(_points(asked), True),
            "resume": lambda asked: self.pause(_points(asked), False),
            "resend": self._resend,
            "set-clock": lambda asked: self.set_clock(self._known(asked)),
            "fill": lambda asked: self.fill(self._known(asked), str(asked.get("kind")), *_period(asked)),
        }

    def command(self, op: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """A command of the utility that delivery does not serve itself. ValueError says in words why not."""
        return self.orders.carry_out(op, args)

    def _read(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        points = _points(asked) or [meter.point for meter in self._daemon.config.meters if not meter.manual]
        trace: list[tuple[str, TraceMessage]] | None = [] if asked.get("trace") else None
        records, troubles = self.read(points, str(asked.get("kind", "now")), _span(asked), trace)
        lines = [[point, said.direction, said.octets, said.words()] for point, said in trace or ()]
        return {
            "records": [record_json(record) for record in records],
            "failed": [failure(point, trouble) for point, trouble in troubles.items()],
            "exit": Exit.SOME_FAILED if records else port_code(troubles.values()),
            "trace": lines,
        }

    def read(
        self,
        points: Sequence[str],
        kind: str,
        span: tuple[datetime, datetime] | None = None,
        trace: list[tuple[str, TraceMessage]] | None = None,
    ) -> tuple[list[Record], dict[str, MeterError]]:
        """Ask the meters now, all buses at the same time; nothing is stored. Records, and troubles by their point."""
        requests = self._requests(points, kind, span, trace)
        records: list[Record] = []
        failed: dict[str, MeterError] = {}
        for request in requests:
            try:
                found, troubles = request.answer.result(ANSWER_LIMIT)
            except LinkLost as trouble:
                found, troubles = [], dict.fromkeys(request.points, trouble)
            except TimeoutError:
                found, troubles = [], dict.fromkeys(request.points, LinkLost("the bus is busy; try again later"))
            records += found
            failed |= troubles
        return records, failed

    def read_and_store(self, points: Sequence[str], kind: str) -> dict[str, Any]:
        """As ``read``, and what comes is stored and delivered; how many records, and the points that failed."""
        records, troubles = self.read(points, kind)
        self._daemon.submit(records)
        return {"stored": len(records), "failed": [failure(point, trouble) for point, trouble in troubles.items()]}

    def _requests(
        self,
        points: Sequence[str],
        kind: str,
        span: tuple[datetime, datetime] | None,
        trace: list[tuple[str, TraceMessage]] | None,
    ) -> list[Request]:
        requests = []
        for point in points:
            self._found(point)
        note = None if trace is None else lambda point, message: trace.append((point, message))
        for worker in self._daemon.workers:
            mine = [meter.config.point for meter in worker.meters if meter.config.point in points]
            if mine:
                requests.append(Request(mine, kind, span, note))
                worker.request(requests[-1])
        return requests

    def pause(self, points: Sequence[str], paused: bool) -> dict[str, Any]:
        """Durable: a meter paused for work at the cabinet stays so across a restart."""
        daemon = self._daemon
        points = points or [meter.point for meter in daemon.config.meters if not meter.manual]
        for point, (worker, index) in {point: self._found(point) for point in points}.items():
            daemon.writer.call(partial(keep, points=[point], paused=paused))
            worker.meters[index].paused = paused
        return {"points": list(points), "paused": paused}

    def _known(self, asked: Mapping[str, Any]) -> list[str]:
        """The points that a question names: at least one, for what changes meters."""
        points = _points(asked)
        if not points:
            raise ControlError("at least one point is to be named")
        return points

    def _resend(self, asked: Mapping[str, Any]) -> dict[str, int]:
        first, last = asked.get("from_seq"), asked.get("to_seq")
        if not isinstance(first, int) or not isinstance(last, int):
            raise ControlError("resend takes from_seq and to_seq")
        count = self._daemon.writer.call(lambda store: store.resend(first, last))
        self._daemon.publisher.changed()
        return {"count": count}

    def set_clock(self, points: Sequence[str]) -> dict[str, Any]:
        """Correct the clocks of these points now, all buses at the same time, within what each meter allows; the
        outcome of each: ``corrected``, ``right`` already, or ``failed``; ``before``, ``after`` and ``offset`` in
        seconds, None: not known."""
        orders: dict[str, tuple[MeterState, Future[Correction], Request]] = {}
        for point, (worker, index) in {point: self._found(point) for point in points}.items():
            meter, order, request = worker.meters[index], Future[Correction](), Request([point], "clock")
            meter.watch.orders.append(order)
            worker.request(request)
            orders[point] = meter, order, request
        until = monotonic() + ANSWER_LIMIT
        outcomes = {point: _outcome(*order, until) for point, order in orders.items()}
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
            self._found(point)
        slots: dict[str, int] = {}
        failed: list[dict[str, str]] = []
        for point in points:
            try:
                slots[point] = self._daemon.filler.again(point, kind, since, until)
            except ValueError as reason:
                failed.append({"point": point, "error": str(reason)})
        return {"slots": slots, "failed": failed}

    def _found(self, point: str) -> "tuple[Worker, int]":
        try:
            return self._daemon.find(point)
        except KeyError:
            meters = self._daemon.config.meters
            if any(meter.point == point and meter.manual for meter in meters):
                raise ControlError(f"{point} is on no bus: a person reads it (meterpost enter)") from None
            known = ", ".join(meter.point for meter in meters if not meter.manual)
            raise ControlError(f"no point named {point!r}; there are: {known}") from None


def _outcome(meter: MeterState, order: "Future[Correction]", request: Request, until: float) -> Correction:
    """What became of an order. One that nobody has taken up is withdrawn: it must not be carried out hours later."""
    trouble: BaseException | None
    try:
        _, failed = request.answer.result(max(0.0, until - monotonic()))
        trouble = failed.get(meter.config.point)
    except TimeoutError:
        trouble = LinkLost("the bus is busy; an event tells whether it was corrected")
    except LinkLost as lost:
        trouble = lost
    with contextlib.suppress(ValueError):
        meter.watch.orders.remove(order)
    if order.done():
        trouble = order.exception()
        if trouble is None:
            return order.result()
    return Correction(None, None, str(trouble))


def _exact(offset: Decimal | None) -> int | float | str | None:
    return None if offset is None else exact(offset)


def _points(asked: Mapping[str, Any]) -> list[str]:
    points = asked.get("points") or []
    if not isinstance(points, list) or not all(isinstance(point, str) for point in points):
        raise ControlError("points is a list of names")
    return points


def _period(asked: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """From and to, aware."""
    try:
        since, until = (datetime.fromisoformat(str(asked.get(key))) for key in ("from", "to"))
    except ValueError:
        raise ControlError("from and to are times like 2026-11-21T10:15:00Z") from None
    if since.tzinfo is None or until.tzinfo is None or until < since:
        raise ControlError("from and to are times with their zones, from not after to")
    return since, until


def _span(asked: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    since, until = asked.get("since"), asked.get("until")
    if since is None or until is None:
        return None
    return datetime.fromisoformat(since), datetime.fromisoformat(until)
