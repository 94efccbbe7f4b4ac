"""What is usually wrong in a statement that is not TOML, and the statement as it was meant.

First the characters that only look right are replaced (:mod:`drivers.files.letters`), outside quotes and comments;
then a colon, a missing quote or a missing bracket is put right. The first attempt that is TOML counts.
"""

import re
from collections.abc import Callable, Iterator

from drivers.files import letters
from drivers.files.words import shown

Found = tuple[int, str, str]
"""Where in the statement, what stands there, what may stand there."""

ANYTHING = re.compile(r'("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#.*)')
"""Quotes and comments: any character may stand in them."""
BEFORE_VALUE = re.compile(r"[^=:\n]*")
NAME = re.compile(r"[\w.-]+")
WANTED = (
    (letters.DOUBLE + letters.SINGLE, 'straight quotes: key = "text"'),
    (letters.DASHES, 'a plain "-"'),
    ("".join(letters.BLANKS), "a plain space"),
)

MISSING = (
    (r"(\s*[\w.\"'-]+\s*)(:)", r"\1=", "a colon", 'key = value, with "=" and not ":"'),
    (
        r"([^=\n]*=[ \t]*)()(?:[\"'](?=\S)|(?=[^\W\d]|/))([^\"'#\n]*?)[\"']?([ \t]*(?:#.*)?)$",
        r'\1"\3"\4',
        "text without quotes at both ends",
        'text in quotes: key = "text"',
    ),
    (r"(\s*)()\[(?!\[)([^\[\]#]*)\]{0,2}([ \t]*(?:#.*)?)$", r"\1[\3]\4", "a header without its brackets", "[table]"),
    (r"(\s*)()\[\[([^\[\]#]*)\]{0,2}([ \t]*(?:#.*)?)$", r"\1[[\3]]\4", "a header without its brackets", "[[table]]"),
)
"""Expression, the text as it was meant, what stands there at the second group, what may stand there."""


def repair(text: str, sound: Callable[[str], bool]) -> tuple[str, list[Found]] | None:
    """The statement as it was probably meant, and what was put right in it; None where nothing helps."""
    for new, found in _plainer(text):
        if found and sound(new):
            return new, found
    for new, found in _plainer(text):
        for mended, more in _completed(new):
            if sound(mended):
                return mended, found + more
    return None


def _plainer(text: str) -> Iterator[tuple[str, list[Found]]]:
    """The text itself, with straight signs, with Latin letters too, and with these in the key alone."""
    yield text, []
    straight = _outside(text, lambda piece: piece.translate(letters.STRAIGHT))
    signs = _first_sign(text)
    yield straight, signs
    latin = _outside(straight, letters.latin)
    yield latin, signs + _first_letter(straight, latin)
    key = BEFORE_VALUE.match(straight)
    end = key.end() if key else 0
    yield letters.latin(straight[:end]) + straight[end:], signs + _first_letter(straight, latin)


def _outside(text: str, change: Callable[[str], str]) -> str:
    return "".join(piece if number % 2 else change(piece) for number, piece in enumerate(ANYTHING.split(text)))


def _first_sign(text: str) -> list[Found]:
    plain = _outside(
        text, lambda piece: re.sub(f"[{''.join(map(re.escape, map(chr, letters.STRAIGHT)))}]", "\0", piece)
    )
    at = plain.find("\0")
    if at < 0:
        return []
    wanted = next((words for signs, words in WANTED if text[at] in signs), "nothing there")
    return [(at, letters.name(text[at]), wanted)]


def _first_letter(text: str, latin: str) -> list[Found]:
    """The first letter that was replaced. What stands behind the "=" may be a password and is not shown."""
    at = next((at for at, (one, other) in enumerate(zip(text, latin, strict=False)) if one != other), None)
    if at is None:
        return []
    key = BEFORE_VALUE.match(text)
    if key is not None and at >= key.end():
        return [(at, letters.name(text[at]), f'a Latin "{latin[at]}"')]
    word = next(one for one in NAME.finditer(text) if one.start() <= at < one.end())
    return [(word.start(), shown(word[0]), f'"{letters.latin(word[0])}"')]


def _completed(text: str) -> Iterator[tuple[str, list[Found]]]:
    """With the signs of TOML that are missing, one more each time."""
    found: list[Found] = []
    for expression, meant, what, wanted in MISSING:
        there = re.match(expression, text)
        if there is not None:
            new = there.expand(meant) + text[there.end() :]
            if new != text:
                found.append((there.start(2), what, wanted))
                text = new
                yield text, found
