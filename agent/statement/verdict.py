"""Is a statement plausible? Every doubt is a reason with a code and words; without one it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agent.judge.plausible import DEFAULT_LIMIT_KW

REASONS: Mapping[str, str] = {
    "first": "there is nothing to compare with: no earlier statement and no initial reading of the act",
    "backwards": "a register is lower than in the statement before",
    "no-act": "the meter was replaced and the act's readings are not known",
    "not-comparable": "consumption since the statement before cannot be computed",
    "above-limit": "more than the connection can carry",
    "sum-mismatch": "the tariffs do not sum to the total",
    "far-from-usual": "far from what the last months used",
    "too-many-digits": "more digits than the meter's display has",
    "reading-flags": "the reading itself is doubtful",
}
"""The documented list of codes."""

DOUBTFUL = ("backwards", "step-too-large", "zero-total", "scale-changed", "clock-unset", "wrong-serial")
USUAL_FROM = 3  # months that must be known before a usual is spoken of
TIMES = 3  # times the usual
SLACK = Decimal(100_000)  # Wh in 30 days above the usual that no one asks about
LITTLE = 10  # a tenth of the usual
MONTH = Decimal(30 * 86400)  # s


@dataclass(frozen=True, slots=True)
class Reason:
    code: str  # of REASONS
    text: str


@dataclass(frozen=True, slots=True)
class Used:
    """Energy (Wh) of one earlier period and its length (s)."""

    energy: Decimal
    seconds: Decimal

    @property
    def monthly(self) -> Decimal:
        """Of 30 days at this rate."""
        return self.energy * MONTH / self.seconds


def used(energy: Decimal, since: datetime, until: datetime) -> Used | None:
    """None where no time has passed."""
    seconds = Decimal(round((until - since).total_seconds()))
    return Used(energy, seconds) if seconds > 0 else None


def above_limit(period: Used, limit_kw: Decimal | None) -> list[Reason]:
    """More energy than the connection carries in that time."""
    limit = limit_kw if limit_kw is not None else DEFAULT_LIMIT_KW
    most = limit * 1000 * period.seconds / 3600
    if period.energy <= most:
        return []
    days = period.seconds / 86400
    text = f"{_kwh(period.energy)} kWh in {days:.1f} days; {limit:f} kW carry {_kwh(most)}"
    return [Reason("above-limit", text)]


def unusual(period: Used, earlier: Sequence[Used]) -> list[Reason]:
    """Far above or below the median of earlier months, once there are enough of them."""
    if len(earlier) < USUAL_FROM:
        return []
    usual, now = _median([one.monthly for one in earlier]), period.monthly
    if now <= usual * TIMES + SLACK and (now * LITTLE >= usual or usual <= SLACK):
        return []
    text = f"{_kwh(now)} kWh in 30 days; usual are {_kwh(usual)}"
    return [Reason("far-from-usual", text)]


def doubtful(flags: Sequence[str]) -> list[Reason]:
    """What the reading's own flags say."""
    found = [Reason("sum-mismatch", REASONS["sum-mismatch"])] if "sum-mismatch" in flags else []
    named = [flag for flag in flags if flag in DOUBTFUL]
    return [*found, *([Reason("reading-flags", f"flags of the reading: {', '.join(named)}")] if named else [])]


def too_long(figures: Mapping[str, int], digits: int | None) -> list[Reason]:
    """A figure that the meter's display (secondary energy) cannot show."""
    long = [f"{name} {figure}" for name, figure in figures.items() if digits is not None and len(str(figure)) > digits]
    return [Reason("too-many-digits", f"{', '.join(long)}: the display has {digits}")] if long else []


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _kwh(watt_hours: Decimal) -> str:
    return f"{int(watt_hours) // 1000}"
