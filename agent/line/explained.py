"""Why a question has no sound answer, from all that was heard: the layers between silence and a frame.

Called once a question has failed. A session's own word stands where it knows more: a wrong check sum, another address.
"""

from dataclasses import dataclass, field

from protocols.errors import BadFrame, LateReply, MeterError, NeverSilent, NoReply, OnlyEcho, OtherProtocol, WrongCheck
from protocols.session import Sending, Session

_LOW = bytes(octet & 0x7F for octet in range(256))  # an echo may come back without its parity bits
FEW = 4  # octets; fewer are noise and no frame of any protocol
SHOWN = 32  # octets of a message
NOTHING = Sending(b"", wait=0.0)


@dataclass(frozen=True, slots=True)
class Heard:
    """``octets`` in time, ``late`` ones ``delay`` seconds after the question; ``waited``: seconds for the first one."""

    sending: Sending = NOTHING
    octets: bytes = field(default=b"", repr=False)
    late: bytes = field(default=b"", repr=False)
    delay: float = 0.0
    waited: float = 0.0


def better(trouble: MeterError, session: Session, heard: Heard) -> MeterError:
    """A word that leads on, or the trouble itself."""
    if type(trouble) not in (NoReply, BadFrame, NeverSilent, WrongCheck):
        return trouble
    asked = heard.sending.data
    came = without_echo(heard.octets, asked)
    late = heard.late if heard.octets else without_echo(heard.late, asked)
    if asked and not came and not late and (heard.octets or heard.late):
        return OnlyEcho("only our own octets came back (an echo): no meter answers")
    if isinstance(trouble, NoReply) and not came and late:
        return LateReply(
            f"an answer came {heard.delay:.1f} s after the question, {heard.waited:.2f} s are waited", heard.delay
        )
    if not asked or not came or heard.sending.secret:
        return trouble  # who only listens has said it already
    from protocols import diagnosis  # only where a dialogue has failed

    spoken = "".join(type(session).__module__.split(".")[1:2])
    found = diagnosis.of(came, spoken, asked)
    if found is None:
        return _with_noise(trouble, came)
    return trouble if type(trouble) is WrongCheck and type(found) is not OtherProtocol else found


def _with_noise(trouble: MeterError, came: bytes) -> MeterError:
    """Characters came, so it is not called silence; a click of an adapter that turns round is told beside it."""
    if not isinstance(trouble, NoReply):
        return trouble
    shown = came[:SHOWN].hex(" ") + (" …" if len(came) > SHOWN else "")
    if len(came) < FEW:
        return NoReply(f"{trouble}; only noise came: {shown}")
    return BadFrame(f"{len(came)} octets came, none of them an answer: {shown}")


def without_echo(octets: bytes, asked: bytes) -> bytes:
    """What is not our own question coming back, once or again and again."""
    low = octets.translate(_LOW)
    start, size, echo = 0, len(asked), asked.translate(_LOW)
    while size and low.startswith(echo, start):
        start += size
    return octets[start:]
