"""The report as an Excel workbook: numbers are numbers, accounts and serials are text.

Imported only when a workbook is asked for. Excel itself has binary doubles only: up to 15 digits, more than any
register has, are written in the file as exactly the decimal that the register shows.
"""

import io
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from agent.report import table
from agent.report.breakdown import Report

HEAD = 3  # rows above the first line: title, subtitle, headings
WIDTHS: Mapping[str, float] = {
    "account": 14,
    "point": 16,
    "place": 26,
    "meter": 16,
    "ratio": 6,
    "tariff": 6,
    "meaning": 11,
    "opening at": 16,
    "opening by": 8,
    "closing at": 16,
    "closing by": 8,
    "mark": 9,
    "reason": 26,
}
ENERGY = 12  # letters wide
LINE = 15  # points high
MOMENT = "yyyy-mm-dd hh:mm"
MARGIN = 0.4  # in, as printers need it
FILLS: Mapping[str, str] = {"doubtful": "#fff3cd", "missing": "#f8d7da"}


def encoded(report: Report) -> bytes:
    """One sheet; title and headings stay in sight."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as workbook:
        sheet = workbook.add_worksheet("consumption")
        bold = workbook.add_format({"bold": True})
        heading = workbook.add_format({**_CELL, "bold": True, "bg_color": "#eeeeee"})
        sheet.write_string(0, 0, table.title(report), bold)
        sheet.write_string(1, 0, table.subtitle(report))
        for place, column in enumerate(table.COLUMNS):
            sheet.set_column(place, place, WIDTHS.get(column.name, ENERGY))
            sheet.write_string(HEAD - 1, place, column.name, heading)
        sheet.set_row(HEAD - 1, _height([column.name for column in table.COLUMNS]))
        formats = _Formats(workbook)
        lines, totals = table.rows(report), table.totals(report)
        for number, row in enumerate([*lines, *totals]):
            style = (str(row[-2]), number >= len(lines))
            sheet.set_row(HEAD + number, _height(row))
            for place, (column, cell) in enumerate(zip(table.COLUMNS, row, strict=True)):
                at = (HEAD + number, place)
                if isinstance(cell, Decimal):
                    sheet.write_number(
                        *at, cell, formats("0.000" if column.name.endswith("kWh") else "General", *style)
                    )
                elif isinstance(cell, datetime):
                    there = cell.astimezone(report.zone).replace(tzinfo=None)
                    sheet.write_datetime(*at, there, formats(MOMENT, *style))
                elif cell:
                    sheet.write_string(*at, cell, formats("General", *style))
                else:
                    sheet.write_blank(*at, None, formats("General", *style))
        sheet.freeze_panes(HEAD, 2)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.set_margins(MARGIN, MARGIN, MARGIN, MARGIN)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(HEAD - 1)
    return file.getvalue()


_NUMBERS = (Decimal, datetime, type(None))
_CELL: Mapping[str, Any] = {"text_wrap": True, "valign": "top", "border": 1, "border_color": "#999999"}


def _height(row: Sequence[table.Cell]) -> int:
    """Points that a row takes with its texts broken into lines: LibreOffice does not find that out by itself."""
    widths = [WIDTHS.get(column.name, ENERGY) for column in table.COLUMNS]
    cells = zip(row, widths, strict=True)
    return LINE * max(
        len(textwrap.wrap(cell, int(width) - 1)) or 1 for cell, width in cells if not isinstance(cell, _NUMBERS)
    )


class _Formats:
    """A workbook's formats, each made once: number form, mark of the line, total or not."""

    def __init__(self, workbook: xlsxwriter.Workbook) -> None:
        self._workbook = workbook
        self._made: dict[tuple[str, str, bool], Any] = {}

    def __call__(self, form: str, mark: str, total: bool) -> Any:
        key = (form, mark, total)
        if key not in self._made:
            more = {"bg_color": FILLS[mark]} if mark in FILLS else {}
            if form == MOMENT:
                more["align"] = "left"
            self._made[key] = self._workbook.add_format({**_CELL, **more, "num_format": form, "bold": total})
        return self._made[key]
