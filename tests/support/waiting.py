"""The one place where tests wait for something real: another thread, another process, a broker."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    seconds: float = 60.0,
    *,
    between: Callable[[], object] = lambda: None,
    told: Callable[[], object] = lambda: "",
    every: float = 0.01,
) -> T:
    """The condition's first true value; ``between`` is done before each look.

    AssertionError after this many seconds, with what ``told`` says then."""
    end = time.monotonic() + seconds
    while True:
        between()
        if found := condition():
            return found
        assert time.monotonic() < end, f"not within {seconds} s {told()}"
        time.sleep(every)
