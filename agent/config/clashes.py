"""What no line can bear, though each table is sound by itself: names, ports and addresses that are used twice.

What protocols can bear beside each other is said by their families (:class:`drivers.family.Family`).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.config.shape import BusTable, MeterTable
from drivers.family import Family
from drivers.files.faults import Fault
from drivers.files.places import KeyPath
from drivers.files.source import Source
from drivers.files.words import shown


@dataclass(slots=True)
class BusEntry:
    """A bus as it stands in the file; what is faulty is None."""

    source: Source
    path: KeyPath
    table: BusTable


@dataclass(slots=True)
class MeterEntry:
    """A meter as it stands in the file; what is faulty or unknown is None."""

    source: Source
    path: KeyPath
    table: MeterTable
    family: Family | None = None
    number: int | None = None  # the address as its family counts
    framing: str | None = None

    def fault(self, key: str, found: object, expected: str) -> Fault:
        return self.source.fault((*self.path, key), shown(found), expected)

    @property
    def place(self) -> str:
        at = self.source.places.of_key(self.path)
        return f"{self.source.file.name}:{at.line}"


def of_buses(buses: Sequence[BusEntry]) -> list[Fault]:
    """Names and ports that are used twice; two names of one device are one port."""
    faults = _twice(buses, lambda bus: bus.table.name, "name", "a name that no other bus has")
    ports = _twice(buses, lambda bus: bus.table.port and device(bus.table.port), "port", "a port that no other bus has")
    return faults + ports


def of_meters(meters: Sequence[MeterEntry]) -> list[Fault]:
    """Points, serial numbers and addresses that clash."""
    faults = _twice(meters, lambda meter: meter.table.point, "point", "a point that no other meter has")
    faults += _twice(
        meters,
        lambda meter: meter.table.serial and meter.family and (meter.family.protocol, meter.table.serial),
        "serial",
        "the serial number of one meter only",
    )
    faults += _twice(
        meters, lambda meter: meter.table.exchange_code, "exchange_code", "a code that no other measuring point has"
    )
    by_bus: dict[str, list[MeterEntry]] = {}
    for meter in meters:
        if meter.table.bus and meter.family:
            by_bus.setdefault(meter.table.bus, []).append(meter)
    for members in by_bus.values():
        faults += _addresses(members)
        faults += _not_beside_each_other(members)
        faults += _universal_with_others(members)
        faults += _talks_among_others(members)
    return faults


def _twice(
    entries: Iterable[BusEntry | MeterEntry], key: Callable[..., object], name: str, expected: str
) -> list[Fault]:
    first: dict[object, BusEntry | MeterEntry] = {}
    faults = []
    for entry in entries:
        value = key(entry)
        if not value:
            continue
        earlier = first.setdefault(value, entry)
        if earlier is not entry:
            place = earlier.source.places.of_value((*earlier.path, name))
            found = f"{shown(getattr(entry.table, name))}, which {earlier.source.file.name}:{place.line} has too"
            faults.append(entry.source.fault((*entry.path, name), found, expected))
    return faults


def device(port: str) -> str:
    """What a port is called by whatever name: two names of one device are one port."""
    return os.path.realpath(port) if "://" not in port else port.lower()


def _addresses(members: Sequence[MeterEntry]) -> list[Fault]:
    """Each meter against those before it."""
    faults = []
    for index, meter in enumerate(members):
        for other in members[:index]:
            if meter.family is None or other.family is None or not _collide(meter, other):
                continue
            same = meter.family.protocol == other.family.protocol
            what = f"{meter.table.address}, which {other.place} ({other.table.driver}) has on this bus too"
            wanted = (
                "an address of its own"
                if same
                else "an address that differs: the two protocols would answer each other"
            )
            faults.append(meter.source.fault((*meter.path, "address"), what, wanted))
            break
    return faults


def _collide(one: MeterEntry, other: MeterEntry) -> bool:
    if one.number is None or other.number is None or one.family is None or other.family is None:
        return False
    if one.family.protocol == other.family.protocol:
        if one.family.alone or one.number == one.family.universal:
            return False  # said of each of them below
        return one.number == other.number
    return _first(one) is not None and _first(one) == _first(other)


def _first(meter: MeterEntry) -> int | None:
    """The first byte of its frames where that is an address."""
    if meter.family is None or meter.number is None or meter.family.first_byte is None or _over_tcp(meter):
        return None
    return meter.family.first_byte(meter.number)


def _over_tcp(meter: MeterEntry) -> bool:
    """Its frames are those of a network connection, which no other meter on the line takes for its own."""
    return meter.framing is not None and meter.family is not None and meter.framing == meter.family.tcp_framing


def _not_beside_each_other(members: Sequence[MeterEntry]) -> list[Fault]:
    faults = []
    for meter in members:
        for other in members:
            if meter.family and other.family and other.family.protocol in meter.family.not_beside:
                if _over_tcp(other):
                    continue
                wanted = f"a bus without {other.table.driver} ({other.place}), which may take its frames for its own"
                faults.append(meter.fault("driver", meter.table.driver, wanted))
                break
    return faults


def _universal_with_others(members: Sequence[MeterEntry]) -> list[Fault]:
    return [
        meter.fault("address", meter.table.address, "the meter's own address: every meter on this bus answers this one")
        for meter in members
        if meter.family
        and meter.number is not None
        and meter.number == meter.family.universal
        and sum(1 for other in members if other.family and other.family.protocol == meter.family.protocol) > 1
    ]


def _talks_among_others(members: Sequence[MeterEntry]) -> list[Fault]:
    return [
        meter.fault("bus", meter.table.bus, "a bus of its own: this meter talks unasked, into the others' answers")
        for meter in members
        if meter.family and meter.family.alone and len(members) > 1
    ]
