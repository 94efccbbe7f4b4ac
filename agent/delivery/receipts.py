"""The intake's word that records are stored, or why they are not (design §7, ``docs/schemas/receipt.json``)."""

from dataclasses import dataclass
from typing import Any

from agent.delivery.inbound import Ignored, is_number, opened
from buffer.spans import Span, Spans

LARGEST = 64 * 1024  # bytes
LONGEST_TEXT = 200  # characters of a refusal's text that are kept


@dataclass(frozen=True, slots=True)
class Refusal:
    seq: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """``stored`` ascending, neither overlapping nor touching."""

    stored: tuple[Span, ...]
    refused: tuple[Refusal, ...]


def parse_receipt(payload: bytes, epoch: str) -> Receipt:
    """The receipt for records of this epoch; Ignored, with its reason, on any other bytes."""
    message = opened(payload, "meterpost/receipt/1", LARGEST)
    if message.get("epoch") != epoch:
        raise Ignored("epoch", f"a receipt for epoch {str(message.get('epoch'))[:60]!r}, the store's is {epoch!r}")
    stored = Spans(_range(item) for item in _list(message, "stored"))
    refused = tuple(_refusal(item) for item in _list(message, "refused"))
    if any(stored.covers(item.seq, item.seq) for item in refused):
        raise Ignored("malformed", "a record is named as stored and as refused")
    return Receipt(tuple(stored), refused)


def _list(message: dict[str, Any], key: str) -> list[Any]:
    value = message.get(key, [])
    if not isinstance(value, list):
        raise Ignored("malformed", f"{key}: a list is needed")
    return value


def _range(item: Any) -> Span:
    if not (isinstance(item, list) and len(item) == 2 and all(map(is_number, item)) and item[0] <= item[1]):
        raise Ignored("malformed", f"stored: [first, last] is needed, found {str(item)[:60]}")
    return item[0], item[1]


def _refusal(item: Any) -> Refusal:
    if not (isinstance(item, dict) and is_number(item.get("seq"))):
        raise Ignored("malformed", f"refused: an object with seq is needed, found {str(item)[:60]}")
    code, text = item.get("code"), item.get("text", "")
    if not (isinstance(code, str) and 1 <= len(code) <= 64 and isinstance(text, str)):
        raise Ignored("malformed", "refused: code and text are texts, code of 1 to 64 characters")
    return Refusal(item["seq"], code, text[:LONGEST_TEXT])
