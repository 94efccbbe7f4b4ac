"""Characters that resemble others: Cyrillic letters in Latin words, typographic quotes and dashes, unusual blanks.

A hand on a Russian keyboard, a word processor or a messenger puts them there, and no eye sees the difference.
"""

import re
from collections.abc import Iterator

CYRILLIC = str.maketrans(
    "АВЕЅІЈКМНОРСТУХавеѕіјкмнорстух",
    "ABESIJKMHOPCTYXabesijkmhopctyx",
)
"""Cyrillic letters → the Latin ones that look like them."""

BLANKS = {
    "\u00a0": "a no-break space",
    "\u2003": "an em space",
    "\u2007": "a figure space",
    "\u2009": "a thin space",
    "\u202f": "a narrow no-break space",
    "\u3000": "an ideographic space",
}
INVISIBLE = {
    "\u00ad": "a soft hyphen",
    "\u200b": "a zero-width space",
    "\u200c": "a zero-width non-joiner",
    "\u200d": "a zero-width joiner",
    "\u200e": "a left-to-right mark",
    "\u2060": "a word joiner",
    "\ufeff": "a byte order mark",
}
CONTROLS = {"\0": "a NUL character", "\t": "a tab", "\r": "a carriage return", "\x1a": "an end-of-file mark"}
DOUBLE, SINGLE, DASHES = "«»“”„‟", "‘’‚‛", "‐‑‒–—−"
STRAIGHT = str.maketrans(
    {
        **dict.fromkeys(DOUBLE, '"'),
        **dict.fromkeys(SINGLE, "'"),
        **dict.fromkeys(DASHES, "-"),
        **dict.fromkeys(BLANKS, " "),
        **dict.fromkeys(INVISIBLE, ""),
    }
)
"""Typographic and invisible characters → what TOML has in their place."""

WORD = re.compile(r"\w+")
ALIKE = frozenset("АВЕЅІЈКМНОРСТХаеѕіјорсух")
"""Those that look exactly like theirs: a text with these alone may be meant to be Latin, "Москва" is not."""
OF_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
OF_LATIN = re.compile(r"[A-Za-z]")


def latin(text: str) -> str:
    """The text with Latin letters for the Cyrillic ones that look like them."""
    return text.translate(CYRILLIC)


def mixed(text: str) -> bool:
    """Whether a word has Latin and Cyrillic letters. A word in one script is sound, whichever it is."""
    return any(OF_CYRILLIC.search(word) and OF_LATIN.search(word) for word in WORD.findall(text))


def note(text: str) -> str:
    """``with a Cyrillic "е" (U+0435) as its 2nd character`` of a text that an eye may take for another, else ""."""
    places = [*_disguises(text), *(at for at, one in enumerate(text) if one in BLANKS or one in INVISIBLE)]
    places += [at for at, one in enumerate(text) if one in CONTROLS]
    return f"with {name(text[min(places)])} as its {ordinal(min(places) + 1)} character" if places else ""


def name(character: str) -> str:
    """What one character is called, with its number in Unicode unless it is a letter or sign of ASCII."""
    number = f"(U+{ord(character):04X})"
    if OF_CYRILLIC.match(character):
        return f'a Cyrillic "{character}" {number}'
    if OF_LATIN.match(character):
        return f'a Latin "{character}"'
    if character in DOUBLE or character in SINGLE:
        return f"a typographic quote {character} {number}"
    if character in DASHES:
        return f"a typographic dash {character} {number}"
    for names in (BLANKS, INVISIBLE, CONTROLS):
        if character in names:
            return f"{names[character]} {number}"
    return f'"{character}" {number}' if character.isprintable() else f"the character U+{ord(character):04X}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    last = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _disguises(text: str) -> Iterator[int]:
    """Of each such word the place of the first letter in the script that has fewer letters in it."""
    alike = ALIKE.issuperset(OF_CYRILLIC.findall(text))
    for word in WORD.finditer(text):
        cyrillic, others = OF_CYRILLIC.findall(word[0]), OF_LATIN.findall(word[0])
        if cyrillic and (others or alike):
            odd = OF_CYRILLIC if not others or len(cyrillic) <= len(others) else OF_LATIN
            yield word.start() + next(at for at, one in enumerate(word[0]) if odd.match(one))
