"""Макет 80021: the receiver's answer to a Макет 80020, as message(class) / file(name) / reply(status).

Form and meaning of the statuses: the SAK 80020 mail client's own comments with a captured answer of 2006 (GitHub), and
the receivers' list 0 accepted, 1 accepted in part, 2 unknown channel, 3 format error, 4 not XML. Answers come by mail
from outside: size and depth are bounded, and documents that declare types or entities are refused.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from xml.parsers import expat

LONGEST = 256 * 1024
DEEPEST = 16
MOST_DETAILS = 500  # characters of what the receiver adds as text
STATUSES = {
    0: "accepted",
    1: "accepted in part: some channels have information that is not commercial",
    2: "not accepted: the receiver does not know a measuring channel",
    3: "not accepted: format error",
    4: "not accepted: no XML",
}
NAME = re.compile(r"80020_(\d{1,20})_(\d{8})_(\d{1,12})(?:_\w{1,20})?\.(?:xml|zip)", re.ASCII | re.IGNORECASE)


class AnswerError(ValueError):
    """No answer that we understand; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Which message it is about (sender's INN, day, number), its status, and what else the receiver says."""

    inn: str
    day: date
    number: int
    status: int
    details: str = ""


@dataclass(slots=True)
class _Seen:
    """What the parser has met: the attributes and text of an element by its path, the first of each."""

    path: list[str] = field(default_factory=list)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        if len(self.path) > DEEPEST:
            raise AnswerError(f"no answer: elements are nested deeper than {DEEPEST}")
        self.attributes.setdefault("/".join(self.path), attributes)

    def text(self, data: str) -> None:
        where = "/".join(self.path)
        self.texts[where] = self.texts.get(where, "") + data

    def end(self, _: str) -> None:
        self.path.pop()


def parse(data: bytes) -> Answer:
    """The answer in a file's bytes, or AnswerError."""
    seen = _read(data)
    root = seen.attributes.get("message", {})
    if root.get("class") != "80021":
        raise AnswerError(f"no answer: found message class {root.get('class')!r}, expected '80021'")
    name = " ".join(seen.texts.get("message/file/name", "").split())
    # Some mail programs write blanks for the underscores of a file's name.
    match = NAME.fullmatch(name.replace(" ", "_"))
    if match is None:
        raise AnswerError(f"no answer: found file name {name[:80]!r}, expected 80020_INN_YYYYMMDD_NUMBER….xml")
    status = seen.attributes.get("message/reply", {}).get("status", "")
    if status not in {str(known) for known in STATUSES}:
        raise AnswerError(f"no answer: found reply status {status[:20]!r}, expected 0 to {max(STATUSES)}")
    try:
        day = datetime.strptime(match[2], "%Y%m%d").date()
    except ValueError:
        raise AnswerError(f"no answer: {match[2]} in the file name {name!r} is not a day") from None
    return Answer(match[1], day, int(match[3]), int(status), _details(seen))


def _details(seen: _Seen) -> str:
    words = [text for path, text in seen.texts.items() if path.startswith("message/reply")]
    return " ".join(" ".join(words).split())[:MOST_DETAILS]


def _read(data: bytes) -> _Seen:
    if len(data) > LONGEST:
        raise AnswerError(f"no answer: {len(data)} bytes, expected at most {LONGEST}")
    seen = _Seen()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _no_types
    parser.StartElementHandler = seen.start
    parser.CharacterDataHandler = seen.text
    parser.EndElementHandler = seen.end
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as trouble:
        if isinstance(trouble, AnswerError):
            raise
        raise AnswerError(f"no answer: no sound XML: {trouble}") from None
    return seen


def _no_types(*_: object) -> None:
    raise AnswerError("no answer: it declares document types, which no answer needs")
