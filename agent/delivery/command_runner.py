"""Where commands are carried out: once each, one after the other, on a thread of their own.

Reading a riser of meters takes minutes; the connection to the broker does not wait for it.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.delivery.commands import FARTHEST, Command, Reply
from agent.delivery.payload import reply
from buffer.body import when
from buffer.notes import COMMAND
from buffer.store import Store
from buffer.writer import Writer

WAITING = 16  # commands that may wait for their turn
REMEMBERED = 256  # ids kept; more than that within a week are refused


class CommandRunner:
    """``run`` carries out an op with its checked args (:class:`~agent.delivery.commands.Operations`). ``answer`` gets
    (id, payload of the reply), or (id, None) for a command that was executed before; it is called on the runner's
    thread."""

    def __init__(
        self,
        writer: Writer,
        *,
        allow: Collection[str],
        clock: Callable[[], tuple[datetime, str]],
        run: Callable[[str, Mapping[str, Any]], Any],
        answer: Callable[[str, bytes | None], None],
        log: logging.Logger,
    ) -> None:
        self._writer = writer
        self.allow = allow
        self._clock = clock
        self._carry_out = run
        self._answer = answer
        self._log = log
        self._queue: queue.Queue[Command | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self.done = 0

    def take(self, command: Command) -> None:
        """Queue it; where too many wait, the reply says so."""
        if self._thread is None:  # the first command: most gateways never get one
            self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(command)
        except queue.Full:
            self._answer(command.id, reply(command.id, _no(f"busy: {WAITING} commands are waiting")))

    def stop(self) -> None:
        """No further command is begun; one that runs is not waited for."""
        if self._thread is None:
            return
        while True:
            try:
                self._queue.put_nowait(None)
                return
            except queue.Full:
                self._queue.get_nowait()

    def _run(self) -> None:
        while (command := self._queue.get()) is not None:
            try:
                answer = self._execute(command)
                self._log.info("command %s: %s %s: %s", command.id, command.op, _points(command), _as_text(answer))
                text = None if answer is None else reply(command.id, answer)
            except Exception as trouble:  # a mistake of ours: it must show, and the next command must not suffer
                self._log.exception("command %s (%s) failed", command.id, command.op)
                text = reply(command.id, _no(f"internal error: {type(trouble).__name__}"))
            self._answer(command.id, text)

    def _execute(self, command: Command) -> Reply | None:
        """The reply, None for an id that was executed before."""
        reason = self._objection(command)
        if reason:
            return _no(reason)
        verdict = self._writer.call(lambda store: self._admit(store, command))
        if verdict is not None:
            return None if verdict == "repeated" else _no(verdict)
        self.done += 1
        try:
            return {"ok": True, "result": self._carry_out(command.op, command.args)}
        except ValueError as trouble:
            return _no(str(trouble))

    def _objection(self, command: Command) -> str | None:
        if command.op not in self.allow:
            return f"{command.op} is not allowed by this gateway's configuration"
        now, state = self._clock()
        if state == "unset":
            return "the gateway's clock is not set: whether the command has expired cannot be told"
        if command.expires <= now:
            return f"expired at {when(command.expires)}, the gateway's clock says {when(now)}"
        if command.expires > now + FARTHEST:
            return f"expires: at most {FARTHEST.days} days ahead"
        return None

    def _admit(self, store: Store, command: Command) -> str | None:
        """Remember the id before anything is done: after a power cut a command is rather lost than done twice."""
        if store.noted(COMMAND.of(command.id)) is not None:
            return "repeated"
        kept = store.notes(COMMAND.key)
        if len(kept) >= REMEMBERED:
            now, _ = self._clock()
            # An hour of grace: a clock that is set back a little must not revive an id that is forgotten.
            over = [key for key, until in kept.items() if datetime.fromisoformat(until) < now - timedelta(hours=1)]
            if not over:
                return f"busy: {REMEMBERED} commands have not expired yet"
            store.note_all({**dict.fromkeys(over), COMMAND.of(command.id): when(command.expires)})
            return None
        store.note(COMMAND.of(command.id), when(command.expires))
        return None


def _points(command: Command) -> str:
    """Whom it is for, as the log says it."""
    points = command.args.get("points")
    if points is None:
        return "everywhere" if "points" in command.args else "-"
    return ", ".join(points[:5]) + (f" and {len(points) - 5} more" if len(points) > 5 else "")


def _as_text(answer: Reply | None) -> str:
    """The outcome, in a line."""
    if answer is None:
        return "executed before, ignored"
    if not answer["ok"]:
        return f"not done: {answer['error']}"
    failed = (answer["result"] or {}).get("failed") if isinstance(answer["result"], Mapping) else None
    return f"done, but not at {len(failed)} points" if failed else "done"


def _no(reason: str) -> Reply:
    return {"ok": False, "error": reason}
