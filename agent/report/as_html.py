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
td.moment span { white-space: nowrap; }
tr.doubtful td { background: #fff3cd; }
tr.missing td { background: #f8d7da; }
tfoot td { font-weight: bold; }
@media screen and (max-width: 1240px) {
  thead, td:empty { display: none; }
  table, tbody, tfoot, td { display: block; }
  tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(11em, 1fr)); }
  tr { margin: 0 0 .8em; border: 1px solid #999; background: #fff; }
  tr.doubtful { background: #fff3cd; }
  tr.missing { background: #f8d7da; }
  td, td.number { border: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
  td[data-name]::before { content: attr(data-name) ": "; color: #555; font-weight: normal; }
}
@media print {
  body { font-size: 9px; margin: 0; }
  td, th { padding: .15em .3em; }
  thead { display: table-header-group; }
  tfoot { display: table-row-group; }
  tr { break-inside: avoid; }
  td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
"""On a screen that is too narrow for 17 columns each line is a block of names and values, as on a narrow terminal."""


def encoded(report: Report) -> bytes:
    """UTF-8. A line that is missing or doubtful says so as text, and by its colour."""
    heads = "".join(f'<th scope="col">{escape(column.name)}</th>' for column in table.COLUMNS)
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
    shown = "".join(_cell(column.name, cell, zone) for column, cell in zip(table.COLUMNS, cells, strict=True))
    return f'<tr class="{escape(str(cells[-2]))}">{shown}</tr>'


def _cell(name: str, cell: table.Cell, zone: ZoneInfo) -> str:
    if cell is None or cell == "":
        return "<td></td>"
    named = f'data-name="{escape(name)}"'
    if isinstance(cell, Decimal):
        return f'<td class="number" {named}>{table.number(cell)}</td>'
    if isinstance(cell, datetime):
        day, time = table.moment(cell, zone).split()
        return f'<td class="moment" {named}><span>{day}</span> {time}</td>'
    return f"<td {named}>{escape(cell)}</td>"
