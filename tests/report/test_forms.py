"""The report as a page, as a table for Excel and as a workbook: other programs read what we write."""

import csv
import io
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser

import openpyxl
import pytest

from agent.report import as_csv, as_html, as_xlsx
from agent.report.breakdown import Report, ReportLine, Shown
from agent.report.table import COLUMNS
from tests.report.plant import MOSCOW, midnight

NAMES = [column.name for column in COLUMNS]
START, END = midnight(date(2026, 10, 1)), midnight(date(2026, 11, 1))
WHOLE = ReportLine(
    "shop",
    "00123",
    'ТП-12, "ввод" <1> & Ко',
    "0023456789",
    Decimal(40),
    "T1",
    "day",
    Shown(Decimal(1_000_400), START),
    Shown(Decimal("99999999.9"), END, act=True),
    Decimal("98999499.9"),
)
MISSING = replace(WHOLE, point="lift", closing=None, used=None, mark="missing", reason="no closing reading")
REPORT = Report(
    "gw-000123",
    date(2026, 10, 1),
    date(2026, 10, 31),
    MOSCOW,
    datetime(2026, 11, 2, tzinfo=UTC),
    (WHOLE, MISSING),
    {"T1": Decimal("3959979996")},
)


def read_csv(report: Report) -> list[dict[str, str]]:
    text = as_csv.encoded(report).decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n") == len(report.lines) + len(report.totals) + 1
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def test_csv_is_what_excel_with_russian_settings_opens() -> None:
    assert as_csv.encoded(REPORT).startswith(b"\xef\xbb\xbfaccount;point;")
    one, two, total = read_csv(REPORT)
    assert list(one) == NAMES
    assert (one["opening, kWh"], one["closing, kWh"], one["used, kWh"]) == ("1000,4", "99999,9999", "98999,4999")
    assert (one["account"], one["meter"], one["ratio"], one["place"]) == ("00123", "0023456789", "40", WHOLE.place)
    assert (one["opening at"], one["closing by"]) == ("2026-10-01 00:00:00", "act")
    assert (two["used, kWh"], two["mark"], two["reason"]) == ("", "missing", "no closing reading")
    assert (total["account"], total["tariff"], total["used × ratio, kWh"]) == ("total", "T1", "3959979,996")
    assert (total["mark"], total["reason"]) == ("missing", "without 1 of 2 lines")


@pytest.mark.parametrize("name", ["=1+1", "+7", "-x", "@cmd"])
def test_a_name_is_never_run_as_a_formula(name: str) -> None:
    report = replace(REPORT, lines=(replace(WHOLE, point=name),))
    assert read_csv(report)[0]["point"] == f"'{name}"
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx.encoded(report))).active
    assert (sheet.cell(4, 2).value, sheet.cell(4, 2).data_type) == (name, "s")


def test_a_workbook_has_numbers_dates_and_text_where_they_belong() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx.encoded(REPORT))).active
    assert [cell.value for cell in sheet[3]] == NAMES
    row = dict(zip(NAMES, sheet[4], strict=True))
    assert (row["account"].value, row["meter"].value) == ("00123", "0023456789")
    assert (row["opening, kWh"].value, row["ratio"].value) == (1000.4, 40)
    assert {row[name].data_type for name in ("ratio", "opening, kWh", "used, kWh")} == {"n"}
    assert row["opening at"].is_date and row["opening at"].value == datetime(2026, 10, 1)
    assert dict(zip(NAMES, sheet[5], strict=True))["used, kWh"].value is None
    assert next(cell.value for cell in sheet[6]) == "total"
    assert sheet.freeze_panes == "C4" and sheet.page_setup.paperSize == 9


def test_a_workbook_shows_whole_texts_and_what_is_missing_at_a_glance() -> None:
    place = "394000, Воронежская область, г. Воронеж, проспект Революционеров-железнодорожников, дом 145"
    report = replace(REPORT, lines=(replace(WHOLE, place=place), MISSING))
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx.encoded(report))).active
    cells = dict(zip(NAMES, sheet[4], strict=True))
    wide = {name: sheet.column_dimensions[cell.column_letter].width for name, cell in cells.items()}
    assert cells["place"].alignment.wrap_text
    assert sheet.row_dimensions[4].height >= 15 * len(place) / wide["place"] > 15
    assert wide["opening at"] > len(cells["opening at"].number_format) and wide["meter"] > len("104057088200313")
    assert {cell.fill.fgColor.rgb for cell in sheet[5]} == {"FFF8D7DA"}
    assert sheet.print_title_rows == "$3:$3"


def test_a_workbook_holds_the_registers_digits_exactly() -> None:
    with zipfile.ZipFile(io.BytesIO(as_xlsx.encoded(REPORT))) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
    for digits in ("1000.4", "99999.9999", "98999.4999", "3959979.996"):
        assert f"<v>{digits}</v>" in sheet


class Page(HTMLParser):
    """Rows of cells, and every tag closed."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_the_page_is_whole_needs_nothing_from_outside_and_shows_names_as_they_are() -> None:
    octets = as_html.encoded(REPORT)
    page = Page()
    page.feed(octets.decode())
    page.close()
    assert not page.open and not page.links
    assert b"url(" not in octets and b"<script" not in octets and b"@page { size: A4" in octets
    assert page.rows[0] == NAMES
    assert page.rows[1][2] == WHOLE.place
    assert dict(zip(NAMES, page.rows[1], strict=True))["used, kWh"] == "98999.4999"
    assert page.rows[2][-2:] == ["missing", "no closing reading"]
    assert page.rows[3][0] == "total"


def test_the_page_names_each_value_for_narrow_screens_and_totals_stand_once_on_paper() -> None:
    text = as_html.encoded(REPORT).decode()
    assert text.count('<th scope="col">') == len(NAMES)
    assert '<td class="number" data-name="used, kWh">98999.4999</td>' in text
    assert '<td class="moment" data-name="opening at"><span>2026-10-01</span> 00:00:00</td>' in text
    assert "tfoot { display: table-row-group; }" in text.split("@media print")[1]
