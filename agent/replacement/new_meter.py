"""The meter that hangs there now, asked before the configuration knows it; and the event that it is known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.config.values import Config, Meter
from agent.events import gateway_event
from agent.host.clock import Stamp
from agent.judge.identity import same
from buffer.record import Record, number_text


def new_meter(meter: Meter, serial: str, address: str | None) -> Meter:
    """The point's meter with another serial number and perhaps address; its clock is left alone."""
    return replace(meter, serial=serial, address=address or meter.address, set_clock=False)


def replaced(old: Config, new: Config, stamp: Stamp) -> list[Record]:
    """An event for each point whose meter is another one in the new configuration, with the readings of the act."""
    before = {meter.point: meter for meter in old.meters}
    return [
        replaced_event(meter, stamp)
        for meter in new.meters
        if meter.point in before and not same(before[meter.point].serial, meter.serial) and acted(meter)
    ]


def acted(meter: Meter) -> bool:
    """Is there an act of an earlier meter? A serial number that was put right has none."""
    return bool(meter.before)


def replaced_event(meter: Meter, stamp: Stamp) -> Record:
    """``meter-replaced`` of a meter whose predecessor stands in ``before``."""
    gone = max(meter.before, key=lambda one: one.removed)
    text = (
        f"{gone.serial} was removed on {gone.removed} with {as_text(gone.final)}; "
        f"{meter.serial} begins with {as_text(meter.initial) or 'readings that no act has'}"
    )
    return gateway_event("meter-replaced", text, stamp, point=meter.point, serial=meter.serial)


def as_text(energies: Mapping[str, Any]) -> str:
    """``T1 30122.7, T2 11873 kWh``."""
    return ", ".join(f"{name} {number_text(kwh)}" for name, kwh in sorted(energies.items())) + " kWh" * bool(energies)
