"""A reading that an operator types in: what the display shows becomes a record with the flag ``manual``.

It is refused where it cannot be right, and doubted where it hardly is: what is doubted is stored if the person says so,
and keeps its flag. The record's frames hold what was typed and by whom.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.values import Config, Meter
from agent.history.boundaries import not_superseded
from agent.history.installations import REGISTERS
from agent.host.clock import Stamp
from agent.judge.identity import same
from agent.judge.plausible import energy_flags, seconds_between
from buffer.body import record_json
from buffer.record import Record, number_text
from buffer.store import Store
from drivers.events import Flag
from drivers.reading import Number
from drivers.times import MILLISECOND

FIGURE = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,3}))?")
PLACES = 3  # after the comma: a watt-hour is the least that a record of energy has
REACHES = (timedelta(days=40), timedelta(days=400))
"""How far back the reading before an old one is looked for: where there is one a month, a year is not read for it."""


class NotTaken(ValueError):
    """Nothing is stored; the words say what to do."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What an operator typed. ``figures``: T1… → kWh as the display shows them; ``at``: when (aware), None: just now;
    ``serial``: the number on the meter's face, None where it was not asked. ``corrects``: in place of the last one that
    was typed, which was wrong."""

    figures: Mapping[str, str]
    at: datetime | None = None
    serial: str | None = None
    by: str = ""
    corrects: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """The record that it makes. ``doubts``: why it is hardly right, as text. ``known``: the very same is stored."""

    record: Record
    doubts: tuple[str, ...] = ()
    known: bool = False


@dataclass(slots=True)
class _Doubts:
    words: list[str] = field(default_factory=list)
    flags: tuple[Flag, ...] = ()


def manual_point(config: Config, point: str) -> Meter:
    """The meter of this point; NotTaken unless it is read by hand."""
    for meter in config.meters:
        if meter.point == point and meter.manual:
            return meter
        if meter.point == point:
            raise NotTaken(
                f"{point} is read by the gateway (driver {meter.driver}): meterpost read {point} reads it now; "
                'a meter that lost its port gets driver = "manual" in the configuration'
            )
    known = [meter.point for meter in config.meters if meter.manual]
    there = f"an operator reads {', '.join(known)}" if known else 'no [[meter]] has driver = "manual"'
    raise NotTaken(f"no point named {point!r}; {there}")


def tariffs_of(meter: Meter) -> tuple[str, ...]:
    """The registers that have to be typed, all of them and no other."""
    return tuple(meter.tariffs or ("T1",))


def judge(meter: Meter, typed: Typed, store: Store, stamp: Stamp, zone: ZoneInfo) -> Judged:
    """What was typed against the display, the point's other readings and the clock; NotTaken where it cannot be right.

    The registers are compared with the reading of this meter before it, the first one with the commissioning act.
    """
    if typed.serial is not None and not same(typed.serial, meter.serial):
        raise NotTaken(
            f"the meter's number is {typed.serial}, {meter.serial} is configured for {meter.point}: was the meter "
            "replaced? Then its new number and the old one's figures belong into the configuration first"
        )
    values, step = _values(meter, typed.figures)
    at = _moment(meter, typed.at, stamp, zone)
    wrong = _wrong(meter, store) if typed.corrects else None
    if wrong is not None:
        if dict(wrong.values) == values:
            return Judged(wrong, known=True)
        if at < wrong.at:
            raise NotTaken(f"what was typed last is of {_said(wrong.at, zone)}: a correction is of then or later")
        at = max(at, wrong.at + MILLISECOND)  # two records of one moment would be one
    there = next(store.find(meter.point, ("now",), at, at + MILLISECOND, meter.serial), None)
    if there is not None and dict(there.values) == values:
        return Judged(there, known=True)
    if there is not None:
        raise NotTaken(f"another reading of {_said(at, zone)} is stored already ({_figures(there)}): say a later time")
    doubts = _doubts(meter, values, step, at, store, zone, wrong)
    boot, monotonic = stamp.held
    record = Record(
        kind="now",
        point=meter.point,
        meter=meter.serial,
        at=at,
        read_at=stamp.utc,
        clock=stamp.state,
        values=values,
        flags=("manual", *doubts.flags),
        replaces=None if wrong is None else wrong.seq,
        frames=_as_typed(typed).encode(),
        boot=boot,
        monotonic=monotonic,
    )
    return Judged(record, tuple(doubts.words))


def _wrong(meter: Meter, store: Store) -> Record:
    """The typed reading that is to be corrected: the newest."""
    newest = store.last(meter.point, "now", meter.serial)
    if newest is None or "manual" not in newest.flags:
        raise NotTaken(f"nothing was typed for meter {meter.serial} yet: leave --correct out")
    return newest


def _values(meter: Meter, figures: Mapping[str, str]) -> tuple[dict[str, Number], int]:
    """OBIS → Wh, and the coarsest step of the figures in Wh."""
    wanted = tariffs_of(meter)
    for name in figures:
        if name not in wanted:
            raise NotTaken(f"{name} is not configured for {meter.point}: it has {_named(meter)}")
    if missing := [name for name in wanted if name not in figures]:
        raise NotTaken(f"{', '.join(missing)} missing: {meter.point} has {_named(meter)}, all in one reading")
    values: dict[str, Number] = {}
    step = 1
    for name in wanted:
        text = figures[name].strip()
        match = FIGURE.fullmatch(text)
        if match is None:
            raise NotTaken(f"{name}: {text!r} is not a figure; type what the display shows in kWh, such as 12345,6")
        _fits(name, match[1], meter.digits)
        fraction = match[2] or ""
        values[REGISTERS[name]] = int(match[1]) * 1000 + int(fraction.ljust(PLACES, "0"))
        step = max(step, 10 ** (PLACES - len(fraction)))
    return values, step


def _fits(name: str, whole: str, digits: int | None) -> None:
    if digits is None or len(whole) == digits:
        return
    shown = f"{name}: {whole} has {len(whole)} digits before the comma, the display has {digits}"
    more = "is the comma missing?" if len(whole) > digits else f"type zeros in front too, {whole.zfill(digits)}"
    raise NotTaken(f"{shown}: {more}")


def _moment(meter: Meter, wanted: datetime | None, stamp: Stamp, zone: ZoneInfo) -> datetime:
    if wanted is None:
        return stamp.utc
    if stamp.state == "unset":
        raise NotTaken("the gateway's clock is not set: type what the display shows now, without a time")
    at = wanted.astimezone(UTC).replace(microsecond=0)
    if at > stamp.utc:
        raise NotTaken(f"{_said(at, zone)} is still to come; it is {_said(stamp.utc, zone)}")
    if meter.installed is not None and at.astimezone(zone).date() < meter.installed:
        raise NotTaken(f"meter {meter.serial} hangs there since {meter.installed}: at that time it was another one")
    return at


def _doubts(
    meter: Meter,
    values: Mapping[str, Number],
    step: int,
    at: datetime,
    store: Store,
    zone: ZoneInfo,
    wrong: Record | None = None,
) -> _Doubts:
    found = _Doubts()
    newest = store.last(meter.point, "now", meter.serial)
    before = newest
    if wrong is not None:
        before = _before(meter, store, wrong.at + MILLISECOND, skip=1)  # itself may have corrected another one
    elif newest is not None and newest.at > at:
        found.words.append(f"there is a later reading already, of {_said(newest.at, zone)} ({_figures(newest)})")
        found.words += _beyond(values, newest)
        before = _before(meter, store, at)
    if before is not None:
        seconds = None if before.clock == "unset" else seconds_between(before.at, at)
        registers, since = before.values, _said(before.at, zone)
    elif meter.initial:
        registers = {REGISTERS[name]: kwh * 1000 for name, kwh in meter.initial.items()}
        seconds, since = None, "the commissioning act"
    else:
        return found
    found.flags = energy_flags(values, registers, seconds, limit_kw=meter.limit_kw, resolution=step)
    if "backwards" in found.flags:
        found.words += _backwards(meter, values, registers, since)
    if "step-too-large" in found.flags:
        grown = max(values[code] - registers[code] for code in values if code in registers)
        found.words.append(f"{_kwh(grown)} kWh more than on {since} is more than the connection can carry")
    return found


def _before(meter: Meter, store: Store, until: datetime, skip: int = 0) -> Record | None:
    """The newest reading up to this moment that no one has taken back, except for this many."""
    for reach in REACHES:
        earlier = not_superseded(store.find(meter.point, ("now",), until - reach, until, meter.serial))
        last = deque(earlier, maxlen=1 + skip)
        if len(last) == 1 + skip:
            return last[0]
    return None


def _beyond(values: Mapping[str, Number], newest: Record) -> list[str]:
    return [
        f"{name}: {_kwh(values[code])} is more than the later reading's {_kwh(newest.values[code])}"
        for name, code in REGISTERS.items()
        if code in values and code in newest.values and values[code] > newest.values[code]
    ]


def _backwards(meter: Meter, values: Mapping[str, Number], registers: Mapping[str, Number], since: str) -> list[str]:
    lower = [code for code in values if code in registers and values[code] < registers[code]]
    names = {code: name for name, code in REGISTERS.items()}
    words = [f"{names[code]}: {_kwh(values[code])} is less than {_kwh(registers[code])} on {since}" for code in lower]
    lap = None if meter.digits is None else 10 ** (meter.digits + PLACES)
    if lap is not None and all(registers[code] >= lap * 9 // 10 and values[code] < lap // 10 for code in lower):
        words.append("the display may have begun at 0 again")
    return words


def _named(meter: Meter) -> str:
    meanings = meter.tariffs or {}
    return ", ".join(f"{name} ({meanings[name]})" if name in meanings else name for name in tariffs_of(meter))


def _figures(record: Record) -> str:
    names = {code: name for name, code in REGISTERS.items()}
    return ", ".join(f"{names[code]} {_kwh(value)}" for code, value in record.values.items() if code in names)


def _kwh(value: Number) -> str:
    return number_text(Decimal(value) / 1000)


def _said(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _as_typed(typed: Typed) -> str:
    figures = " ".join(f"{name}={text}" for name, text in typed.figures.items())
    return f"typed: {figures}" + (f"; by: {typed.by}" if typed.by else "")


# ── through the daemon, or in the store itself ───────────────────────────


def request(point: str, typed: Typed, sure: bool) -> dict[str, Any]:
    """The arguments of the request ``enter``. ``sure``: it is stored though it is doubted."""
    at = typed.at.isoformat() if typed.at else None
    return {
        "point": point,
        "figures": dict(typed.figures),
        "at": at,
        "serial": typed.serial,
        "by": typed.by,
        "corrects": typed.corrects,
        "sure": sure,
    }


def answer(
    config: Config,
    point: str,
    typed: Typed,
    sure: bool,
    stamp: Stamp,
    look: Callable[[Callable[[Store], Judged]], Judged],
    put: Callable[[Record], None],
) -> dict[str, Any]:
    """Judge what was typed and store it, unless it is doubted and the person is not sure: ``{"stored", "known",
    "doubts", "record"}``, or NotTaken. ``look`` runs a function with the store, once what was submitted before is in
    it; it may take seconds."""
    meter, zone = manual_point(config, point), ZoneInfo(config.gateway.timezone)
    judged = look(lambda store: judge(meter, typed, store, stamp, zone))
    stored = not judged.known and (not judged.doubts or sure)
    record = judged.record
    if stored:
        put(record)
        record = look(lambda store: judge(meter, typed, store, stamp, zone)).record  # with its number
    return {"stored": stored, "known": judged.known, "doubts": list(judged.doubts), "record": record_json(record)}


def in_store(config: Config, store: Store, point: str, typed: Typed, sure: bool, stamp: Stamp) -> dict[str, Any]:
    """The same without a daemon, in a store that is open for writing."""

    def put(record: Record) -> None:
        store.put([record])

    return answer(config, point, typed, sure, stamp, lambda work: work(store), put)
