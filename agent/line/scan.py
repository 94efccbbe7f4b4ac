"""Which meters are connected to a line: one short question an address, no password, nothing that changes a meter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agent.line.link import Link
from drivers import registry
from drivers.family import Family, ScanProfile
from drivers.reading import Ask, Driver, MeterPlan
from protocols.errors import BadFrame, LateReply, LinkLost, MeterError, NoReply
from protocols.session import Line


@dataclass(frozen=True, slots=True)
class Found:
    """Something answered. ``serial`` and ``model`` are None where it says them to no one without a password."""

    driver: str
    address: str
    line: Line
    serial: str | None
    model: str | None
    note: str = ""


def _link_of(port: Any) -> Link:
    return Link(port, tries=1)


def way_of(driver: str, models_dir: Path | None) -> tuple[Family, ScanProfile]:
    """How this driver's meters are looked for; ValueError with the reason where they cannot be."""
    family = registry.find(driver, models_dir)
    if family.scan is None:
        raise ValueError(f"{driver}: these meters send by themselves or have no port: nothing to look for")
    return family, family.scan


def addresses(text: str) -> list[str]:
    """``1-16,45`` → each of them; anything else is one address as it stands. ValueError where a range runs back."""
    found: list[str] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            if int(last) < int(first):
                raise ValueError(f"{part.strip()!r} runs backwards")
            found += [str(number) for number in range(int(first), int(last) + 1)]
        else:
            found.append(part.strip())
    return found


def scan(
    port: Any,
    driver: str,
    lines: Sequence[Line],
    numbers: Sequence[str],
    *,
    models_dir: Path | None = None,
    each: Callable[[Line, str], None] = lambda line, number: None,
    unheard: Callable[[MeterError], None] = lambda trouble: None,
    margin: float = 0.0,
    link_of: Callable[[Any], Link] = _link_of,
) -> Iterator[Found]:
    """Everything that answers at one of these addresses with one of these line settings, in their order.

    ``port`` is open. ``each`` is called before an address is tried, ``unheard`` with what was there
    instead of an answer. ``margin`` as for the Link. LinkLost ends it; ValueError for an address that
    the driver cannot have.
    """
    family, way = way_of(driver, models_dir)
    for number in numbers:
        family.address(number)
    for line in lines:
        for number in numbers:
            each(line, number)
            link = link_of(port)
            link.begin(line, margin)
            found = _try(link, family, way, driver, line, number, unheard)
            if found is not None:
                yield found


def _try(
    link: Link,
    family: Family,
    way: ScanProfile,
    driver: str,
    line: Line,
    number: str,
    unheard: Callable[[MeterError], None],
) -> Found | None:
    settings = {setting.name: setting.default for setting in family.settings if setting.default is not None}
    plan = MeterPlan(driver, number, "", line, settings=settings | dict(way.settings))
    meter = family.build(plan)
    ask = partial(link.ask, meter.session())
    found = partial(Found, driver, number, line)
    try:
        answer = _who(meter, ask, way, found)
    except LinkLost:
        raise
    except LateReply as trouble:
        return found(None, None, f"{trouble}; {trouble.hint}")
    except NoReply as trouble:
        unheard(trouble)
        return None  # and no goodbye: it would cost the same time once more
    except BadFrame as trouble:
        answer = found(None, None, f"something answers, not readably: {trouble}; {trouble.hint}")
    except MeterError as trouble:
        answer = found(None, None, f"answers; without its password, or as this driver, no more: {trouble}")
    _goodbye(meter, ask)
    return answer


def _who(meter: Driver, ask: Ask, way: ScanProfile, found: Callable[..., Found]) -> Found:
    if way.opened:
        meter.open(ask)
    identity = meter.identify(ask)
    if identity.serial is None:  # a model without a serial register was not asked for one
        meter.now(ask)
    return found(identity.serial, identity.model)


def _goodbye(meter: Driver, ask: Ask) -> None:
    try:
        meter.close(ask)
    except LinkLost:
        raise
    except MeterError:
        return  # whoever is there has been found already
