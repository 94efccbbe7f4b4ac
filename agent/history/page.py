"""A sheet as one HTML page: nothing is loaded from anywhere, no script, readable on a phone, by day and by night.

The chart is an inline SVG: stacked bars per tariff, the plan as strokes, what is missing hatched.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from html import escape

from agent.history.chart import UNICODE, columns, grid, highest, number
from agent.history.sheet import Line, Sheet
from buffer.record import number_text

HEIGHT, TOP, BOTTOM, LEFT = 240, 12, 40, 56  # of the chart, in its own units
COLOURS = ("t1", "t2", "t3", "t4")
STEPS = (1, 2, 5)
MOST_LABELS = 12
LABEL, LETTER = 100, 8  # units that the longest label and its blank take, that a letter takes at most

STYLE = """\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--rule:#d5dae0;--page:#fff;
--t1:#2f6fb7;--t2:#e08a1e;--t3:#3f9b62;--t4:#8e5bb0;--alone:#7a8794;--plan:#c62f3b}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#9fa9b3;--rule:#39414a;--page:#14181c;
--t1:#6aa5e8;--t2:#f0ad55;--t3:#74c795;--t4:#bb90d8;--alone:#98a4b0;--plan:#ff7a84}}
body{margin:0 auto;padding:1rem;max-width:70rem;font:1rem/1.45 system-ui,sans-serif}
body{color:var(--ink);background:var(--page)}
h1{font-size:1.4rem;margin:0}p{margin:.3rem 0}.soft{color:var(--soft)}
.wide{overflow-x:auto}svg{display:block;margin:1rem 0}
svg text{font:14px system-ui,sans-serif;fill:var(--soft)}.rule{stroke:var(--rule)}
.t1{fill:var(--t1)}.t2{fill:var(--t2)}.t3{fill:var(--t3)}.t4{fill:var(--t4)}.alone{fill:var(--alone)}
.plan{stroke:var(--plan);stroke-width:2}.hatch{stroke:var(--soft)}
.key{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 0;background:currentColor}
.key.t1{color:var(--t1)}.key.t2{color:var(--t2)}.key.t3{color:var(--t3)}.key.t4{color:var(--t4)}
.key.alone{color:var(--alone)}.key.line{color:var(--plan);height:.2em;vertical-align:middle}
.legend span{margin-right:1.2em;white-space:nowrap}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child,td:last-child{text-align:left}tr.missing td{color:var(--soft)}
tfoot td{font-weight:600}"""


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
        f'<div class="wide">{chart(sheet)}</div>',
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
    first, last = sheet.lines[0].label, sheet.lines[-1].label
    made = sheet.now.astimezone(sheet.zone)
    account = f", account {meter.account}" if meter.account else ""
    lines = [
        f"meter {meter.serial}{account}, gateway {sheet.gateway}",
        f"kWh by {sheet.period}, {first} to {last}, {sheet.zone.key}; made {made:%Y-%m-%d %H:%M}",
    ]
    if meter.ratio != 1:
        lines.append(f"primary energy: the meter's registers × {number_text(meter.ratio)}")
    return lines


# ── the chart ────────────────────────────────────────────────────────────


def chart(sheet: Sheet) -> str:
    """The SVG element: well-formed XML by itself."""
    count = len(sheet.lines)
    slot = max(10, min(48, 640 // count))  # text keeps its size; what is wider than the screen is scrolled
    width = LEFT + max(slot * count, LABEL) + 8
    step, most = scale(highest(sheet.lines))
    label = escape(f"kWh by {sheet.period} of {sheet.meter.point}", quote=True)
    parts = [
        f'<svg width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{label}">',
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>',
    ]
    value = Decimal(0)
    while value <= most:
        y = _y(value, most)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{width}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y}" dy="4" text-anchor="end">{number_text(value / 1000)}</text>')
        value += step
    every = -(-count // max(1, min(MOST_LABELS, slot * count // LABEL)))
    for index, line in enumerate(sheet.lines):
        x = LEFT + index * slot
        parts.append(f"<g><title>{escape(_said(sheet, line))}</title>{_column(sheet, line, x, slot, most)}</g>")
        text = _short(sheet, line)
        if index % every == 0 and x + LETTER * len(text) <= width:
            parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}">{escape(text)}</text>')
    return "".join([*parts, "</svg>"])


def scale(most: Decimal) -> tuple[Decimal, Decimal]:
    """A round step in Wh that gives at most six lines, and the top of the axis."""
    decade = Decimal(1)
    while True:
        for factor in STEPS:
            step = decade * factor
            if step * 5 >= most:
                return step, max(step, (most / step).to_integral_value(ROUND_CEILING) * step)
        decade *= 10


def _column(sheet: Sheet, line: Line, x: int, slot: int, most: Decimal) -> str:
    gap = max(1, slot // 6)
    wide = slot - gap
    parts = []
    if line.total is None and not line.tariffs:
        parts.append(f'<rect fill="url(#hatch)" x="{x}" y="{TOP}" width="{wide}" height="{HEIGHT - TOP - BOTTOM}"/>')
    below = Decimal(0)
    stack = [(COLOURS[int(name[1]) - 1], value) for name, value in line.tariffs.items()]
    for name, value in stack or ([("alone", line.total)] if line.total is not None else []):
        y, foot = _y(below + value, most), _y(below, most)
        parts.append(f'<rect class="{name}" x="{x}" y="{y}" width="{wide}" height="{foot - y}"/>')
        below += value
    if line.row.quality == "partial":  # what is not known of it stands hatched above
        y = _y(below, most)
        parts.append(f'<rect fill="url(#hatch)" x="{x}" y="{TOP}" width="{wide}" height="{y - TOP}"/>')
    if line.planned is not None:
        y = _y(line.planned, most)
        parts.append(f'<line class="plan" x1="{x}" x2="{x + wide}" y1="{y}" y2="{y}"/>')
    return "".join(parts)


def _y(value: Decimal, most: Decimal) -> Decimal:
    room = HEIGHT - TOP - BOTTOM
    return (HEIGHT - BOTTOM - value * room / most).quantize(Decimal("0.1"))


def _short(sheet: Sheet, line: Line) -> str:
    return (
        line.label if sheet.period == "month" else line.label.split("-", 1)[-1] if sheet.period == "day" else line.label
    )


def _said(sheet: Sheet, line: Line) -> str:
    """A bar in words, for a finger on it and for a reader of screens."""
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
    headings = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    kinds = [' class="missing"' if line.row.quality == "missing" else "" for line in sheet.lines]
    body = "".join(_tr(row, kind) for row, kind in zip(rows, kinds, strict=True))
    return (
        f'<div class="wide"><table><thead><tr>{headings}</tr></thead>\n<tbody>{body}</tbody>\n'
        f"<tfoot>{_tr(sums)}</tfoot></table></div>"
    )


def _tr(row: Sequence[str], kind: str = "") -> str:
    return f"<tr{kind}>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>\n"
