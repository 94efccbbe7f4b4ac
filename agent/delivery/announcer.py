"""When the retained state is published again: at once what matters, now and then what only counts on."""

STATE_EVERY = 300.0  # s
STATE_PAUSE = 1.0  # s at least between two states
COUNTS_PAUSE = 60.0  # s at least between two states of which only the numbers differ


class Announcer:
    """``facts`` are what a person at the utility acts on, ``numbers`` what grows with every poll."""

    def __init__(self) -> None:
        self._published: float | None = None
        self._facts: object = None
        self._numbers: object = None
        self._wanted = False

    def want(self) -> None:
        self._wanted = True

    def forget(self) -> None:
        """A new connection: the broker may know nothing, or hold our will."""
        self._published = None

    def due(self, now: float, facts: object, numbers: object) -> bool:
        if self._published is None:
            return True
        age = now - self._published
        if age < STATE_PAUSE:
            return False
        if self._wanted or facts != self._facts or age >= STATE_EVERY:
            return True
        return numbers != self._numbers and age >= COUNTS_PAUSE

    def published(self, now: float, facts: object, numbers: object) -> None:
        self._published, self._facts, self._numbers, self._wanted = now, facts, numbers, False
