"""Which foreign meters were told of: an event for each, not for each start of the program."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from agent.config.values import Meter
from agent.events import gateway_event
from agent.host.clock import Stamp
from agent.judge.identity import WrongSerial
from agent.meters.sealed import checksummed, verified
from buffer.notes import UNEXPECTED
from buffer.record import Record

MOST = 20  # serials of a point that are remembered; more meters than that never are connected to one pair


class UnexpectedMeters:
    """One for the program's life. ``save`` takes the event and its note for one transaction of the store; ``notes``:
    what an earlier run has noted."""

    def __init__(
        self, save: Callable[[Sequence[Record], Mapping[str, str | None]], None], notes: Mapping[str, str]
    ) -> None:
        self._save = save
        found = {
            key.removeprefix(UNEXPECTED.key): verified(note)
            for key, note in notes.items()
            if key.startswith(UNEXPECTED.key)
        }
        # What was damaged is told once more.
        self._told = {point: (told or {"configured": [], "serials": []}) for point, told in found.items()}

    def use(self, meters: Iterable[Meter]) -> None:
        """The configuration that holds from now on: what was told under another one of the point is forgotten."""
        configured = {meter.point: _configured(meter) for meter in meters}
        for point in [point for point, told in self._told.items() if told["configured"] != configured.get(point)]:
            self.cleared(point)

    def seen(self, meter: Meter, trouble: WrongSerial, stamp: Stamp) -> None:
        """Another meter has answered at this point: an event, where none was raised for it."""
        told = self._told.get(meter.point, {"serials": []})["serials"]
        if trouble.answered in told:
            return
        self._told[meter.point] = {
            "configured": _configured(meter),
            "serials": [*told, trouble.answered][-MOST:],
        }
        self._save(
            [foreign_event(meter, trouble, stamp)], {UNEXPECTED.of(meter.point): checksummed(self._told[meter.point])}
        )

    def cleared(self, point: str) -> None:
        """The right meter has answered: the next foreign one is news again."""
        if self._told.pop(point, None) is not None:
            self._save([], {UNEXPECTED.of(point): None})


def _configured(meter: Meter) -> list[str]:
    return [meter.bus, meter.driver, meter.address, meter.serial]


def foreign_event(meter: Meter, trouble: WrongSerial, stamp: Stamp) -> Record:
    """The event that a foreign meter answers for this point."""
    text = f"configured {trouble.expected}, answered {trouble.answered}"
    return gateway_event(
        "wrong-serial", text, stamp, point=meter.point, serial=trouble.answered, flags=("wrong-serial",)
    )
