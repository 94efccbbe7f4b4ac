"""The report as an Excel workbook: numbers are numbers, accounts and serials are text.

Imported only when a workbook is asked for. Excel itself has binary doubles only: up to 15 digits, more than any
register has, are written in the file as exactly the decimal that the register shows.
"""

import io
from datetime import datetime
from decimal import Decimal

import xlsxwriter

from agent.report import table
from agent.report.breakdown import Report

HEAD = 3  # rows above the first line: title, subtitle, headings
WIDTHS = {"place": 30, "reason": 40, "opening at": 19, "closing at": 19}


def octets(report: Report) -> bytes:
    """One sheet; title and headings stay in sight."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("consumption")
        bold = book.add_format({"bold": True})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        energy = {False: book.add_format({"num_format": "0.000"})}
        energy[True] = book.add_format({"num_format": "0.000", "bold": True})
        sheet.write_string(0, 0, table.title(report), bold)
        sheet.write_string(1, 0, table.subtitle(report))
        for place, column in enumerate(table.COLUMNS):
            sheet.set_column(place, place, WIDTHS.get(column.name, 14))
            sheet.write_string(HEAD - 1, place, column.name, bold)
        lines, totals = table.rows(report), table.totals(report)
        for number, row in enumerate([*lines, *totals]):
            total = number >= len(lines)
            for place, (column, cell) in enumerate(zip(table.COLUMNS, row, strict=True)):
                at = (HEAD + number, place)
                if isinstance(cell, Decimal):
                    sheet.write_number(*at, cell, energy[total] if column.name.endswith("kWh") else None)
                elif isinstance(cell, datetime):
                    sheet.write_datetime(*at, cell.astimezone(report.zone).replace(tzinfo=None), moment)
                elif cell:
                    sheet.write_string(*at, cell, bold if total else None)
        sheet.freeze_panes(HEAD, 2)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(HEAD - 1)
    return file.getvalue()
