"""``meterpost pause``, ``resume`` and ``fill``: through the daemon, and what is done without one."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buffer.store import Store
from tests.buffer.plant import NOON, opened
from tests.cli.conftest import Run, serving


def noted(house: Path) -> dict[str, str]:
    with closing(Store.open(house.parent / "state", now=lambda: NOON, read_only=True)) as store:
        return store.notes("paused:")


def test_without_a_daemon_a_pause_is_noted_for_its_next_start(run: Run, house: Path) -> None:
    done = run("pause", "flat-12", "-c", str(house))
    assert (done.code, done.out) == (0, "flat-12: paused\n") and "next start" in done.err
    assert noted(house) == {"paused:flat-12": "paused"}
    assert run("resume", "flat-12", "-c", str(house)).out == "flat-12: polled again\n"
    assert noted(house) == {}


def test_the_daemon_is_told_where_one_runs(run: Run, house: Path) -> None:
    asked: list[Any] = []

    def takes(op: str) -> Callable[[Any], dict[str, bool]]:
        return lambda args: asked.append((op, args["points"])) or {"paused": True}  # type: ignore[func-returns-value]

    with serving(house, pause=takes("pause"), resume=takes("resume")):
        assert run("pause", "flat-12", "flat-12", "-c", str(house)).out == "flat-12: paused\n"
        assert run("resume", "flat-12", "-c", str(house)).code == 0
    assert asked == [("pause", ["flat-12"]), ("resume", ["flat-12"])]


def test_while_another_program_has_the_store_75_says_try_again(run: Run, house: Path) -> None:
    with closing(opened(house.parent / "state")):
        assert run("pause", "flat-12", "-c", str(house)).code == 75


@pytest.mark.parametrize("command", ["pause", "resume", "fill"])
def test_a_point_that_is_not_there_is_a_usage_error(run: Run, house: Path, command: str) -> None:
    more = ["--from", "2026-11-01"] if command == "fill" else []
    done = run(command, "flat-1", *more, "-c", str(house))
    assert done.code == 2 and 'did you mean "flat-12"?' in " ".join(done.err.split())
    assert run(command, *more, "-c", str(house)).code == 2


def test_fill_tells_how_many_slots_are_asked_for(run: Run, house: Path) -> None:
    asked: list[Any] = []

    def take(question: Any) -> dict[str, Any]:
        asked.append(question)
        return {"slots": {"flat-12": 336}, "failed": []}

    with serving(house, fill=take):
        done = run("fill", "flat-12", "--from", "2026-11-01", "--to", "2026-11-08T00:00", "-c", str(house))
    assert (done.code, done.out) == (0, "flat-12: 336 missing, asked for first\n")
    assert asked[0] == {
        "points": ["flat-12"],
        "kind": "interval",
        "from": "2026-11-01T00:00:00+03:00",
        "to": "2026-11-08T00:00:00+03:00",
    }


def test_what_cannot_be_filled_ends_with_3_and_its_reason(run: Run, house: Path) -> None:
    answer = {"slots": {}, "failed": [{"point": "flat-12", "error": "the meter has not told yet"}]}
    with serving(house, fill=lambda _: answer):
        done = run("fill", "flat-12", "--kind", "day", "--from", "2026-11-01", "-c", str(house))
        assert (done.code, done.out) == (3, "") and "has not told yet" in done.err
        assert run("fill", "flat-12", "--from", "2026-11-01", "-c", str(house), "--json").document == answer


def test_fill_needs_the_daemon(run: Run, house: Path) -> None:
    done = run("fill", "flat-12", "--from", "2026-11-01", "-c", str(house))
    assert done.code == 1 and "no daemon runs" in done.err


@pytest.mark.parametrize(
    "options", [["--kind", "event", "--from", "2026-11-01"], ["--from", "soon"], ["--from", "2999-01-01"]]
)
def test_fill_says_what_is_wrong_with_its_options(run: Run, house: Path, options: list[str]) -> None:
    assert run("fill", "flat-12", *options, "-c", str(house)).code == 2


def test_a_daemon_that_says_no_ends_with_1_and_its_words(run: Run, house: Path) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("the disk takes nothing")

    with serving(house, pause=refuse):
        done = run("pause", "flat-12", "-c", str(house))
    assert done.code == 1 and "the disk takes nothing" in done.err
