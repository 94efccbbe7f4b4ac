"""Words for faults: a value as the file has it, what may stand there, and the word that was probably meant."""

import difflib
from collections.abc import Iterable

from drivers.files import letters


def likely(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant, or None. ``cutoff``: how alike they must be, 1 is equal."""
    by_folded = {letters.latin(one).casefold(): one for one in known}
    close = difflib.get_close_matches(letters.latin(word).casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def meant(word: str, known: Iterable[str]) -> str:
    """``, did you mean "serial"?`` or nothing."""
    near = likely(word, known)
    return f', did you mean "{near}"?' if near else ""


def one_of(words: Iterable[str]) -> str:
    """``"intake" or "broker"``."""
    *first, last = [f'"{word}"' for word in words]
    return f"{', '.join(first)} or {last}" if first else last


def shown(value: object) -> str:
    """A value for a fault: as the file has it, and which of its characters an eye takes for another."""
    remark = letters.note(value) if isinstance(value, str) else ""
    return f"{plain(value)} {remark}" if remark else plain(value)


def plain(value: object) -> str:
    """A value as the file has it, cut where it is long."""
    match value:
        case bool():
            text = "true" if value else "false"
        case str():
            text = '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in value) + '"'
        case dict():
            text = "a table"
        case list():
            text = "an array"
        case int() if value.bit_length() > 1000:  # Python shows no more than 4300 digits
            text = "a number of hundreds of digits"
        case _:
            text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
