"""Log lines that a storm cannot multiply."""

import logging
from collections.abc import Callable


class RateLimitedLog:
    """One line in ``every`` s per subject and level; the next one says how many were left out."""

    def __init__(self, log: logging.Logger, monotonic: Callable[[], float], every: float = 60.0) -> None:
        self._log = log
        self._monotonic = monotonic
        self._every = every
        self._written: dict[tuple[str, int], float] = {}
        self._left_out: dict[tuple[str, int], int] = {}

    def warning(self, subject: str, text: str) -> None:
        self._say(logging.WARNING, subject, text)

    def info(self, subject: str, text: str) -> None:
        self._say(logging.INFO, subject, text)

    def _say(self, level: int, subject: str, text: str) -> None:
        key, now = (subject, level), self._monotonic()
        if now - self._written.get(key, now - self._every) < self._every:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        self._written[key] = now
        left_out = self._left_out.pop(key, 0)
        more = f" ({left_out} more since the last line)" if left_out else ""
        self._log.log(level, "%s: %s%s", subject, text, more)
