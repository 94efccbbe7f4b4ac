"""One place that turns a kind into the driver's verb."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers import registry
from drivers.family import Family
from drivers.reading import (
    Ask,
    Exchange,
    HasClock,
    Identity,
    Kind,
    MeterPlan,
    Reach,
    Reading,
    ReadsArchives,
    ReadsJournals,
    ReadsNetwork,
    SetsClock,
    Topic,
    Traits,
    read,
)
from protocols.errors import Refused
from protocols.session import Session

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPAN = (NOON - timedelta(days=1), NOON)
PROTOCOLS = {
    "network": ReadsNetwork,
    "interval": ReadsArchives,
    "day": ReadsArchives,
    "month": ReadsArchives,
    "event": ReadsJournals,
    "clock": HasClock,
    "set_clock": SetsClock,
}
FAMILIES = {family.name: family for family in registry.families()}


class Whole(ReadsNetwork, ReadsArchives, ReadsJournals):
    """A meter that answers each verb with its name."""

    traits = Traits()

    def __init__(self, *kinds: str) -> None:
        self.capabilities = frozenset({"identify", *kinds})

    def session(self) -> Session:
        raise NotImplementedError

    def open(self, ask: Ask) -> None: ...

    def close(self, ask: Ask) -> None: ...

    def identify(self, ask: Ask) -> Identity:
        return Identity(None)

    def exchanges(self, kind: Topic) -> tuple[Exchange, ...]:
        return ()

    def now(self, ask: Ask) -> Reading:
        return Reading("now")

    def network(self, ask: Ask) -> Reading:
        return Reading("network")

    def interval(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield Reading("interval", at=until, start=since)

    def day(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield Reading("day", at=until, start=since)

    def month(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield Reading("month", at=until, start=since)

    def event(self, ask: Ask, since: datetime, until: datetime) -> Iterator[Reading]:
        yield Reading("event", at=until, start=since)

    def reach(self, kind: Kind, now: datetime) -> Reach | None:
        return None


def nothing(question: Any) -> Any:
    raise AssertionError(f"nothing is to be asked: {question}")


@pytest.mark.parametrize("kind", ["now", "network", "interval", "day", "month", "event"])
def test_each_kind_is_read_by_its_own_verb_and_refused_where_the_meter_does_not_declare_it(kind: Kind) -> None:
    (found,) = read(Whole(kind), kind, nothing, SPAN)
    assert found.kind == kind and (found.at is None or (found.start, found.at) == SPAN)
    with pytest.raises(Refused, match=f"reads no '{kind}'; it reads: $"):
        list(read(Whole(), kind, nothing, SPAN))


@pytest.mark.parametrize("kind", ["identify", "clock", "set_clock", "statement", "__class__"])
def test_what_is_not_a_kind_of_reading_is_refused(kind: Kind) -> None:
    with pytest.raises(Refused, match="it reads: now"):
        list(read(Whole("now", kind), kind, nothing, SPAN))


def test_an_archive_without_a_span_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(RuntimeError):
        list(read(Whole("day"), "day", nothing))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_declares_no_capability_that_the_type_checker_has_not_seen(family: Family) -> None:
    """A driver names the protocols that it implements as its bases; mypy then proves each method."""
    if family.name == "manual":
        return
    address = {"dlms": "17", "iec": "", "modbus": "1", "mercury23x": "1", "push": ""}[family.protocol]
    driver = family.build(MeterPlan(family.name, address, "1", family.line))
    declared = {PROTOCOLS[word] for word in driver.capabilities | family.capabilities if word in PROTOCOLS}
    assert declared <= set(type(driver).__mro__)
