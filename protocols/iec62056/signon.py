"""What is agreed with a meter after its identification (IEC 62056-21:2002 §6.3, §6.4): mode, speed, option message."""

from dataclasses import dataclass

from protocols.errors import Refused
from protocols.iec62056 import frames, questions
from protocols.iec62056.frames import SPEEDS, Identification
from protocols.iec62056.states import Outcome
from protocols.session import Line


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the configuration wants of a sign-on. ``line``: of the sign-on itself; ``top_speed``: a faster offer is
    refused; ``change``: False keeps the speed although the option message agrees to the offer."""

    line: Line
    top_speed: int | None = None
    change: bool = True


@dataclass(frozen=True, slots=True)
class Agreement:
    """``option``: the option message, empty where the mode has none; ``line``: what the meter's end is set to from now
    on; ``switches``: whether ours has to follow; ``pause``: s before the option message."""

    outcome: Outcome
    option: bytes
    line: Line
    switches: bool
    pause: float


def agree(found: Identification, question: object, wishes: Wishes) -> Agreement:
    """How the dialogue goes on for this question; Refused where the meter has no such mode."""
    if found.mode in "AB":
        if not isinstance(question, questions.Readout):
            raise Refused(f"{found}: mode {found.mode} has no programming mode through sign-on")
        line = wishes.line if found.mode == "A" else Line(found.speed or wishes.line.speed, wishes.line.format)
        return Agreement(Outcome.IDENTIFIED, b"", line, found.mode == "B", 0.0)
    protocol, mode, outcome = _choice(question)
    if protocol == "2" and found.mode != "E":
        raise Refused(f"{found}: the meter does not offer mode E")
    offered = SPEEDS[found.baud]
    too_fast = protocol == "0" and wishes.top_speed is not None and offered > wishes.top_speed
    stays = too_fast or not wishes.change
    return Agreement(
        outcome,
        frames.option(protocol, "0" if too_fast else found.baud, mode),
        wishes.line if stays else Line(offered, wishes.line.format),
        not stays,
        found.reaction,
    )


def _choice(question: object) -> tuple[str, str, Outcome]:
    """Protocol and mode characters of the option message (§6.3.3), and what follows it."""
    match question:
        case questions.Readout(mode=number):
            return "0", number, Outcome.IDENTIFIED
        case questions.Program(mode=number):
            return "0", number, Outcome.IDENTIFIED_TO_OPEN
    return "2", "2", Outcome.IDENTIFIED_TO_HAND_OVER
