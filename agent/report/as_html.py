"""The report as one page that needs nothing from outside and prints on A4."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from zoneinfo import ZoneInfo

from agent.report import table
from agent.report.breakdown import Report

STYLE = """
@page { size: A4 landscape; margin: 10mm; }
body { font: 13px/1.35 sans-serif; margin: 1em; color: #111; background: #fff; }
h1 { font-size: 1.3em; margin: 0 0 .2em; }
p { margin: 0 0 .8em; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #999; padding: .2em .4em; text-align: left; vertical-align: top; }
th { background: #eee; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.doubtful td { background: #fff3cd; }
tr.missing td { background: #f8d7da; }
tfoot td { font-weight: bold; }
@media print {
  body { font-size: 8px; margin: 0; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def octets(report: Report) -> bytes:
    """UTF-8. A line that is missing or doubtful says so in words, and by its colour."""
    heads = "".join(f"<th>{escape(column.name)}</th>" for column in table.COLUMNS)
    body = "\n".join(_row(row, report.zone) for row in table.rows(report))
    foot = "\n".join(_row(row, report.zone) for row in table.totals(report))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(table.title(report))}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(table.title(report))}</h1>
<p>{escape(table.subtitle(report))}</p>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{body}
</tbody>
<tfoot>
{foot}
</tfoot>
</table>
</body>
</html>
"""
    return page.encode()


def _row(cells: Sequence[table.Cell], zone: ZoneInfo) -> str:
    return f'<tr class="{escape(str(cells[-2]))}">{"".join(_cell(cell, zone) for cell in cells)}</tr>'


def _cell(cell: table.Cell, zone: ZoneInfo) -> str:
    if isinstance(cell, Decimal):
        return f'<td class="number">{table.number(cell)}</td>'
    if isinstance(cell, datetime):
        return f"<td>{table.moment(cell, zone)}</td>"
    return f"<td>{escape(cell or '')}</td>"
