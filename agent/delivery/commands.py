"""The envelope of the utility's commands (design §7, ``docs/schemas/command.json``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from agent.delivery.inbound import Ignored, opened, text_of
from buffer.body import moment_of

LARGEST = 16 * 1024  # bytes
FARTHEST = timedelta(days=7)  # how far ahead a command may expire; until then its id is remembered

Reply = dict[str, Any]
"""``{"ok": True, "result": …}`` or ``{"ok": False, "error": "why"}``."""


class Operations(Protocol):
    """What the utility may ask for: :class:`agent.control.requests.Commands`."""

    def parse(self, op: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """The checked arguments; ValueError says what is wrong with them, or that there is no such operation."""

    def run(self, op: str, args: Mapping[str, Any]) -> Any:
        """Carry it out and give the reply's ``result``; ValueError says why not, and nothing has changed then."""


@dataclass(frozen=True, slots=True)
class Command:
    """A well-formed command; its ``args`` are checked."""

    id: str
    op: str
    args: Mapping[str, Any]
    expires: datetime


def parse_command(payload: bytes, operations: Operations) -> Command:
    """The command, or Ignored; with its ``id`` where there is one, so that a reply can say what is wrong."""
    message = opened(payload, "meterpost/command/1", LARGEST)
    command_id = text_of(message, "id", 64)
    try:
        op, args = text_of(message, "op", 32), message.get("args", {})
        if not isinstance(args, dict):
            raise Ignored("malformed", "args: an object is needed")
        return Command(command_id, op, operations.parse(op, args), _expires(message))
    except Ignored as trouble:
        raise Ignored(trouble.reason, trouble.text, command_id) from None
    except ValueError as trouble:
        raise Ignored("malformed", str(trouble), command_id) from None


def _expires(message: Mapping[str, Any]) -> datetime:
    try:
        return moment_of(message.get("expires"))
    except ValueError:
        raise ValueError("expires: a time like 2026-11-21T10:15:00Z is needed") from None
