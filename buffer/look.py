"""Questions about what is stored, each answered from one table state: nothing here writes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from buffer import body, rows, states
from buffer.faults import Damaged
from buffer.record import Record
from buffer.states import RecordState
from buffer.tables import Tables
from drivers.reading import Kind

SERIES = f"(moment & {(1 << rows.KEY_BITS) - 1})"
"""Only events have an ``n``, so the series of all others stands in the low bits of their key; an event's lies a step or
more above its series, up to ``n`` 1022. (A key beside its own place, where two collide in one millisecond, is
overlooked by these questions; what is put is compared with the row.)"""


def bodies(tables: Tables, after: int, until: int, limit: int) -> tuple[list[tuple[int, str]], list[int], int | None]:
    """Sound ones, numbers of those whose checksum fails, and the last number looked at; None: there are no more."""
    sound: list[tuple[int, str]] = []
    spoiled: list[int] = []
    seen = None
    pending = tables.ranges.runs(after + 1, min(until, tables.last_seq), (states.PENDING,), enough=limit)
    left = limit
    for run in pending:
        seen = min(run.last, run.first + left - 1)
        left -= seen - run.first + 1
        found = tables.rows(run.first, seen)
        if len(found) != seen - run.first + 1:
            _prove_missing(tables, run.first, seen, {row.seq for row in found})
        for row in found:
            text = rows.sound_text(row, tables.words)
            if text is None:
                spoiled.append(row.seq)
            else:
                sound.append((row.seq, text))
    return sound, spoiled, seen


def _prove_missing(tables: Tables, first: int, last: int, found: set[int]) -> None:
    """Rows are missing. Unless they were deleted on purpose this very moment, the file has lost them."""
    with tables.writing:
        for seq in range(first, last + 1):
            if seq not in found and tables.ranges.state(seq) == states.PENDING and not tables.rows(seq, seq):
                raise Damaged(f"record {seq} is not in its table")


def found(
    tables: Tables, wanted: tuple[str | None, tuple[Kind, ...], str | None], moments: tuple[int, int]
) -> list[Record]:
    """Sound records of this point (None: of all), these kinds and this meter (None: of all) between two moment keys,
    without their frames, by ``at``."""
    point, kinds, meter = wanted
    series = {number for kind in kinds for number in tables.words.matching(point, kind, meter)}
    if not series:
        return []
    columns = ", ".join(f'r."{name}"' for name in rows.Row._fields)
    marks = ", ".join(map(str, sorted(series)))
    # Of a day's moments few are wanted: only their rows are looked at, and of events those whose key may be one's.
    narrow = f"{SERIES} IN ({marks})"
    if "event" in kinds:
        narrow = f"({narrow} OR {SERIES} >= {min(series) + rows.APART})"
    select = (
        f"SELECT {columns} FROM moments CROSS JOIN records r ON r.seq = moments.seq "
        f"WHERE moment >= ? AND moment < ? AND {narrow} AND r.series IN ({marks}) ORDER BY moment"
    )
    found = [rows.Row(*line) for line in tables.fetch(select, moments)]
    return [rows.unpack(row, tables.words) for row in found if rows.sound_text(row, tables.words) is not None]


def present(tables: Tables, kind: Kind, moments: tuple[int, int]) -> list[tuple[str, str, datetime]]:
    """Point, meter and ``at`` of the records of an archive kind between two moment keys, by ``at``."""
    names = tables.words.of_kind(kind)
    marks = ", ".join(map(str, sorted(names)))
    select = f"SELECT moment, {SERIES} FROM moments WHERE moment >= ? AND moment < ? AND {SERIES} IN ({marks})"
    return [
        (*names[number], body.moment(rows.moment_time(moment)))
        for moment, number in tables.fetch(f"{select} ORDER BY moment", moments)
    ]


def lines(
    tables: Tables, wanted: tuple[str, ...], first: int, limit: int
) -> Iterator[tuple[Record, RecordState, str | None]]:
    """Record, state and reason of a refusal for those in these states from this number on, ``limit`` at most."""
    left = limit
    while left > 0:
        runs = tables.ranges.runs(first, tables.last_seq, wanted, enough=left)
        if not runs:
            return
        for run in runs:
            last = min(run.last, run.first + left - 1)
            for row in tables.rows(run.first, last):
                record = whole(tables, row)
                if record is not None:
                    left -= 1
                    yield record, run.state, _reason(tables, row.seq) if run.state == states.REFUSED else None
            first = last + 1


def _reason(tables: Tables, seq: int) -> str | None:
    """Why it was refused. The state shows a moment before its reason is on the disk: then the writer is waited for."""
    select = "SELECT code, text FROM refused WHERE seq = ?"
    found = tables.fetch(select, (seq,))
    if not found:
        with tables.writing:
            found = tables.fetch(select, (seq,))
    return next((f"{code}: {text}" for code, text in found), None)


def whole(tables: Tables, row: rows.Row) -> Record | None:
    """With frames, and with what a held record needs besides; None where the checksum fails."""
    record = tables.record(row)
    if record is not None and record.clock == "unset":
        for boot, monotonic in tables.fetch("SELECT boot, monotonic FROM held WHERE seq = ?", (row.seq,)):
            return replace(record, boot=boot, monotonic=monotonic)
    return record
