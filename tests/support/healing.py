"""What every test of filling demands: the archives are the meter's own again, whole and without anything twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

from drivers.reading import Kind
from tests.support.archive_bus import HALF, House, intervals, midnights
from tests.support.present import present

NOW = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONG = timedelta(days=3)


def heal(house: House, most: timedelta = LONG) -> None:
    house.run(3 * MINUTE)
    house.run(most, house.whole)
    assert house.whole(), house.filler.missing("flat-1")
    house.flush()


def assert_whole(house: House, since: datetime, number: int = 1, lost: Any = lambda at: False) -> None:
    """Each record of the archives is the meter's truth, none is twice, and none is missing from ``since`` on."""
    truth = house.truth[number - 1]
    found = house.records("interval", number)
    for record in found:
        before, after = truth(present(record.start))[0], truth(record.at)[0]
        assert record.at - present(record.start) == HALF
        assert record.values["1-0:1.29.0"] == present(after.active_import) - present(before.active_import), record.at
    at = [record.at for record in found]
    assert at == sorted(set(at))
    due = [end for end in intervals(since, house.now - HOUR) if not lost(end)]
    assert set(due) <= set(at), sorted(set(due) - set(at))[:5]
    due_in: dict[Kind, list[datetime]] = {
        "day": midnights(house.zone, since, house.now - 4 * HOUR),
        "month": months(house, since),
    }
    for kind, wanted in due_in.items():
        rows = house.records(kind, number)
        assert [row.at for row in rows] == sorted({row.at for row in rows})
        assert set(wanted) <= {row.at for row in rows}, kind
        for row in rows:
            registers = truth(row.at)
            assert [row.values.get(f"1-0:1.8.{n}") for n in range(3)] == [registers[n].active_import for n in range(3)]


def months(house: House, since: datetime) -> list[datetime]:
    found = midnights(house.zone, since, house.now - 4 * HOUR)
    return [at for at in found if at.astimezone(house.zone).day == 1]


def local_midnight(house: House, at: datetime) -> datetime:
    return at.astimezone(house.zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
