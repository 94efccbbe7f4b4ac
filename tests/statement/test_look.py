"""A tick over all statements: one point's trouble is not the others', and the service's end is not waited for."""

import threading
from pathlib import Path
from typing import Any

import pytest

from agent.meters.sealed import checksummed
from agent.statement.log import key
from tests.statement.plant import Site, meter, reading, utc, with_sms

POINTS = ("flat-11", "flat-12", "flat-13")


def house(tmp_path: Path, **more: Any) -> Site:
    meters = [meter(point, f"2345678{number}") for number, point in enumerate(POINTS)]
    site = Site(tmp_path, meters, now="2026-10-14 12:00", **more)
    for one in meters:
        site.put(reading(utc("2026-10-15 00:00+03:00"), "day", one.point, one.serial, T1=2_000_100, T2=1_000_050))
    return site


def test_a_log_that_nobody_understands_keeps_no_other_point_from_its_window(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a newer program would have written it, before the card was put back."""
    site = house(tmp_path)
    site.store.note(
        key("flat-11", "2026-10"), checksummed({"steps": [{"what": "opened", "colour": "red"}], "attempts": []})
    )
    site.at("2026-10-15 12:00+03:00")
    kept = [record.point for record, _, _ in site.store.rows() if record.kind == "statement"]
    site.store.close()
    assert kept == ["flat-12", "flat-13"]
    assert "flat-11: the statement of 2026-10" in caplog.text


def test_when_the_service_ends_no_further_message_is_begun(tmp_path: Path) -> None:
    site = house(tmp_path, profiles=with_sms(), ways=("sms",))
    site.at("2026-10-15 12:00+03:00")
    site.clock.now = utc("2026-10-20 12:00+03:00")
    stopping = threading.Event()
    carried = site.ways["sms"].carried
    site.ways["sms"].meanwhile = stopping.set
    site.workflow.tick(stopping=stopping.is_set)
    first = len(carried)
    site.workflow.tick()
    site.store.close()
    assert (first, len(carried)) == (1, 3)
