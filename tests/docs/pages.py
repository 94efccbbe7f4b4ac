"""The pages of the documentation, and what stands in them: code blocks, tables, links, command lines."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md")))
    if path.is_file()
)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced blocks in these languages, in their order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text(page), flags=re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return unfenced(text(page))


def unfenced(part: str) -> str:
    return re.sub(r"^```.*?^```$", "", part, flags=re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """From a heading of the second level to the next one."""
    return text(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def column(table: str, number: int = 0) -> list[str]:
    """The cells of one column of the tables in this text, without headings."""
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    ruled = [line for line in rows if not re.fullmatch(r"\|[ |:-]+\|", line)]
    heads = {before for before, after in pairwise(rows) if re.fullmatch(r"\|[ |:-]+\|", after)}
    return [row.split("|")[number + 1].strip() for row in ruled if row not in heads]


def names(cells: list[str]) -> list[str]:
    """What stands between backticks."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def sessions(page: str) -> Iterator[tuple[str, str]]:
    """Each command at a ``$`` prompt of a console block, with the output that is shown for it."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def calls(page: str) -> list[str]:
    """Every way in which the page calls meterpost, as the arguments behind its name."""
    lines = [line.removeprefix("$ ").removeprefix("# ") for line in "".join(blocks(page, "console")).splitlines()]
    lines += "".join(blocks(page, "sh")).splitlines()
    lines += names([prose(page)])
    parts = [part.strip().removeprefix("sudo ") for line in lines for part in line.split("&&")]
    return [part.removeprefix("meterpost ") for part in parts if re.match(r"meterpost [a-z]", part)]


def words(call: str) -> list[str]:
    return shlex.split(call, comments=True)
