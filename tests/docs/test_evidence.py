"""The page of evidence speaks of every driver, and of no other."""

from drivers import registry
from tests.docs.pages import column, names, text


def test_every_driver_has_its_row_of_evidence() -> None:
    rows = {name for cell in column(text("docs/evidence.md")) for name in names([cell])}
    families = registry.families()
    assert {family.name for family in families} - rows == set()
    assert rows <= {model for family in families for model in family.models}
