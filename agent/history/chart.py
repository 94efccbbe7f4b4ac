"""A sheet on a terminal: from a phone's 40 columns up, with or without colours, in UTF-8 or plain ASCII."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from agent.history.sheet import Sheet, SheetLine

ROOM = 12  # columns that a bar must have at least; else a chart of one character a row stands above the table
WIDEST = 48
PLACES = {"hour": Decimal("0.001"), "day": Decimal("0.01"), "month": Decimal("0.1")}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a terminal can show: fills for T1…T4, one for a total alone, the plan's mark, heights, no height."""

    fills: str
    total: str
    plan: str
    heights: str
    none: str
    minus: str
    times: str


UNICODE = Glyphs("█▓▒░", "▄", "│", "▁▂▃▄▅▆▇█", "·", "−", "×")
ASCII = Glyphs("#=+-", "o", "|", "._-:=+*#", " ", "-", "x")


def number(energy: Decimal | None, period: str, glyphs: Glyphs = ASCII, signed: bool = False) -> str:
    """kWh, rounded for the screen only; "" where it is missing."""
    if energy is None:
        return ""
    value = (energy / 1000).quantize(PLACES[period], ROUND_HALF_UP)
    return (f"{value:+f}" if signed else f"{value:f}").replace("-", glyphs.minus)


def columns(sheet: Sheet) -> list[str]:
    """What the table has beside the row's name and its mark. A single tariff is the total itself."""
    names = list(sheet.tariffs) if len(sheet.tariffs) > 1 else []
    return [*names, "kWh", *(["plan", "+/−"] if sheet.planned else [])]


def cell(sheet: Sheet, line: SheetLine, column: str, glyphs: Glyphs) -> str:
    match column:
        case "kWh":
            return number(line.total, sheet.period, glyphs)
        case "plan":
            return number(line.planned, sheet.period, glyphs)
        case "+/−":
            return number(line.deviation, sheet.period, glyphs, signed=True)
    return number(line.tariffs.get(column), sheet.period, glyphs)


def grid(sheet: Sheet, wanted: Sequence[str], glyphs: Glyphs) -> list[list[str]]:
    """Headings, a row a line, and the sums; the mark stands last."""
    head = [sheet.period, *(name.replace("−", glyphs.minus) for name in wanted), ""]
    return [
        head,
        *(
            [line.label, *(cell(sheet, line, column, glyphs) for column in wanted), line.mark]
            for line in (*sheet.lines, sheet.sums())
        ),
    ]


def bars(sheet: Sheet, width: int, glyphs: Glyphs) -> list[str]:
    """A bar a line, at most so wide: a fill for each tariff, the plan as a stroke."""
    width = min(width, WIDEST)
    most = highest(sheet.lines)
    return [_bar(line, list(sheet.tariffs), width, most, glyphs) for line in sheet.lines]


def _bar(line: SheetLine, names: Sequence[str], width: int, most: Decimal, glyphs: Glyphs) -> str:
    text, used = "", Decimal(0)
    for fill, name in zip(glyphs.fills, names, strict=False):
        used += line.tariffs.get(name, Decimal(0))
        text += fill * (_columns(used, width, most) - len(text))
    if not line.tariffs and line.total is not None:
        text = glyphs.total * _columns(line.total, width, most)
    if line.planned is not None:
        place = max(_columns(line.planned, width, most), 1) - 1
        text = text.ljust(place + 1)[:place] + glyphs.plan + text[place + 1 :]
    return text


def _columns(energy: Decimal, width: int, most: Decimal) -> int:
    return int((energy * width / most).to_integral_value(ROUND_HALF_UP)) if most else 0


def highest(lines: Sequence[SheetLine]) -> Decimal:
    """The largest total or plan in Wh; 0 where nothing is known."""
    return max(
        (value for line in lines for value in (line.total, line.planned) if value is not None), default=Decimal()
    )


def skyline(sheet: Sheet, width: int, glyphs: Glyphs) -> list[str]:
    """One character a row by the height of its total, in pieces of the terminal's width, and what the highest one
    stands for; what is missing is bare."""
    most = max((line.total for line in sheet.lines if line.total is not None), default=Decimal())
    text = "".join(_height(line.total, most, glyphs) for line in sheet.lines)
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    scale = f"  {glyphs.heights[-1]} {number(most, sheet.period, glyphs)} kWh"
    if lines and most and len(lines[-1]) + len(scale) <= width:
        lines[-1] += scale
    elif most:
        lines.append(scale.strip())
    return lines


def _height(total: Decimal | None, most: Decimal, glyphs: Glyphs) -> str:
    if total is None:
        return glyphs.none
    steps = len(glyphs.heights)
    return glyphs.heights[min(int(total * steps / most), steps - 1) if most else 0]


def fills(sheet: Sheet, glyphs: Glyphs) -> str:
    """What the fills of the bars stand for."""
    names = [f"{fill} {name} {sheet.tariffs[name]}".rstrip() for fill, name in zip(glyphs.fills, sheet.tariffs)]  # noqa: B905
    if len(names) == 1 and not any(sheet.tariffs.values()):
        names = []
    if any(not line.tariffs and line.total is not None for line in sheet.lines):
        names.append(f"{glyphs.total} total alone")
    if sheet.planned:
        names.append(f"{glyphs.plan} plan")
    return "  ".join(names)
