"""Readings → records: what is left out, what is doubted, and what is told of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from agent.events import gateway_event
from agent.host.clock import Clock, Stamp
from agent.judge.bounds import impossible
from agent.judge.identity import IdentityVerdict
from agent.judge.plausible import (
    TOTALS,
    clock_flags,
    energy_flags,
    interval_flags,
    remainder,
    seconds_between,
    zero_total,
)
from agent.meters.state import MeterState
from buffer.record import Record
from drivers.events import Flag
from drivers.reading import Kind, Number, Reading

LATER = timedelta(days=1)  # after its midnight a day or month that a poll brings was read later, too

Before = Callable[[str, Kind, str], Record | None]
"""point, kind, meter → the newest stored record of it."""


class Recorder:
    """Makes the records of a dialogue. ``before``: the newest stored record, which a reading is compared with."""

    def __init__(self, clock: Clock, before: Before) -> None:
        self._clock, self._before = clock, before

    def made(
        self,
        meter: MeterState,
        reading: Reading,
        stamp: Stamp,
        frames: bytes,
        verdict: IdentityVerdict,
        flowing: Mapping[str, Number] | None = None,
    ) -> list[Record]:
        """The record, and an event where one is due. ``flowing``: values of the moment beside a total of 0."""
        record = self._record(meter, reading, stamp, frames, verdict, flowing or {})
        events = self._remainder_told(meter, record)
        if reading.at is None:
            meter.latest[reading.kind] = record
        return [record, *events]

    def _remainder_told(self, meter: MeterState, record: Record) -> list[Record]:
        """Once, with the first reading after which a difference between total and tariffs has stayed the same."""
        before = meter.latest.get("now") or self._before(record.point, "now", record.meter)
        if (
            record.kind != "now"
            or before is None
            or "sum-mismatch" not in before.flags
            or "sum-mismatch" in record.flags
        ):
            return []
        off = {total: remainder(record.values, total) for total in TOTALS}
        text = "; ".join(f"{total.removeprefix('1-0:')}: {Decimal(wh) / 1000:f} kWh" for total, wh in off.items() if wh)
        return [gateway_event("tariff-remainder", text, self._clock.stamp(), point=record.point, serial=record.meter)]

    def _record(
        self,
        meter: MeterState,
        reading: Reading,
        stamp: Stamp,
        frames: bytes,
        verdict: IdentityVerdict,
        flowing: Mapping[str, Number],
    ) -> Record:
        flags: list[Flag] = [] if verdict.known else ["unidentified"]
        wrong = impossible(reading.values)
        if wrong:
            flags.append("impossible")
            sound = {code: value for code, value in reading.values.items() if code not in wrong}
            reading = replace(reading, values=sound)
        if flowing and zero_total(reading.values, flowing):
            flags.append("zero-total")
        boot, monotonic = stamp.held
        record = Record(
            kind=reading.kind,
            point=meter.config.point,
            meter=verdict.serial,
            at=reading.at or stamp.utc,
            read_at=stamp.utc,
            clock=stamp.state,
            meter_offset=meter.offset,
            values=reading.values,
            flags=reading.flags,
            start=reading.start,
            event=reading.event,
            frames=frames,
            boot=boot,
            monotonic=monotonic,
        )
        if reading.kind in ("now", "day", "month"):
            flags += self._judged(meter, record)
            flags += ("restored",) if stamp.utc - record.at > LATER else ()
        elif reading.kind == "interval" and reading.start is not None:
            length = seconds_between(reading.start, record.at)
            flags += interval_flags(reading.values, length, meter.config.limit_kw, meter.driver.traits.resolution)
        flags += clock_flags(meter.offset)
        if flags:
            record = replace(record, flags=tuple(dict.fromkeys((*reading.flags, *flags))))
        return record

    def _judged(self, meter: MeterState, record: Record) -> tuple[Flag, ...]:
        """A snapshot is judged by itself: what stands before it in the archive may not have been read yet."""
        earlier = meter.latest.get("now") or self._before(record.point, "now", record.meter)
        if earlier is not None and earlier.meter != record.meter:
            earlier = None
        before = earlier if record.kind == "now" else None
        seconds = None
        if before is not None and before.clock != "unset" and record.clock != "unset":
            seconds = seconds_between(before.at, record.at)
        return energy_flags(
            record.values,
            before.values if before else None,
            seconds,
            limit_kw=meter.config.limit_kw,
            resolution=meter.driver.traits.resolution,
            mismatch=meter.driver.traits.mismatch,
            known=earlier.values if earlier else None,
        )
