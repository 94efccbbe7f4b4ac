"""What the polls of a bus cost on its wire, computed before anything runs.

Pure arithmetic over what the drivers declare: octets times the time of a character, and the quiet around them. Log-in
and identification are counted for each kind by itself; where several kinds are due together the round is shorter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.config.words import period
from agent.line.link import TRIES
from agent.line.silent import SHARE
from drivers.reading import Exchange, Kind
from protocols.session import SPEEDS, Line

TIGHT = 0.8  # share of the time beyond which a bus has no time for retries, technicians and old gaps
NICE = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one meter asks of its bus: for each kind its period in seconds and one poll's exchanges.

    ``wait`` in seconds is the longest time to the first byte of an answer. ``wired`` is False where characters take no
    time that counts (a network connection).
    """

    point: str
    line: Line
    polls: Mapping[Kind, tuple[float, tuple[Exchange, ...]]]
    wait: float
    wired: bool = True

    def seconds(self, kind: Kind) -> float:
        """One poll of this kind; 0 where it has none."""
        character = self.line.character if self.wired else 0.0
        _, exchanges = self.polls.get(kind, (0.0, ()))
        return sum((one.request + one.answer) * character + one.quiet for one in exchanges)

    @property
    def load(self) -> float:
        """The share of the bus time, 1 is all of it."""
        return sum(self.seconds(kind) / every for kind, (every, _) in self.polls.items())

    def silent(self, kind: Kind) -> float:
        """A poll that no one answers, before the meter counts as silent: each try waits, then drains for as long."""
        character = self.line.character if self.wired else 0.0
        _, exchanges = self.polls[kind]
        return TRIES * (exchanges[0].request * character + 2 * self.wait) if exchanges else 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """One kind on one bus. Seconds on the wire: all alive, one found dead, and one while it is being found out."""

    kind: Kind
    meters: int
    period: float  # the shortest of its meters
    alive: float
    dead: float
    finding: float

    @property
    def kept(self) -> bool:
        return self.alive <= self.period


@dataclass(frozen=True, slots=True)
class Budget:
    """One bus. ``load`` and ``load_dead`` are shares of its time, all meters alive and one dead."""

    bus: str
    rounds: tuple[Round, ...]
    load: float
    load_dead: float
    advice: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Every period can be kept while all meters answer, and with one that does not."""
        return max(self.load, self.load_dead) <= 1 and all(one.kept for one in self.rounds)

    @property
    def tight(self) -> bool:
        return max(self.load, self.load_dead) > TIGHT


def budget(bus: str, demands: Sequence[Demand]) -> Budget:
    """The cost of a bus with these meters."""
    kinds = list(dict.fromkeys(kind for demand in demands for kind in demand.polls))
    rounds = tuple(_round(kind, [demand for demand in demands if kind in demand.polls]) for kind in kinds)
    loads = [demand.load for demand in demands]
    load = sum(loads)
    dead = load - min(loads, default=0.0) + SHARE if demands else 0.0
    made = Budget(bus, rounds, load, dead, ())
    return made if made.kept and not made.tight else replace(made, advice=_advice(made, demands))


def _round(kind: Kind, members: Sequence[Demand]) -> Round:
    seconds = [member.seconds(kind) for member in members]
    alive = sum(seconds)
    return Round(
        kind,
        len(members),
        min(member.polls[kind][0] for member in members),
        alive,
        # The rest of the bus, stretched by the trials of the silent one; the worst case is that the quickest is dead.
        (alive - min(seconds)) / (1 - SHARE),
        max(alive - own + member.silent(kind) for own, member in zip(seconds, members, strict=True)),
    )


def _advice(made: Budget, demands: Sequence[Demand]) -> tuple[str, ...]:
    """What would bring the bus below TIGHT: a longer period of its dearest kind, a faster line, else another bus."""
    advice = []
    shares = {
        one.kind: sum(
            demand.seconds(one.kind) / demand.polls[one.kind][0] for demand in demands if one.kind in demand.polls
        )
        for one in made.rounds
    }
    dearest = max(shares, key=lambda kind: shares[kind])
    excess = max(made.load, made.load_dead) - TIGHT
    alive = next(one.alive for one in made.rounds if one.kind == dearest)
    if shares[dearest] > excess:
        needed = alive / (shares[dearest] - excess)
        longer = next((nice for nice in NICE if nice >= needed), None)
        if longer:
            advice.append(f'poll {dearest} = "{period(longer)}" or longer')
    speed = _enough_speed(demands)
    if speed:
        advice.append(f"speed = {speed}, if every meter can")
    return tuple(advice) or ("move some meters to another bus",)


def _enough_speed(demands: Sequence[Demand]) -> int | None:
    """The lowest higher speed at which the bus is below TIGHT, retries of a dead meter included."""
    slowest = min(demand.line.speed for demand in demands)
    for speed in SPEEDS:
        if speed <= slowest or not any(demand.wired for demand in demands):
            continue
        faster = [replace(d, line=replace(d.line, speed=max(speed, d.line.speed))) for d in demands]
        loads = [demand.load for demand in faster]
        if max(sum(loads), sum(loads) - min(loads) + SHARE) <= TIGHT:
            return speed
    return None
