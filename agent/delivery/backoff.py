"""How long to wait before the next try to connect."""

import random


class Backoff:
    """Pauses in s that double from ``shortest`` to ``longest``, each of them shaken by a half in both directions: after
    an outage the gateways of a whole city must not knock at the same moment."""

    def __init__(self, shortest: float = 1.0, longest: float = 60.0, seed: int | None = None) -> None:
        self._shortest = shortest
        self._longest = longest
        self._next = shortest
        self._random = random.Random(seed)

    def pause(self) -> float:
        pause, self._next = self._next, min(self._longest, self._next * 2)
        return pause * self._random.uniform(0.5, 1.5)

    def reset(self) -> None:
        """A connection stood: the next pause is the shortest again."""
        self._next = self._shortest
