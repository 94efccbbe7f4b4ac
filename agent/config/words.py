"""The few words of the file that TOML has no type for: periods, times of day, line formats."""

import re
from collections.abc import Sequence
from datetime import time
from decimal import Decimal

UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
FORMATS = tuple(f"{bits}{parity}{stop}" for bits in (8, 7) for parity in "NEO" for stop in (1, 2))


def seconds(text: str) -> Decimal:
    """``"15m"`` as exact seconds; ValueError where it is not a period."""
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text)
    if not match:
        raise ValueError(text)
    return int(match[1]) * UNITS[match[2]]


def period(value: float | Decimal) -> str:
    """Seconds as they stand in the file, in the largest unit that divides them."""
    exact = Decimal(str(value))
    for unit in ("d", "h", "m", "s", "ms"):
        if exact and exact % UNITS[unit] == 0:
            return f"{exact // UNITS[unit]:f}{unit}"
    return f"{exact * 1000:f}ms" if exact else "0s"


def time_of_day(text: str) -> time:
    """``"00:10"``; ValueError if there is none."""
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}", text):
        raise ValueError(text)
    return time.fromisoformat(text)


def some(names: Sequence[str]) -> str:
    """Three by name, the others by number."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
