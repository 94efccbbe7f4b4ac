"""Which registers are read in one request.

A request costs about 13 characters of framing and the meter's reaction (20 ms at 9600 bit/s is as long as 20
characters), a register 2 characters: running over a small hole is cheaper than asking twice. What belongs together,
a total and its tariffs, is read together wherever the meter's limits allow it: no counter moves in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from drivers.modbus.model import Row, read
from protocols.modbus.questions import ReadHolding, ReadInput

REQUEST_COST = 33  # characters
APART_TARIFFS = 10_000  # tariffs of one quantity in two requests
APART_TOTAL = 1_000  # a total and its tariffs in two requests


@dataclass(frozen=True, slots=True)
class Block:
    """One request: the registers from the first row's to the last row's, rows in the order of their addresses."""

    rows: tuple[Row, ...]

    @property
    def address(self) -> int:
        return self.rows[0].address

    @property
    def count(self) -> int:
        return self.rows[-1].end - self.rows[0].address

    @property
    def hole(self) -> bool:
        """Whether registers are read that no row wants."""
        return any(left.end < right.address for left, right in pairwise(self.rows))

    def question(self) -> ReadHolding | ReadInput:
        return read(self.rows[0].function, self.address, self.count)

    def part(self, row: Row, octets: bytes) -> bytes:
        """This row's octets of the block's."""
        start = 2 * (row.address - self.address)
        return octets[start : start + 2 * row.count]


def blocks(rows: Sequence[Row], max_read: int, holes: int) -> tuple[Block, ...]:
    """The cheapest requests that bring these rows, none longer than ``max_read`` registers nor over a hole of more
    than ``holes``. A row is never split, even one that is longer than ``max_read``."""
    ordered = sorted(rows, key=lambda row: (row.function, row.address))
    return tuple(
        block for _, same in groupby(ordered, lambda row: row.function) for block in _cut(list(same), max_read, holes)
    )


def _cut(rows: list[Row], max_read: int, holes: int) -> list[Block]:
    """Shortest path over the places where the rows may be cut."""
    penalties = [_penalty(rows, at) for at in range(len(rows))]
    best: list[tuple[int, int]] = [(0, 0)]  # for the first n rows: cost, where their last block begins
    for end in range(1, len(rows) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            if start < end - 1 and rows[start + 1].address - rows[start].end > holes:
                break
            count = rows[end - 1].end - rows[start].address
            if count > max_read and start < end - 1:
                break
            options.append((best[start][0] + penalties[start] + REQUEST_COST + 2 * count, start))
        best.append(min(options))
    cut, end = [], len(rows)
    while end:
        start = best[end][1]
        cut.append(Block(tuple(rows[start:end])))
        end = start
    return cut[::-1]


def _penalty(rows: list[Row], at: int) -> int:
    """What it costs to begin a new block with this row: what belongs together and is torn apart by it."""
    before, after = rows[:at], rows[at:]
    torn = 0
    for group in {row.group for row in before} & {row.group for row in after} - {None}:
        tariffs = [{row.tariff is not None for row in side if row.group == group} for side in (before, after)]
        torn += APART_TARIFFS if all(True in side for side in tariffs) else APART_TOTAL
    return torn
