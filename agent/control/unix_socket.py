"""The Unix socket in ``state_dir``: commands on the gateway ask the running daemon for the line and the live state.

One JSON document a line in, one out: ``{"op": "status", …}`` → ``{"ok": true, "result": …}`` or
``{"ok": false, "error": "…"}``. Whoever may write to ``state_dir`` may ask.
"""

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("meterpost.control")

NAME = "control.sock"
LONGEST_REQUEST = 1 << 20  # bytes
LONGEST_ANSWER = 600.0  # s; reading a long archive at 300 baud takes minutes
PATIENCE = {"alive": 10.0, "status": 10.0, "pause": 10.0, "resume": 10.0}  # s; what is answered from memory
MOST_CLIENTS = 16

Handler = Callable[[Mapping[str, Any]], Any]
"""Takes the request without its ``op`` and gives a JSON-able result; ValueError says why not."""


class NotRunning(Exception):
    """No daemon answers in this state_dir."""


class RequestRefused(Exception):
    """The daemon says no; its words. Asking again changes nothing."""

    exit = 1


class NoAnswer(Exception):
    """A daemon is there and has not answered in due time: whether it did what was asked is not known."""

    exit = 75
    hint = "systemctl status meterpost says what it does; the same again later"


@contextlib.contextmanager
def _address(state_dir: Path) -> Iterator[str]:
    """The socket's name through a descriptor of its folder: a Unix socket's path holds 107 octets at most."""
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


class ControlServer:
    """Answers requests in threads of its own; ``handlers`` by their ``op``."""

    def __init__(self, state_dir: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = state_dir / NAME
        self._handlers: Mapping[str, Handler] = {"alive": lambda _: True, **handlers}
        self._clients = threading.Semaphore(MOST_CLIENTS)
        self._path.unlink(missing_ok=True)  # the store's lock says that no other daemon lives here
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _address(state_dir) as address:
            self._socket.bind(address)
        self._path.chmod(0o660)
        self._socket.listen(MOST_CLIENTS)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # closed
            self._clients.acquire()
            threading.Thread(target=self._answer, args=(client,), name="control-client", daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as requests:
                client.settimeout(LONGEST_ANSWER)
                request = requests.readline(LONGEST_REQUEST)
                client.sendall(json.dumps(self._reply(request), ensure_ascii=False).encode() + b"\n")
        except OSError as trouble:
            log.debug("control client went away: %s", trouble)
        finally:
            self._clients.release()

    def _reply(self, request: bytes) -> dict[str, Any]:
        try:
            args = json.loads(request)
            op = args.pop("op")
            handler = self._handlers[op]
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"ok": False, "error": "not understood; is the command of the same version as the daemon?"}
        try:
            return {"ok": True, "result": handler(args)}
        except ValueError as trouble:
            return {"ok": False, "error": str(trouble)}
        except Exception as trouble:
            log.exception("internal error while answering %s", op)
            return {"ok": False, "error": f"internal error, see the daemon's log: {trouble!r}"}


def ask_daemon(state_dir: Path, op: str, **args: Any) -> Any:
    """The daemon's result. NotRunning without one, RequestRefused if it says no, NoAnswer without an answer in due
    time, PermissionError if access is denied.

    What does more than look is asked only of a daemon that is alive: a stopped one would do it whenever it goes on,
    long after the person has given up.
    """
    if op != "status":
        _exchange(state_dir, "alive", {})
    answer = _exchange(state_dir, op, args)
    if not answer.get("ok"):
        raise RequestRefused(answer.get("error", "no reason given"))
    return answer["result"]


def _exchange(state_dir: Path, op: str, args: Mapping[str, Any]) -> dict[str, Any]:
    patience = PATIENCE.get(op, LONGEST_ANSWER)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(patience)
        try:
            with _address(state_dir) as address:
                line.connect(address)
        except PermissionError:
            raise PermissionError(f"{state_dir}: you may not ask the daemon (try sudo)") from None
        except (BlockingIOError, TimeoutError):
            raise NoAnswer("the daemon takes no more questions: is it stopped, or are there too many?") from None
        except OSError:
            raise NotRunning(f"no daemon answers in {state_dir}") from None
        try:
            line.sendall(json.dumps({"op": op, **args}).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer: dict[str, Any] | None = json.loads(answers.readline() or b"null")
        except TimeoutError:
            raise NoAnswer(f"the daemon has not answered within {patience:.0f} s; is it stopped?") from None
        except (OSError, ValueError) as trouble:
            raise NoAnswer(f"the daemon went away while it was asked: {trouble}") from None
    if answer is None:
        raise NoAnswer("the daemon ended while it was asked: whether it has done it is not known")
    return answer
