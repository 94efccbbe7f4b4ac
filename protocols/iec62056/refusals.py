"""What an error message means: ``(ERR12)``, ``NAME(ERR18)``, ``(E12)``, Neva's ``(01)``; makers define them."""

from protocols.errors import Busy, MeterError, Refused
from protocols.iec62056.block import Block
from protocols.iec62056.questions import Get

ERRORS = {
    11: "command not supported",
    12: "unknown parameter",
    13: "wrong structure of the parameter",
    14: "access button not pressed",
    15: "access denied",
    16: "programming forbidden, no jumper",
    17: "value not allowed",
    18: "no stored value for this date",
    19: "programming goes on at another port",
    22: "answer larger than allowed",
    30: "power supply fault",
    31: "I2C fault",
    32: "non-volatile memory content",
    33: "non-volatile memory write",
}
"""Energomera CE208/CE308, protocol IEC: error messages ``(ERRnn)``."""

BUSY, NOT_STORED = 19, 18


def refusal(block: Block, name: str, named: bool = True) -> MeterError | None:
    """Busy or Refused with the meter's number where the message is an error and no data; else None.

    ``named``: the answer should repeat ``name``, so that a bare short number is an error too."""
    if len(block.sets) != 1 or len(block.sets[0].values) != 1 or block.sets[0].id not in ("", name):
        return None
    value = block.sets[0].values[0]
    code = value.error
    if code is None and named and not block.sets[0].id and value.text.isdecimal() and len(value.text) <= 3:
        code = int(value.text)
    if code is None:
        return None
    words = f"{name}: the meter answers {error_words(block)}"
    return Busy(words) if code == BUSY else Refused(words, code)


def nothing_kept(question: object, block: Block) -> Refused | None:
    """Refused where a sound message without any data answers a question for a row of an archive: so a CE301 says that
    it keeps none (``STX ETX 03``, as two independent public drivers of a CE301BY take it). None where it is not such a
    answer."""
    if block.sets or block.damaged or not (isinstance(question, Get) and question.arguments):
        return None
    return Refused(f"{question.name}({question.arguments}): the meter answers with nothing", NOT_STORED)


def error_words(block: Block) -> str:
    """The meter's message as it came, with the meaning of its number where that is known."""
    value = block.sets[0].values[0] if block.sets else None
    if value is None:
        return "nothing"
    known = ERRORS.get(value.error or 0)
    return f"({value.text}), {known}" if known else f"({value.text})"
