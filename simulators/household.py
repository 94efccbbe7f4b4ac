"""A household's day: what its meter has counted and what it draws at any instant, computed anew from the seed.

Power is constant within a quarter of an hour; the counters are its exact integral, so power and energy agree, and two
processes with the same seed, start and tariffs say the same.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from threading import Lock
from zoneinfo import ZoneInfo

START = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = timedelta(minutes=15)
DAY = timedelta(days=1)
SLOTS = DAY // SLOT
MICROSECOND = timedelta(microseconds=1)
WATT_HOUR = 3_600_000_000  # in W·µs

NIGHT = (time(23), time(7))
PEAKS = ((time(7), time(10)), (time(17), time(21)))

# Share of the household's largest load in each local hour, per thousand.
PROFILE = (
    *(60, 50, 45, 45, 50, 80),  # night
    *(200, 420, 380, 220, 180, 180),  # morning
    *(220, 200, 180, 200, 280, 460),  # afternoon
    *(620, 680, 600, 420, 220, 100),  # evening
)


@dataclass(frozen=True, slots=True)
class Phase:
    """V, A, W, var, VA and the power factor of one phase, with the digits that meters show."""

    voltage: Decimal
    current: Decimal
    power: int
    reactive: int
    apparent: int
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Network:
    """What the household draws now; sums are exact sums of the phases. ``frequency`` in Hz."""

    phases: tuple[Phase, ...]
    frequency: Decimal

    @property
    def power(self) -> int:
        return sum(phase.power for phase in self.phases)

    @property
    def reactive(self) -> int:
        return sum(phase.reactive for phase in self.phases)

    @property
    def apparent(self) -> int:
        return sum(phase.apparent for phase in self.phases)


class Household:
    """Counters and network values of one household as functions of time (aware datetimes; any thread).

    ``tariffs``: one (all day), two (T1 day, T2 night 23–7) or three names (T1 day, T2 night, T3 peaks 7–10 and
    17–21), by the local time of ``zone``; ValueError otherwise. ``start``: counters begin there at an amount that
    the seed decides; before it nothing is drawn.
    """

    def __init__(
        self,
        seed: int,
        zone: str = "Europe/Moscow",
        start: datetime = START,
        tariffs: Sequence[str] = ("T1", "T2", "T3"),
        phases: int = 3,
    ) -> None:
        if not 1 <= len(set(tariffs)) == len(tariffs) <= 3:
            raise ValueError(f"one to three different tariffs, not {list(tariffs)}")
        self.tariffs = tuple(tariffs)
        self.zone = ZoneInfo(zone)
        self.start = start.astimezone(UTC)
        self._seed = seed
        self._midnight = _midnight(self.start)
        self._days: list[tuple[int, ...]] = [(0,) * len(tariffs)]  # W·µs per tariff before day n after that midnight
        self._lock = Lock()
        self._day = lru_cache(maxsize=4)(self._new_day)
        dice = random.Random(f"household {seed}")
        self._largest = dice.randint(2000, 7000)  # W
        self._initial = tuple(dice.randint(500_000, 9_000_000) for _ in tariffs)  # Wh
        self._tangent = dice.randint(150, 400)  # var per kW
        self._shares = _shares(dice, phases)

    def energy(self, at: datetime) -> dict[str, int]:
        """Active energy in Wh: ``total``, the exact sum of the tariffs, and each tariff."""
        counted = self._counted(max(at.astimezone(UTC), self.start))
        tariffs = [initial + amount // WATT_HOUR for initial, amount in zip(self._initial, counted, strict=True)]
        return {"total": sum(tariffs)} | dict(zip(self.tariffs, tariffs, strict=True))

    def reactive(self, at: datetime) -> dict[str, int]:
        """Reactive energy in varh, with the same keys."""
        tariffs = {name: amount * self._tangent // 1000 for name, amount in self.energy(at).items() if name != "total"}
        return {"total": sum(tariffs.values())} | tariffs

    def power(self, at: datetime) -> int:
        """Active power in W, the slope of the total at that instant."""
        at = at.astimezone(UTC)
        return 0 if at < self.start else self._day(_midnight(at))[_slot(at)][1]

    def network(self, at: datetime) -> Network:
        """What a meter would show at that second."""
        at = at.astimezone(UTC).replace(microsecond=0)
        dice = random.Random(f"network {self._seed} {at.isoformat()}")
        total = self.power(at)
        watts = [total * share // 1000 for share in self._shares[1:]]
        watts.insert(0, total - sum(watts))
        phases = tuple(self._phase(power, Decimal(dice.randint(2240, 2360)).scaleb(-1)) for power in watts)
        return Network(phases, Decimal(dice.randint(4995, 5005)).scaleb(-2))

    def _phase(self, power: int, voltage: Decimal) -> Phase:
        reactive = power * self._tangent // 1000
        apparent = round((Decimal(power) ** 2 + Decimal(reactive) ** 2).sqrt())
        current = (apparent / voltage).quantize(Decimal("0.001"))
        factor = (Decimal(power) / apparent).quantize(Decimal("0.001")) if apparent else Decimal("1.000")
        return Phase(voltage, current, power, reactive, apparent, factor)

    def _counted(self, at: datetime) -> list[int]:
        """W·µs per tariff from the start to this instant."""
        midnight = _midnight(at)
        with self._lock:
            while len(self._days) <= (midnight - self._midnight) // DAY:
                begin = self._midnight + (len(self._days) - 1) * DAY
                self._days.append(self._sum(self._days[-1], begin, begin + DAY))
            before = self._days[(midnight - self._midnight) // DAY]
        return list(self._sum(before, midnight, at))

    def _sum(self, before: tuple[int, ...], midnight: datetime, until: datetime) -> tuple[int, ...]:
        counted = list(before)
        for number, (tariff, watts) in enumerate(self._day(midnight)):
            begin = max(midnight + number * SLOT, self.start)
            end = min(midnight + (number + 1) * SLOT, until)
            if begin < end:
                counted[tariff] += watts * ((end - begin) // MICROSECOND)
        return tuple(counted)

    def _new_day(self, midnight: datetime) -> list[tuple[int, int]]:
        """Index of the tariff and W in each quarter of an hour of this UTC day."""
        dice = random.Random(f"day {self._seed} {midnight.date().isoformat()}")
        slots = []
        for number in range(SLOTS):
            local = (midnight + number * SLOT).astimezone(self.zone).time()
            share = PROFILE[local.hour] * dice.randint(500, 1500)
            slots.append((self._tariff(local), self._largest * share // 1_000_000))
        return slots

    def _tariff(self, local: time) -> int:
        if len(self.tariffs) == 1:
            return 0
        if local >= NIGHT[0] or local < NIGHT[1]:
            return 1
        return 2 if len(self.tariffs) == 3 and any(begin <= local < end for begin, end in PEAKS) else 0


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _slot(at: datetime) -> int:
    return (at - _midnight(at)) // SLOT


def _shares(dice: random.Random, phases: int) -> tuple[int, ...]:
    """How the load lies on the phases, per thousand."""
    weights = [dice.randint(1, 5) for _ in range(phases)]
    return tuple(weight * 1000 // sum(weights) for weight in weights)
