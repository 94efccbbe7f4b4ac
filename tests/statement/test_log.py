"""What happened is kept permanently, exactly, and damage is never taken for news."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.statement import log as logs
from agent.statement.log import STATES, Attempt, Figures, Happening, StatementLog, Step, step_document
from buffer.body import record_from_json, record_json
from tests.statement.plant import Notes, Site, meter, reading, utc
from tests.support.stores import WatchedStore

AT = utc("2026-10-15 00:15:00.250+03:00")
ATTEMPT = Attempt(
    at=AT,
    meter="23456789",
    clock="synced",
    values={"1-0:1.8.1": Decimal("2000100.5"), "1-0:1.8.2": 1_000_050},
    statement=cast(
        Figures,  # a part of them
        {"figures": {"T1": 2000, "T2": 1000}, "ratio": Decimal("1.5"), "verdict": "plausible", "primary": True},
    ),
    flags=("manual",),
    replaces=81,
    registers={"T1": Decimal("2000100.5"), "T2": 1_000_050},
    read_at=AT - timedelta(minutes=15),
)
STEPS = (
    Step(AT, "checked", "made", "иванов", "plausible", attempt=1),
    Step(AT, "sent", "queued", channel="mqtt", attempt=1),
    Step(AT, "sent", "left", "meterpost", "", "sms", "7,8", 1),
)
LOG = StatementLog("flat-12", "2026-10", STEPS, (ATTEMPT, replace(ATTEMPT, replaces=None)))


def kept(log: StatementLog) -> Notes:
    notes = Notes()
    logs.save(notes, log)  # type: ignore[arg-type]
    return notes


def test_a_log_comes_back_exactly_as_it_was() -> None:
    assert logs.load(kept(LOG), "flat-12", "2026-10") == LOG  # type: ignore[arg-type]


def test_a_record_made_of_a_log_is_the_same_record_byte_for_byte() -> None:
    again = logs.load(kept(LOG), "flat-12", "2026-10")  # type: ignore[arg-type]
    assert again is not None
    text = record_json(replace(ATTEMPT.record("flat-12"), seq=7))
    assert record_json(replace(again.attempts[0].record("flat-12"), seq=7)) == text
    assert record_from_json(text).statement == ATTEMPT.statement


def test_a_month_that_was_never_begun_has_no_log() -> None:
    assert logs.load(kept(LOG), "flat-12", "2026-11") is None  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_a_damaged_log_is_held_whatever_was_damaged(data: st._internal.core.DataObject) -> None:
    notes = kept(LOG)
    ((key, note),) = notes.kept.items()
    at = data.draw(st.integers(0, len(note) - 1))
    sign = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[at]))
    notes.kept[key] = note[:at] + sign + note[at + 1 :]
    found = logs.load(notes, "flat-12", "2026-10")  # type: ignore[arg-type]
    assert found is not None
    assert (found.state, found.waits, found.attempts) == ("held", True, ())


def test_the_logs_of_a_point_are_not_those_of_a_point_with_a_colon_in_its_name() -> None:
    notes = kept(LOG)
    logs.save(notes, replace(LOG, point="flat-12:a"))  # type: ignore[arg-type]
    logs.save(notes, replace(LOG, month="2026-09"))  # type: ignore[arg-type]
    assert [log.month for log in logs.of_point(notes, "flat-12")] == ["2026-09", "2026-10"]  # type: ignore[arg-type]
    assert [log.point for log in logs.of_point(notes, "flat-12:a")] == ["flat-12:a"]  # type: ignore[arg-type]


def test_steps_as_json_leave_out_what_is_empty() -> None:
    assert step_document(STEPS[1]) == {
        "at": "2026-10-14T21:15:00.250Z",
        "state": "sent",
        "what": "queued",
        "by": "meterpost",
        "channel": "mqtt",
        "attempt": 1,
    }


@pytest.mark.parametrize(
    ("whats", "waits"),
    [
        ([], False),
        (["made"], False),
        (["made", "held"], True),
        (["made", "held", "confirmed"], False),
        (["held", "confirmed", "held"], True),
        (["damaged", "made"], True),
        (["damaged", "made", "confirmed"], False),
    ],
)
def test_what_was_held_waits_until_somebody_confirms(whats: tuple[Happening, ...], waits: bool) -> None:
    assert StatementLog("a", "2026-10", tuple(Step(AT, "due", what) for what in whats)).waits is waits


def test_a_log_lives_on_when_the_store_begins_a_new_epoch(tmp_path: Path) -> None:
    site = Site(tmp_path, [meter()])
    logs.save(site.store, LOG)
    epoch = site.store.epoch
    site.store.close()
    old = (tmp_path / "store.db").read_bytes()
    site.store = WatchedStore.open(tmp_path, now=lambda: AT, reserve=0)
    site.put(reading(AT, T1=1, T2=1))
    site.store.close()
    (tmp_path / "store.db").write_bytes(old)  # the card has lost what came last
    site.store = WatchedStore.open(tmp_path, now=lambda: AT, reserve=0)
    assert site.store.epoch != epoch
    assert logs.load(site.store, "flat-12", "2026-10") == LOG


def test_the_states_are_those_of_the_design() -> None:
    assert STATES == ("due", "checked", "held", "sent", "accepted", "refused")
