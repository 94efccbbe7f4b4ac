"""What docs/reports.md shows is what the program says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from agent.config.values import EarlierMeter
from agent.report import as_csv
from agent.report.breakdown import breakdown
from agent.report.days import STATES
from tests.docs.pages import column, names, section, sessions
from tests.report.plant import configured, metered, midnight, opened, reading

PAGE = "docs/reports.md"
ACCOUNT = "230100456790"


def test_the_month_that_is_shown_is_what_the_program_writes(tmp_path: Path) -> None:
    start, end = midnight(date(2026, 10, 1)), midnight(date(2026, 11, 1))
    old = EarlierMeter("1234567", date(2026, 10, 12), {"T1": Decimal("30122.7"), "T2": Decimal(11873)})
    act = {"initial": {"T1": Decimal("0.4"), "T2": Decimal("0.1")}, "installed": date(2026, 10, 12), "before": (old,)}
    config = configured(
        tmp_path,
        metered("input-1", serial="23456790", account=ACCOUNT, place="ТП-12, ввод 1", ratio=Decimal(40)),
        metered("pump", serial="23456791", account=ACCOUNT, **act),
        metered("lift", serial="23456792", tariffs={"T1": "day"}),
    )
    store = opened(tmp_path)
    store.put(
        [
            reading(start, meter="23456790", point="input-1", T1=1_000_400, T2=512_300),
            reading(end, meter="23456790", point="input-1", T1=1_214_250, T2=590_110),
            reading(start, meter="1234567", point="pump", T1=29_800_100, T2=11_700_000),
            reading(end, "now", "23456791", "pump", T1=611_200, T2=230_050),
            reading(start, meter="23456792", point="lift", T1=88_000),
        ]
    )
    made = breakdown(store, config, date(2026, 10, 1), date(2026, 10, 31), datetime(2026, 11, 21, tzinfo=UTC))
    store.close()
    shown = next(output for call, output in sessions(PAGE) if call == "meterpost report --month 2026-10")
    *lines, note = shown.splitlines()
    assert as_csv.encoded(made).decode("utf-8-sig").splitlines() == lines
    assert note == f"{made.missing} of {len(made.lines)} lines are missing; each says why"


def test_every_state_of_a_day_is_explained_and_no_other() -> None:
    table = section(PAGE, "The half-hour exchange file").split("| state |")[1].split("\n\n")[0]
    assert names(column("| state |" + table)) == list(STATES)
