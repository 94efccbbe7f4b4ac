"""Reading what comes down: bytes from outside, of any size and any content, that must never harm."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

DEEPEST = 8  # levels of lists and objects in a message; the contract's own need four


class Ignored(Exception):
    """A message that does not fit. ``reason`` is what is counted: ``too-large``, ``malformed``, ``schema``, ``epoch``,
    ``never-sent``, ``topic``, ``repeated``. ``id`` is the command's, where a reply can name it."""

    def __init__(self, reason: str, text: str, command_id: str | None = None) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text
        self.id = command_id


def opened(payload: bytes, schema: str, largest: int) -> dict[str, Any]:
    """The JSON object of a message of this schema, or Ignored."""
    if len(payload) > largest:
        raise Ignored("too-large", f"{len(payload)} bytes, at most {largest} are read")
    try:
        text = payload.decode("utf-8")
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as trouble:
        raise Ignored("malformed", f"no JSON: {trouble}") from None
    if not isinstance(message, dict):
        raise Ignored("malformed", "not a JSON object")
    if too_deep(message):
        raise Ignored("malformed", f"nested deeper than {DEEPEST} levels")
    if "\\ud" in text.lower() and not _is_text(message):
        raise Ignored("malformed", "half of a surrogate pair is not text")
    if message.get("schema") != schema:
        raise Ignored("schema", f"schema {str(message.get('schema'))[:60]!r}, this version knows {schema!r}")
    return message


def too_deep(value: Any) -> bool:
    """Whether lists and objects nest deeper than DEEPEST; without recursion, which could itself go too deep."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for box in level
            if isinstance(box, (dict, list))
            for item in (box.values() if isinstance(box, dict) else box)
        ]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)


def text_of(message: Mapping[str, Any], key: str, longest: int) -> str:
    """A text of 1 to ``longest`` printable characters."""
    value = message.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise Ignored("malformed", f"{key}: a text of 1 to {longest} printable characters is needed")
    return value


def is_number(value: Any) -> bool:
    """Whether it can be a ``seq``: a whole number from 1 (JSON's true is a Python int, but no number)."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**63


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_text(message: Any) -> bool:
    """Whether all its text can be written as UTF-8 again: JSON's escapes can spell halves of surrogate pairs."""
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
