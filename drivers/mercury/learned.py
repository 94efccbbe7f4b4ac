"""What one Mercury 23x, told by its serial number, has shown of itself."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from drivers.learned import Brought, Refusals
from drivers.reading import Ask, Kind, Number, Reading
from drivers.unfinished import Unfinished
from protocols.errors import Refused
from protocols.mercury.archives import Entry
from protocols.mercury.frames import Energy
from protocols.mercury.identity import Details, Ratio
from protocols.mercury.questions import ReadIdentity

ENERGIES = {  # OBIS group C: field of a register row
    1: "active_import",
    2: "active_export",
    3: "reactive_import",
    4: "reactive_export",
}
PAUSE_OF_REFUSED = 100  # polls for which a refused register is left alone
TRIES_OF_DETAILS = 3  # sessions in which what is nice to know is asked of a meter that does not answer it


@dataclass(slots=True)
class Learned:
    """Forgotten when another meter answers. A row of registers is known by its tariff, 0 the total."""

    serial: str | None = None
    details: Details | None = None
    ratio: Ratio | None = None
    tries: int = TRIES_OF_DETAILS  # sessions left to ask for these two
    grouped: bool | None = None  # whether it gives all tariffs in one answer; None: not known
    long_records: bool | None = None  # whether it gives 17 profile records in one answer; None: not known
    period: int | None = None  # minutes of an interval of its load profile, as last told; None: not known
    refused: Refusals = field(default_factory=lambda: Refusals(PAUSE_OF_REFUSED))
    events: Unfinished[Entry | None] = field(default_factory=Unfinished)  # by what was asked
    brought: Brought = field(default_factory=Brought)

    def unless_refused(self, ask: Ask, question: Any, key: Hashable = None) -> Any:
        """The reply, or None where the meter refuses this question or did so within the last polls. ``key``: what is
        refused, where that is more than this very question."""
        key = question if key is None else key
        if self.refused.spares(key):
            return None
        try:
            return ask(question)
        except Refused:
            self.refused.add(key)
            return None

    def built(self, ask: Ask) -> Details:
        """How the meter was built; Refused where it does not say so."""
        if self.details is None:
            self.details = self.unless_refused(ask, ReadIdentity())
        if self.details is None:
            raise Refused("the meter does not say how it was built (08 01), its archives cannot be read without")
        return self.details

    def made(self, today: date) -> date:
        """When the meter was made: nothing is older. The earliest date there is where it says none, or one to come."""
        day = self.details.made if self.details is not None else None
        return day if day is not None and day <= today else date.min

    def reading(
        self,
        kind: Kind,
        values: Mapping[str, Number],
        due: set[str],
        *,
        whole: bool = True,
        at: datetime | None = None,
        start: datetime | None = None,
    ) -> Reading:
        """``partial`` unless it is ``whole`` and has what is ``due`` and what this meter has brought before."""
        missing = self.brought.lacks(kind, values) or not whole or not due <= values.keys()
        return Reading(kind, values, ("partial",) if missing else (), at, start)


def registers(
    rows: Mapping[int, Energy], codes: tuple[int, ...], named: tuple[int, ...]
) -> tuple[dict[str, Number], set[str]]:
    """Rows as values by OBIS code, and the codes that are due. A kind of energy absent in every row is none the meter
    has; a tariff without any register is due only if it is ``named``."""
    values: dict[str, Number] = {}
    due: set[str] = set()
    for code in codes:
        column = {tariff: getattr(row, ENERGIES[code]) for tariff, row in rows.items()}
        had = {f"1-0:{code}.8.{tariff}": value for tariff, value in column.items() if value is not None}
        if had:
            values |= had
            due |= {f"1-0:{code}.8.{tariff}" for tariff in (0, *named)}
    tariffs = {name[-1] for name in values}
    return values, due | {f"{name[:-1]}{tariff}" for name in values for tariff in tariffs}
