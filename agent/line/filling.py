"""Filling old gaps: a dialogue that goes on while no one else wants the line, and ends before a poll is due."""

import logging
from collections.abc import Callable, Collection

from agent.archive.filler import Filler
from agent.archive.gaps import ArchiveSlice
from agent.host.clock import Clock
from agent.judge.identity import IdentityVerdict
from agent.line.dialogue import Dialogue
from agent.line.exchanger import Exchanger, Preempted, PreemptibleExchanger, ShouldYield
from agent.line.link import Link
from agent.meters.state import MeterState
from buffer.record import Record
from drivers.reading import Kind, read
from protocols.errors import AccessDenied, LinkLost, MeterError, SecondMaster

log = logging.getLogger("meterpost.line")

STAY = 20.0  # s with one meter, so that log-ins do not eat the line and all meters come back together
WORTH = 10.0  # times its log-in that a dialogue may last at least


class Filling:
    """``store`` takes the records of a meter; ``wanted`` says whether the line is wanted."""

    def __init__(
        self,
        dialogue: Dialogue,
        link: Link,
        filler: Filler,
        clock: Clock,
        *,
        store: Callable[[MeterState, list[Record]], None],
        wanted: ShouldYield,
    ) -> None:
        self._dialogue, self._link, self._filler, self._clock = dialogue, link, filler, clock
        self._store, self._wanted = store, wanted

    def fits(self, meter: MeterState, kind: Kind, seconds: float) -> bool:
        """Whether a dialogue with one question at least would end within this many seconds."""
        return self._dialogue.costs(meter, kind).whole < seconds

    def run(self, meter: MeterState, kind: Kind, points: Collection[str]) -> None:
        """Fill what this meter has while it is its turn among these points; raises what ends a dialogue as a whole."""
        begin = self._clock.monotonic()
        costs = self._dialogue.costs(meter, kind)

        def talk(ask: Exchanger, verdict: IdentityVerdict) -> None:
            now = self._clock.monotonic()
            end = now + max(STAY, WORTH * (now - begin))
            while (piece := self._filler.next(points, meter.config.point)) is not None:
                if piece.point != meter.config.point or self._clock.monotonic() >= end:
                    return
                if not self._fill(meter, piece, ask, verdict):
                    return

        try:
            self._dialogue.visit(
                meter, talk, lambda link, session: PreemptibleExchanger(link, session, self._clock, self._wanted, costs)
            )
        except Preempted:
            log.debug("%s: filling goes on later", meter.config.point)

    def _fill(self, meter: MeterState, piece: ArchiveSlice, ask: Exchanger, verdict: IdentityVerdict) -> bool:
        """One piece; False where this meter had better be left alone for now."""
        records: list[Record] = []
        try:
            self._rows(meter, piece, ask, verdict, records)
        except (Preempted, LinkLost, AccessDenied):
            self._keep(meter, records)
            self._filler.interrupted(piece, [record.at for record in records])
            raise
        except MeterError as trouble:
            if isinstance(trouble, SecondMaster):
                records.clear()  # the row before may have been an answer to the other one
            self._keep(meter, records)
            self._filler.failed(piece, [record.at for record in records], trouble)
            return False
        self._keep(meter, records)
        self._filler.finished(piece, [record.at for record in records])
        return True

    def _rows(
        self, meter: MeterState, piece: ArchiveSlice, ask: Exchanger, verdict: IdentityVerdict, records: list[Record]
    ) -> None:
        """What comes is in ``records``, however it ends. A row that was not asked for is no one's."""
        seen, frames = len(self._link.frames), b""
        for reading in read(meter.driver, piece.kind, ask, (piece.since, piece.until)):
            if len(self._link.frames) > seen:
                frames = b"".join(self._link.frames[seen:])
                seen = len(self._link.frames)
            if reading.at is not None and piece.since <= reading.at <= piece.until:
                records.append(self._dialogue.restored(meter, reading, frames, verdict))

    def _keep(self, meter: MeterState, records: list[Record]) -> None:
        if records:
            self._store(meter, records)
