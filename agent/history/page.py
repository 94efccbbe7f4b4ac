"""A sheet as one HTML page: nothing is loaded from anywhere, no script, readable on a phone, by day and by night, on
paper.

The chart is an inline SVG: stacked bars per tariff, the plan as strokes, what is missing hatched. Its bars are per
cents of the width that there is; its texts keep their size, so each kind of screen has labels of its own.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from html import escape

from agent.history.chart import UNICODE, columns, grid, highest, number
from agent.history.sheet import LEGEND, Sheet, SheetLine
from buffer.record import number_text

HEIGHT, TOP, BOTTOM, LEFT = 240, 28, 24, 56  # px of the chart; the axis stands in LEFT
COLOURS = ("t1", "t2", "t3", "t4")
STEPS = (1, 2, 5)
LEAST, MOST = 3, 48  # px of a bar with its gap: where there are more than fit the chart is scrolled
LETTER = 9  # px that a letter takes at most
WIDTHS = {"narrow": 232, "broad": 590, "paper": 640}
"""px that the bars have at least: on a phone of 320, from a screen of 700 on, on A4."""

STYLE = """\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--rule:#d5dae0;--page:#fff;
--t1:#2f6fb7;--t2:#cf7a10;--t3:#3a9059;--t4:#8e5bb0;--alone:#7a8794;--plan:#c62f3b}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#9fa9b3;--rule:#39414a;--page:#14181c;
--t1:#6aa5e8;--t2:#f0ad55;--t3:#74c795;--t4:#bb90d8;--alone:#98a4b0;--plan:#ff7a84}}
body{margin:0 auto;padding:1rem;max-width:70rem;font:1rem/1.45 system-ui,sans-serif}
body{color:var(--ink);background:var(--page)}
h1{font-size:1.4rem;margin:0;overflow-wrap:anywhere}p{margin:.3rem 0}.soft{color:var(--soft)}
.wide{overflow-x:auto}.chart{display:flex;margin:1rem 0 .5rem}.chart .wide{flex:1;min-width:0}
svg{display:block;flex:none}.plot{width:100%;min-width:var(--least);max-width:var(--most)}
svg text{font:14px system-ui,sans-serif;fill:var(--soft)}.rule{stroke:var(--rule)}.tick{display:none}
.t1{fill:var(--t1)}.t2{fill:var(--t2)}.t3{fill:var(--t3)}.t4{fill:var(--t4)}.alone{fill:var(--alone)}
.plan{fill:var(--plan);stroke:var(--page)}.hatch{stroke:var(--soft)}
.key{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 0;background:currentColor}
.key.t1{color:var(--t1)}.key.t2{color:var(--t2)}.key.t3{color:var(--t3)}.key.t4{color:var(--t4)}
.key.alone{color:var(--alone)}.key.line{color:var(--plan);height:.2em;vertical-align:middle}
.legend span{display:inline-block;margin-right:1.2em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child{text-align:left;position:sticky;left:0;background:var(--page)}
tbody th{font-weight:400}tr.missing th,tr.missing td{color:var(--soft)}tfoot td{font-weight:600}
abbr{text-decoration:none}
@media screen and (min-width:700px){.tick.broad{display:inline}}
@media screen and (max-width:699.9px){.tick.narrow{display:inline}
body{padding:.75rem}table{font-size:.8rem}th,td{padding:.25rem .2rem}}
@page{size:A4;margin:12mm}
@media print{:root{color-scheme:light}.tick.paper{display:inline}.plot{min-width:0}.wide{overflow:visible}
body{padding:0;max-width:none;font-size:.85rem}table{font-size:.75rem}th,td{padding:.15rem .4rem}
th:first-child{position:static;background:none}tfoot{display:table-row-group}
tr,.chart{break-inside:avoid}.key{print-color-adjust:exact;-webkit-print-color-adjust:exact}}"""


def page(sheet: Sheet) -> str:
    """The whole page; the sheet has at least one line."""
    meter = sheet.meter
    title = escape(f"{meter.point}: kWh by {sheet.period}")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(meter.point)}</h1>",
        *(f'<p class="soft">{escape(text)}</p>' for text in _head(sheet)),
        chart(sheet),
        _keys(sheet),
        *(f"<p>{escape(note)}</p>" for note in sheet.notes),
        _table(sheet),
        *(f'<p class="soft">{escape(mark)} {escape(text)}</p>' for mark, text in sheet.legend().items()),
        *(f'<p class="soft">{escape(reason)}</p>' for reason in sheet.reasons()),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _head(sheet: Sheet) -> list[str]:
    meter = sheet.meter
    first, last = (_whole(sheet, line) for line in (sheet.lines[0], sheet.lines[-1]))
    made = sheet.now.astimezone(sheet.zone)
    account = f", account {meter.account}" if meter.account else ""
    lines = [
        f"meter {meter.serial}{account}, gateway {sheet.gateway}",
        f"kWh by {sheet.period}, {first} to {last}, {sheet.zone.key}; made {made:%Y-%m-%d %H:%M}",
    ]
    if meter.ratio != 1:
        lines.append(f"primary energy: the meter's registers × {number_text(meter.ratio)}")
    return lines


def _whole(sheet: Sheet, line: SheetLine) -> str:
    """A line's name with its year."""
    year = f"{line.row.slot.start.astimezone(sheet.zone):%Y}"
    return line.label if line.label.startswith(year) else f"{year}-{line.label}"


# ── the chart ────────────────────────────────────────────────────────────


def chart(sheet: Sheet) -> str:
    """The axis, which stays, and the bars beside it: two SVG elements, each well-formed XML by itself."""
    step, most = scale(highest(sheet.lines))
    heights = [step * index for index in range(int(most / step) + 1)]
    axis = "".join(
        f'<text x="{LEFT - 6}" y="{_y(value, most)}" dy="4" text-anchor="end">{number_text(value / 1000)}</text>'
        for value in heights
    )
    return (
        f'<div class="chart"><svg width="{LEFT}" height="{HEIGHT}" aria-hidden="true">'
        f'<text x="{LEFT - 6}" y="14" text-anchor="end">kWh</text>{axis}</svg>\n'
        f'<div class="wide" tabindex="0">{_plot(sheet, heights, most)}</div></div>'
    )


def _plot(sheet: Sheet, heights: Sequence[Decimal], most: Decimal) -> str:
    count = len(sheet.lines)
    least, widest = LEAST * count, max(MOST * count, LETTER * len(_short(sheet, sheet.lines[0])))
    label = escape(f"kWh by {sheet.period} of {sheet.meter.point}; the table below has its figures", quote=True)
    parts = [
        f'<svg class="plot" height="{HEIGHT}" style="--least:{least}px;--most:{widest}px" role="img" '
        f'aria-label="{label}">',
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>',
    ]
    parts += [
        f'<line class="rule" x1="0" x2="100%" y1="{_y(value, most)}" y2="{_y(value, most)}"/>' for value in heights
    ]
    ticks = {kind: _ticks(sheet, min(widest, max(least, space))) for kind, space in WIDTHS.items() if kind != "paper"}
    ticks["paper"] = _ticks(sheet, min(widest, WIDTHS["paper"]))
    for index, line in enumerate(sheet.lines):
        parts.append(f"<g><title>{escape(_said(sheet, line))}</title>{_column(line, index, count, most)}</g>")
        kinds = [kind for kind, wanted in ticks.items() if index in wanted]
        if kinds:
            parts.append(
                f'<text class="tick {" ".join(kinds)}" x="{_percent(Decimal(index) / count)}" y="{HEIGHT - 6}">'
                f"{escape(_short(sheet, line))}</text>"
            )
    return "".join([*parts, "</svg>"])


def _ticks(sheet: Sheet, space: int) -> range:
    """The rows whose labels fit beside each other below bars that have this many px."""
    longest, count = max(LETTER * len(_short(sheet, line)) for line in sheet.lines), len(sheet.lines)
    every = -(-(longest + LETTER) * count // space)
    return range(0, max(1, (space - longest) * count // space + 1), every)


def scale(most: Decimal) -> tuple[Decimal, Decimal]:
    """A round step in Wh that gives at most six lines, and the top of the axis."""
    decade = Decimal(1)
    while True:
        for factor in STEPS:
            step = decade * factor
            if step * 5 >= most:
                return step, max(step, (most / step).to_integral_value(ROUND_CEILING) * step)
        decade *= 10


def _column(line: SheetLine, index: int, count: int, most: Decimal) -> str:
    x, wide = Decimal(index) / count, Decimal(5) / (6 * count)
    place = f'x="{_percent(x)}" width="{_percent(wide)}"'
    parts = []
    if line.total is None and not line.tariffs:
        parts.append(f'<rect fill="url(#hatch)" {place} y="{TOP}" height="{HEIGHT - TOP - BOTTOM}"/>')
    below = Decimal(0)
    stack = [(COLOURS[int(name[1]) - 1], value) for name, value in line.tariffs.items()]
    for name, value in stack or ([("alone", line.total)] if line.total is not None else []):
        y, foot = _y(below + value, most), _y(below, most)
        parts.append(f'<rect class="{name}" {place} y="{y}" height="{foot - y}"/>')
        below += value
    if line.row.quality == "partial":  # what is not known of it stands hatched above
        parts.append(f'<rect fill="url(#hatch)" {place} y="{TOP}" height="{_y(below, most) - TOP}"/>')
    if line.planned is not None:
        # The page's colour around it keeps it apart from every bar.
        parts.append(f'<rect class="plan" {place} y="{_y(line.planned, most) - 2}" height="4"/>')
    return "".join(parts)


def _percent(part: Decimal) -> str:
    return f"{number_text((part * 100).quantize(Decimal('0.001')))}%"


def _y(value: Decimal, most: Decimal) -> Decimal:
    space = HEIGHT - TOP - BOTTOM
    return (HEIGHT - BOTTOM - value * space / most).quantize(Decimal("0.1"))


def _short(sheet: Sheet, line: SheetLine) -> str:
    return (
        line.label if sheet.period == "month" else line.label.split("-", 1)[-1] if sheet.period == "day" else line.label
    )


def _said(sheet: Sheet, line: SheetLine) -> str:
    """A bar as text, for a finger on it and for a reader of screens."""
    if line.total is None and not line.tariffs:
        return f"{line.label}: missing"
    parts = [f"{name} {number(value, sheet.period)}" for name, value in line.tariffs.items()]
    if line.total is not None:
        parts.append(f"{number(line.total, sheet.period)} kWh")
    if line.planned is not None:
        parts.append(f"plan {number(line.planned, sheet.period)}")
    quality = "" if line.row.quality == "complete" else f" ({line.row.quality})"
    return f"{line.label}: {', '.join(parts)}{quality}"


# ── key and table ────────────────────────────────────────────────────────


def _keys(sheet: Sheet) -> str:
    keys = [(COLOURS[int(name[1]) - 1], f"{name} {meaning}".rstrip()) for name, meaning in sheet.tariffs.items()]
    if any(not line.tariffs and line.total is not None for line in sheet.lines):
        keys.append(("alone", "total alone"))
    if sheet.planned:
        keys.append(("line", "plan"))
    spans = "".join(f'<span><i class="key {name}"></i>{escape(text)}</span>' for name, text in keys)
    return f'<p class="legend">{spans}</p>'


def _table(sheet: Sheet) -> str:
    head, *rows, sums = grid(sheet, columns(sheet), UNICODE)
    headings = "".join(f'<th scope="col">{escape(text)}</th>' for text in head[:-1])
    kinds = [' class="missing"' if line.row.quality == "missing" else "" for line in sheet.lines]
    body = "".join(_tr(row, kind) for row, kind in zip(rows, kinds, strict=True))
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{headings}</tr></thead>\n<tbody>{body}</tbody>\n'
        f"<tfoot>{_tr(sums)}</tfoot></table></div>"
    )


def _tr(row: Sequence[str], kind: str = "") -> str:
    """The mark stands beside the row's name, where a narrow screen that scrolls keeps both in sight."""
    name, *figures, marks = row
    said = "".join(f'<abbr title="{escape(LEGEND[mark])}">{escape(mark)}</abbr>' for mark in marks)
    first = f"{escape(name)} {said}".rstrip()
    return f'<tr{kind}><th scope="row">{first}</th>{"".join(f"<td>{escape(text)}</td>" for text in figures)}</tr>\n'
