"""Small durable documents among the store's notes. Each carries a checksum: what was damaged is unknown, not wrong."""

import json
import zlib
from decimal import Decimal
from typing import Any

from buffer.body import exact_json


def checksummed(document: Any) -> str:
    """A note's text; numbers stay exact. TypeError for a binary float or what JSON has no word for."""
    text = exact_json(document)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def verified(note: str | None) -> Any:
    """The document of a note; None if there is none or its checksum fails."""
    seal, _, text = (note or "").partition(" ")
    if not text or seal != f"{zlib.crc32(text.encode()):08x}":
        return None
    return json.loads(text, parse_float=Decimal)
