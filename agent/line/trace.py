"""What a trace shows of a dialogue: the octets and what they say, without the secrets among them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from protocols.session import Sending, Session

HIDDEN = "**"
UNSAID = "not shown: it may hold a password"

RUN = 3  # neighbouring octets of a secret that tell of it
AROUND = 3  # octets before or behind a secret that tell whose echo a broken piece of it is

_LOW = bytes(octet & 0x7F for octet in range(256))  # an echo may come back without its parity bits


@dataclass(frozen=True, slots=True)
class Message:
    """What went one way in one exchange: ``>>`` a question, ``<<`` all that was heard until the next one.

    ``octets`` in hex, those that must not be seen as ``**``; ``size`` counts them all. No answer is an empty one.
    """

    direction: str
    octets: str
    size: int
    _package: str = field(repr=False)
    _plain: bytes | None = field(repr=False)  # None: it cannot be put into words without its secret
    _question: bytes | None = field(default=None, repr=False)

    def words(self) -> list[str]:
        """What it says, a line a finding; nothing where the protocol has no words. Takes milliseconds."""
        if not self.size:
            return ["silence"]
        if self._plain is None:
            return [UNSAID]
        explain = _explainer(self._package)
        if explain is None or not self._plain:
            return []
        lines = explain(self._plain, self._question)
        return _of_question(lines) if self.direction == ">>" else _of_answer(lines)


Trace = Callable[[Message], None]
"""Called for each message, in their order."""


def sent(session: Session, sending: Sending) -> Message:
    """A question. From its secret's first octet to its end nothing is shown: a checksum tells of what it covers."""
    data, secret = sending.data, sending.secret
    plain = None if secret and (secret == data or secret not in data) else data
    return Message(">>", _question_text(sending), len(data), _package_of(session), plain)


def heard(session: Session, question: bytes, data: bytes, confided: Sending | None) -> Message:
    """What came back. ``confided``: the sending whose secret an echo may hold, also one that comes late or broken."""
    package = _package_of(session)
    if confided is None:
        return Message("<<", data.hex(" "), len(data), package, data, question or None)
    echoed = data.find(confided.data)
    before, behind = (data, b"") if echoed < 0 else (data[:echoed], data[echoed + len(confided.data) :])
    if tells(before, confided) or tells(behind, confided):
        return Message("<<", _hidden(len(data)), len(data), package, None)
    echo = "" if echoed < 0 else _question_text(confided)
    text = " ".join(filter(None, (before.hex(" "), echo, behind.hex(" "))))
    return Message("<<", text, len(data), package, before if echoed < 0 else behind, question or None)


def tells(octets: bytes, confided: Sending) -> bool:
    """Whether these octets hold the secret or a piece of it, parity bits apart: a few neighbouring ones, or its first
    or last one beside what stands around it in the question."""
    low, data, secret = (each.translate(_LOW) for each in (octets, confided.data, confided.secret))
    start = max(0, data.rfind(secret))  # what stands before the password may look like it
    end = start + len(secret)
    run = min(RUN, len(secret))
    pieces = {secret[at : at + run] for at in range(len(secret) - run + 1)}
    pieces |= {data[max(0, start - AROUND) : start + 1], data[end - 1 : end + AROUND]}
    return any(piece in low for piece in pieces)


def _question_text(sending: Sending) -> str:
    data, secret = sending.data, sending.secret
    if not secret:
        return data.hex(" ")
    start = max(0, data.find(secret))
    return " ".join(filter(None, (data[:start].hex(" "), _hidden(len(data) - start))))


def _hidden(count: int) -> str:
    return " ".join([HIDDEN] * count)


def _package_of(session: Session) -> str:
    return type(session).__module__.rpartition(".")[0]


@cache
def _explainer(package: str) -> Callable[[bytes, bytes | None], list[str]] | None:
    """The protocol's own words, ``protocols.NAME.explain``, imported when somebody looks at a trace."""
    name = f"{package}.explain"
    try:
        module: Any = import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        return None
    explain: Callable[[bytes, bytes | None], list[str]] = module.explain
    return explain


def _of_question(lines: list[str]) -> list[str]:
    """Without guesses at what the octets would say as an answer."""
    first = lines[0].removeprefix("as a ")
    return [first] if first != lines[0] else lines


def _of_answer(lines: list[str]) -> list[str]:
    """Without the request, which some protocols say again before its answer."""
    if "answer:" in lines:
        return [line.removeprefix("  ") for line in lines[lines.index("answer:") + 1 :]]
    return lines[1:] if lines[0].startswith("request") else lines
