"""A set of figures made of a reading: consumption since the last ones, the verdict, the record's own object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal

from agent.config.utility.profile import Profile
from agent.config.utility.window import Window
from agent.config.values import Meter
from agent.history.boundaries import not_superseded
from agent.history.installations import (
    REGISTERS,
    Backwards,
    MeterPeriod,
    MissingRecord,
    NoConsumption,
    Registers,
    consumed,
    installations,
)
from agent.host.clock import Stamp
from agent.judge.identity import same
from agent.judge.plausible import energy_flags
from agent.statement import log as logs
from agent.statement.figures import EARLY, KINDS, NoReading, Taken, billed, choose, ripe, span, taken, whole
from agent.statement.log import Attempt, Figures
from agent.statement.verdict import Reason, Used, above_limit, doubtful, too_long, unusual, used
from buffer.body import when
from buffer.store import Store
from drivers.reading import Number
from drivers.times import MILLISECOND

REMEMBERED = 24  # months in which the last accepted statement is looked for
USUAL = 6  # months that make the usual


@dataclass(frozen=True, slots=True)
class Case:
    """Whose statement of which month is made, by which rules, out of which store."""

    store: Store
    meter: Meter
    profile: Profile
    window: Window

    @property
    def ratio(self) -> Decimal:
        """What secondary energy is multiplied with on its way to this utility."""
        return self.meter.ratio if self.profile.primary else Decimal(1)


@dataclass(frozen=True, slots=True)
class Last:
    """What the utility has: the figures before these, or the act's. ``at`` None: the act has no date."""

    meter: str
    at: datetime | None
    registers: Mapping[str, Number]
    figures: Mapping[str, int]
    comparable: bool  # a plain difference of figures is the consumption that the utility computes, too


def reading(case: Case, now: datetime, before: timedelta, *, patient: bool = True) -> Taken:
    """The reading of the reporting moment; NoReading says what is waited for."""
    return ripe(nearest(case, now), case.window, now, before, patient=patient)


def nearest(case: Case, now: datetime) -> Taken | None:
    """The best reading that the store has now; None before the reporting moment, without a query of the store."""
    if now < case.window.reporting:
        return None
    since, until = span(case.window, now)
    records = not_superseded(case.store.find(case.meter.point, KINDS, since, until))
    return choose(records, case.meter, case.profile, case.window)


def later_reading(case: Case, after: datetime, now: datetime) -> Taken:
    """The newest reading since the figures that are to be corrected; NoReading if there is none."""
    since = max(after + MILLISECOND, case.window.reporting - EARLY)
    records = not_superseded(case.store.find(case.meter.point, KINDS, since, now + MILLISECOND))
    found = [one for record in records if (one := taken(record, case.meter, case.profile)) is not None]
    if not found:
        raise NoReading("no reading is newer than the figures: read the meter again, or type a reading in")
    return found[-1]


def attempt(case: Case, found: Taken, stamp: Stamp, number: int, replaces: int | None = None) -> Attempt:
    """These figures with their verdict. Nothing is stored."""
    meter, profile, window = case.meter, case.profile, case.window
    last = last_figures(case)
    figures = billed(found.registers, meter, profile)
    energies, reasons = _consumption(case, last, found)
    consumption = {name: _billed(case, name, energies[name], figures, last, found) for name in energies}
    reasons += [*doubtful(_flags(case, found)), *too_long(_shown(found), meter.digits)]
    if energies and last is not None and last.at is not None:
        period = used(sum(energies.values(), Decimal(0)), last.at, found.record.at)
        if period is not None:
            reasons += [*above_limit(period, meter.limit_kw), *unusual(period, _earlier(case))]
    meanings = dict(meter.tariffs or {})
    statement: Figures = {
        "month": window.month,
        "account": meter.account,
        "utility": profile.name,
        "figures": figures,
        "tariffs": {name: meanings[own] for name, own in profile.named(meter).items() if own in meanings},
        "ratio": meter.ratio,
        "primary": profile.primary,
        "read_at_register": when(found.record.at),
        "source": found.source,
        "last": dict(last.figures) if last else {},
        "since": when(last.at) if last and last.at else None,
        "consumption": consumption,
        "verdict": "suspect" if reasons else "plausible",
        "reasons": [{"code": reason.code, "text": reason.text} for reason in reasons],
        "attempt": number,
        "window": {"from": when(window.opens), "to": when(window.closes)},
    }
    kept = [flag for flag in found.record.flags if flag not in ("partial", "restored")]
    return Attempt(
        at=stamp.utc,
        meter=found.record.meter,
        clock=stamp.state,
        values=found.values,
        statement=statement,
        flags=tuple(kept),
        replaces=replaces,
        registers=found.registers,
        read_at=found.record.at,
    )


