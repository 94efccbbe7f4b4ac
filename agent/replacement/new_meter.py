"""The meter that hangs there now, asked before the configuration knows it; and the event that it is known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.config.values import Config, Meter
from agent.control.requests import ANSWER_LIMIT
from agent.control.unix_socket import ControlError
from agent.events import gateway_event
from agent.host.clock import Stamp
from agent.judge.identity import same
from agent.line.hints import failure
from agent.line.worker import Request
from agent.meters import build
from agent.meters.state import MeterState
from buffer.body import record_json
from buffer.record import Record, number_text
from protocols.errors import LinkLost, MeterError

if TYPE_CHECKING:
    from agent.daemon import Daemon


def newcomer(meter: Meter, serial: str, address: str | None) -> Meter:
    """The point's meter with another serial number and perhaps address; its clock is left alone."""
    return replace(meter, serial=serial, address=address or meter.address, set_clock=False)


class Replacements:
    """What ``meterpost replace`` asks of the running daemon."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    def read(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """``{"point", "serial", "address"}``: the registers of the new meter on this line; nothing is stored."""
        daemon, point = self._daemon, str(asked.get("point"))
        try:
            worker, index = daemon.find(point)
        except KeyError:
            raise ControlError(f"no point named {point!r} is on a line") from None
        known = worker.meters[index]
        address = asked.get("address")
        wanted = newcomer(known.config, str(asked.get("serial")), None if address is None else str(address))
        state: MeterState = build.state_of(wanted, daemon.config, daemon.counters.of)
        state.denied_at = known.denied_at
        request = Request([point], "now", meters=[state])
        worker.request(request)
        try:
            records, failed = request.answer.result(ANSWER_LIMIT)
        except LinkLost as trouble:
            records, failed = [], {point: trouble}
        except TimeoutError:
            records, failed = [], {point: MeterError("the bus is busy; try again later")}
        return {
            "records": [record_json(record) for record in records],
            "failed": [failure(name, trouble) for name, trouble in failed.items()],
        }

    def reload(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """As SIGHUP; the status shows when it is done."""
        self._daemon.ask_reload()
        return {}


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
        f"{gone.serial} was removed on {gone.removed} with {in_words(gone.final)}; "
        f"{meter.serial} begins with {in_words(meter.initial) or 'readings that no act has'}"
    )
    return gateway_event("meter-replaced", text, stamp, point=meter.point, serial=meter.serial)


def in_words(energies: Mapping[str, Any]) -> str:
    """``T1 30122.7, T2 11873 kWh``."""
    return ", ".join(f"{name} {number_text(kwh)}" for name, kwh in sorted(energies.items())) + " kWh" * bool(energies)
