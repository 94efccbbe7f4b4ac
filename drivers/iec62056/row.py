"""Values of one parameter → registers by OBIS code, exact: a position is never guessed."""

import re
from collections.abc import Sequence

from drivers.iec62056 import obis
from drivers.iec62056.parts import Row
from drivers.reading import Number
from protocols.errors import BadFrame
from protocols.iec62056.block import Value


def registers(row: Row, values: Sequence[Value]) -> dict[str, Number]:
    """Register → exact number; what is empty, an error or no number is left out. BadFrame where values are too few
    or too many."""
    texts = [value.text for value in values]
    if texts and row.prefix:
        texts[0] = re.sub(f"^(?:{row.prefix})", "", texts[0], count=1)
    if row.split and len(texts) == 1:
        texts = texts[0].split(row.split)
    if len(texts) != len(row.registers) and not (row.more and len(texts) > len(row.registers)):
        raise BadFrame(f"{row.name}: {len(texts)} values came, {len(row.registers)} are due: {', '.join(texts)[:80]}")
    found: dict[str, Number] = {}
    for register, text in zip(row.registers, texts, strict=False):
        number = Value(text.strip()).number if register else None
        if number is None or (number < 0 and ".8." in register):
            continue
        number = number % row.modulo if row.modulo else number  # without the leading sign digit
        found[register] = obis.plain(number * row.factor)
    return found
