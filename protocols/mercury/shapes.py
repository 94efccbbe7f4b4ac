"""How long the frames of a Mercury 23x may be: what tells them apart when another master speaks to such meters."""

from protocols.mercury.frames import LONGEST, SHORTEST

_QUESTIONS = {  # request code → octets of the frame, address and CRC included (Incotex command system 05.2023)
    0x01: (11,),  # log-in
    0x03: (5, 6, 8, 13),  # writes
    0x04: (5, 6),  # clock, journals
    0x05: (6,),  # energy
    0x06: (8, 9),  # memory
    0x08: (5, 6),  # parameters, instantaneous values
}
"""Codes 00 and 02 are missing: a request of one octet resembles a status."""


def question_sizes(rest: bytes) -> tuple[int, ...]:
    """Of a question that would begin here."""
    return _QUESTIONS.get(rest[1], ())


def answer_sizes(rest: bytes) -> range:
    """Of an answer that would begin here: it does not tell."""
    return range(SHORTEST, min(len(rest), LONGEST) + 1)
