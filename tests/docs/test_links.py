"""Every link between the pages leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, prose, text

DOCS = (
    "docs/installer.md",
    "docs/technician.md",
    "docs/utility.md",
    "docs/configuration.md",
    "LICENSE",
    "CHANGELOG.md",
)


def links(page: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Headings as they are named in links: small letters, blanks as dashes, nothing but letters and digits else."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        there = (ROOT / page).parent / name if name else ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_readme_leads_to_every_reader() -> None:
    assert set(DOCS) <= set(links("README.md"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_every_page_is_reached_from_another_one(page: str) -> None:
    reached = {
        ((ROOT / other).parent / link.split("#")[0]).resolve()
        for other in PAGES
        if other != page
        for link in links(other)
    }
    assert (ROOT / page).resolve() in reached


def test_pages_end_with_a_line_and_hold_no_tabs() -> None:
    for page in PAGES:
        assert text(page).endswith("\n")
        assert "\t" not in text(page), page
