"""Durable notes say what was written, or nothing."""

from decimal import Decimal

import pytest

from agent.meters.sealed import checksummed, verified


def test_a_document_comes_back_exactly() -> None:
    document = {"T1": Decimal("12.40"), "steps": [1, "проверено", None, True]}
    assert verified(checksummed(document)) == document


@pytest.mark.parametrize("note", [None, "", "00000000 {}", checksummed({"T1": 1}).replace("1}", "2}"), "no seal"])
def test_a_damaged_note_is_unknown(note: str | None) -> None:
    assert verified(note) is None
