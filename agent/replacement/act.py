"""An act of replacement, judged before anything is changed: which meter goes, which comes, with what readings."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.config.values import EarlierMeter, Meter
from agent.history.boundaries import KINDS, at_boundary, usable
from agent.history.installations import REGISTERS, NoConsumption, Registers, consumed, installations, register
from agent.history.series import tolerance
from agent.host.periods import period_of
from agent.judge.identity import same
from buffer.record import Record, number_text
from buffer.store import Store

SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ./_-]{0,30}[A-Za-z0-9])?")
FIGURE = re.compile(r"\d{1,9}(?:[.,]\d{1,6})?")
DISPLAY = Decimal(1)  # kWh; acts often have what stands before the comma only


class InvalidReplacement(ValueError):
    """What was given cannot be right; the words say why. ``option`` names it."""

    def __init__(self, text: str, option: str) -> None:
        super().__init__(text)
        self.option = option


@dataclass(frozen=True, slots=True)
class Readings:
    """kWh by T register, as they go into the act, and where they come from as text."""

    energies: Mapping[str, Decimal]
    origin: str


@dataclass(frozen=True, slots=True)
class ReplacementRecord:
    """``meter`` as it is configured now; ``address`` and ``driver`` None where they stay."""

    meter: Meter
    serial: str
    day: date
    final: Readings
    initial: Readings
    address: str | None = None
    driver: str | None = None

    def after(self) -> Meter:
        """The point's meter as the configuration has it afterwards."""
        gone = EarlierMeter(self.meter.serial, self.day, self.final.energies)
        return replace(
            self.meter,
            serial=self.serial,
            installed=self.day,
            initial=dict(self.initial.energies),
            before=(*self.meter.before, gone),
            address=self.address or self.meter.address,
            driver=self.driver or self.meter.driver,
        )


def check_serial(meter: Meter, serial: str, others: Collection[Meter]) -> None:
    """InvalidReplacement for what cannot be the number of the new meter of this point."""
    if not SERIAL.fullmatch(serial):
        raise InvalidReplacement(
            f"{serial!r} is not a serial number: latin letters, digits and . / _ - , at most 32", "--serial"
        )
    if same(serial, meter.serial):
        raise InvalidReplacement(f"{serial} hangs at {meter.point} already", "--serial")
    if any(same(serial, old.serial) for old in meter.before):
        raise InvalidReplacement(f"{serial} hung at {meter.point} before; one meter cannot be there twice", "--serial")
    for other in others:
        if other.point != meter.point and same(serial, other.serial):
            raise InvalidReplacement(f"{serial} is the meter of {other.point}", "--serial")


def check_day(meter: Meter, day: date, today: date) -> None:
    if day > today:
        raise InvalidReplacement(f"{day} is in the future; today is {today}", "--date")
    since = max([old.removed for old in meter.before] + ([meter.installed] if meter.installed else []), default=None)
    if since is not None and day < since:
        raise InvalidReplacement(f"{day} is before meter {meter.serial} was installed ({since})", "--date")


def figures(text: str, option: str) -> dict[str, Decimal]:
    """``T1=30122.7,T2=11873`` in kWh; a decimal point, or a comma where ``;`` or a blank separates."""
    found: dict[str, Decimal] = {}
    parts = re.split(r"[;\s]\s*" if re.search(r"[;\s]", text.strip()) else ",", text.strip())
    for part in filter(None, parts):
        name, sign, figure = part.partition("=")
        name = name.strip().upper()
        if not sign or name not in REGISTERS or not FIGURE.fullmatch(figure.strip()):
            raise InvalidReplacement(f"found {part[:40]!r}, expected kWh such as T1=30122.7,T2=11873", option)
        if name in found:
            raise InvalidReplacement(f"{name} stands there twice", option)
        found[name] = Decimal(figure.strip().replace(",", "."))
    if not found:
        raise InvalidReplacement("found nothing, expected kWh such as T1=30122.7,T2=11873", option)
    return found


def check_tariffs(energies: Mapping[str, Decimal], wanted: Sequence[str], option: str) -> None:
    """All tariffs of the meter and no other; nothing is wanted where no one knows which it has."""
    if wanted and set(energies) != set(wanted):
        raise InvalidReplacement(
            f"found {', '.join(sorted(energies))}, expected {', '.join(wanted)}: each tariff of it", option
        )


def check_final(energies: Mapping[str, Decimal], last: Record | None, zone: ZoneInfo) -> None:
    """A final reading is not below what the meter has told us; what stands behind the comma may be missing."""
    if last is None:
        return
    for name, kwh in energies.items():
        known = register(name, last.values)
        if known is not None and kwh + DISPLAY <= Decimal(known) / 1000:
            when = f"{last.at.astimezone(zone):%Y-%m-%d %H:%M}"
            raise InvalidReplacement(
                f"{name}={number_text(kwh)} is less than the {number_text(Decimal(known) / 1000)} kWh that meter "
                f"{last.meter} told at {when}",
                "--final",
            )


def last_reading(store: Store | None, meter: Meter) -> Record | None:
    """The newest stored registers of the meter that goes."""
    if store is None:
        return None
    found = [store.last(meter.point, kind) for kind in KINDS]
    mine = [record for record in found if record and same(record.meter, meter.serial) and usable(record)]
    return max(mine, key=lambda record: record.at, default=None)


def tariffs_of(meter: Meter, last: Record | None) -> list[str]:
    """The tariffs whose readings belong into the act: the configured ones, else those that the reading has."""
    if meter.tariffs and (last is None or all(register(name, last.values) is not None for name in meter.tariffs)):
        return list(meter.tariffs)
    return list(energies_of(last)) if last else []


def energies_of(record: Record, wanted: Collection[str] = ()) -> dict[str, Decimal]:
    """kWh per T register of a record; a total alone is T1."""
    found = {name: register(name, record.values) for name in REGISTERS}
    return {
        name: Decimal(value) / 1000
        for name, value in found.items()
        if value is not None and (not wanted or name in wanted)
    }


def used_this_month(store: Store | None, act: ReplacementRecord, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    """T1… → "12.5 kWh" from the start of the month, or the words why that is not known, through both meters up to the
    new one's initial reading. Secondary energy, as the registers show it."""
    slot = period_of("month", now, zone)
    start = at_boundary(store, act.meter, slot.start, tolerance(act.meter, "month")) if store else None
    if start is None:
        return {}
    values = {REGISTERS[name]: kwh * 1000 for name, kwh in act.initial.energies.items()}
    end, chain = Registers(act.serial, now, values), installations(act.after())
    found = {}
    for name in sorted({*act.final.energies, *act.initial.energies}):
        try:
            found[name] = f"{number_text(consumed(chain, name, start.registers, end) / 1000)} kWh"
        except NoConsumption as trouble:
            found[name] = f"not known: {trouble}"
    return found
