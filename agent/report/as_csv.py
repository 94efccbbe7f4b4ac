"""The report as a file that Excel opens by a double click where it is used: with Russian settings.

There the list separator is a semicolon and the decimal sign a comma, and without a byte order mark Excel takes the
bytes for windows-1251. So: UTF-8 with the mark, semicolons, decimal commas, CRLF (RFC 4180). A spreadsheet turns an
account such as 00123 into a number whatever the file says; where that hurts take xlsx.
"""

import csv
import io
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.report import table
from agent.report.breakdown import Report

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def encoded(report: Report) -> bytes:
    """Headings, a line for each line of the report, and a line of total for each tariff."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow([column.name for column in table.COLUMNS])
    for row in (*table.rows(report), *table.totals(report)):
        writer.writerow([_cell(cell, report.zone) for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _cell(cell: table.Cell, zone: ZoneInfo) -> str:
    if isinstance(cell, Decimal):
        return table.number(cell).replace(".", ",")
    if isinstance(cell, datetime):
        return table.moment(cell, zone)
    text = cell or ""
    # A name that begins so would be run as a formula (OWASP, CSV injection).
    return f"'{text}" if text.startswith(FORMULA) else text
