"""What physics and the field allow a quantity to be, in one place. No meter has a value outside."""

from collections.abc import Mapping
from decimal import Decimal

from drivers.reading import Number

ENERGY = Decimal(10) ** 15  # Wh, varh: a million GWh, more than any register of a meter shows
SENTINELS = frozenset(limit for bits in (32, 64) for limit in ((1 << bits) - 1, (1 << bits - 1) - 1, -(1 << bits - 1)))
"""What registers of 32 and 64 bits hold for "not available", whatever the power of ten at which they are read."""

BOUNDS: Mapping[int, tuple[Number, Number]] = {
    **dict.fromkeys((13, 33, 53, 73), (-1, 1)),  # power factor
    **dict.fromkeys((12, 32, 52, 72), (0, 500_000)),  # V, also behind transformers
    **dict.fromkeys((11, 31, 51, 71, 91), (-100_000, 100_000)),  # A; some makers sign them
}
"""Group C of a code of the moment → least and largest, as a plain number, in V or A."""
POWER = 10**10  # W, var, VA either way: a large power station
FREQUENCY = (Decimal(40), Decimal(70))  # Hz; 0 is a meter without supply on its measuring side


def impossible(values: Mapping[str, Number]) -> tuple[str, ...]:
    """The codes of what cannot be. A power factor of 1.05, a line of 6553.5 Hz, an energy of 2147483647."""
    return tuple(code for code, value in values.items() if not _possible(code, value))


def _possible(code: str, value: Number) -> bool:
    group, kind, _ = code.removeprefix("1-0:").split(".")
    if kind == "8":
        return 0 <= value <= ENERGY and not _is_sentinel(value)
    if group == "14":
        return value == 0 or FREQUENCY[0] <= value <= FREQUENCY[1]
    low, high = BOUNDS.get(int(group), (-POWER, POWER))
    return low <= value <= high and not _is_sentinel(value)


def _is_sentinel(value: Number) -> bool:
    """Whether its digits, without the zeros of a power of ten, are those of a sentinel."""
    sign, digits, _ = Decimal(value).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    return len(text) >= 10 and (-int(text) if sign else int(text)) in SENTINELS
