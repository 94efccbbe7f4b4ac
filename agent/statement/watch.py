"""The thread that looks after the statements: a modem may take minutes, and nothing else has to wait for it."""

import logging
import threading

from agent.statement.room import EVERY, Room

log = logging.getLogger("meterpost.statement")


class Watch:
    """Looks once a minute from ``start`` on. ``soon`` asks for a look at once; ``close`` ends it after the message
    that is just leaving, or leaves that to the end of the process after 10 s: the book knows about it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statements", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def soon(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def _run(self) -> None:
        while True:
            self._wake.wait(EVERY)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self.room.look()
            except Exception:  # a fault of ours must not end all later statements; the log has its place
                log.exception("statements: this look failed")
