"""``meterpost report`` and ``meterpost exchange`` as a shell would call them, without a daemon."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from agent.report.exchange import FOLDER
from buffer.record import Record
from buffer.store import Store
from simulators.intake.validate import Validator
from tests.cli.conftest import Done, Run, change, house, run  # noqa: F401 - fixtures
from tests.report.plant import midnight, profile, reading, values_of

DAY = date(2026, 10, 5)
TABLES = """\
[mail]
host = "mail.example.org"
sender = "gw@example.org"

[exchange]
inn = "7707083893"
name = "ООО «Ромашка»"
area_inn = "7707083893"
area_name = "АИИС КУЭ «Ромашка»"

[[bus]]
"""
ANSWER = (
    '<?xml version="1.0" encoding="windows-1251"?><message class="80021" version="1" id="1"><file zip="0">'
    '<name>80020_7707083893_20261005_{}_7707083893.xml</name></file><reply status="0"/></message>'
)


@pytest.fixture
def site(house: Path) -> Path:  # noqa: F811
    """A configuration with an exchange, and a store with October's registers and a day of half hours."""
    change(house, "[[bus]]\n", TABLES)
    change(house, "ratio = 20", 'ratio = 20\nexchange_code = "421234567890101"\nplace = "ТП-12"')
    with_store(
        house,
        [
            reading(midnight(date(2026, 10, 1)), point="flat-12", T1=1_000_400, T2=1),
            reading(midnight(date(2026, 11, 1)), point="flat-12", T1=1_200_900, T2=2),
            *profile(DAY, [100] * 48, point="flat-12"),
        ],
    )
    return house


def with_store(file: Path, records: list[Record]) -> None:
    store = Store.open(file.parent / "state", now=lambda: datetime.now(UTC), reserve=0)
    store.put(records)
    store.close()


def call(run: Run, file: Path, *args: str) -> Done:  # noqa: F811
    return run(*args, "-c", str(file))


def sound(name: str, text: str) -> dict[str, Any]:
    assert Validator().objections(name, text) == []
    told: dict[str, Any] = json.loads(text)
    return told


def test_a_months_report_is_exact_as_json(run: Run, site: Path) -> None:  # noqa: F811
    done = call(run, site, "report", "--month", "2026-10", "--json")
    document = sound("report", done.out)
    assert (done.code, document["from"], document["to"]) == (0, "2026-10-01", "2026-10-31")
    assert [(line["tariff"], line["used"], line["primary"]) for line in document["lines"]] == [
        ("T1", 200_500, 4_010_000),
        ("T2", 1, 20),
    ]
    assert document["totals"] == {"T1": 4_010_000, "T2": 20}


def test_each_form_is_written_to_a_file(run: Run, site: Path, tmp_path: Path) -> None:  # noqa: F811
    for form in ("csv", "html", "xlsx"):
        file = tmp_path / f"october.{form}"
        done = call(
            run, site, "report", "--from", "2026-10-01", "--to", "2026-10-31", "--format", form, "-o", str(file)
        )
        assert (done.code, done.out) == (0, "")
    rows = csv.DictReader(io.StringIO((tmp_path / "october.csv").read_text("utf-8-sig")), delimiter=";")
    assert next(rows)["used × ratio, kWh"] == "4010"
    assert openpyxl.load_workbook(tmp_path / "october.xlsx").active.cell(4, 15).value == 4010
    assert "ТП-12" in (tmp_path / "october.html").read_text("utf-8")


def test_missing_lines_end_with_3_and_are_counted(run: Run, site: Path) -> None:  # noqa: F811
    done = call(run, site, "report", "--month", "2026-09")
    assert done.code == 3
    assert "2 of 2 lines are missing" in done.err and "no opening reading" in done.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "say --month"),
        (("--month", "2026-13"), "expected YYYY-MM"),
        (("--month", "october"), "expected YYYY-MM"),
        (("--month", "2026-10", "--from", "2026-10-01"), "not both"),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "comes before"),
        (("--from", "2026-10-32", "--to", "2026-10-01"), "expected YYYY-MM-DD"),
        (("--month", "2026-10", "--format", "pdf"), "there are: html, csv, xlsx"),
        (("--month", "2026-10", "--point", "flat-13"), "there are: flat-12"),
    ],
)
def test_wrong_usage_of_report_ends_with_2_and_words(run: Run, site: Path, args: tuple[str, ...], words: str) -> None:  # noqa: F811
    done = call(run, site, "report", *args)
    assert (done.code, done.out) == (2, "") and words in " ".join(done.err.split())


def test_a_file_is_made_listed_and_answered(run: Run, site: Path, tmp_path: Path) -> None:  # noqa: F811
    made = sound("exchange", call(run, site, "exchange", "make", "2026-10-05", "--json").out)["days"]
    assert [(day["state"], day["number"], day["gaps"]) for day in made] == [("made", 1, 0)]
    octets = (site.parent / "state" / FOLDER / made[0]["file"]).read_bytes()
    assert sum(values_of(octets)) == 48 * 100 * 20 // 1000
    answer = tmp_path / "answer.xml"
    answer.write_bytes(ANSWER.format(1).encode("cp1251"))
    assert call(run, site, "exchange", "answer", str(answer)).code == 0
    listed = sound("exchange", call(run, site, "exchange", "list", "--json").out)
    assert [day["state"] for day in listed["days"]] == ["accepted"] and listed["left_out"] == []
    assert "2026-10-05       1  accepted" in call(run, site, "exchange", "list").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("make", "2026-99-05"), "expected YYYY-MM-DD"),
        (("make", (datetime.now(UTC) + timedelta(days=2)).date().isoformat()), "is not over"),
        (("send", "2026-10-05"), "there is no file; meterpost exchange make 2026-10-05"),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, site: Path, args: tuple[str, str], words: str) -> None:  # noqa: F811
    done = call(run, site, "exchange", *args)
    assert done.code in (1, 2) and done.out == "" and words in " ".join(done.err.split())


@pytest.mark.slow
def test_an_answer_that_is_none_changes_nothing(run: Run, site: Path, tmp_path: Path) -> None:  # noqa: F811
    call(run, site, "exchange", "make", "2026-10-05")
    before = call(run, site, "exchange", "list", "--json").out
    for text in (ANSWER.format(2), "<message", "x" * 300_000):
        file = tmp_path / "answer.xml"
        file.write_text(text, "cp1251")
        assert call(run, site, "exchange", "answer", str(file)).code == 1
    assert call(run, site, "exchange", "answer", str(tmp_path / "none.xml")).code == 74
    assert call(run, site, "exchange", "list", "--json").out == before


def test_without_the_table_the_hint_says_where_it_is_described(run: Run, house: Path) -> None:  # noqa: F811
    done = call(run, house, "exchange", "list")
    assert done.code == 78 and "docs/reports.md" in done.err


def test_without_a_store_none_is_made(run: Run, house: Path) -> None:  # noqa: F811
    change(house, "[[bus]]\n", TABLES)
    for args in (("exchange", "list"), ("exchange", "make", "2026-10-05"), ("report", "--month", "2026-10")):
        done = call(run, house, *args)
        assert done.code == 1 and "no store in" in done.err
    assert not list((house.parent / "state").iterdir())


def test_while_another_program_has_the_store_75_says_try_again(run: Run, site: Path) -> None:  # noqa: F811
    store = Store.open(site.parent / "state", now=lambda: datetime.now(UTC), reserve=0)
    try:
        assert call(run, site, "exchange", "make", "2026-10-05").code == 75
    finally:
        store.close()
