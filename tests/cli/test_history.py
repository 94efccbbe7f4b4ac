"""``meterpost history``: on a phone, on a wide screen, as a page, for a spreadsheet, for a program."""

import csv
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from agent.cli.history import find_point
from agent.cli.output import load_config
from agent.history.page import page as whole
from agent.history.page import scale
from agent.history.sheet import sheet
from buffer.record import Record
from buffer.store import Store
from tests.buffer.plant import opened
from tests.cli.conftest import Run, change
from tests.history.house import MOSCOW, intervals, reading, readings, snapshots, steady
from tests.support.present import present

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/history.json").read_text())
START = datetime(2026, 11, 2, tzinfo=MOSCOW).astimezone(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = ("--from", "2026-11-02", "--to", "2026-11-08")

Keep = Callable[[list[Record]], None]


@pytest.fixture
def keep(house: Path) -> Keep:
    """Puts records into the house's store, as a daemon that has ended leaves it. The point has no ratio."""
    change(house, "ratio = 20", "ratio = 1")

    def put(records: list[Record]) -> None:
        with closing(opened(house.parent / "state")) as store:
            store.put(sorted(records, key=lambda record: record.at))

    return put


def week(gap: bool = True) -> list[Record]:
    """Snapshots of a week; none of the fourth and fifth day where there is a gap."""
    found = snapshots("day", START, START + 8 * DAY, MOSCOW)
    return [record for record in found if not gap or not START + 2 * DAY < record.at < START + 5 * DAY]


def test_the_table_fits_a_phone_of_40_columns(
    run: Run, house: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(week())
    monkeypatch.setenv("COLUMNS", "40")
    done = run("history", "flat-12", *WEEK, "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "flat-12  meter 23456789  kWh by day,",
        "  Europe/Moscow",
        "██···██  █ 36.00 kWh",
        "day             T1     T2     kWh",
        "2026-11-02   28.80   7.20   36.00",
        "2026-11-03   28.80   7.20   36.00",
        "2026-11-04                         ?",
        "2026-11-05                         ?",
        "2026-11-06                         ?",
        "2026-11-07   28.80   7.20   36.00",
        "2026-11-08   28.80   7.20   36.00",
        "sum         115.20  28.80  144.00  <",
        "? missing",
        "< only a part",
    ]


def test_where_the_columns_do_not_fit_the_totals_come_first_and_the_tariffs_in_tables_of_their_own(
    run: Run, house: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(house, 'T2 = "night"', 'T2 = "night", T3 = "peak", T4 = "half-peak"')
    more = {"1-0:1.8.3": 0, "1-0:1.8.4": 0}
    keep([replace(record, values=dict(record.values) | more) for record in week()])
    for columns, plot in (("40", "█" * 10), ("34", "██···██  █ 36.00 kWh")):
        monkeypatch.setenv("COLUMNS", columns)
        out = run("history", "flat-12", *WEEK, "-c", str(house)).out
        assert max(map(len, out.splitlines())) <= int(columns)
        heads = [line.split() for line in out.splitlines() if line.startswith("day")]
        assert heads[0] == ["day", "kWh"] and [name for head in heads[1:] for name in head].count("T4") == 1
        assert plot in out and re.search(r"^2026-11-04 +\?$", out, re.MULTILINE) and "T1:" not in out


def test_hours_on_the_screen_have_their_year(run: Run, house: Path, keep: Keep) -> None:
    keep(readings(START, START + DAY, HOUR))
    out = run("history", "flat-12", *WEEK, "--by", "hour", "-c", str(house)).out
    assert "kWh by hour of 2026, Europe/Moscow" in out


def test_a_wide_screen_has_a_bar_behind_each_row(
    run: Run, house: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(week())
    monkeypatch.setenv("COLUMNS", "120")
    lines = run("history", "flat-12", *WEEK, "-c", str(house)).out.splitlines()
    first = next(line for line in lines if line.startswith("2026-11-02"))
    assert first.endswith("█" * 38 + "▓" * 10)
    assert not any(fill in next(line for line in lines if line.startswith("2026-11-04")) for fill in "█▓·")
    assert "█ T1 day  ▓ T2 night" in lines
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("by", ["hour", "day", "month"])
def test_no_line_is_wider_than_the_screen(
    run: Run, house: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch, columns: int, by: str
) -> None:
    keep(readings(START, START + 2 * DAY, HOUR) + intervals(START + 3 * DAY, START + 4 * DAY))
    (house.parent / "plan.csv").write_text("2026-11,300\n")
    change(house, "ratio = 1", 'ratio = 1\nplan = "plan.csv"')
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("history", "flat-12", *WEEK, "--by", by, "-c", str(house))
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= columns


@pytest.mark.slow
def test_a_terminal_without_utf8_gets_plain_characters(house: Path, keep: Keep) -> None:
    change(house, "ratio = 1", "ratio = 20")
    keep(week())
    command = [sys.executable, "-m", "agent", "history", "flat-12", *WEEK, "-c", str(house)]
    for columns, shown in (("40", "##   ##"), ("80", "=" * 3)):
        surroundings = {"PATH": "/usr/bin", "COLUMNS": columns, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, env=surroundings, check=True)
        assert shown in done.stdout.decode("ascii")
        assert b"registers x 20" in b" ".join(done.stdout.split())


def test_without_from_it_begins_where_the_records_begin(run: Run, house: Path, keep: Keep) -> None:
    now = datetime.now(UTC)
    keep(snapshots("day", now - 6 * DAY, now, MOSCOW))
    rows = run("history", "flat-12", "--json", "-c", str(house)).document["rows"]
    assert [row["quality"] for row in rows[:5]] == ["complete"] * 5
    assert len(rows) in (5, 6)  # today's has no reading yet but its first


def test_json_is_exact_and_keeps_its_schema(run: Run, house: Path, keep: Keep) -> None:
    change(house, "ratio = 1", "ratio = 0.3")
    truth = week()
    odd = replace(truth[1], values={code: value + Decimal("0.1") for code, value in truth[1].values.items()})
    keep([truth[0], odd, *truth[2:]])
    done = run("history", "flat-12", *WEEK, "--json", "-c", str(house))
    jsonschema.validate(done.document, SCHEMA, format_checker=jsonschema.FormatChecker())
    exact = json.loads(done.out, parse_float=Decimal)
    assert exact["rows"][0]["tariffs"] == {"T1": Decimal("8640.03"), "T2": Decimal("2160.03")}
    assert exact["rows"][0]["total"] == Decimal("10800.06")
    absent = exact["rows"][2]
    assert {name for name, value in absent.items() if value is None} == {
        *("total", "source", "taken", "plan", "deviation"),
    }
    assert (absent["tariffs"], absent["quality"]) == ({}, "missing")


def spreadsheet(run: Run, *args: str) -> list[dict[str, str]]:
    out = run("history", "flat-12", *args, "--csv").out
    assert out.startswith("\ufefffrom;to;zone;")
    return list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"), newline=""), delimiter=";"))


def test_the_spreadsheet_has_exact_kwh_and_empty_cells_for_what_is_missing(run: Run, house: Path, keep: Keep) -> None:
    keep(week())
    rows = spreadsheet(run, *WEEK, "-c", str(house))
    assert [(row["T1_kwh"], row["total_kwh"], row["quality"]) for row in rows[:3]] == [
        ("28,8", "36", "complete"),
        ("28,8", "36", "complete"),
        ("", "", "missing"),
    ]
    assert (rows[0]["from"], rows[0]["to"], rows[0]["zone"]) == ("2026-11-02 00:00", "2026-11-03 00:00", "UTC+03:00")


def test_the_two_hours_of_one_name_are_two_rows_of_the_spreadsheet(run: Run, house: Path, keep: Keep) -> None:
    change(house, "Europe/Moscow", "Europe/Berlin")
    since = datetime(2026, 10, 25, tzinfo=UTC)
    keep(readings(since - 2 * HOUR, since + 3 * HOUR, HOUR))
    rows = spreadsheet(run, "--by", "hour", "--from", "2026-10-25T02:00", "--to", "2026-10-25T03:00", "-c", str(house))
    assert [(row["from"], row["zone"]) for row in rows] == [
        ("2026-10-25 02:00", "UTC+02:00"),
        ("2026-10-25 02:00", "UTC+01:00"),
    ]


def test_the_screen_shows_primary_energy_and_says_so(run: Run, house: Path, keep: Keep) -> None:
    change(house, "ratio = 1", "ratio = 20")
    keep(week())
    out = run("history", "flat-12", *WEEK, "-c", str(house)).out
    assert "primary energy: the meter's registers × 20" in out
    assert "720.00" in out


def test_plan_and_deviation_stand_beside_the_fact(run: Run, house: Path, keep: Keep) -> None:
    hours = [f"{(START + number * HOUR).astimezone(MOSCOW):%Y-%m-%dT%H:00};1,25" for number in range(48)]
    (house.parent / "plan.csv").write_text("hour;kWh\n" + "\n".join(hours))
    change(house, "ratio = 1", 'ratio = 1\nplan = "plan.csv"')
    keep(week())
    rows = run("history", "flat-12", *WEEK, "--json", "-c", str(house)).document["rows"]
    assert [(row["plan"], row["deviation"]) for row in rows[:3]] == [(30_000, 6_000), (30_000, 6_000), (None, None)]
    out = run("history", "flat-12", *WEEK, "-c", str(house)).out
    assert re.search(r"2026-11-02 +28\.80 +7\.20 +36\.00 +30\.00 +\+6\.00 +█+│█*▓+$", out, re.MULTILINE)


def test_a_plan_of_months_says_how_far_the_running_month_is(run: Run, house: Path, keep: Keep) -> None:
    now = datetime.now(UTC)
    month = f"{now.astimezone(MOSCOW):%Y-%m}"
    (house.parent / "plan.csv").write_text(f"{month},300\n")
    change(house, "ratio = 1", 'ratio = 1\nplan = "plan.csv"')
    keep([reading(now - 2 * HOUR), reading(now - HOUR)])
    assert f"plan of {month}: 300 kWh, " in run("history", "flat-12", "-c", str(house)).out


def test_a_faulty_plan_is_told_with_file_and_line(run: Run, house: Path, keep: Keep) -> None:
    (house.parent / "plan.csv").write_text("2026-11,300\n2026-12,many\n")
    change(house, "ratio = 1", 'ratio = 1\nplan = "plan.csv"')
    for command in (("check",), ("history", "flat-12")):
        done = run(*command, "-c", str(house))
        assert done.code == 78
        assert f'{house.parent}/plan.csv:2:9: found "many", expected kWh' in done.err


class Tags(HTMLParser):
    """Which elements are open, what they hold, and whether each is closed in its order."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(run: Run, house: Path, *more: str) -> str:
    file = house.parent / "flat-12.html"
    done = run("history", "flat-12", *(more or WEEK), "--html", str(file), "-c", str(house))
    assert (done.code, done.err) == (0, "")
    assert str(file) in done.out
    return file.read_text(encoding="utf-8")


def test_the_page_is_whole_by_itself_and_loads_nothing(run: Run, house: Path, keep: Keep) -> None:
    keep(week())
    text = page(run, house)
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    assert not {"script", "link", "img", "iframe", "object", "use"} & set(tags.seen)
    assert not {"src", "href", "xlink:href", "onclick", "onload"} & {name for name, _ in tags.attributes}
    assert "//" not in text and "@import" not in text
    assert re.findall(r"url\((.*?)\)", text) == ["#hatch"] * 3
    assert ("name", "viewport") in tags.attributes and "prefers-color-scheme:dark" in text


def plot(text: str) -> ElementTree.Element:
    """The SVG of the bars; the axis beside it is sound XML too."""
    axis, bars = (ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert axis.findall("text")[0].text == "kWh"
    assert [label.get("text-anchor") for label in axis.findall("text")] == ["end"] * len(axis)
    return bars


def part(text: str | None) -> float:
    """Per cents as a part of the width."""
    assert text is not None and text.endswith("%")
    return float(text[:-1]) / 100


def test_the_chart_is_sound_xml_with_a_stack_for_each_day_and_a_hatch_for_a_missing_one(
    run: Run, house: Path, keep: Keep
) -> None:
    keep(week())
    svg = plot(page(run, house))
    columns = svg.findall("g")
    assert len(columns) == 7
    for column in columns:
        bars = column.findall("rect")
        missing = present(present(column.find("title")).text).endswith("missing")
        assert [bar.get("class") for bar in bars] == ([None] if missing else ["t1", "t2"])
        assert not missing or bars[0].get("fill") == "url(#hatch)"
        for bar in bars:
            x, wide = part(bar.get("x")), part(bar.get("width"))
            y, high = float(present(bar.get("y"))), float(present(bar.get("height")))
            assert 0 <= x <= x + wide <= 1 and 0 <= y <= y + high <= float(present(svg.get("height"))) and high > 0
        for lower, upper in pairwise(bars):
            assert float(present(upper.get("y"))) + float(present(upper.get("height"))) == pytest.approx(
                float(present(lower.get("y")))
            )
    assert present(columns[0].find("title")).text == "2026-11-02: T1 28.80, T2 7.20, 36.00 kWh"
    heights = [float(present(bar.get("height"))) for bar in columns[0].findall("rect")]
    assert heights[0] / heights[1] == pytest.approx(4, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, 2, 7, 13, 50, 168])
@pytest.mark.parametrize(("screen", "room"), [("narrow", 232), ("broad", 590), ("paper", 640)])
def test_no_label_of_the_chart_is_cut_off_or_lies_on_another(
    run: Run, house: Path, keep: Keep, hours: int, screen: str, room: int
) -> None:
    keep(readings(START, START + 8 * DAY, HOUR))
    until = (START + hours * HOUR).astimezone(MOSCOW).isoformat()
    svg = plot(page(run, house, "--from", "2026-11-02", "--to", until, "--by", "hour"))
    least, most = map(int, present(re.fullmatch(r"--least:(\d+)px;--most:(\d+)px", present(svg.get("style")))).groups())
    wide = min(most, room if screen == "paper" else max(least, room))
    labels = [label for label in svg.findall("text") if screen in present(label.get("class")).split()]
    ends = [
        (wide * part(label.get("x")), wide * part(label.get("x")) + 9 * len(present(label.text))) for label in labels
    ]
    assert ends and ends[-1][1] <= wide
    assert all(left[1] < right[0] for left, right in pairwise(ends))


def test_a_chart_of_thirteen_months_fits_a_phone(run: Run, house: Path, keep: Keep) -> None:
    since = datetime(2025, 11, 1, tzinfo=MOSCOW).astimezone(UTC)
    keep(snapshots("month", since, START, MOSCOW))
    text = page(run, house, "--from", "2025-11", "--to", "2026-11", "--by", "month")
    assert present(plot(text).get("style")).startswith("--least:39px;") and len(plot(text).findall("g")) == 13


def test_the_table_of_a_page_has_headings_for_columns_and_rows_and_marks_beside_the_name(
    run: Run, house: Path, keep: Keep
) -> None:
    keep(week())
    text = page(run, house)
    assert re.findall(r'<th scope="col">(.*?)</th>', text) == ["day", "T1", "T2", "kWh"]
    assert '<tr class="missing"><th scope="row">2026-11-04 <abbr title="missing">?</abbr></th><td></td>' in text
    assert '<th scope="row">sum <abbr title="only a part">&lt;</abbr></th><td>115.20</td>' in text


def test_a_page_of_hours_names_the_year(run: Run, house: Path, keep: Keep) -> None:
    keep(readings(START, START + DAY, HOUR))
    text = page(run, house, "--from", "2026-11-02", "--to", "2026-11-02", "--by", "hour")
    assert "kWh by hour, 2026-11-02 00:00 to 2026-11-02 23:00, Europe/Moscow" in text


def test_on_paper_the_sum_stands_once_and_the_keys_have_their_colours(run: Run, house: Path, keep: Keep) -> None:
    keep(week())
    text = page(run, house)
    style = text.split("@media print{")[1].split("</style>")[0]
    assert "@media screen and (prefers-color-scheme:dark)" in text and "color-scheme:light" in style
    assert "tfoot{display:table-row-group}" in style and ".key{print-color-adjust:exact" in style


@pytest.mark.parametrize("most", ["0", "0.4", "1", "36000", "36001", "99999999"])
def test_the_axis_holds_the_highest_bar_with_at_most_six_lines(most: str) -> None:
    step, top = scale(Decimal(most))
    assert Decimal(most) <= top and top % step == 0 and 1 <= top / step <= 5


def test_a_total_alone_has_a_colour_of_its_own(run: Run, house: Path, keep: Keep) -> None:
    keep(intervals(START, START + DAY))
    text = page(run, house, "--from", "2026-11-02", "--to", "2026-11-02", "--by", "hour")
    assert text.count('class="alone"') == 24 and "total alone" in text


def test_a_point_with_an_evil_account_does_not_break_the_page(run: Run, house: Path, keep: Keep) -> None:
    keep(intervals(START, START + DAY))
    values = load_config(house, service=False)
    meter = replace(find_point(values, "flat-12"), account='"><script>alert(1)</script>&')
    with closing(Store.open(house.parent / "state", now=lambda: START, read_only=True)) as store:
        text = whole(sheet(store, values, meter, "day", START, START + DAY, START + 2 * DAY))
    assert "<script" not in text and "&lt;script&gt;" in text


def test_what_nobody_asked_for_is_not_invented(run: Run, house: Path, keep: Keep) -> None:
    """Two meters' serials at one point and no act between them: the day is missing and the reason is said."""
    foreign = reading(START + 12 * HOUR, meter="999", values={"1-0:1.8.1": 5, "1-0:1.8.2": 5})
    keep([reading(START), foreign])
    done = run("history", "flat-12", "--from", "2026-11-02", "--to", "2026-11-02", "-c", str(house))
    assert done.code == 1
    assert "meter 999 does not belong to this point" in done.err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("flat-21",), 2, "did you mean 'flat-12'?"),
        (("lift",), 2, "there are: flat-12"),
        (("flat-12", "--by", "week"), 2, "hour, day, month"),
        (("flat-12", "--from", "yesterday"), 2, "2026-11-21T10:00"),
        (("flat-12", "--from", "2026-11-02", "--to", "2026-11-01"), 2, "before --to"),
        (("flat-12", "--from", "0202-11-02", "--by", "hour"), 2, "rows"),
        (("flat-12", "--csv", "--json"), 2, "at a time"),
        (("flat-12", "--from", "2020-01", "--to", "2020-02"), 1, "nothing is known of flat-12"),
    ],
)
def test_what_cannot_be_shown_is_said_with_what_to_do(
    run: Run, house: Path, keep: Keep, args: tuple[str, ...], code: int, words: str
) -> None:
    keep(week())
    done = run("history", *args, "-c", str(house))
    assert (done.code, done.out) == (code, "")
    assert words in " ".join(done.err.split())


def test_of_a_meter_that_a_person_reads_nobody_says_that_it_is_polled(run: Run, house: Path, keep: Keep) -> None:
    file = house.read_text() + '\n[[meter]]\npoint = "cellar"\ndriver = "manual"\nserial = "7"\n'
    house.write_text(file)
    keep([])
    done = run("history", "cellar", "-c", str(house))
    hint = " ".join(done.err.split())
    assert "--by month" in hint and "meterpost enter cellar" in hint and "polled" not in hint


def test_where_no_store_is_none_is_made(run: Run, house: Path) -> None:
    done = run("history", "flat-12", "-c", str(house))
    assert (done.code, done.out) == (1, "")
    assert "no store in" in done.err and not list((house.parent / "state").iterdir())


def test_it_can_be_asked_while_a_daemon_has_the_store(run: Run, house: Path, keep: Keep) -> None:
    keep([])
    with closing(opened(house.parent / "state")) as store:
        store.put(week())
        done = run("history", "flat-12", *WEEK, "--json", "-c", str(house))
    assert done.document["rows"][0]["total"] == sum(steady(START + DAY)) - sum(steady(START))