def _flags(case: Case, found: Taken) -> tuple[str, ...]:
    """The reading's own; a difference between the total and its tariffs that is worth a whole kWh is one of them."""
    known = case.store.last(found.record.point, "now", found.record.meter)
    earlier = known.values if known is not None else None
    sums = energy_flags(found.record.values, None, None, limit_kw=None, mismatch=1000, known=earlier)
    return tuple(dict.fromkeys((*found.record.flags, *sums)))


def last_figures(case: Case) -> Last | None:
    """What the utility has: the figures of the newest earlier statement that it took, else the act's."""
    for log in logs.earlier(case.store, case.meter.point, case.window.month, REMEMBERED):
        given = logs.handed_over(log)
        if given is not None:
            alike = given.statement["primary"] == case.profile.primary and (
                not case.profile.primary or Decimal(given.statement["ratio"]) == case.meter.ratio
            )
            return Last(given.meter, given.read_at, given.registers, given.figures, alike)
    initial = _chain(case.meter)[-1].initial
    named = {name: _own(case.meter, own) for name, own in case.profile.named(case.meter).items()}
    if not all(own in initial for own in named.values()):
        return None
    registers = {name: initial[own] for name, own in named.items()}
    installed = case.meter.installed
    at = None if installed is None else datetime.combine(installed, time(0), case.window.zone)
    figures = {name: whole(value, case.ratio) for name, value in registers.items()}
    return Last(case.meter.serial, at, registers, figures, comparable=True)


def _consumption(case: Case, last: Last | None, found: Taken) -> tuple[dict[str, Decimal], list[Reason]]:
    """Wh (secondary) since the last figures by the utility's tariffs; none at all where one cannot be computed."""
    if last is None:
        text = "the first statement: write initial from the commissioning act, or confirm the figures"
        return {}, [Reason("first", text)]
    chain, named = _chain(case.meter), case.profile.named(case.meter)
    if not any(same(stage.serial, last.meter) for stage in chain):
        text = f"meter {last.meter} was replaced and there is no act: meterpost replace, or [[meter.before]]"
        return {}, [Reason("no-act", text)]
    before = _registers(case, last.meter, last.at or found.record.at, last.registers)
    now = _registers(case, found.record.meter, found.record.at, found.registers)
    try:
        return {name: consumed(chain, _own(case.meter, own), before, now) for name, own in named.items()}, []
    except Backwards as trouble:
        return {}, [Reason("backwards", str(trouble))]
    except MissingRecord as trouble:
        return {}, [Reason("no-act", str(trouble))]
    except NoConsumption as trouble:
        return {}, [Reason("not-comparable", str(trouble))]


def _registers(case: Case, meter: str, at: datetime, registers: Mapping[str, Number]) -> Registers:
    named = case.profile.named(case.meter)
    values = {REGISTERS[_own(case.meter, named[name])]: value for name, value in registers.items() if name in named}
    return Registers(meter, at, values)


def _own(meter: Meter, register: str) -> str:
    """Where no one said which tariffs there are, the meter's total stands for a single T1."""
    return register if meter.tariffs else "T1"


def _chain(meter: Meter) -> list[MeterPeriod]:
    """The meters of the point. Of a point without tariffs the acts' figures count together, as its total does."""
    found = list(installations(meter))
    if meter.tariffs:
        return found
    return [replace(one, initial=_total(one.initial), final=_total(one.final)) for one in found]


def _total(energies: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    return {"T1": sum(energies.values(), Decimal(0))} if energies else {}


def _billed(case: Case, name: str, energy: Decimal, figures: Mapping[str, int], last: Last | None, found: Taken) -> int:
    """Whole kWh as the utility computes them: figure minus figure on one meter, else the exact energy cut."""
    exact = int((energy * case.ratio / 1000).to_integral_value(ROUND_FLOOR))
    if last is None or not last.comparable or not same(last.meter, found.record.meter):
        return exact
    difference = figures[name] - last.figures.get(name, figures[name] + 1)
    return difference if difference >= 0 else exact


def _shown(found: Taken) -> dict[str, int]:
    """What the meter's display shows."""
    return {name: whole(value) for name, value in found.registers.items()}


def _earlier(case: Case) -> list[Used]:
    """What the last months used, exact to a kWh."""
    found = []
    for log in logs.earlier(case.store, case.meter.point, case.window.month, USUAL):
        given = logs.handed_over(log)
        if given is None or given.statement["since"] is None or not given.statement["consumption"]:
            continue
        factor = Decimal(given.statement["ratio"]) if given.statement["primary"] else Decimal(1)
        energy = sum(map(Decimal, given.statement["consumption"].values()), Decimal(0)) * 1000 / factor
        assert given.read_at is not None  # every attempt has the time of its registers
        period = used(energy, datetime.fromisoformat(given.statement["since"]), given.read_at)
        found += [period] if period else []
    return found
