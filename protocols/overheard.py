"""Sound frames on the line that are no business of ours: another master speaks there.

Where an answer does not name its question, the answer to someone else's question resembles ours. Only a frame that we
have not sent, or an answer that we have not asked for, tells of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from protocols.checksums import sound_ends_modbus
from protocols.errors import SecondMaster

LONGEST = 260  # octets of which a frame of these protocols consists at most
KEPT = 1024  # octets that are looked through; of more, the end


@dataclass(frozen=True, slots=True)
class Overheard:
    """A sound frame. ``address``: of the meter that is asked or that answers; ``question``: a master has sent it."""

    address: str
    question: bool
    frame: bytes


class Unnamed(ABC):
    """Base of sessions whose answers do not name their question, or not always their meter."""

    proved: bool = True  # ``proof`` asks what no other answer can be taken for

    @abstractmethod
    def foreign(self, octets: bytes) -> tuple[Overheard, ...]:
        """The sound frames among these octets except those that are our own last question."""


Sizes = Callable[[bytes], Collection[int]]
"""Octets that begin with an address → how long a whole frame may be that begins there, CRC included."""


def frames(octets: bytes, questions: Sizes, answers: Sizes, own: int) -> Iterator[Overheard]:
    """Sound frames (address first, CRC-16 of Modbus last), each behind the one before: questions to any address,
    answers from address ``own``, and from another one right behind a question to it."""
    at, asked, octets = 0, own, octets[-KEPT:]
    while at + 4 <= len(octets):
        rest = octets[at : at + LONGEST]
        size = _sound(rest, questions(rest))
        question = bool(size)
        if not size and rest[0] in (own, asked):
            size = _sound(rest, answers(rest))
        if size:
            yield Overheard(str(rest[0]), question, rest[:size])
            asked = rest[0] if question else own
        at += size or 1


def _sound(rest: bytes, sizes: Collection[int]) -> int:
    """The first of these lengths at which a frame is sound, else 0. Zeros behind a sound frame keep the sum."""
    if not sizes:
        return 0
    ends = sound_ends_modbus(rest[: max(sizes)])
    return next((end for end in ends if end >= 4 and end in sizes and rest[end - 2 : end] != b"\0\0"), 0)


def second_master(who: str, heard: Collection[Overheard]) -> SecondMaster:
    """The error of an answer beside which these frames came. Their octets are not shown: a log-in may be among them."""
    shown = ", ".join(
        f"a {'question to' if one.question else 'frame of'} {one.address} ({len(one.frame)} octets)"
        for one in tuple(heard)[:3]
    )
    if any(one.question for one in heard):
        return SecondMaster(
            f"{who}: another master speaks on this line, no answer is believed now: {shown}", tuple(heard)
        )
    words = f"{who}: an answer that was not asked for, another master's or a late one: {shown}"
    return SecondMaster(words, tuple(heard), 'another master on this pair, or a meter slower than its "timeout"')
