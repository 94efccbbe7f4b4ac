"""What a trace shows of a dialogue: the octets and what they say, without the secrets among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from protocols.session import Sending, Session

HIDDEN = "**"
REDACTED = "not shown: it may hold a password"

RUN = 3  # neighbouring octets of a secret that tell of it
AROUND = 3  # octets before or behind a secret that tell whose echo a broken piece of it is
SHORT = 4  # characters: a shorter password is in every other word

_LOW = bytes(octet & 0x7F for octet in range(256))  # an echo may come back without its parity bits


class Redactor:
    """Knows a secret that was sent, and tells its echo: whole or broken, in time or late."""

    def __init__(self, sending: Sending) -> None:
        self.sending = sending
        data, secret = sending.data, sending.secret
        start = max(0, data.rfind(secret))  # what stands before a password may look like it
        end = start + len(secret)
        pieces = {secret[at : at + RUN] for at in range(len(secret) - RUN + 1)}
        pieces |= {data[max(0, start - AROUND) : start + 1], data[end - 1 : end + AROUND]}
        self._pieces = {piece for piece in pieces if len(piece) >= RUN}
        self._low = {piece.translate(_LOW) for piece in self._pieces}
        texts = {secret, secret.translate(_LOW)} if len(secret) >= SHORT else set()
        self._texts = {text.decode("latin-1") for text in texts}

    def tells(self, octets: bytes) -> bool:
        """Whether these octets hold the secret or a piece of it: some neighbouring octets, parity bits apart, or its
        first or last one beside what stands around it in the question."""
        low = octets.translate(_LOW)
        return any(piece in low for piece in self._low)

    def tells_text(self, text: str) -> bool:
        """The same for words, which may quote octets in hex."""
        shapes = {shape for piece in self._pieces | self._low for shape in (piece.hex(" "), piece.hex())}
        folded = text.lower()
        return any(shape in folded for shape in shapes) or any(one in text for one in self._texts)


Guards = Sequence[Redactor]


def tells(guards: Guards, octets: bytes) -> bool:
    return any(guard.tells(octets) for guard in guards)


def tells_text(guards: Guards, text: str) -> bool:
    return any(guard.tells_text(text) for guard in guards)


@dataclass(frozen=True, slots=True)
class TraceMessage:
    """What went one way in one exchange: ``>>`` a question, ``<<`` all that was heard until the next one.

    ``octets`` in hex, those that must not be seen as ``**``; ``size`` counts them all. No answer is an empty one.
    """

    direction: str
    octets: str
    size: int
    _package: str = field(repr=False)
    _plain: bytes | None = field(repr=False)  # None: it cannot be put into words without its secret
    _question: bytes | None = field(default=None, repr=False)
    _guards: Guards = field(default=(), repr=False)

    def words(self) -> list[str]:
        """What it says, a line a finding; nothing where the protocol has no words. Takes milliseconds."""
        if not self.size:
            return ["silence"]
        if self._plain is None:
            return [REDACTED]
        if self._question and self._plain.translate(_LOW) == self._question.translate(_LOW):
            return ["our own question came back (echo)"]
        explain = _explainer(self._package)
        if explain is None or not self._plain:
            return []
        lines = explain(self._plain, self._question)
        lines = _of_question(lines) if self.direction == ">>" else _of_answer(lines)
        return [REDACTED] if tells_text(self._guards, "\n".join(lines)) else lines


Trace = Callable[[TraceMessage], None]
"""Called for each message, in their order."""


def sent(session: Session, sending: Sending, guards: Guards) -> TraceMessage:
    """A question. From its secret's first octet to its end nothing is shown: a checksum tells of what it covers."""
    text = _question_text(sending)
    return TraceMessage(">>", text, len(sending.data), _package_of(session), sending.data, None, guards)


def heard(session: Session, question: bytes, data: bytes, guards: Guards) -> TraceMessage:
    """What came back, with the guards of all secrets that an echo may hold."""
    package = _package_of(session)
    before, echo, behind = data, "", b""
    for sending in (guard.sending for guard in guards):
        if sending.data in data:
            before, _, behind = data.partition(sending.data)
            echo = _question_text(sending)
    if tells(guards, before) or tells(guards, behind):
        return TraceMessage("<<", _hidden(len(data)), len(data), package, None)
    text = " ".join(filter(None, (before.hex(" "), echo, behind.hex(" "))))
    return TraceMessage("<<", text, len(data), package, behind if echo else before, question or None, guards)


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
    """The protocol's own words, ``protocols.NAME.explain``, imported when someone reads a trace."""
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
