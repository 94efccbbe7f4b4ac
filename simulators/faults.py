"""What goes wrong on a line, by chance or by a script. Knows no protocol: an answer is bytes.

The same seed, script and sequence of answers give the same faults, in every process.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

KINDS: Mapping[str, str] = {
    "drop": "the meter stays silent",
    "late": "the answer comes `seconds` after its time, during another question perhaps",
    "flip": "one bit of the answer is wrong",
    "cut": "the answer ends too early, after one octet at least",
    "noise-before": "a few random octets come before the answer",
    "noise-after": "a few random octets come after the answer",
    "echo": "the adapter gives the request back before the answer",
    "foreign": "another meter's earlier answer comes instead",
    "hang-up": "the adapter is unplugged in the middle of the answer, for `seconds`",
}
"""Every kind of fault and what it does."""

USUAL_SECONDS: Mapping[str, float] = {"late": 0.8, "hang-up": 1.0}
LONGEST_NOISE = 5  # octets


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``seconds``: how late, how long unplugged (None: the usual). ``data``: the noise or foreign frame."""

    kind: str
    seconds: float | None = None
    data: bytes = b""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault {self.kind!r}: one of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one answer: the octets that come, how many seconds late, and how long the port is gone after."""

    data: bytes
    late: float = 0.0
    away: float | None = None
    kind: str | None = None  # None: nothing happened to it


class Faults:
    """Decides the fate of each answer on a line, one after the other.

    ``script`` is used up first: one entry an answer, a name, a :class:`Fault` or None for a sound answer. After it
    ``chances`` (kind → probability, their sum at most 1) rule. ``ValueError`` on an unknown kind or a wrong chance.
    """

    def __init__(
        self,
        script: Iterable[Fault | str | None] = (),
        *,
        chances: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        self._script = [Fault(entry) if isinstance(entry, str) else entry for entry in script]
        self._chances = [(Fault(kind), chance) for kind, chance in (chances or {}).items()]
        if any(not 0 <= chance <= 1 for _, chance in self._chances) or sum(c for _, c in self._chances) > 1 + 1e-9:
            raise ValueError(f"chances lie between 0 and 1 and so does their sum: {chances}")
        self._random = random.Random(seed)
        self.struck: dict[str, int] = dict.fromkeys(KINDS, 0)  # how often each kind has happened

    def fate(self, answer: bytes, request: bytes = b"", others: Sequence[bytes] = ()) -> Fate:
        """The fate of this answer. ``request``: the question's octets; ``others``: earlier frames of other meters."""
        fault = self._next()
        if fault is None:
            return Fate(answer)
        self.struck[fault.kind] += 1
        seconds = USUAL_SECONDS.get(fault.kind, 0.0) if fault.seconds is None else fault.seconds
        match fault.kind:
            case "drop":
                return Fate(b"", kind=fault.kind)
            case "late":
                return Fate(answer, late=seconds, kind=fault.kind)
            case "hang-up":
                return Fate(answer[: len(answer) // 2], away=seconds, kind=fault.kind)
        return Fate(self._changed(fault, answer, request, others), kind=fault.kind)

    def _next(self) -> Fault | None:
        if self._script:
            return self._script.pop(0)
        draw = self._random.random()
        for fault, chance in self._chances:
            if draw < chance:
                return fault
            draw -= chance
        return None

    def _changed(self, fault: Fault, answer: bytes, request: bytes, others: Sequence[bytes]) -> bytes:
        match fault.kind:
            case "flip":
                bit = self._random.randrange(len(answer) * 8)
                return bytes(octet ^ (1 << bit % 8 if place == bit // 8 else 0) for place, octet in enumerate(answer))
            case "cut":
                return answer[: self._random.randrange(1, max(2, len(answer)))]
            case "noise-before":
                return (fault.data or self._noise()) + answer
            case "noise-after":
                return answer + (fault.data or self._noise())
            case "echo":
                return request + answer
            case _:  # foreign
                return fault.data or (self._random.choice(others) if others else b"")

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, LONGEST_NOISE))
